// Frames that a port holds back: copies in a ring of bytes in the slab, first in, first out, each with the time it is due.
// Popped frames stay where they lie until `release`, so they can be handed over or sent without another copy.

import { HEADROOM, type Slab } from '../base/slab.ts';

export class HoldQueue {
  readonly #slab: Slab;
  readonly #base: number;
  readonly #bytes: number;
  readonly #slots: number;
  readonly #off: Int32Array;
  readonly #len: Int32Array;
  readonly #offload: Uint8Array;
  readonly #l3: Uint8Array;
  readonly #dueMs: Float64Array;
  // Entries [released, popped) are out, [popped, pushed) wait.
  #released = 0;
  #popped = 0;
  #pushed = 0;
  /** Place in the ring behind the newest entry. */
  #top = 0;

  /** @param bytes room for frames with their headroom; @param slots most frames. */
  constructor(slab: Slab, bytes: number, slots: number) {
    this.#slab = slab;
    this.#bytes = bytes;
    this.#slots = slots;
    this.#base = slab.reserve(bytes);
    this.#off = new Int32Array(slots);
    this.#len = new Int32Array(slots);
    this.#offload = new Uint8Array(slots);
    this.#l3 = new Uint8Array(slots);
    this.#dueMs = new Float64Array(slots);
  }

  /** Frames that wait. */
  get size(): number {
    return this.#pushed - this.#popped;
  }

  /** When the oldest frame is due; infinity when none waits. */
  get dueMs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.#dueMs[this.#popped % this.#slots];
  }

  /** Takes a copy of the frame at `off` of the slab and of the headroom's end (virtio header); false when there is no room. */
  push(off: number, len: number, offload: number, l3: number, dueMs: number): boolean {
    const need = (HEADROOM + len + 63) & -64;
    const at = this.#place(need);
    if (at < 0) return false;
    const slot = this.#pushed++ % this.#slots;
    const to = this.#base + at + HEADROOM;
    this.#slab.u8.copyWithin(to - 10, off - 10, off + len);
    this.#off[slot] = to;
    this.#len[slot] = len;
    this.#offload[slot] = offload;
    this.#l3[slot] = l3;
    this.#dueMs[slot] = dueMs;
    this.#top = at + need;
    return true;
  }

  /** Makes all waiting frames due at `ms` at the latest. */
  hasten(ms: number): void {
    for (let i = this.#popped; i < this.#pushed; i++) {
      const slot = i % this.#slots;
      if (this.#dueMs[slot] > ms) this.#dueMs[slot] = ms;
    }
  }

  /** Takes the oldest frame out of the queue (there must be one); returns its entry, for the accessors below. */
  pop(): number {
    return this.#popped++ % this.#slots;
  }
  off(entry: number): number {
    return this.#off[entry];
  }
  len(entry: number): number {
    return this.#len[entry];
  }
  offload(entry: number): number {
    return this.#offload[entry];
  }
  l3(entry: number): number {
    return this.#l3[entry];
  }

  /** Frees the places of all popped frames. */
  release(): void {
    this.#released = this.#popped;
  }

  /** Where `need` bytes are free behind the newest entry, or at the start of the ring; -1 for nowhere. */
  #place(need: number): number {
    if (this.#pushed - this.#released >= this.#slots) return -1;
    if (this.#pushed === this.#released) return need <= this.#bytes ? 0 : -1;
    const oldest = this.#off[this.#released % this.#slots] - HEADROOM - this.#base;
    // In use is [oldest, top), or, once the ring has wrapped, [oldest, end) and [0, top).
    const wrapped = this.#top <= oldest;
    if (wrapped) return this.#top + need <= oldest ? this.#top : -1;
    if (this.#top + need <= this.#bytes) return this.#top;
    return need <= oldest ? 0 : -1;
  }
}
