// The only source of time. The gateway reads the wall clock once a round; replay and the in-process lab move a virtual one.

export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch, for people and captures. */
  wallMs(): number;
}

// Each thread's performance.now() starts at 0 with the thread; with the origin added, all threads agree.
const originMs = performance.timeOrigin;

export const systemClock: Clock = {
  nowMs: () => originMs + performance.now(),
  wallMs: () => originMs + performance.now(),
};

/** A clock that stands still until it is told to move. Starts at `startMs` since the Unix epoch. */
export class VirtualClock implements Clock {
  #ms: number;
  constructor(startMs = 0) {
    this.#ms = startMs;
  }
  nowMs(): number {
    return this.#ms;
  }
  wallMs(): number {
    return this.#ms;
  }
  /** Moves to `ms`; a time in the past is ignored, as captures are not always in order. */
  advanceTo(ms: number): void {
    if (ms > this.#ms) this.#ms = ms;
  }
}
