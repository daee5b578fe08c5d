// DIR-16-8-8 in 32-bit entries: a first level of 65,536, one for each /16; groups of 256, one entry for each /24, where a
// /16 has longer prefixes; and groups of 256 addresses where a /24 has. An entry below 0x8000 is a next-hop index,
// otherwise 0x8000 + group.

import type { Epoch } from './epoch.ts';
import { type Fib4Layout, GroupPool } from './fib4-layout.ts';
import type { RibTrie4 } from './rib-trie.ts';

/** Entries of 0x8000 and above point to a group. */
export const DIR16_GROUP = 0x8000;
export const DIR16_MAX_GROUPS = 1 << 18;
const SLOTS = 1 << 16;
/** Owners of groups: 1 + /16 number, or this + /24 number. */
const OWNER24 = 1 << 17;

export class Dir16 implements Fib4Layout {
  readonly name = 'dir-16-8-8';
  readonly first: SharedArrayBuffer;
  readonly second: SharedArrayBuffer;
  readonly #first: Int32Array;
  readonly #second: Int32Array;
  readonly #pool: GroupPool;

  constructor(groups: number, epoch: Epoch) {
    this.first = new SharedArrayBuffer(SLOTS * 4);
    this.second = new SharedArrayBuffer(groups * 256 * 4);
    this.#first = new Int32Array(this.first);
    this.#second = new Int32Array(this.second);
    this.#pool = new GroupPool(groups, epoch);
  }

  get capacity(): number {
    return this.#pool.capacity;
  }

  get groupsUsed(): number {
    return this.#pool.used;
  }

  get bytesTouched(): number {
    return this.first.byteLength + this.#pool.top * 1024;
  }

  groupsNeeded(prefix: number, len: number): number {
    if (len <= 16) return 0;
    const entry = this.#first[prefix >>> 16];
    if (entry < DIR16_GROUP) return len > 24 ? 2 : 1;
    if (len <= 24) return 0;
    return this.#second[this.#index(entry, (prefix >>> 8) & 255)] < DIR16_GROUP ? 1 : 0;
  }

  paint(first: number, last: number, nh: number): void {
    for (let slot = first >>> 16; slot <= last >>> 16; slot++) {
      const base = slot * 65536;
      const from = Math.max(first - base, 0);
      const to = Math.min(last - base, 65535);
      let entry = this.#first[slot];
      if (entry < DIR16_GROUP) {
        if (from === 0 && to === 65535) {
          this.#first[slot] = nh;
          continue;
        }
        entry = this.#attach(this.#first, slot, slot + 1);
      }
      this.#paintBlock(slot, entry, from, to, nh);
    }
  }

  /** The same within one /16 that has a group; `from` and `to` are offsets in it. */
  #paintBlock(block: number, group: number, from: number, to: number, nh: number): void {
    for (let i = from >>> 8; i <= to >>> 8; i++) {
      const at = this.#index(group, i);
      const low = Math.max(from - i * 256, 0);
      const high = Math.min(to - i * 256, 255);
      let entry = this.#second[at];
      if (entry < DIR16_GROUP) {
        if (low === 0 && high === 255) {
          this.#second[at] = nh;
          continue;
        }
        entry = this.#attach(this.#second, at, OWNER24 + block * 256 + i);
      }
      this.#second.fill(nh, this.#index(entry, low), this.#index(entry, high) + 1);
    }
  }

  /** Puts a new group in the place of an entry, with the entry's answer in all of it; returns the new entry. */
  #attach(table: Int32Array, at: number, owner: number): number {
    const entry = DIR16_GROUP + this.#pool.take(owner);
    this.#second.fill(table[at], this.#index(entry, 0), this.#index(entry, 255) + 1);
    Atomics.store(table, at, entry);
    return entry;
  }

  detachEmpty(trie: RibTrie4): void {
    const empty: number[] = [];
    // The deeper groups first: a /16 without longer prefixes has none left below it then.
    for (const owners24 of [true, false]) {
      for (let group = 0; group < this.#pool.top; group++) {
        const owner = this.#pool.owner[group];
        if (owner === 0 || owner >= OWNER24 !== owners24) continue;
        const block = owners24 ? owner - OWNER24 : owner - 1;
        const len = owners24 ? 24 : 16;
        if (trie.hasLonger((block << (32 - len)) >>> 0, len)) continue;
        const answer = this.#second[group << 8]; // all 256 entries are alike
        if (!owners24) Atomics.store(this.#first, block, answer);
        else Atomics.store(this.#second, this.#index(this.#first[block >>> 8], block & 255), answer);
        empty.push(group);
      }
    }
    if (empty.length > 0) this.#pool.retire(empty);
  }

  clear(): void {
    this.#first.fill(0);
    this.#pool.clear();
  }

  #index(entry: number, i: number): number {
    return ((entry - DIR16_GROUP) << 8) + i;
  }
}
