// Reads and writes that the system carries out while packets are worked on: how many there are, and waiting for one to end.

import { assert } from '../base/errors.ts';

export class PendingIo {
  #pending = 0;
  #wake: (() => void) | undefined;

  /** One has been handed to the system. */
  begin(): void {
    this.#pending++;
  }

  /** One has ended, well or not. */
  end(): void {
    this.#pending--;
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Resolves when the next one has ended. One waits at a time, and only while something is pending. */
  next(): Promise<void> {
    assert(this.#pending > 0 && this.#wake === undefined, 'a wait that something ends');
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
