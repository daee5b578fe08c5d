// DIR-24-8 in 16-bit entries: a first level of 2^24, one for each /24, and groups of 256 for those with longer prefixes.
// An entry below 0x8000 is a next-hop index, otherwise 0x8000 | group.

import type { Epoch } from './epoch.ts';
import { type Fib4Layout, GroupPool } from './fib4-layout.ts';
import type { RibTrie4 } from './rib-trie.ts';

/** Entries of 0x8000 and above point to a group. */
export const DIR24_GROUP = 0x8000;
export const DIR24_MAX_GROUPS = 0x8000;
const SLOTS = 1 << 24;
/** First-level slots on one page of memory, as a shift: the pages are counted to know what the table costs. */
const PAGE_SHIFT = 11;

export class Dir24 implements Fib4Layout {
  readonly name = 'dir-24-8';
  readonly first: SharedArrayBuffer;
  readonly second: SharedArrayBuffer;
  readonly #first: Uint16Array;
  readonly #second: Uint16Array;
  readonly #pool: GroupPool;
  readonly #pages = new Uint8Array(SLOTS >>> PAGE_SHIFT);

  constructor(groups: number, epoch: Epoch) {
    this.first = new SharedArrayBuffer(SLOTS * 2);
    this.second = new SharedArrayBuffer(groups * 256 * 2);
    this.#first = new Uint16Array(this.first);
    this.#second = new Uint16Array(this.second);
    this.#pool = new GroupPool(groups, epoch);
  }

  get capacity(): number {
    return this.#pool.capacity;
  }

  get groupsUsed(): number {
    return this.#pool.used;
  }

  get bytesTouched(): number {
    return this.#pages.reduce((n, touched) => n + touched, 0) * (2 << PAGE_SHIFT) + this.#pool.top * 512;
  }

  groupsNeeded(prefix: number, len: number): number {
    return len > 24 && this.#first[prefix >>> 8] < DIR24_GROUP ? 1 : 0;
  }

  paint(first: number, last: number, nh: number): void {
    for (let slot = first >>> 8; slot <= last >>> 8; slot++) {
      const from = Math.max(first - slot * 256, 0);
      const to = Math.min(last - slot * 256, 255);
      const entry = this.#first[slot];
      if (entry >= DIR24_GROUP) {
        const base = (entry - DIR24_GROUP) << 8;
        this.#second.fill(nh, base + from, base + to + 1);
      } else if (from === 0 && to === 255) {
        this.#first[slot] = nh;
        this.#pages[slot >>> PAGE_SHIFT] = 1;
      } else {
        const group = this.#pool.take(slot + 1);
        const base = group << 8;
        this.#second.fill(entry, base, base + 256);
        this.#second.fill(nh, base + from, base + to + 1);
        Atomics.store(this.#first, slot, DIR24_GROUP | group);
        this.#pages[slot >>> PAGE_SHIFT] = 1;
      }
    }
  }

  detachEmpty(trie: RibTrie4): void {
    const empty: number[] = [];
    for (let group = 0; group < this.#pool.top; group++) {
      const slot = this.#pool.owner[group] - 1;
      if (slot < 0 || trie.hasLonger((slot << 8) >>> 0, 24)) continue;
      Atomics.store(this.#first, slot, this.#second[group << 8]); // all 256 entries are alike
      empty.push(group);
    }
    if (empty.length > 0) this.#pool.retire(empty);
  }

  clear(): void {
    for (let page = 0; page < this.#pages.length; page++) {
      if (this.#pages[page]) this.#first.fill(0, page << PAGE_SHIFT, (page + 1) << PAGE_SHIFT);
    }
    this.#pages.fill(0);
    this.#pool.clear();
  }
}
