// The two layouts of the IPv4 FIB as their writer sees them. Both hold, for every address, the next-hop index of its longest
// prefix (leaf-pushed), in a first level and in groups of 256 entries below it.
//
//   DIR-24-8     a u16 for each /24, 32,768 groups at most: one or two loads a lookup, 32 MB. For BGP-sized tables.
//   DIR-16-8-8   a word for each /16, up to 262,144 groups at two depths: up to three loads, but 0.3 MB for 10,000 host
//                routes, which stays in the cache. For small tables, and where host routes are too scattered for DIR-24-8.
//
// A group is filled before one atomic store attaches it. A group whose longer routes are gone stays attached, as it answers
// correctly; only when groups run short are such groups detached, and used again when all readers have moved on.

import { assert } from '../base/errors.ts';
import type { Epoch } from './epoch.ts';
import type { RibTrie4 } from './rib-trie.ts';

export interface Fib4Layout {
  readonly name: 'dir-24-8' | 'dir-16-8-8';
  /** Groups that exist at most. */
  readonly capacity: number;
  /** Groups attached or waiting for readers. */
  readonly groupsUsed: number;
  /** Bytes of memory that hold table contents. */
  readonly bytesTouched: number;
  /** Groups that a new prefix would take. */
  groupsNeeded(prefix: number, len: number): number;
  /** Gives the addresses first..last the answer `nh`. The caller has seen to it that groups are there. */
  paint(first: number, last: number, nh: number): void;
  /** Retires all groups in which `trie` has no longer prefix. */
  detachEmpty(trie: RibTrie4): void;
  /** Back to "no route" everywhere, all groups free. Nobody may be reading. */
  clear(): void;
}

/** Groups by number: which are free, and to which block of addresses each belongs. */
export class GroupPool {
  readonly capacity: number;
  /** 0 for a free group, otherwise what the layout wrote. */
  readonly owner: Int32Array;
  #top = 0;
  #free: number[] = [];
  readonly #epoch: Epoch;

  constructor(capacity: number, epoch: Epoch) {
    this.capacity = capacity;
    this.owner = new Int32Array(capacity);
    this.#epoch = epoch;
  }

  /** Groups ever used since the last `clear`. */
  get top(): number {
    return this.#top;
  }

  get used(): number {
    return this.#top - this.#free.length;
  }

  /** A free group, which the caller knows to exist. */
  take(owner: number): number {
    const group = this.#free.pop() ?? this.#top++;
    assert(group < this.capacity, 'room for a group was made before it was needed');
    this.owner[group] = owner;
    return group;
  }

  /** Frees groups that are detached, once readers have moved on. */
  retire(groups: readonly number[]): void {
    for (const group of groups) this.owner[group] = 0;
    const free = this.#free;
    this.#epoch.retire(() => {
      for (const group of groups) free.push(group);
    });
  }

  clear(): void {
    this.owner.fill(0, 0, this.#top);
    this.#top = 0;
    this.#free = []; // what is still to be reclaimed lands in the old list, and is forgotten with it
  }
}
