import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../src/dataplane/rate-limit.ts';

describe('RateLimit', () => {
  it('gives one second at once, and then by the clock', () => {
    const limit = new RateLimit(1);
    const take = (n: number, ms: number): number =>
      Array.from({ length: n }, () => limit.take(0, 100, ms)).filter(Boolean).length;
    expect(take(150, 0)).toBe(100);
    expect(take(150, 500)).toBe(50);
    expect(take(150, 10_000)).toBe(100);
  });

  it('keeps its buckets apart, and 0 is unlimited', () => {
    const limit = new RateLimit(2);
    expect(limit.take(0, 1, 0)).toBe(true);
    expect(limit.take(0, 1, 0)).toBe(false);
    expect(limit.take(1, 1, 0)).toBe(true);
    for (let i = 0; i < 1000; i++) expect(limit.take(0, 0, 0)).toBe(true);
  });

  it('never gives more than a second at once and the rate after it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.nat(300), { maxLength: 300 }),
        (rate, steps) => {
          const limit = new RateLimit(1);
          let now = 0;
          let given = 0;
          for (const step of steps) {
            now += step;
            if (limit.take(0, rate, now)) given++;
          }
          expect(given).toBeLessThanOrEqual(rate + Math.ceil((now * rate) / 1000));
          expect(given).toBeGreaterThanOrEqual(Math.min(steps.length, rate));
        },
      ),
    );
  });
});
