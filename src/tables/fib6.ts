// The IPv6 FIB: a multibit trie in shared memory, 16 bits at its root and 4 at each further level. Every slot holds the
// answer of its longest prefix (leaf-pushed) or points to a node of 16 slots below it.
//
// Why this and not a compressed poptrie: one slot is one word, so a change is one store that a reader sees whole, without
// copying nodes; a node of 16 slots is one cache line. A full table (160,000 prefixes) takes about 10 MB, 8 loads for a /48.
//
// A route's way in: `set` makes the nodes down to the prefix's length, each filled before it is attached, then paints the
// slots of the prefix that no longer prefix holds; which those are, `#depth` says: the length of the prefix that each slot
// has its answer from. `remove` paints the prefix's own slots with the answer of the next shorter one.
// A node whose longer prefixes are gone stays attached until nodes run short.

import { assert, NearhopError } from '../base/errors.ts';
import type { Epoch } from './epoch.ts';
import { FibReader } from './fib-reader.ts';
import { MAX_NEXT_HOPS, type NextHopTable } from './next-hop-table.ts';
import { RibTrie6 } from './rib-trie.ts';

/** What a reader in another thread needs; goes through `workerData` or `postMessage` as it is. */
export interface Fib6Shared {
  readonly slots: SharedArrayBuffer;
  readonly nextHops: SharedArrayBuffer;
  readonly epoch: SharedArrayBuffer;
}

export interface Fib6Stats {
  readonly prefixes: number;
  readonly nodes: number;
  readonly nodeCapacity: number;
  /** Bytes of table memory in use. */
  readonly bytesTouched: number;
}

const ROOT_BITS = 16;
const ROOT_SLOTS = 1 << ROOT_BITS;
const STRIDE = 4;
const NODE_SLOTS = 1 << STRIDE;
/** 64 MB of address range. */
const MAX_NODES = 1 << 20;

export class Fib6Reader extends FibReader {
  /** The root, then the nodes: a next-hop index (>= 0), or ~node. */
  readonly #slots: Int32Array;

  constructor(shared: Fib6Shared) {
    super(shared);
    this.#slots = new Int32Array(shared.slots);
  }

  /** Next-hop index for an IPv6 address of four u32, most significant first; 0 = no route. */
  lookup(a: number, b: number, c: number, d: number): number {
    let entry = this.#slots[a >>> 16];
    let word = a;
    let shift = 12;
    for (let w = 1; entry < 0; ) {
      entry = this.#slots[ROOT_SLOTS + (~entry << STRIDE) + ((word >>> shift) & 15)];
      if (shift > 0) shift -= STRIDE;
      else {
        word = w === 1 ? b : w === 2 ? c : d;
        w++;
        shift = 28;
      }
    }
    return entry;
  }
}

/** The writer; main only. */
export class Fib6 {
  readonly shared: Fib6Shared;
  readonly #slots: Int32Array;
  /** Length of the prefix that each slot has its answer from; of no meaning where the slot points to a node. */
  readonly #depth: Uint8Array;
  readonly #trie = new RibTrie6();
  readonly #epoch: Epoch;
  readonly #capacity: number;
  #top = 0;
  readonly #free: number[] = [];
  /** Prefixes removed since nodes were last detached. */
  #removed = 0;
  /** The prefix being painted. */
  readonly #key = new Uint32Array(4);

  /** Nodes can be limited, so that tests can come to the limit. */
  constructor(options: { nextHops: NextHopTable; epoch: Epoch; nodes?: number }) {
    this.#capacity = options.nodes ?? MAX_NODES;
    this.#epoch = options.epoch;
    const slots = new SharedArrayBuffer((ROOT_SLOTS + this.#capacity * NODE_SLOTS) * 4);
    this.#slots = new Int32Array(slots);
    this.#depth = new Uint8Array(this.#slots.length);
    this.shared = { slots, nextHops: options.nextHops.buffer, epoch: options.epoch.buffer };
  }

  /** Next-hop index of exactly this prefix, or -1. */
  get(a: number, b: number, c: number, d: number, len: number): number {
    const node = this.#trie.find(a, b, c, d, len);
    return node < 0 ? -1 : this.#trie.value[node];
  }

  /**
   * Routes the prefix (four u32, bits beyond `len` are ignored) by next-hop index `nh` (1..32767), whether it is new or not.
   * Throws `fib6-full` when there is no room; the table is unchanged then.
   */
  set(a: number, b: number, c: number, d: number, len: number, nh: number): void {
    assert(nh > 0 && nh < MAX_NEXT_HOPS, 'a route has a next-hop index of 15 bits that is not 0');
    if (this.get(a, b, c, d, len) === nh) return;
    this.#aim(a, b, c, d);
    this.#makeRoom(len);
    this.#trie.insert(a, b, c, d, len, nh);
    const bits = levelOf(len);
    const slot = this.#descend(bits);
    this.#paint(slot, 1 << (bits - len), len, nh, len);
  }

  /** Takes the prefix out; its addresses follow the next shorter one. Returns whether it was there. */
  remove(a: number, b: number, c: number, d: number, len: number): boolean {
    if (this.#trie.remove(a, b, c, d, len) < 0) return false;
    const cover = this.#trie.cover(a, b, c, d, len);
    const nh = cover < 0 ? 0 : this.#trie.value[cover];
    const depth = cover < 0 ? 0 : this.#trie.len[cover];
    this.#aim(a, b, c, d);
    const bits = levelOf(len);
    this.#paint(this.#descend(bits), 1 << (bits - len), len, nh, depth);
    this.#removed++;
    return true;
  }

  stats(): Fib6Stats {
    return {
      prefixes: this.#trie.size,
      nodes: this.#top - this.#free.length,
      nodeCapacity: this.#capacity,
      bytesTouched: (ROOT_SLOTS + this.#top * NODE_SLOTS) * 4,
    };
  }

  #aim(a: number, b: number, c: number, d: number): void {
    this.#key[0] = a;
    this.#key[1] = b;
    this.#key[2] = c;
    this.#key[3] = d;
  }

  /** The four bits of the key that end at bit `bits`. */
  #nibble(bits: number): number {
    return (this.#key[(bits - 1) >>> 5] >>> ((128 - bits) & 31)) & 15;
  }

  /** First slot, `bits` deep, that the key's prefix can fill; makes the nodes on the way there. */
  #descend(bits: number): number {
    let slot = this.#key[0] >>> 16;
    for (let at = ROOT_BITS; at < bits; at += STRIDE) {
      if (this.#slots[slot] >= 0) this.#split(slot);
      slot = ROOT_SLOTS + (~this.#slots[slot] << STRIDE) + this.#nibble(at + STRIDE);
    }
    return slot;
  }

  /** Puts a node with the slot's answer in the slot's place. */
  #split(slot: number): void {
    const node = this.#free.pop() ?? this.#top++;
    const base = ROOT_SLOTS + (node << STRIDE);
    this.#slots.fill(this.#slots[slot], base, base + NODE_SLOTS);
    this.#depth.fill(this.#depth[slot], base, base + NODE_SLOTS);
    Atomics.store(this.#slots, slot, ~node);
  }

  /**
   * Gives the answer `nh`, which comes from a prefix of `depth` bits, to all of `count` slots that have theirs from a prefix
   * of at most `len` bits. The first slot may lie anywhere among them: they are aligned to their count.
   */
  #paint(slot: number, count: number, len: number, nh: number, depth: number): void {
    const first = slot & -count;
    for (let s = first; s < first + count; s++) {
      const entry = this.#slots[s];
      if (entry < 0) {
        this.#paint(ROOT_SLOTS + (~entry << STRIDE), NODE_SLOTS, len, nh, depth);
      } else if (this.#depth[s] <= len) {
        this.#slots[s] = nh;
        this.#depth[s] = depth;
      }
    }
  }

  /** Sees to it that there are nodes for a prefix of `len` bits at the key. */
  #makeRoom(len: number): void {
    let needed = this.#nodesNeeded(len);
    if (this.#hasFree(needed)) return;
    if (this.#removed > 0) {
      this.#removed = 0;
      this.#detachEmpty();
      needed = this.#nodesNeeded(len);
    }
    this.#epoch.reclaimNow();
    if (this.#hasFree(needed)) return;
    throw new NearhopError('fib6-full', 'the IPv6 forwarding table has no room for another long prefix', {
      hint: 'announce or configure aggregates instead of scattered host routes',
    });
  }

  #hasFree(nodes: number): boolean {
    return this.#free.length + this.#capacity - this.#top >= nodes;
  }

  #nodesNeeded(len: number): number {
    const bits = levelOf(len);
    let slot = this.#key[0] >>> 16;
    let at = ROOT_BITS;
    for (; at < bits && this.#slots[slot] < 0; at += STRIDE) {
      slot = ROOT_SLOTS + (~this.#slots[slot] << STRIDE) + this.#nibble(at + STRIDE);
    }
    return (bits - at) / STRIDE;
  }

  /** Detaches and retires all nodes in which no prefix ends any more. */
  #detachEmpty(): void {
    const empty: number[] = [];
    for (let slot = 0; slot < ROOT_SLOTS; slot++) {
      if (this.#slots[slot] < 0) this.#detach(slot, ROOT_BITS, empty);
    }
    if (empty.length > 0) {
      this.#epoch.retire(() => {
        for (const node of empty) this.#free.push(node);
      });
    }
  }

  #detach(slot: number, bits: number, empty: number[]): void {
    const node = ~this.#slots[slot];
    const base = ROOT_SLOTS + (node << STRIDE);
    let used = false;
    for (let s = base; s < base + NODE_SLOTS; s++) {
      if (this.#slots[s] < 0) this.#detach(s, bits + STRIDE, empty);
      used ||= this.#slots[s] < 0 || this.#depth[s] > bits;
    }
    if (used) return;
    this.#depth[slot] = this.#depth[base];
    Atomics.store(this.#slots, slot, this.#slots[base]); // all 16 are alike
    empty.push(node);
  }
}

/** Depth in bits of the level whose slots a prefix of `len` bits fills. */
function levelOf(len: number): number {
  return len <= ROOT_BITS ? ROOT_BITS : Math.ceil(len / STRIDE) * STRIDE;
}
