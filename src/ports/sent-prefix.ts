// Keeps the promise of `Port.tx` that what was sent stands first in `idx`, also when the system refuses a frame in the middle
// for the frame's own sake: the ones that were taken close ranks, and the refused ones stand behind them.

import { BATCH_SLOTS } from '../base/batch.ts';

export class SentPrefix {
  /** Frames taken so far: idx[0..taken - 1]. */
  taken = 0;
  readonly #refused = new Uint16Array(BATCH_SLOTS);
  #count = 0;

  start(): void {
    this.taken = 0;
    this.#count = 0;
  }

  /** Position `k` was taken. Positions are told in order, each once, up to the first that was not tried. */
  took(idx: Uint16Array, k: number): void {
    idx[this.taken++] = idx[k];
  }

  /** Position `k` was refused. */
  refused(idx: Uint16Array, k: number): void {
    this.#refused[this.#count++] = idx[k];
  }

  /** Puts the refused ones behind the taken ones; returns how many were taken. */
  end(idx: Uint16Array): number {
    for (let r = 0; r < this.#count; r++) idx[this.taken + r] = this.#refused[r];
    return this.taken;
  }
}
