// Timers over a clock: the one way in which control-plane code waits. A protocol takes a `Timers`, never `setTimeout`,
// so that its tests and a replay run on virtual time.

import { type Clock, systemClock, VirtualClock } from './clock.ts';

export interface Timer {
  /** The function will not be called any more. Idempotent. */
  cancel(): void;
}

export interface Timers extends Clock {
  /** Calls `fn` once, `delayMs` milliseconds from now (0 or less: as soon as the present work is done). */
  after(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` once when the present work is done: what is asked for many times in one turn can then be done once. */
  soon(fn: () => void): Timer;
}

export const systemTimers: Timers = {
  ...systemClock,
  after(delayMs, fn) {
    const handle = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  soon(fn) {
    const handle = setImmediate(fn);
    return { cancel: () => clearImmediate(handle) };
  },
};

interface Due {
  readonly atMs: number;
  readonly fn: () => void;
}

/** Timers on a clock that stands still until it is told to move: what is due runs in order of time, then of creation. */
export class VirtualTimers extends VirtualClock implements Timers {
  readonly #due = new Set<Due>();

  after(delayMs: number, fn: () => void): Timer {
    const due = { atMs: this.nowMs() + Math.max(0, delayMs), fn };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  soon(fn: () => void): Timer {
    return this.after(0, fn);
  }

  /** Moves to `ms` and runs everything that falls due on the way, including what those functions ask for. */
  override advanceTo(ms: number): void {
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#due) {
        if (due.atMs <= ms && (next === undefined || due.atMs < next.atMs)) next = due;
      }
      if (next === undefined) break;
      this.#due.delete(next);
      super.advanceTo(next.atMs);
      next.fn();
    }
    super.advanceTo(ms);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#due.size;
  }
}
