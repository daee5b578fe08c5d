import { describe, expect, it } from 'vitest';
import { percentile, spreadOf } from '../../src/bench/spread.ts';

describe('spreadOf', () => {
  it('has the median, the lowest, the highest, and all in the order of measuring', () => {
    expect(spreadOf([5, 1, 9])).toEqual({ median: 5, lowest: 1, highest: 9, all: [5, 1, 9] });
  });
  it('takes a number that was measured for the median of an even count', () => {
    expect(spreadOf([4, 1, 3, 2]).median).toBe(2);
  });
});

describe('percentile', () => {
  it('is the nearest rank', () => {
    const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0, 0.01, 0.5, 0.99, 1].map((q) => percentile(sorted, q))).toEqual([1, 1, 50, 99, 100]);
  });
  it('is NaN of nothing', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});
