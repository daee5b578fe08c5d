// Time of the in-process lab: everything that happens is a timer on one virtual clock, so that the same seed gives the same
// run to the last microsecond, however fast the machine is.

import { VirtualTimers } from '../base/timers.ts';

/** Where the clock starts: any fixed moment will do, and one that reads as a date is kinder to people. */
const START_MS = Date.UTC(2026, 0, 1);
/** Virtual time between two looks at a condition. */
const STEP_MS = 5;
/** Virtual time after which other work of the process gets a turn. */
const TURN_MS = 250;

export class VirtualTime {
  readonly timers = new VirtualTimers(START_MS);

  /** Lets `ms` pass. */
  async run(ms: number): Promise<void> {
    await this.until(() => false, ms);
  }

  /** Lets time pass until `done` holds or `limitMs` are over; returns whether it holds. */
  async until(done: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.timers.nowMs() + limitMs;
    let turnMs = this.timers.nowMs() + TURN_MS;
    for (;;) {
      const now = this.timers.nowMs();
      if (done()) return true;
      if (now >= endMs) return false;
      this.timers.advanceTo(Math.min(endMs, now + STEP_MS));
      if (now < turnMs) continue;
      turnMs = now + TURN_MS;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
