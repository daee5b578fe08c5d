// The packets that wait for a neighbor: a few for each (the newest are kept, RFC 4861 §7.2.2), bounded in total. They lie in
// a region of the slab of their own, because a batch's frames go back to their port at the end of the round.

import type { Batch } from '../base/batch.ts';
import { HEADROOM, type Slab } from '../base/slab.ts';

/** Packets that wait in all. */
const SLOTS = 256;
/** Packets that wait for one neighbor. */
export const WAIT_PER_NEIGHBOR = 3;
const SLOT_BYTES = 4096;
/** The longest frame that may wait; more (a GSO frame) is retransmitted by its sender anyway. */
export const WAIT_FRAME_MAX = SLOT_BYTES - HEADROOM;

export class NeighborQueue {
  readonly #base: number;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #length: Uint8Array;
  readonly #after = new Int32Array(SLOTS);
  #free = 0;
  #waiting = 0;
  // columns of the packet, kept while it waits
  readonly #len = new Int32Array(SLOTS);
  readonly #port = new Uint16Array(SLOTS);
  readonly #iface = new Uint16Array(SLOTS);
  readonly #l3 = new Uint8Array(SLOTS);
  readonly #offload = new Uint8Array(SLOTS);
  readonly #originated = new Uint8Array(SLOTS);
  readonly #trace = new Int32Array(SLOTS);

  /** @param neighbors rows of the neighbor table. */
  constructor(slab: Slab, neighbors: number) {
    this.#base = slab.reserve(SLOTS * SLOT_BYTES);
    this.#head = new Int32Array(neighbors).fill(-1);
    this.#tail = new Int32Array(neighbors).fill(-1);
    this.#length = new Uint8Array(neighbors);
    for (let s = 0; s < SLOTS; s++) this.#after[s] = s + 1 < SLOTS ? s + 1 : -1;
  }

  /** Packets that wait for the neighbor. */
  length(row: number): number {
    return this.#length[row];
  }

  /** True when no further packet can wait, whoever it is for. */
  get full(): boolean {
    return this.#free < 0;
  }

  /** Packets that wait in all. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Copies packet `i` to the end of the neighbor's queue. The caller has checked `full`, `length` and WAIT_FRAME_MAX.
   * `traceId` is the packet's trace, which goes on when it leaves the queue.
   */
  put(row: number, batch: Batch, i: number, traceId: number): void {
    const s = this.#free;
    this.#free = this.#after[s];
    const at = this.#base + s * SLOT_BYTES + HEADROOM;
    batch.u8.copyWithin(at - 10, batch.off[i] - 10, batch.off[i] + batch.len[i]);
    this.#len[s] = batch.len[i];
    this.#port[s] = batch.port[i];
    this.#iface[s] = batch.iface[i];
    this.#l3[s] = batch.l3[i];
    this.#offload[s] = batch.offload[i];
    this.#originated[s] = batch.originated[i];
    this.#trace[s] = traceId;
    this.#after[s] = -1;
    if (this.#head[row] < 0) this.#head[row] = s;
    else this.#after[this.#tail[row]] = s;
    this.#tail[row] = s;
    this.#length[row]++;
    this.#waiting++;
  }

  /** Trace id of the neighbor's oldest packet, -1 = not traced. */
  traceOf(row: number): number {
    return this.#trace[this.#head[row]];
  }

  /**
   * Takes the neighbor's oldest packet out into a slot of the batch, as it was when it came (no adjacency, no trace row).
   * Returns the slot, or -1 when the batch has no room: the packet then goes on waiting.
   */
  take(row: number, batch: Batch): number {
    const s = this.#head[row];
    const i = batch.alloc(this.#len[s]);
    if (i < 0) return -1;
    const at = this.#base + s * SLOT_BYTES + HEADROOM;
    batch.u8.copyWithin(batch.off[i] - 10, at - 10, at + this.#len[s]);
    batch.port[i] = this.#port[s];
    batch.iface[i] = this.#iface[s];
    batch.l3[i] = this.#l3[s];
    batch.offload[i] = this.#offload[s];
    batch.originated[i] = this.#originated[s];
    this.#head[row] = this.#after[s];
    if (this.#head[row] < 0) this.#tail[row] = -1;
    this.#after[s] = this.#free;
    this.#free = s;
    this.#length[row]--;
    this.#waiting--;
    return i;
  }
}
