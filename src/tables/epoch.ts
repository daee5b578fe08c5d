// Epochs: how the writer of a shared table knows that no reader still looks at what it has taken out.
//
// A piece of a table (a group of FIB entries, a next-hop index, an adjacency) ends its life in four steps: it is
// unpublished by an atomic store; `retire` puts it on the list of the next epoch; each reader that starts a round after
// that says so (`beginRound`); and when every reader has, or is idle, `reclaim` gives the piece back for use.
// Reusing a piece at once gave wrong next hops about once a run even at 10,000 updates a second.

import { assert } from '../base/errors.ts';

/** Most readers at a time: data-plane workers, and readers inside the main thread. */
export const MAX_READERS = 256;

const GLOBAL = 0;
/** Words between two readers' rows: each has a cache line of its own, so that rounds of two workers do not collide. */
const STRIDE = 16;
const SEEN = 0;
const CLAIMED = 1;
/** A reader in state 0 is outside a round and holds nothing. */
const IDLE = 0;

/**
 * A writer's side. Main has one for its tables, and the data plane that owns the neighbors another over the same memory: they
 * share the epoch and the readers, each has what it retired itself.
 */
export class Epoch {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #pending: { epoch: number; free: () => void }[] = [];

  /** @param shared memory of the `Epoch` of another thread. */
  constructor(shared?: SharedArrayBuffer) {
    this.buffer = shared ?? new SharedArrayBuffer((MAX_READERS + 1) * STRIDE * 4);
    this.#words = new Int32Array(this.buffer);
    if (shared === undefined) this.#words[GLOBAL] = 1;
  }

  /** What is retired and not yet reclaimed. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Calls `free` from `reclaim`, once no reader can still hold what the caller has just unpublished. */
  retire(free: () => void): void {
    this.#pending.push({ epoch: after(Atomics.load(this.#words, GLOBAL)), free });
  }

  /** Frees what no reader can hold any more; returns how many pieces that were. */
  reclaim(): number {
    const last = this.#pending.at(-1);
    if (last === undefined) return 0;
    if (last.epoch !== Atomics.load(this.#words, GLOBAL)) this.advance();
    const reached = this.#reached();
    let n = 0;
    while (n < this.#pending.length && ((reached - this.#pending[n].epoch) | 0) >= 0) n++;
    for (const piece of this.#pending.splice(0, n)) piece.free();
    return n;
  }

  /**
   * Like `reclaim`, for a writer that has run out of room: waits for readers that are inside a round, at most
   * `timeoutMs`. It blocks the thread, but a round takes less than a millisecond.
   */
  reclaimNow(timeoutMs = 50): number {
    const n = this.reclaim();
    return this.#pending.length > 0 && this.synchronize(timeoutMs) ? n + this.reclaim() : n;
  }

  /** Starts a new epoch and returns it: `passed(epoch)` then tells whether all readers have come to it. */
  advance(): number {
    for (;;) {
      const now = Atomics.load(this.#words, GLOBAL);
      const next = after(now);
      if (Atomics.compareExchange(this.#words, GLOBAL, now, next) === now) return next;
    }
  }

  /** Whether every reader is idle or has begun a round in `epoch` or later. */
  passed(epoch: number): boolean {
    return ((this.#reached() - epoch) | 0) >= 0;
  }

  /** The latest epoch that every reader has come to. */
  #reached(): number {
    const now = Atomics.load(this.#words, GLOBAL);
    let lag = 0;
    for (let r = 1; r <= MAX_READERS; r++) {
      const seen = Atomics.load(this.#words, r * STRIDE + SEEN);
      if (seen !== IDLE) lag = Math.max(lag, (now - seen) | 0);
    }
    return (now - lag) | 0;
  }

  /** Waits until every reader has left the round it is in, at most `timeoutMs`; returns whether all did. */
  synchronize(timeoutMs: number): boolean {
    const epoch = this.advance();
    const deadline = performance.now() + timeoutMs;
    const never = new Int32Array(new SharedArrayBuffer(4));
    while (!this.passed(epoch)) {
      if (performance.now() >= deadline) return false;
      Atomics.wait(never, 0, 0, 0.2);
    }
    return true;
  }
}

/** A reader's side; one for each thread (or in-process data plane) that reads the tables. */
export class EpochReader {
  readonly #words: Int32Array;
  readonly #row: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    let r = 1;
    while (r <= MAX_READERS && Atomics.compareExchange(this.#words, r * STRIDE + CLAIMED, 0, 1) !== 0) {
      r++;
    }
    assert(r <= MAX_READERS, `at most ${MAX_READERS} readers of a shared table`);
    this.#row = r * STRIDE;
  }

  /** Says that nothing read before is held any more, and that a round begins. */
  beginRound(): void {
    Atomics.store(this.#words, this.#row + SEEN, Atomics.load(this.#words, GLOBAL));
  }

  /** Says that the round is over and nothing is held until the next `beginRound`. A reader starts idle. */
  idle(): void {
    Atomics.store(this.#words, this.#row + SEEN, IDLE);
  }

  /** Gives the reader's row back. */
  close(): void {
    this.idle();
    Atomics.store(this.#words, this.#row + CLAIMED, 0);
  }
}

/** The epoch that follows; it wraps, and never is 0, which means idle. */
function after(epoch: number): number {
  const next = (epoch + 1) | 0;
  return next === IDLE ? 1 : next;
}
