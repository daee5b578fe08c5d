// Token buckets, one for each index (an interface, a kind of message). A bucket holds at most one second's worth, so `rate`
// events may come at once, and no more than `rate` a second after that.

export class RateLimit {
  readonly #tokens: Float64Array;
  /** When the bucket was last filled, ms of the clock; NaN for a bucket that was never used, which starts full. */
  readonly #filledMs: Float64Array;

  /** @param buckets how many indexes there are. */
  constructor(buckets: number) {
    this.#tokens = new Float64Array(buckets);
    this.#filledMs = new Float64Array(buckets).fill(Number.NaN);
  }

  /** Takes a token of bucket `index`; false when there is none. `rate` in events a second, 0 = unlimited. */
  take(index: number, rate: number, nowMs: number): boolean {
    if (rate === 0) return true;
    const filled = this.#filledMs[index];
    let tokens = Number.isNaN(filled) ? rate : this.#tokens[index] + ((nowMs - filled) * rate) / 1000;
    if (tokens > rate) tokens = rate;
    this.#filledMs[index] = nowMs;
    const ok = tokens >= 1;
    this.#tokens[index] = ok ? tokens - 1 : tokens;
    return ok;
  }
}
