// The forwarding database: (network, MAC) → the interface behind which it was last seen. Shared memory with one writer, the
// data plane that owns the networks; main reads it for `show fdb` and sends what it wants changed to that writer.
//
// A row keeps its place for its life: it hangs in the chain of its hash bucket (`find`, on the packet path) and in the list
// of its interface (flush, and the copies that only some VMs may get). A reader of another thread uses neither: it walks the
// rows, each under a sequence number that is odd while the row is being written.
//
// Full means refuse: a VM that makes up source MACs then finds no room for more, and cannot push the others out.

import { assert } from '../base/errors.ts';

/** Learned from a frame's source; ages. */
export const FDB_LEARNED = 0;
/** Set by the operator; neither ages nor moves. */
export const FDB_STATIC = 1;
/** Set when a migration cut over, before the VM's first frame; the VM's own frames take it over, and it ages. */
export const FDB_MIGRATED = 2;
export type FdbSource = typeof FDB_LEARNED | typeof FDB_STATIC | typeof FDB_MIGRATED;
export const FDB_SOURCES = ['learned', 'static', 'migrated'] as const;

/** Results of `learn`. */
export const LEARN_KNOWN = 0;
export const LEARN_NEW = 1;
/** The MAC was behind another interface, which `movedFrom` says. */
export const LEARN_MOVED = 2;
/** The entry is static on another interface and stays there. */
export const LEARN_STATIC = 3;
/** No room: not learned. */
export const LEARN_FULL = 4;

/** Rows that are looked at once in this time, so an entry may live this much longer than its age. */
const SWEEP_MS = 1000;
const MAX_FDB_INTERFACES = 256;

/** A row as `show fdb` wants it. */
export interface FdbEntry {
  readonly network: number;
  readonly macHi: number;
  readonly macLo: number;
  readonly iface: number;
  readonly source: (typeof FDB_SOURCES)[number];
  /** When a frame from this MAC was last seen (or the entry was set), ms of the data plane's clock. */
  readonly seenMs: number;
  /** How often it changed its interface. */
  readonly moves: number;
}

export class Fdb {
  readonly capacity: number;
  readonly buffer: SharedArrayBuffer;
  /** An entry that no frame has confirmed for this long is forgotten. */
  ageingMs: number;
  /** Time of what `learn` sees, ms of the data plane's clock: set once a batch, as a double argument would go on the heap. */
  nowMs = 0;
  /** Interface that the MAC of the last LEARN_MOVED was behind. */
  movedFrom = 0;
  /** Row that the last `learn` was about; -1 after LEARN_FULL. */
  learnedRow = -1;

  // columns of a row
  readonly network: Uint32Array;
  readonly macHi: Uint32Array;
  readonly macLo: Uint32Array;
  readonly iface: Uint32Array;
  readonly seenMs: Float64Array;
  /** When the data plane last told main about this MAC, ms of its clock; -Infinity for never. Writer only. */
  readonly toldMs: Float64Array;
  /** The IPv4 address that it told with it, 0 for none. Writer only. */
  readonly toldIp: Uint32Array;
  /** `macLo` as signed words, for `find`. */
  readonly #macLoSigned: Int32Array;
  readonly #source: Uint32Array;
  readonly #moves: Uint32Array;
  /** Odd while the row is being written. */
  readonly #seq: Int32Array;
  readonly #used: Uint32Array;
  /** [entries, refused for lack of room, moves, aged] */
  readonly #totals: Float64Array;

  // the writer's own: -1 ends a chain, a list, the free rows
  readonly #heads: Int32Array;
  readonly #chain: Int32Array;
  readonly #listHeads = new Int32Array(MAX_FDB_INTERFACES).fill(-1);
  readonly #listNext: Int32Array;
  readonly #listPrev: Int32Array;
  /** Keeps a sender who chooses MACs from choosing buckets. */
  readonly #seed = (Math.random() * 2 ** 32) | 0;
  #free = 0;
  #sweepAt = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /**
   * @param capacity most entries; a power of two.
   * @param shared memory of an `Fdb` of another thread: then only `entries` and the totals may be used.
   */
  constructor(capacity = 32768, ageingMs = 300_000, shared?: SharedArrayBuffer) {
    assert(capacity > 0 && (capacity & (capacity - 1)) === 0, 'FDB capacity is a power of two');
    this.capacity = capacity;
    this.ageingMs = ageingMs;
    this.buffer = shared ?? new SharedArrayBuffer(32 + capacity * (8 + 8 * 4));
    this.#totals = new Float64Array(this.buffer, 0, 4);
    this.seenMs = new Float64Array(this.buffer, 32, capacity);
    const column = (n: number): number => 32 + capacity * (8 + n * 4);
    this.#seq = new Int32Array(this.buffer, column(0), capacity);
    this.#used = new Uint32Array(this.buffer, column(1), capacity);
    this.network = new Uint32Array(this.buffer, column(2), capacity);
    this.macHi = new Uint32Array(this.buffer, column(3), capacity);
    this.macLo = new Uint32Array(this.buffer, column(4), capacity);
    this.#macLoSigned = new Int32Array(this.buffer, column(4), capacity);
    this.iface = new Uint32Array(this.buffer, column(5), capacity);
    this.#source = new Uint32Array(this.buffer, column(6), capacity);
    this.#moves = new Uint32Array(this.buffer, column(7), capacity);
    const own = shared === undefined ? capacity : 0;
    this.toldMs = new Float64Array(own);
    this.toldIp = new Uint32Array(own);
    this.#heads = new Int32Array(own * 2).fill(-1);
    this.#chain = Int32Array.from({ length: own }, (_, i) => (i + 1 < own ? i + 1 : -1));
    this.#listNext = new Int32Array(own);
    this.#listPrev = new Int32Array(own);
  }

  /**
   * Row of (network, MAC), or -1. Here and in `learn`, `macLo` may be signed (`| 0`), as the packet path has it: V8 puts a u32
   * of 2^31 and more on the heap when it hands it to a function that it has not inlined.
   */
  find(network: number, macHi: number, macLo: number): number {
    const lo = macLo | 0;
    for (let r = this.#heads[this.#bucket(network, macHi, lo)]; r >= 0; r = this.#chain[r]) {
      if (this.#macLoSigned[r] === lo && this.macHi[r] === macHi && this.network[r] === network) return r;
    }
    return -1;
  }

  /** Says that a frame from this MAC came in by `iface` at `nowMs`; returns LEARN_*. The caller keeps gateway MACs away. */
  learn(network: number, macHi: number, macLo: number, iface: number): number {
    const r = this.find(network, macHi, macLo);
    this.learnedRow = r;
    if (r < 0) {
      this.learnedRow = this.#insert(network, macHi, macLo, iface, FDB_LEARNED, this.nowMs);
      return this.learnedRow < 0 ? LEARN_FULL : LEARN_NEW;
    }
    if (this.#source[r] === FDB_STATIC) return this.iface[r] === iface ? LEARN_KNOWN : LEARN_STATIC;
    this.seenMs[r] = this.nowMs;
    if (this.iface[r] === iface) {
      if (this.#source[r] !== FDB_LEARNED) this.#source[r] = FDB_LEARNED;
      return LEARN_KNOWN;
    }
    this.movedFrom = this.iface[r];
    this.#totals[2]++;
    this.#rewrite(r, iface, FDB_LEARNED, this.nowMs);
    return LEARN_MOVED;
  }

  /** Sets an entry for the operator or for mobility; returns whether there was room. */
  set(
    network: number,
    macHi: number,
    macLo: number,
    iface: number,
    source: FdbSource,
    nowMs: number,
  ): boolean {
    const r = this.find(network, macHi, macLo);
    if (r < 0) return this.#insert(network, macHi, macLo, iface, source, nowMs) >= 0;
    this.#rewrite(r, iface, source, nowMs);
    return true;
  }

  /** Forgets (network, MAC); returns whether it was known. */
  remove(network: number, macHi: number, macLo: number): boolean {
    const r = this.find(network, macHi, macLo);
    if (r >= 0) this.#delete(r);
    return r >= 0;
  }

  /** Forgets everything learned or migrated behind an interface that went away; returns how many. */
  flush(iface: number): number {
    let n = 0;
    for (let r = this.#listHeads[iface]; r >= 0; ) {
      const next = this.#listNext[r];
      if (this.#source[r] !== FDB_STATIC) {
        this.#delete(r);
        n++;
      }
      r = next;
    }
    return n;
  }

  /** First row behind an interface, -1 for none. Rows come newest first. */
  firstOn(iface: number): number {
    return this.#listHeads[iface];
  }

  /** Next row behind the same interface, -1 at the end. */
  nextOn(row: number): number {
    return this.#listNext[row];
  }

  /**
   * Forgets what has aged. Looks at a slice of the rows, as large as the time since the last call asks for: all of them once
   * a second, however often it is called and however far the clock jumped.
   */
  age(nowMs: number): void {
    const elapsed = nowMs - this.#sweptMs;
    const rows = elapsed >= SWEEP_MS ? this.capacity : Math.ceil((elapsed * this.capacity) / SWEEP_MS);
    if (rows <= 0) return;
    this.#sweptMs = nowMs;
    if (this.size === 0) return; // a gateway that only routes would look at 64k empty rows each second
    const oldest = nowMs - this.ageingMs;
    for (let k = 0, r = this.#sweepAt; k < rows; k++, r = (r + 1) & (this.capacity - 1)) {
      if (this.#used[r] === 1 && this.seenMs[r] < oldest && this.#source[r] !== FDB_STATIC) {
        this.#delete(r);
        this.#totals[3]++;
      }
    }
    this.#sweepAt = (this.#sweepAt + rows) & (this.capacity - 1);
  }

  /** Entries now. */
  get size(): number {
    return this.#totals[0];
  }
  /** Frames whose source was not learned because the table was full. */
  get refused(): number {
    return this.#totals[1];
  }
  /** Changes of interface. */
  get moved(): number {
    return this.#totals[2];
  }
  /** Entries that aged out. */
  get aged(): number {
    return this.#totals[3];
  }

  /** All entries, for people (cold, any thread): each is consistent in itself, the whole is not a moment in time. */
  *entries(): Generator<FdbEntry> {
    for (let r = 0; r < this.capacity; r++) {
      // a row is written in well under a microsecond; a writer that died within one must not hang the reader
      for (let tries = 0; tries < 1000; tries++) {
        const seq = Atomics.load(this.#seq, r);
        if ((seq & 1) !== 0) continue;
        const used = this.#used[r] === 1;
        const entry: FdbEntry = {
          network: this.network[r],
          macHi: this.macHi[r],
          macLo: this.macLo[r],
          iface: this.iface[r],
          source: FDB_SOURCES[this.#source[r]],
          seenMs: this.seenMs[r],
          moves: this.#moves[r],
        };
        if (Atomics.load(this.#seq, r) !== seq) continue;
        if (used) yield entry;
        break;
      }
    }
  }

  #bucket(network: number, macHi: number, macLo: number): number {
    const h = Math.imul(macLo ^ this.#seed ^ Math.imul(macHi + (network << 16), 0x85ebca6b), 0x9e3779b1);
    return (h ^ (h >>> 15)) & (this.#heads.length - 1);
  }

  #insert(
    network: number,
    macHi: number,
    macLo: number,
    iface: number,
    source: number,
    nowMs: number,
  ): number {
    if (this.#totals[0] >= this.capacity) {
      this.#totals[1]++;
      return -1;
    }
    const r = this.#free;
    this.#free = this.#chain[r];
    Atomics.add(this.#seq, r, 1);
    this.network[r] = network;
    this.macHi[r] = macHi;
    this.macLo[r] = macLo;
    this.iface[r] = iface;
    this.seenMs[r] = nowMs;
    this.#source[r] = source;
    this.#moves[r] = 0;
    this.#used[r] = 1;
    Atomics.add(this.#seq, r, 1);
    this.toldMs[r] = Number.NEGATIVE_INFINITY;
    this.toldIp[r] = 0;
    const b = this.#bucket(network, macHi, macLo);
    this.#chain[r] = this.#heads[b];
    this.#heads[b] = r;
    this.#link(r, iface);
    this.#totals[0]++;
    return r;
  }

  #rewrite(r: number, iface: number, source: number, nowMs: number): void {
    const moved = this.iface[r] !== iface;
    if (moved) this.#unlink(r);
    Atomics.add(this.#seq, r, 1);
    this.iface[r] = iface;
    this.#source[r] = source;
    this.seenMs[r] = nowMs;
    if (moved) this.#moves[r]++;
    Atomics.add(this.#seq, r, 1);
    if (moved) this.#link(r, iface);
  }

  #delete(r: number): void {
    const b = this.#bucket(this.network[r], this.macHi[r], this.macLo[r]);
    if (this.#heads[b] === r) this.#heads[b] = this.#chain[r];
    else {
      let p = this.#heads[b];
      while (this.#chain[p] !== r) p = this.#chain[p];
      this.#chain[p] = this.#chain[r];
    }
    this.#unlink(r);
    Atomics.add(this.#seq, r, 1);
    this.#used[r] = 0;
    Atomics.add(this.#seq, r, 1);
    this.#chain[r] = this.#free;
    this.#free = r;
    this.#totals[0]--;
  }

  #link(r: number, iface: number): void {
    const head = this.#listHeads[iface];
    this.#listNext[r] = head;
    this.#listPrev[r] = -1;
    if (head >= 0) this.#listPrev[head] = r;
    this.#listHeads[iface] = r;
  }

  #unlink(r: number): void {
    const next = this.#listNext[r];
    const prev = this.#listPrev[r];
    if (prev >= 0) this.#listNext[prev] = next;
    else this.#listHeads[this.iface[r]] = next;
    if (next >= 0) this.#listPrev[next] = prev;
  }
}
