import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barChart, escapeHtml, linearTicks, logTicks, pointChart } from '../../src/bench/charts.ts';

describe('linearTicks', () => {
  it('runs from 0 to the value or just above it, in at most six equal steps', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e9, noNaN: true }), (most) => {
        const ticks = linearTicks(most);
        expect(ticks[0]).toBe(0);
        const last = ticks[ticks.length - 1];
        expect(last).toBeGreaterThanOrEqual(most * (1 - 1e-6));
        expect(ticks[ticks.length - 2]).toBeLessThan(most);
        expect(ticks.length).toBeLessThanOrEqual(7);
      }),
    );
  });
});

describe('logTicks', () => {
  it('encloses the values in powers of ten', () => {
    expect(logTicks(3, 700)).toEqual([1, 10, 100, 1000]);
    expect(logTicks(10, 10)).toEqual([10, 100]);
  });
});

describe('charts', () => {
  it('escape labels, which may be commands', () => {
    const bar = { value: 1, lowest: 1, highest: 2, limited: true, colour: '#000' };
    const svg = barChart([{ ...bar, label: 'a <b> & "c"' }], String);
    expect(svg).toContain(escapeHtml('a <b> & "c"'));
    expect(svg).not.toContain('<b>');
    expect(svg).toContain('≥ 1 (1–2)');
  });
  it('put larger values further up and to the right, and leave out what is no number', () => {
    const points = [
      { x: 1, y: 1 },
      { x: 2, y: 3 },
      { x: 3, y: Number.NaN },
    ];
    const svg = pointChart([{ label: 's', colour: '#000', line: true, points }], { x: 'x', y: 'y' });
    const circles = Array.from(svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g), (m) => [
      Number(m[1]),
      Number(m[2]),
    ]);
    expect(circles).toHaveLength(2);
    expect(circles[1][0]).toBeGreaterThan(circles[0][0]);
    expect(circles[1][1]).toBeLessThan(circles[0][1]);
  });
});
