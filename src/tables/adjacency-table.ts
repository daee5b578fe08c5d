// Adjacencies: what a FIB lookup ends in. A row says what happens to the packet; a rewrite row is one (interface, next hop).
// Two writers, each with columns of its own: main defines rows (kind, interface, next hop), the data plane keeps the
// rewrite (resolved, MAC). Shared memory; a row is defined before any FIB entry points at it.

import { NearhopError } from '../base/errors.ts';
import { type AdjIndex, adjIndex, type IfIndex } from '../base/ids.ts';

/** Drop without a word. */
export const ADJ_BLACKHOLE = 0;
/** Drop, ICMP network unreachable. Row 0 is always this: what an empty FIB answers. */
export const ADJ_UNREACHABLE = 1;
/** For the gateway itself. */
export const ADJ_LOCAL = 2;
/** On a connected network: the next hop is the packet's destination. */
export const ADJ_GLEAN = 3;
/** Rewrite to the row's next hop. */
export const ADJ_REWRITE = 4;

/** The row that an empty FIB answers. */
export const ADJ_NO_ROUTE = adjIndex(0);

/** FIB results are 15 bits wide. */
export const MAX_ADJACENCIES = 32768;

export class AdjacencyTable {
  readonly buffer: SharedArrayBuffer;
  /** ADJ_* */
  readonly kind: Int32Array;
  readonly iface: Uint32Array;
  /** IPv4 next hop as u32. */
  readonly nextHop: Uint32Array;
  // columns of the data plane
  /** 1 while the MAC is usable. */
  readonly resolved: Int32Array;
  readonly macHi: Uint32Array;
  readonly macLo: Uint32Array;
  /** Packets and bytes rewritten. */
  readonly packets: Float64Array;
  readonly bytes: Float64Array;

  #count = 1;
  #free: number[] = [];
  readonly #refs = new Map<string, { index: number; refs: number }>();

  constructor(shared?: SharedArrayBuffer) {
    const n = MAX_ADJACENCIES;
    this.buffer = shared ?? new SharedArrayBuffer(n * (6 * 4 + 2 * 8));
    this.packets = new Float64Array(this.buffer, 0, n);
    this.bytes = new Float64Array(this.buffer, n * 8, n);
    const base = n * 16;
    this.kind = new Int32Array(this.buffer, base, n);
    this.iface = new Uint32Array(this.buffer, base + n * 4, n);
    this.nextHop = new Uint32Array(this.buffer, base + n * 8, n);
    this.resolved = new Int32Array(this.buffer, base + n * 12, n);
    this.macHi = new Uint32Array(this.buffer, base + n * 16, n);
    this.macLo = new Uint32Array(this.buffer, base + n * 20, n);
    if (shared === undefined) this.kind[0] = ADJ_UNREACHABLE;
  }

  /**
   * Row for (kind, interface, next hop), made when it is new; counts a reference (main only). Throws `adjacency-table-full`.
   * `reclaimable` rows come back by `release` and then `recycle`.
   */
  acquire(kind: number, iface: IfIndex, nextHop: number): AdjIndex {
    const key = `${kind}/${iface}/${nextHop}`;
    const known = this.#refs.get(key);
    if (known) {
      known.refs++;
      return adjIndex(known.index);
    }
    const i = this.#free.pop() ?? this.#count++;
    if (i >= MAX_ADJACENCIES) {
      this.#count--;
      throw new NearhopError('adjacency-table-full', `more than ${MAX_ADJACENCIES} next hops`, {
        hint: 'let routes share next hops, or split the gateway',
      });
    }
    this.packets[i] = 0;
    this.bytes[i] = 0;
    this.iface[i] = iface;
    this.nextHop[i] = nextHop;
    // After (interface, next hop): the data plane writes a MAC only while these are its neighbor's, so what it may still
    // have written for the row's former next hop is cleared here.
    Atomics.store(this.resolved, i, 0);
    this.macHi[i] = 0;
    this.macLo[i] = 0;
    Atomics.store(this.kind, i, kind);
    this.#refs.set(key, { index: i, refs: 1 });
    return adjIndex(i);
  }

  /** Drops a reference. Returns true when it was the last: nobody may use the row any more once readers have moved on. */
  release(index: AdjIndex): boolean {
    if (index === ADJ_NO_ROUTE) return false;
    const key = `${this.kind[index]}/${this.iface[index]}/${this.nextHop[index]}`;
    const known = this.#refs.get(key);
    if (known === undefined || --known.refs > 0) return false;
    this.#refs.delete(key);
    return true;
  }

  /** Makes the row of a released adjacency available again. Call it when every reader has finished the round it was in. */
  recycle(index: AdjIndex): void {
    this.#free.push(index);
  }
}
