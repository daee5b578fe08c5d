// When the frames of a capture are due (traffic.ts): as they were captured, or so many times faster, and again from the first when
// the last has gone. Time is the caller's, in milliseconds.

/** A sender that was held up makes up for so much; what is beyond, it leaves behind. */
const ARREARS_MS = 1;

export class TrafficPacer {
  /** The next frame. */
  at = 0;
  /** How often all frames have gone. */
  passes = 0;
  /** How much of the caller's delay was left behind. */
  behindMs = 0;
  readonly #atMs: Float64Array;
  readonly #speed: number;
  /** From the first frame to the first of the next pass. */
  readonly #passMs: number;
  #startMs: number;

  /**
   * @param atMs when each frame follows the first
   * @param speed how much faster than captured; 0 for as fast as it goes
   */
  constructor(atMs: Float64Array, speed: number, startMs: number) {
    const lengthMs = atMs[atMs.length - 1];
    this.#atMs = atMs;
    this.#speed = speed;
    this.#startMs = startMs;
    // The last frame is followed by the gap that frames have on average; a capture without times has a µs there.
    this.#passMs = lengthMs + Math.max(lengthMs / Math.max(1, atMs.length - 1), 1e-3);
  }

  /** Index behind the last frame that is due, at most `most` behind the next one; `at` when none is. */
  due(nowMs: number, most: number): number {
    const { at } = this;
    const atMs = this.#atMs;
    const end = Math.min(atMs.length, at + most);
    if (this.#speed === 0) return end;
    // It does not make up for its own delay in a burst that the capture does not have.
    const lateMs = nowMs - this.#startMs - atMs[at] / this.#speed;
    if (lateMs > ARREARS_MS) {
      this.#startMs += lateMs - ARREARS_MS;
      this.behindMs += lateMs - ARREARS_MS;
    }
    const since = (nowMs - this.#startMs) * this.#speed;
    let to = at;
    while (to < end && atMs[to] <= since) to++;
    return to;
  }

  /** Takes the next `n` frames as gone. */
  advance(n: number): void {
    this.at += n;
    if (this.at < this.#atMs.length) return;
    this.at = 0;
    this.passes++;
    this.#startMs += this.#passMs / (this.#speed || 1);
  }
}
