// The IPv4 FIB: compiled from a Patricia tree of prefixes into one of two layouts (fib4-layout.ts), in shared memory.
//
// A route's way in: `set` puts it into the tree, asks the tree which addresses of the prefix no longer prefix covers, and
// paints those in the live layout. `remove` paints them with what the next shorter prefix says.
// A packet's way: `Fib4Reader.lookup` reads the word that says which layout is live, then one to three entries.
//
// The live layout follows the table's shape. The other one is built while readers go on, then the word is changed; the
// one left behind keeps its answers until no reader is in the round that it was in, and only then may be built again.
// All memory is reserved at the start, and costs nothing until it is touched.

import { assert, NearhopError } from '../base/errors.ts';
import type { Epoch } from './epoch.ts';
import { FibReader } from './fib-reader.ts';
import { dir16Range, dir24Range, type LookupRange } from './fib4-batch.ts';
import { DIR16_GROUP, DIR16_MAX_GROUPS, Dir16 } from './fib4-dir16.ts';
import { DIR24_GROUP, DIR24_MAX_GROUPS, Dir24 } from './fib4-dir24.ts';
import type { Fib4Layout } from './fib4-layout.ts';
import { MAX_NEXT_HOPS, type NextHopTable } from './next-hop-table.ts';
import { RibTrie4 } from './rib-trie.ts';

/** What a reader in another thread needs; goes through `workerData` or `postMessage` as it is. */
export interface Fib4Shared {
  /** Word 0: LIVE_DIR16 or LIVE_DIR24. */
  readonly live: SharedArrayBuffer;
  readonly dir24First: SharedArrayBuffer;
  readonly dir24Second: SharedArrayBuffer;
  readonly dir16First: SharedArrayBuffer;
  readonly dir16Second: SharedArrayBuffer;
  readonly nextHops: SharedArrayBuffer;
  readonly epoch: SharedArrayBuffer;
}

export interface Fib4Stats {
  readonly layout: Fib4Layout['name'];
  readonly prefixes: number;
  /** Groups of 256 entries that the live layout uses, and how many it can have. */
  readonly groups: number;
  readonly groupCapacity: number;
  /** Bytes of table memory in use, both layouts together. */
  readonly bytesTouched: number;
  /** How often the layout has changed. */
  readonly switches: number;
}

const LIVE_DIR16 = 0;
const LIVE_DIR24 = 1;

/** DIR-16-8-8 with more groups than this (4 MiB) has left the cache: two loads of DIR-24-8 are then faster than three. */
const LARGE_GROUPS = 4096;
/** Below this, DIR-16-8-8 is back in the cache. Far enough from LARGE_GROUPS that a table does not go to and fro. */
const SMALL_GROUPS = 1024;

export class Fib4Reader extends FibReader {
  readonly #live: Int32Array;
  readonly #dir24First: Uint16Array;
  readonly #dir24Second: Uint16Array;
  readonly #dir16First: Int32Array;
  readonly #dir16Second: Int32Array;

  constructor(shared: Fib4Shared) {
    super(shared);
    this.#live = new Int32Array(shared.live);
    this.#dir24First = new Uint16Array(shared.dir24First);
    this.#dir24Second = new Uint16Array(shared.dir24Second);
    this.#dir16First = new Int32Array(shared.dir16First);
    this.#dir16Second = new Int32Array(shared.dir16Second);
  }

  /** Next-hop index for an IPv4 address (u32, or the same word signed); 0 = no route. Plain loads: an atomic load costs two to eight times as much. */
  lookup(dst: number): number {
    if (this.#live[0] === LIVE_DIR24) {
      const entry = this.#dir24First[dst >>> 8];
      return entry < DIR24_GROUP ? entry : this.#dir24Second[((entry - DIR24_GROUP) << 8) | (dst & 255)];
    }
    let entry = this.#dir16First[dst >>> 16];
    if (entry < DIR16_GROUP) return entry;
    entry = this.#dir16Second[((entry - DIR16_GROUP) << 8) | ((dst >>> 8) & 255)];
    return entry < DIR16_GROUP ? entry : this.#dir16Second[((entry - DIR16_GROUP) << 8) | (dst & 255)];
  }

  /**
   * Lookups by the batch, bound to two columns: the function that comes back answers `dst[from..to-1]` in `nh[from..to-1]` as
   * `lookup` would, all from the layout that is live when it is called. To be made once, when a data plane starts
   * (fib4-batch.ts says why).
   */
  batch(dst: Uint32Array, nh: Uint16Array): LookupRange {
    const live = this.#live;
    const dir24 = dir24Range(this.#dir24First, this.#dir24Second, dst, nh);
    const dir16 = dir16Range(this.#dir16First, this.#dir16Second, dst, nh);
    return (from, to) => {
      if (live[0] === LIVE_DIR24) dir24(from, to);
      else dir16(from, to);
    };
  }
}

/** The writer; main only. */
export class Fib4 {
  readonly shared: Fib4Shared;
  /** The prefixes with their next-hop indices, to read, and to lay another trie over their tree. */
  readonly trie = new RibTrie4();
  readonly #live: Int32Array;
  readonly #epoch: Epoch;
  readonly #dir24: Dir24;
  readonly #dir16: Dir16;
  #layout: Fib4Layout;
  /** Epoch in which the layout that is not live was left, 0 while it was never used. */
  #leftIn = 0;
  #switches = 0;
  /** Prefixes longer than 16 in each /16. */
  readonly #longer16 = new Uint32Array(1 << 16);
  /** /16s that have longer prefixes: groups that DIR-16-8-8 needs for them. */
  #blocks16 = 0;
  /** /24s that have longer prefixes: groups that both layouts need for them. */
  #blocks24 = 0;
  /** Prefixes longer than 24. */
  #hosts = 0;
  /** Blocks that lost their last longer prefix since groups were last detached. */
  #emptied = 0;

  /** Groups can be limited, so that tests can come to the limits. */
  constructor(options: { nextHops: NextHopTable; epoch: Epoch; groups24?: number; groups16?: number }) {
    const { nextHops, epoch, groups24 = DIR24_MAX_GROUPS, groups16 = DIR16_MAX_GROUPS } = options;
    this.#epoch = epoch;
    this.#dir24 = new Dir24(groups24, epoch);
    this.#dir16 = new Dir16(groups16, epoch);
    this.#layout = this.#dir16;
    const live = new SharedArrayBuffer(4);
    this.#live = new Int32Array(live);
    this.#live[0] = LIVE_DIR16;
    this.shared = {
      live,
      dir24First: this.#dir24.first,
      dir24Second: this.#dir24.second,
      dir16First: this.#dir16.first,
      dir16Second: this.#dir16.second,
      nextHops: nextHops.buffer,
      epoch: epoch.buffer,
    };
  }

  /** Next-hop index of exactly this prefix, or -1. */
  get(prefix: number, len: number): number {
    const node = this.trie.find(prefix, len);
    return node < 0 ? -1 : this.trie.value[node];
  }

  /**
   * Routes prefix/len (u32, bits beyond `len` are ignored) by next-hop index `nh` (1..32767), whether it is new or not.
   * Throws `fib4-full` when neither layout has room; the table is unchanged then.
   */
  set(prefix: number, len: number, nh: number): void {
    assert(nh > 0 && nh < MAX_NEXT_HOPS, 'a route has a next-hop index of 15 bits that is not 0');
    const old = this.get(prefix, len);
    if (old === nh) return;
    if (old >= 0) {
      this.trie.insert(prefix, len, nh);
      this.trie.gaps(prefix, len, (first, last) => this.#layout.paint(first, last, nh));
      return;
    }
    const needed = this.#layout.groupsNeeded(prefix, len);
    const fits = this.#makeRoom(needed);
    if (!fits && !this.#otherFits(prefix, len)) throw full();
    this.#count(prefix, len, 1);
    this.trie.insert(prefix, len, nh);
    if (fits) {
      this.trie.gaps(prefix, len, (first, last) => this.#layout.paint(first, last, nh));
      this.#suitShape();
    } else if (!this.#switch(true)) {
      this.trie.remove(prefix, len);
      this.#count(prefix, len, -1);
      throw full();
    }
  }

  /** Takes prefix/len out; its addresses follow the next shorter prefix. Returns whether it was there. */
  remove(prefix: number, len: number): boolean {
    if (this.trie.remove(prefix, len) < 0) return false;
    this.#count(prefix, len, -1);
    const cover = this.trie.cover(prefix, len);
    const nh = cover < 0 ? 0 : this.trie.value[cover];
    this.trie.gaps(prefix, len, (first, last) => this.#layout.paint(first, last, nh));
    this.#suitShape();
    return true;
  }

  /** All prefixes with their next-hop index, ascending, shorter ones first. The table must not change meanwhile. */
  *entries(): Generator<{ readonly prefix: number; readonly len: number; readonly nh: number }> {
    const trie = this.trie;
    for (const node of trie.nodes()) {
      yield { prefix: trie.prefix(node), len: trie.len[node], nh: trie.value[node] };
    }
  }

  stats(): Fib4Stats {
    return {
      layout: this.#layout.name,
      prefixes: this.trie.size,
      groups: this.#layout.groupsUsed,
      groupCapacity: this.#layout.capacity,
      bytesTouched: this.#dir16.bytesTouched + this.#dir24.bytesTouched,
      switches: this.#switches,
    };
  }

  /** Keeps the counts of the shape, while prefix/len is not in the tree: before an insert or after a removal. */
  #count(prefix: number, len: number, by: 1 | -1): void {
    if (len > 16) {
      const before = this.#longer16[prefix >>> 16];
      this.#longer16[prefix >>> 16] = before + by;
      if (before === (by > 0 ? 0 : 1)) {
        this.#blocks16 += by;
        if (by < 0) this.#emptied++;
      }
    }
    if (len > 24) {
      this.#hosts += by;
      if (!this.trie.hasLonger(prefix, 24)) {
        this.#blocks24 += by;
        if (by < 0) this.#emptied++;
      }
    }
  }

  /** Sees to it that the live layout has `needed` free groups, at the cost of emptied ones; returns whether it has. */
  #makeRoom(needed: number): boolean {
    const layout = this.#layout;
    if (layout.groupsUsed + needed <= layout.capacity) return true;
    if (this.#emptied > 0) {
      this.#emptied = 0;
      layout.detachEmpty(this.trie);
    }
    this.#epoch.reclaimNow();
    return layout.groupsUsed + needed <= layout.capacity;
  }

  /** Whether the layout that is not live can hold the table and this prefix. */
  #otherFits(prefix: number, len: number): boolean {
    const blocks16 = this.#blocks16 + (len > 16 && this.#longer16[prefix >>> 16] === 0 ? 1 : 0);
    const blocks24 = this.#blocks24 + (len > 24 && !this.trie.hasLonger(prefix, 24) ? 1 : 0);
    return this.#layout === this.#dir16
      ? blocks24 <= this.#dir24.capacity
      : blocks16 + blocks24 <= this.#dir16.capacity;
  }

  /** Changes the layout when the table has come to a shape that the other one serves better. */
  #suitShape(): void {
    const groups16 = this.#blocks16 + this.#blocks24;
    if (this.#layout === this.#dir16) {
      const hostsDominate = this.#hosts * 2 > this.trie.size;
      const roomy = this.#blocks24 <= this.#dir24.capacity * 0.75;
      if (groups16 > LARGE_GROUPS && !hostsDominate && roomy) this.#switch(false);
    } else if (groups16 < SMALL_GROUPS && groups16 <= this.#dir16.capacity) this.#switch(false);
  }

  /**
   * Builds the other layout from the tree and makes it live. It can only be built when no reader has been in it since it was
   * left: then `wait` says whether to wait for readers; returns false when they did not come out of their round.
   */
  #switch(wait: boolean): boolean {
    if (this.#leftIn !== 0 && !this.#epoch.passed(this.#leftIn) && !(wait && this.#epoch.synchronize(50))) {
      return false;
    }
    const next = this.#layout === this.#dir16 ? this.#dir24 : this.#dir16;
    next.clear();
    for (const node of this.trie.nodes()) {
      const nh = this.trie.value[node];
      this.trie.gaps(this.trie.prefix(node), this.trie.len[node], (first, last) =>
        next.paint(first, last, nh),
      );
    }
    Atomics.store(this.#live, 0, next === this.#dir24 ? LIVE_DIR24 : LIVE_DIR16);
    this.#layout = next;
    this.#leftIn = this.#epoch.advance();
    this.#emptied = 0;
    this.#switches++;
    return true;
  }
}

function full(): NearhopError {
  return new NearhopError('fib4-full', 'the IPv4 forwarding table has no room for another long prefix', {
    hint: 'announce or configure aggregates instead of scattered host routes',
  });
}
