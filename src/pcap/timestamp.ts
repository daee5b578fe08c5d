// Timestamps of pcapng: 64 bits in units that each interface chooses (if_tsresol), to milliseconds and nanoseconds.
//
// The 64 bits never become one double, which holds 53: a value is two words, divided in two steps.

import { assert } from '../base/errors.ts';

/** if_tsresol when an interface names none: 10^-6 s. */
export const TSRESOL_DEFAULT = 6;

export class TimeScale {
  /** Result of the last `convert`: whole ms since the epoch. */
  ms = 0;
  /** ... and nanoseconds within that ms. */
  ns = 0;
  readonly #binary: boolean;
  readonly #exponent: number;
  readonly #offsetMs: number;
  #hi = 0;
  #lo = 0;

  /**
   * @param tsresol if_tsresol: a negative power of 10, or of 2 when the top bit is set (pcapng §4.2).
   * @param offsetSeconds if_tsoffset, added to every time.
   */
  constructor(tsresol: number, offsetSeconds: number) {
    assert(isTsresol(tsresol), 'if_tsresol has been checked');
    this.#binary = (tsresol & 0x80) !== 0;
    this.#exponent = tsresol & 0x7f;
    this.#offsetMs = offsetSeconds * 1000;
  }

  /** Converts `hi * 2^32 + lo` units, to the nanosecond below. */
  convert(hi: number, lo: number): void {
    if (this.#binary) this.#convertBinary(hi, lo);
    else this.#convertDecimal(hi, lo);
    this.ms += this.#offsetMs;
  }

  #convertDecimal(hi: number, lo: number): void {
    const exponent = this.#exponent;
    this.#hi = hi;
    this.#lo = lo;
    let digits = exponent;
    // Below nanoseconds: cut the digits off, at most six in a step.
    while (digits > 9) {
      const step = Math.min(digits - 9, 6);
      this.#divide(10 ** step);
      digits -= step;
    }
    if (digits <= 3) {
      this.ms = (this.#hi * 2 ** 32 + this.#lo) * 10 ** (3 - digits);
      this.ns = 0;
      return;
    }
    const rest = this.#divide(10 ** (digits - 3));
    this.ms = this.#hi * 2 ** 32 + this.#lo;
    this.ns = rest * 10 ** (9 - digits);
  }

  #convertBinary(hi: number, lo: number): void {
    const bits = this.#exponent;
    let seconds: number;
    let fraction: number; // of a second; exact up to 53 bits
    if (bits <= 32) {
      seconds = hi * 2 ** (32 - bits) + Math.floor(lo / 2 ** bits);
      fraction = (lo % 2 ** bits) / 2 ** bits;
    } else {
      seconds = Math.floor(hi / 2 ** (bits - 32));
      fraction = ((hi % 2 ** (bits - 32)) + lo / 2 ** 32) / 2 ** (bits - 32);
    }
    const ns = Math.floor(fraction * 1e9);
    const ms = Math.floor(ns / 1e6);
    this.ms = seconds * 1000 + ms;
    this.ns = ns - ms * 1e6;
  }

  /** Divides the two words by `divisor` (below 2^21, so that remainder * 2^32 + word is exact); returns the remainder. */
  #divide(divisor: number): number {
    const highRest = this.#hi % divisor;
    const low = highRest * 2 ** 32 + this.#lo;
    const rest = low % divisor;
    this.#hi = (this.#hi - highRest) / divisor;
    this.#lo = (low - rest) / divisor;
    return rest;
  }
}

/** Whether 64 bits in this unit reach at least a second: other values are corrupt. */
export function isTsresol(tsresol: number): boolean {
  return (tsresol & 0x80) === 0 ? tsresol <= 19 : (tsresol & 0x7f) <= 63;
}
