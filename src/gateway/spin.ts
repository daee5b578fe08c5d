// How long a data plane stays awake for its next packet. Asleep in poll() it costs no CPU, but a packet that has to wake it
// waits for an idle CPU to come up and for the thread to run: 50 to 150 µs on a virtual machine, where one that finds it awake
// waits for nothing. So while packets come close together it spins from each to the next, and otherwise only for what answers
// at once. All times are milliseconds of the clock.

/** An answer over the same host is back within this time. */
const SHORT_MS = 0.2;

export class Spin {
  readonly #longestMs: number;
  readonly #shortMs: number;
  #windowMs: number;
  /** When the last packet had been dealt with; negative while none is missed. */
  #sinceMs = -1;
  #asleep = false;

  /** @param longestMs packets that come closer together than this find the data plane awake; 0: it sleeps at once */
  constructor(longestMs: number) {
    this.#longestMs = longestMs;
    this.#shortMs = Math.min(SHORT_MS, longestMs);
    this.#windowMs = this.#shortMs;
  }

  /** Nothing came up to now. Whether it is time to sleep. */
  idle(nowMs: number): boolean {
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    // Once asleep only a packet ends it: the timers alone would keep it awake.
    this.#asleep ||= nowMs - this.#sinceMs >= this.#windowMs;
    return this.#asleep;
  }

  /** Packets came. In a flood this is all that is asked. */
  packets(nowMs: number): void {
    if (this.#sinceMs < 0) return;
    const gapMs = nowMs - this.#sinceMs;
    // A gap shorter than the short window says nothing: behind every lone question comes its answer.
    if (gapMs >= this.#longestMs) this.#windowMs = this.#shortMs;
    else if (gapMs > this.#shortMs) this.#windowMs = this.#longestMs;
    this.#sinceMs = -1;
    this.#asleep = false;
  }
}
