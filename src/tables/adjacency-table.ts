// Adjacencies: what a FIB lookup ends in. A row says what happens to the packet; a rewrite row is one (interface, next hop).
// Shared memory; each column has one writer. Main defines rows (kind, interface, next hop) before any FIB entry points at
// them. The data plane that owns the neighbors keeps the rewrite (resolved, MAC). Each worker counts in columns of its own.
//
// A MAC never changes under a worker's eyes: a row that gets another one is unresolved first, and written when all workers
// have begun a round after that. And a row is resolved for other workers only at the end of the owner's round, when the
// packets that waited for it have been sent: nobody overtakes them.

import { NearhopError } from '../base/errors.ts';
import { type AdjIndex, adjIndex, type IfIndex } from '../base/ids.ts';
import type { Epoch } from './epoch.ts';

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

/** `resolved` of a row whose MAC is usable. */
export const RESOLVED = 1;
/** … for the owner only, until its round ends. */
const RESOLVED_THIS_ROUND = 2;

/** FIB results are 15 bits wide. */
export const MAX_ADJACENCIES = 32768;

/** What another thread needs of the table. */
export interface AdjacencyShared {
  readonly rows: SharedArrayBuffer;
  /** Packets and bytes, a block for each worker. */
  readonly counts: readonly SharedArrayBuffer[];
}

export interface AdjacencyTableOptions {
  /** Workers that count; default 1. */
  readonly workers?: number;
  /** Memory of main's table, and which worker's counts `packets` and `bytes` are. Default: new memory, worker 0. */
  readonly shared?: AdjacencyShared;
  readonly worker?: number;
  /** For the owner of the rewrites, where other workers read them. */
  readonly epoch?: Epoch;
}

export class AdjacencyTable {
  readonly shared: AdjacencyShared;
  /** ADJ_* */
  readonly kind: Int32Array;
  readonly iface: Uint32Array;
  /** IPv4 next hop as u32. */
  readonly nextHop: Uint32Array;
  // columns of the owner
  /** RESOLVED while the MAC is usable; any value but 0 is, for the owner. */
  readonly resolved: Int32Array;
  readonly macHi: Uint32Array;
  readonly macLo: Uint32Array;
  /** Packets and bytes that this worker rewrote. */
  readonly packets: Float64Array;
  readonly bytes: Float64Array;

  readonly #counts: readonly Float64Array[];
  readonly #epoch: Epoch | undefined;
  /** Epoch that all workers have to come to before the row's MAC may change. */
  readonly #unusedSince: Int32Array;
  /** Rows that are resolved for the owner only. */
  readonly #settling: number[] = [];
  #count = 1;
  #free: number[] = [];
  readonly #refs = new Map<string, { index: number; refs: number }>();

  constructor(options: AdjacencyTableOptions = {}) {
    const n = MAX_ADJACENCIES;
    const { workers = 1, worker = 0 } = options;
    this.shared = options.shared ?? {
      rows: new SharedArrayBuffer(n * 6 * 4),
      counts: Array.from({ length: workers }, () => new SharedArrayBuffer(n * 2 * 8)),
    };
    const { rows, counts } = this.shared;
    this.#counts = counts.map((buffer) => new Float64Array(buffer));
    this.packets = new Float64Array(counts[worker], 0, n);
    this.bytes = new Float64Array(counts[worker], n * 8, n);
    this.kind = new Int32Array(rows, 0, n);
    this.iface = new Uint32Array(rows, n * 4, n);
    this.nextHop = new Uint32Array(rows, n * 8, n);
    this.resolved = new Int32Array(rows, n * 12, n);
    this.macHi = new Uint32Array(rows, n * 16, n);
    this.macLo = new Uint32Array(rows, n * 20, n);
    this.#epoch = options.epoch;
    this.#unusedSince = new Int32Array(options.epoch === undefined ? 0 : n);
    if (options.shared === undefined) this.kind[0] = ADJ_UNREACHABLE;
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
    for (const counts of this.#counts) {
      counts[i] = 0;
      counts[MAX_ADJACENCIES + i] = 0;
    }
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

  /** Packets that all workers together rewrote. */
  allPackets(index: number): number {
    return this.#counts.reduce((sum, counts) => sum + counts[index], 0);
  }

  /** Bytes that all workers together rewrote. */
  allBytes(index: number): number {
    return this.#counts.reduce((sum, counts) => sum + counts[MAX_ADJACENCIES + index], 0);
  }

  // ── the owner of the neighbors ──

  /** Whether the row's MAC is usable, for the owner. */
  isResolved(index: number): boolean {
    return this.resolved[index] !== 0;
  }

  /**
   * Gives the row its MAC. Where it had another one that workers may still read, it only takes that away: false, and the
   * caller comes again with the next packet, which goes by the neighbor itself meanwhile.
   */
  resolve(index: number, macHi: number, macLo: number): boolean {
    const same = this.macHi[index] === macHi && this.macLo[index] === macLo;
    if (same && this.isResolved(index)) return true;
    this.unresolve(index);
    if (!same && this.#epoch?.passed(this.#unusedSince[index]) === false) return false;
    this.macHi[index] = macHi;
    this.macLo[index] = macLo;
    Atomics.store(this.resolved, index, RESOLVED_THIS_ROUND);
    this.#settling.push(index);
    return true;
  }

  /** Takes the row's MAC away. */
  unresolve(index: number): void {
    if (!this.isResolved(index)) return;
    Atomics.store(this.resolved, index, 0);
    if (this.#epoch !== undefined) this.#unusedSince[index] = this.#epoch.advance();
  }

  /** The owner's round has ended: what it resolved is resolved for all. */
  settle(): void {
    while (this.#settling.length > 0) {
      const index = this.#settling.pop() as number;
      // not what was taken away since, by the owner or by main, which may have given the row to another next hop
      Atomics.compareExchange(this.resolved, index, RESOLVED_THIS_ROUND, RESOLVED);
    }
  }
}
