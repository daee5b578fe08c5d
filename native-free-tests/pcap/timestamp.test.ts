import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTsresol, TimeScale } from '../../src/pcap/timestamp.ts';

describe('TimeScale', () => {
  it('equals 64-bit arithmetic for every decimal unit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 19 }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        (exp, units) => {
          const scale = new TimeScale(exp, 0);
          const ns = exp <= 9 ? units * 10n ** BigInt(9 - exp) : units / 10n ** BigInt(exp - 9);
          // Whole milliseconds that a double holds: later than the year 287,000 they are rounded.
          fc.pre(ns / 1_000_000n < 1n << 53n);
          scale.convert(Number(units >> 32n), Number(units & 0xffffffffn));
          expect(BigInt(scale.ms) * 1_000_000n + BigInt(scale.ns)).toBe(ns);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('equals 64-bit arithmetic within a nanosecond for every binary unit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 63 }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        (exp, units) => {
          const scale = new TimeScale(0x80 | exp, 0);
          const ns = (units * 1_000_000_000n) >> BigInt(exp);
          fc.pre(ns / 1_000_000n < 1n << 53n);
          scale.convert(Number(units >> 32n), Number(units & 0xffffffffn));
          const off = BigInt(scale.ms) * 1_000_000n + BigInt(scale.ns) - ns;
          expect(off >= -1n && off <= 1n).toBe(true);
          expect(scale.ns).toBeGreaterThanOrEqual(0);
          expect(scale.ns).toBeLessThan(1e6);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('isTsresol takes the units in which 64 bits reach a second', () => {
    expect([0, 6, 19, 0x80, 0x80 | 63].every(isTsresol)).toBe(true);
    expect([20, 127, 0x80 | 64, 255].some(isTsresol)).toBe(false);
  });
});
