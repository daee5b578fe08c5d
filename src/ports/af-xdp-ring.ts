// One ring of an AF_XDP socket, mapped over pages of the slab. One side writes entries and then moves `producer`, the other
// reads them and then moves `consumer`; both count for ever, modulo 2^32.
//
//   fill, completion: an entry is an address u64 · RX, TX: address u64, length u32, options u32

import type { Slab } from '../base/slab.ts';
import { SOL_XDP } from './af-xdp-umem.ts';
import type { Native } from './native.ts';
import { PAGE, reservePages, type SlabPages } from './slab-pages.ts';
import { check } from './system-error.ts';

const XDP_MMAP_OFFSETS = 1;
/** Bytes of struct xdp_mmap_offsets: for each ring producer, consumer, entries and flags, as u64. */
const OFFSETS_LEN = 128;

/** A ring's socket option that makes it, its place in xdp_mmap_offsets, where the socket's file has it, and 32-bit words of an entry. */
export const XDP_RING = {
  rx: { name: 2, place: 0, fileOffset: 0, words: 4 },
  tx: { name: 3, place: 1, fileOffset: 0x8000_0000, words: 4 },
  fill: { name: 5, place: 2, fileOffset: 0x1_0000_0000, words: 2 },
  completion: { name: 6, place: 3, fileOffset: 0x1_8000_0000, words: 2 },
} as const;
type RingKind = (typeof XDP_RING)[keyof typeof XDP_RING];

export class XdpRing {
  readonly entries: number;
  /** The slab as 32-bit words; an entry begins at `wordOf(position)`. */
  readonly words: Int32Array;
  readonly #native: Native;
  readonly #kind: RingKind;
  readonly #pages: SlabPages;
  #producer = 0;
  #consumer = 0;
  #first = 0;

  /** @param entries a power of two. */
  constructor(native: Native, slab: Slab, kind: RingKind, entries: number) {
    this.#native = native;
    this.#kind = kind;
    this.entries = entries;
    this.#pages = reservePages(native, slab, entries * kind.words * 4 + PAGE); // the positions take less than a page
    this.words = new Int32Array(slab.buffer);
  }

  /** Makes the ring of a new socket, empty, and maps it. A mapping of an earlier socket goes. */
  open(fd: number): void {
    const { name, place, fileOffset, words } = this.#kind;
    const memory = this.#native.alloc(OFFSETS_LEN + 8);
    memory.u32[0] = this.entries;
    check(
      this.#native.setsockopt(fd, SOL_XDP, name, memory.address, 4),
      `make an AF_XDP ring of ${this.entries}`,
    );
    memory.u32[OFFSETS_LEN / 4] = OFFSETS_LEN;
    check(
      this.#native.getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, memory.address, memory.address + OFFSETS_LEN),
      'ask where the AF_XDP rings are',
    );
    const at = (field: number): number => memory.u32[place * 8 + field * 2];
    const bytes = Math.ceil((at(2) + this.entries * words * 4) / PAGE) * PAGE;
    check(
      this.#native.mapFixed(this.#pages.address, Math.min(bytes, this.#pages.bytes), fd, fileOffset),
      'map an AF_XDP ring',
    );
    const base = this.#pages.off >>> 2;
    this.#producer = base + (at(0) >>> 2);
    this.#consumer = base + (at(1) >>> 2);
    this.#first = base + (at(2) >>> 2);
  }

  /** First word of the entry at a position. */
  wordOf(position: number): number {
    return this.#first + (position & (this.entries - 1)) * this.#kind.words;
  }

  // The loads order what follows behind them and the stores what went before, as the kernel's own do (acquire, release).
  get producer(): number {
    return Atomics.load(this.words, this.#producer);
  }
  set producer(position: number) {
    Atomics.store(this.words, this.#producer, position);
  }
  get consumer(): number {
    return Atomics.load(this.words, this.#consumer);
  }
  set consumer(position: number) {
    Atomics.store(this.words, this.#consumer, position);
  }

  /** Takes the ring out of the slab, which gets plain pages in its place. */
  unmap(): void {
    check(this.#native.mapZeroed(this.#pages.address, this.#pages.bytes), 'unmap an AF_XDP ring');
  }
}
