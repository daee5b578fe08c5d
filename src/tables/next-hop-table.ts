// Next hops: between the FIB and the adjacencies. A FIB entry holds a next-hop index (15 bits, 0 = no route); the index
// points to one adjacency, or to a group of up to 128 of equal cost.
//
// The indirection is what makes large changes small: routes that leave by the same paths share an index, so when the
// paths change, one atomic store (or a few buckets of a group) moves all of them, and a default route is changed
// without a rewrite of the FIB's first level.
//
// Groups hash resiliently: a flow's hash picks one of 128 buckets, and a bucket keeps its adjacency for as long as that
// is a member. A member that leaves moves only the flows of its own buckets; one that joins takes its fair share of them.

import { assert, NearhopError } from '../base/errors.ts';
import { type AdjIndex, adjIndex } from '../base/ids.ts';
import { ADJ_NO_ROUTE } from './adjacency-table.ts';
import type { Epoch } from './epoch.ts';

/** Next-hop indices are 15 bits wide; index 0 is "no route". */
export const MAX_NEXT_HOPS = 32768;
/** Most members of an ECMP group that get a bucket. */
export const MAX_GROUP_MEMBERS = 128;
const BUCKETS = 128;
const BUCKET_BITS = 7;
const MAX_GROUPS = 4096;
const TARGET_BYTES = MAX_NEXT_HOPS * 4;
const BUFFER_BYTES = TARGET_BYTES + MAX_GROUPS * BUCKETS * 2;

/** What workers read. */
export class NextHopReader {
  /** Next-hop index → adjacency (>= 0), or ~group. */
  readonly #target: Int32Array;
  /** Buckets of all groups: adjacency of bucket b of group g at 128 g + b. */
  readonly #buckets: Uint16Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#target = new Int32Array(buffer, 0, MAX_NEXT_HOPS);
    this.#buckets = new Uint16Array(buffer, TARGET_BYTES, MAX_GROUPS * BUCKETS);
  }

  /** Adjacency of a next-hop index. `flowHash` (u32) chooses among the members of a group and is not read otherwise. */
  adjacency(nh: number, flowHash: number): AdjIndex {
    const target = this.#target[nh];
    if (target >= 0) return target as AdjIndex;
    // Fibonacci hashing: the bucket depends on all bits of the flow hash, whatever their quality.
    const bucket = Math.imul(flowHash, 0x9e3779b1) >>> (32 - BUCKET_BITS);
    return this.#buckets[(~target << BUCKET_BITS) | bucket] as AdjIndex;
  }

  /** Whether the index has several paths, so that `adjacency` wants a flow hash. */
  isGroup(nh: number): boolean {
    return this.#target[nh] < 0;
  }
}

/** The writer's side; main only. */
export class NextHopTable {
  readonly buffer = new SharedArrayBuffer(BUFFER_BYTES);
  readonly reader = new NextHopReader(this.buffer);
  readonly #target = new Int32Array(this.buffer, 0, MAX_NEXT_HOPS);
  readonly #buckets = new Uint16Array(this.buffer, TARGET_BYTES, MAX_GROUPS * BUCKETS);
  readonly #epoch: Epoch;
  #indices = 1;
  readonly #freeIndices: number[] = [];
  #groups = 0;
  readonly #freeGroups: number[] = [];

  constructor(epoch: Epoch) {
    this.#epoch = epoch;
    this.#target[0] = ADJ_NO_ROUTE;
  }

  /** Indices in use or not yet reclaimed, "no route" not counted. */
  get used(): number {
    return this.#indices - 1 - this.#freeIndices.length;
  }

  /** Groups in use or not yet reclaimed. */
  get groups(): number {
    return this.#groups - this.#freeGroups.length;
  }

  /**
   * A new index for paths over `members` (at least one, each once; beyond 128 the rest is left out). Routes that come from
   * index `like` keep their flows on the members that stay. Throws `next-hop-table-full` or `ecmp-group-table-full`.
   */
  add(members: readonly AdjIndex[], like = 0): number {
    if (this.#freeIndices.length === 0 && this.#indices >= MAX_NEXT_HOPS) {
      this.#epoch.reclaimNow();
      if (this.#freeIndices.length === 0) {
        throw new NearhopError('next-hop-table-full', `more than ${MAX_NEXT_HOPS - 1} distinct next hops`, {
          hint: 'let routes share next hops, or split the gateway',
        });
      }
    }
    const target = this.#targetFor(this.#target[like], members);
    const nh = this.#freeIndices.pop() ?? this.#indices++;
    Atomics.store(this.#target, nh, target);
    return nh;
  }

  /**
   * Sends everything that points to `nh` over `members` from now on. Between two groups, flows stay on members that stay.
   * One atomic store, or one for each bucket that moves. The adjacencies left behind may still be read in this round.
   */
  replace(nh: number, members: readonly AdjIndex[]): void {
    const old = this.#target[nh];
    if (old < 0 && members.length > 1) {
      this.#rebalance(~old, members);
      return;
    }
    Atomics.store(this.#target, nh, this.#targetFor(old, members));
    if (old < 0) this.#retireGroup(~old);
  }

  /** Gives `nh` back; the caller has taken it out of every table. It is reused once readers have moved on. */
  remove(nh: number): void {
    const old = this.#target[nh];
    this.#epoch.retire(() => {
      this.#target[nh] = ADJ_NO_ROUTE;
      this.#freeIndices.push(nh);
      if (old < 0) this.#freeGroups.push(~old);
    });
  }

  /** Members of `nh` and how many of the 128 buckets each holds (128 for a single path). For people and tests. */
  shares(nh: number): Map<AdjIndex, number> {
    const target = this.#target[nh];
    const shares = new Map<AdjIndex, number>();
    if (target >= 0) return shares.set(adjIndex(target), BUCKETS);
    for (let b = 0; b < BUCKETS; b++) {
      const adj = adjIndex(this.#buckets[(~target << BUCKET_BITS) | b]);
      shares.set(adj, (shares.get(adj) ?? 0) + 1);
    }
    return shares;
  }

  /** Target for `members`: an adjacency, or a new group that starts from what `old` does with the flows. */
  #targetFor(old: number, members: readonly AdjIndex[]): number {
    assert(members.length > 0, 'a next hop has a path');
    if (members.length === 1) return members[0];
    const group = this.#freeGroups.pop() ?? this.#newGroup();
    const base = group << BUCKET_BITS;
    if (old >= 0) this.#buckets.fill(old, base, base + BUCKETS);
    else this.#buckets.copyWithin(base, ~old << BUCKET_BITS, (~old + 1) << BUCKET_BITS);
    this.#rebalance(group, members);
    return ~group;
  }

  #newGroup(): number {
    if (this.#groups >= MAX_GROUPS) {
      this.#epoch.reclaimNow();
      const group = this.#freeGroups.pop();
      if (group !== undefined) return group;
      throw new NearhopError('ecmp-group-table-full', `more than ${MAX_GROUPS} sets of equal-cost paths`, {
        hint: 'let routes share their set of next hops',
      });
    }
    return this.#groups++;
  }

  #retireGroup(group: number): void {
    this.#epoch.retire(() => this.#freeGroups.push(group));
  }

  /**
   * Moves as few buckets as possible so that every member holds floor or ceil of its share, and nobody else any:
   * first the buckets of those who left, then what members hold beyond their share.
   */
  #rebalance(group: number, members: readonly AdjIndex[]): void {
    const taken = members.slice(0, MAX_GROUP_MEMBERS);
    const base = group << BUCKET_BITS;
    const held = new Map<number, number>(taken.map((m) => [m, 0]));
    for (let b = 0; b < BUCKETS; b++) {
      const n = held.get(this.#buckets[base + b]);
      if (n !== undefined) held.set(this.#buckets[base + b], n + 1);
    }
    // Those who hold most get the shares that are one larger: that moves the fewest buckets.
    const floor = Math.floor(BUCKETS / taken.length);
    let larger = BUCKETS % taken.length;
    const share = new Map<number, number>();
    for (const m of [...taken].sort((a, b) => held.get(b)! - held.get(a)!)) {
      share.set(m, larger-- > 0 ? floor + 1 : floor);
    }
    const wanting = taken.filter((m) => held.get(m)! < share.get(m)!);
    let w = 0;
    for (let b = 0; b < BUCKETS && w < wanting.length; b++) {
      const owner = this.#buckets[base + b];
      const n = held.get(owner);
      if (n !== undefined && n <= share.get(owner)!) continue;
      if (n !== undefined) held.set(owner, n - 1);
      const m = wanting[w];
      Atomics.store(this.#buckets, base + b, m);
      held.set(m, held.get(m)! + 1);
      if (held.get(m)! >= share.get(m)!) w++;
    }
  }
}
