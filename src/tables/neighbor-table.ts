// Neighbors: (interface, IP address) → MAC, with the states and timers of RFC 4861 §7.3 (ARP keeps the same ones here).
//
// A neighbor's life: `add` makes it INCOMPLETE, `advance` says when to ask again, `confirm` fills in the MAC and makes it
// REACHABLE; without confirmation it gets STALE, and its next use goes by DELAY and PROBE to REACHABLE or FAILED.
// One writer, the data plane's worker, which alone has the hash index; main reads the rows (`list`) in shared memory.

import type { Slab } from '../base/slab.ts';
import { NeighborQueue } from './neighbor-queue.ts';

export const NEIGHBOR_FREE = 0;
export const NEIGHBOR_INCOMPLETE = 1;
export const NEIGHBOR_REACHABLE = 2;
export const NEIGHBOR_STALE = 3;
export const NEIGHBOR_DELAY = 4;
export const NEIGHBOR_PROBE = 5;
export const NEIGHBOR_FAILED = 6;
/** Set by the operator; has no timers. */
export const NEIGHBOR_PERMANENT = 7;
export const NEIGHBOR_STATES = [
  'FREE',
  'INCOMPLETE',
  'REACHABLE',
  'STALE',
  'DELAY',
  'PROBE',
  'FAILED',
  'PERMANENT',
] as const;

/** What `advance` asks its caller to do. */
export const NEIGHBOR_ACT_NONE = 0;
/** Ask again for an address without a MAC. */
export const NEIGHBOR_ACT_SOLICIT = 1;
/** Ask the MAC that is known whether it is still there. */
export const NEIGHBOR_ACT_PROBE = 2;
/** It did not answer: give up what waits for it. */
export const NEIGHBOR_ACT_FAIL = 3;
/** Nobody has used it for a while: its adjacency may let go of it, so that the row can be given up when room is short. */
export const NEIGHBOR_ACT_IDLE = 4;

export interface NeighborTimers {
  /** Between two requests, ms (RFC 4861 §10 RETRANS_TIMER). */
  readonly retransmitMs: number;
  /** Requests until a neighbor counts as absent (MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT). */
  readonly maxRequests: number;
  /** How long a confirmation lasts, ms (REACHABLE_TIME). */
  readonly reachableMs: number;
  /** From the first use of a stale neighbor to the first probe, ms (DELAY_FIRST_PROBE_TIME). */
  readonly delayMs: number;
  /** How long a stale neighbor is kept for its adjacency without use, ms. */
  readonly idleMs: number;
}
export const NEIGHBOR_TIMERS: NeighborTimers = {
  retransmitMs: 1000,
  maxRequests: 3,
  reachableMs: 30_000,
  delayMs: 5000,
  idleMs: 60_000,
};

/** A row as main shows it. */
export interface NeighborRow {
  readonly iface: number;
  /** IPv4 address as u32. */
  readonly ip: number;
  readonly macHi: number;
  readonly macLo: number;
  readonly state: (typeof NEIGHBOR_STATES)[number];
  readonly source: 'learned' | 'static';
  /** Since the neighbor last confirmed its MAC, ms; -1 = never. */
  readonly ageMs: number;
  readonly requests: number;
}

const HEADER_BYTES = 64;
/** Bytes of a row: two doubles and thirteen words; six of them are the key (interface, family, up to 128 bits of address). */
const ROW_BYTES = 2 * 8 + 13 * 4;
/** Rows that `add` looks at for a victim when the table is full: bounded work for a packet. */
const EVICT_LOOKS = 64;
const FAMILY_IPV4 = 4;

export class NeighborTable {
  readonly capacity: number;
  readonly buffer: SharedArrayBuffer;
  readonly timers: NeighborTimers;
  /** NEIGHBOR_* */
  readonly state: Int32Array;
  readonly iface: Uint32Array;
  /** First word of the address: an IPv4 address as u32. */
  readonly ip: Uint32Array;
  readonly macHi: Uint32Array;
  readonly macLo: Uint32Array;
  /** Requests since the last confirmation. */
  readonly requests: Uint32Array;
  /** AdjIndex of the rewrite adjacency that follows this neighbor, -1 = none. */
  readonly adj: Int32Array;
  /** When the MAC was last confirmed, ms of the writer's clock; -1 = never. */
  readonly confirmedMs: Float64Array;
  /** When the state's timer runs out, ms of the writer's clock. */
  readonly deadlineMs: Float64Array;
  /** Uses that the data plane saw: a glean packet, or a packet of the adjacency. Only "has it grown" matters. */
  readonly uses: Uint32Array;
  readonly #family: Uint32Array;
  /** Odd while the writer is inside a row. */
  readonly #version: Int32Array;
  readonly #now: Float64Array;
  readonly #queue: NeighborQueue | undefined;

  // the writer's own: hash chains, free list, eviction hand
  readonly #heads: Int32Array;
  readonly #chain: Int32Array;
  readonly #usesSeen: Uint32Array;
  #high = 0;
  #free = -1;
  #hand = 0;

  /**
   * @param options.slab given by the data plane, the one writer: packets wait for their neighbor in it.
   * @param options.shared memory of the writer's table, for readers.
   * @param options.capacity most neighbors; a power of two.
   */
  constructor(
    options: {
      slab?: Slab;
      shared?: SharedArrayBuffer;
      capacity?: number;
      timers?: Partial<NeighborTimers>;
    } = {},
  ) {
    const n = options.capacity ?? 8192;
    this.capacity = n;
    this.timers = { ...NEIGHBOR_TIMERS, ...options.timers };
    this.buffer = options.shared ?? new SharedArrayBuffer(HEADER_BYTES + n * ROW_BYTES);
    this.#now = new Float64Array(this.buffer, 0, 1);
    this.confirmedMs = new Float64Array(this.buffer, HEADER_BYTES, n);
    this.deadlineMs = new Float64Array(this.buffer, HEADER_BYTES + n * 8, n);
    const word = (k: number): number => HEADER_BYTES + n * (16 + k * 4);
    this.state = new Int32Array(this.buffer, word(0), n);
    this.#version = new Int32Array(this.buffer, word(1), n);
    this.adj = new Int32Array(this.buffer, word(2), n);
    this.iface = new Uint32Array(this.buffer, word(3), n);
    this.#family = new Uint32Array(this.buffer, word(4), n);
    this.ip = new Uint32Array(this.buffer, word(5), n);
    // words 6, 7 and 8: the rest of an IPv6 address
    this.macHi = new Uint32Array(this.buffer, word(9), n);
    this.macLo = new Uint32Array(this.buffer, word(10), n);
    this.requests = new Uint32Array(this.buffer, word(11), n);
    this.uses = new Uint32Array(this.buffer, word(12), n);

    this.#queue = options.slab === undefined ? undefined : new NeighborQueue(options.slab, n);
    const own = this.#queue === undefined ? 0 : n;
    this.#heads = new Int32Array(own * 2).fill(-1);
    this.#chain = new Int32Array(own).fill(-1);
    this.#usesSeen = new Uint32Array(own);
  }

  /** The packets that wait; only the writer has them. */
  get queue(): NeighborQueue {
    if (this.#queue === undefined) throw new Error('assertion failed: only the data plane queues packets');
    return this.#queue;
  }

  /** Rows 0..high-1 have been used at some time. */
  get high(): number {
    return this.#high;
  }

  /** Row of an IPv4 neighbor, or -1. */
  find(iface: number, ip: number): number {
    let row = this.#heads[this.#bucket(iface, ip)];
    while (row >= 0 && (this.ip[row] !== ip || this.iface[row] !== iface)) row = this.#chain[row];
    return row;
  }

  /** Whether packets may be sent to the row's MAC. */
  usable(row: number): boolean {
    const s = this.state[row];
    return (s >= NEIGHBOR_REACHABLE && s <= NEIGHBOR_PROBE) || s === NEIGHBOR_PERMANENT;
  }

  /**
   * Adds an IPv4 neighbor as INCOMPLETE; the caller sends the first request. A full table gives up a stale or failed
   * neighbor that no adjacency follows. Returns the row, or -1 when there is none to give up.
   */
  add(iface: number, ip: number, nowMs: number): number {
    const row = this.#take();
    if (row < 0) return -1;
    this.#open(row);
    this.iface[row] = iface;
    this.#family[row] = FAMILY_IPV4;
    this.ip[row] = ip;
    this.macHi[row] = 0;
    this.macLo[row] = 0;
    this.adj[row] = -1;
    this.confirmedMs[row] = -1;
    this.uses[row] = 0;
    this.#usesSeen[row] = 0;
    this.state[row] = NEIGHBOR_INCOMPLETE;
    this.requests[row] = 1;
    this.deadlineMs[row] = nowMs + this.timers.retransmitMs;
    this.#close(row);
    const bucket = this.#bucket(iface, ip);
    this.#chain[row] = this.#heads[bucket];
    this.#heads[bucket] = row;
    return row;
  }

  /** A failed neighbor is wanted again: INCOMPLETE, the caller sends the first request. */
  retry(row: number, nowMs: number): void {
    this.#open(row);
    this.state[row] = NEIGHBOR_INCOMPLETE;
    this.requests[row] = 1;
    this.deadlineMs[row] = nowMs + this.timers.retransmitMs;
    this.#close(row);
  }

  /**
   * The neighbor said its MAC. `solicited`: in answer to a request of ours, which proves that both ways work: REACHABLE.
   * Otherwise a MAC that is new makes the row STALE, to be proved on its next use (RFC 4861 §7.2.5, §7.3.3). A permanent row
   * stays as it is. Returns true when there was another MAC before.
   */
  confirm(row: number, macHi: number, macLo: number, solicited: boolean, nowMs: number): boolean {
    if (this.state[row] === NEIGHBOR_PERMANENT) return false;
    const known = this.usable(row) && this.macHi[row] === macHi && this.macLo[row] === macLo;
    const changed =
      !known && this.confirmedMs[row] >= 0 && (this.macHi[row] !== macHi || this.macLo[row] !== macLo);
    if (known && !solicited) return false;
    this.#open(row);
    this.macHi[row] = macHi;
    this.macLo[row] = macLo;
    this.confirmedMs[row] = nowMs;
    this.requests[row] = 0;
    this.state[row] = solicited ? NEIGHBOR_REACHABLE : NEIGHBOR_STALE;
    this.deadlineMs[row] = nowMs + (solicited ? this.timers.reachableMs : this.timers.idleMs);
    this.#close(row);
    return changed;
  }

  /** Makes the row the operator's: PERMANENT with this MAC. */
  setPermanent(row: number, macHi: number, macLo: number, nowMs: number): void {
    this.#open(row);
    this.macHi[row] = macHi;
    this.macLo[row] = macLo;
    this.confirmedMs[row] = nowMs;
    this.state[row] = NEIGHBOR_PERMANENT;
    this.#close(row);
  }

  /** Runs the row's timer (RFC 4861 §7.3.3) and returns NEIGHBOR_ACT_*. Call it for every row below `high` about every 100 ms. */
  advance(row: number, nowMs: number): number {
    const state = this.state[row];
    if (state === NEIGHBOR_STALE) {
      const used = this.uses[row] !== this.#usesSeen[row];
      this.#usesSeen[row] = this.uses[row];
      if (used) this.#enter(row, NEIGHBOR_DELAY, nowMs + this.timers.delayMs);
      return !used && nowMs >= this.deadlineMs[row] ? NEIGHBOR_ACT_IDLE : NEIGHBOR_ACT_NONE;
    }
    if (state < NEIGHBOR_INCOMPLETE || state > NEIGHBOR_PROBE || nowMs < this.deadlineMs[row]) {
      return NEIGHBOR_ACT_NONE;
    }
    if (state === NEIGHBOR_REACHABLE) {
      this.#usesSeen[row] = this.uses[row];
      this.#enter(row, NEIGHBOR_STALE, nowMs + this.timers.idleMs);
      return NEIGHBOR_ACT_NONE;
    }
    if (state === NEIGHBOR_DELAY) {
      this.requests[row] = 1;
      this.#enter(row, NEIGHBOR_PROBE, nowMs + this.timers.retransmitMs);
      return NEIGHBOR_ACT_PROBE;
    }
    if (this.requests[row] < this.timers.maxRequests) {
      this.requests[row]++;
      this.deadlineMs[row] = nowMs + this.timers.retransmitMs;
      return state === NEIGHBOR_PROBE ? NEIGHBOR_ACT_PROBE : NEIGHBOR_ACT_SOLICIT;
    }
    this.#enter(row, NEIGHBOR_FAILED, 0);
    return NEIGHBOR_ACT_FAIL;
  }

  /** Frees the row. The caller has dealt with what waits for it and with its adjacency. */
  remove(row: number): void {
    const bucket = this.#bucket(this.iface[row], this.ip[row]);
    if (this.#heads[bucket] === row) this.#heads[bucket] = this.#chain[row];
    else {
      let before = this.#heads[bucket];
      while (this.#chain[before] !== row) before = this.#chain[before];
      this.#chain[before] = this.#chain[row];
    }
    this.#open(row);
    this.state[row] = NEIGHBOR_FREE;
    this.#close(row);
    this.#chain[row] = this.#free;
    this.#free = row;
  }

  /** Tells readers what the time is on the writer's clock, so that they can show ages. */
  publishNow(nowMs: number): void {
    this.#now[0] = nowMs;
  }

  /** All neighbors, for `show neighbors`. Cold; safe in another thread while the data plane writes. */
  list(): NeighborRow[] {
    const rows: NeighborRow[] = [];
    const nowMs = this.#now[0];
    for (let r = 0; r < this.capacity; r++) {
      if (this.state[r] === NEIGHBOR_FREE) continue;
      for (let attempt = 0; attempt < 100; attempt++) {
        const before = Atomics.load(this.#version, r);
        const state = this.state[r];
        const confirmed = this.confirmedMs[r];
        const row: NeighborRow = {
          iface: this.iface[r],
          ip: this.ip[r],
          macHi: this.macHi[r],
          macLo: this.macLo[r],
          state: NEIGHBOR_STATES[state],
          source: state === NEIGHBOR_PERMANENT ? 'static' : 'learned',
          ageMs: confirmed < 0 ? -1 : Math.max(0, nowMs - confirmed),
          requests: this.requests[r],
        };
        if ((before & 1) !== 0 || Atomics.load(this.#version, r) !== before) continue;
        if (state !== NEIGHBOR_FREE) rows.push(row);
        break;
      }
    }
    return rows;
  }

  #enter(row: number, state: number, deadlineMs: number): void {
    this.#open(row);
    this.state[row] = state;
    this.deadlineMs[row] = deadlineMs;
    this.#close(row);
  }

  /** A free row; when there is none, that of a neighbor which nobody needs. */
  #take(): number {
    if (this.#free >= 0) {
      const row = this.#free;
      this.#free = this.#chain[row];
      return row;
    }
    if (this.#high < this.capacity) return this.#high++;
    for (let looks = 0; looks < EVICT_LOOKS; looks++) {
      const row = this.#hand;
      this.#hand = (row + 1) & (this.capacity - 1);
      const s = this.state[row];
      const needless = (s === NEIGHBOR_STALE || s === NEIGHBOR_FAILED) && this.adj[row] < 0;
      if (needless && this.queue.length(row) === 0) {
        this.remove(row);
        this.#free = this.#chain[row];
        return row;
      }
    }
    return -1;
  }

  #bucket(iface: number, ip: number): number {
    const h = Math.imul(ip, 0x9e3779b1) ^ Math.imul(iface + 1, 0x85ebca6b);
    return (h ^ (h >>> 15)) & (this.capacity * 2 - 1);
  }

  #open(row: number): void {
    Atomics.add(this.#version, row, 1);
  }

  #close(row: number): void {
    Atomics.add(this.#version, row, 1);
  }
}
