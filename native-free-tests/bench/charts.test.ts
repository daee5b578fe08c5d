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
    const svg = barChart([{ ...bar, label: 'a <b> & "c"' }], 'kpps', String);
    expect(svg).toContain(escapeHtml('a <b> & "c"'));
    expect(svg).not.toContain('<b>');
    expect(svg).toContain('≥ 1 (1–2)');
  });
  it('give a value its whisker, and a lower bound an open end', () => {
    const bar = { label: 'x', value: 50, lowest: 20, highest: 80, colour: '#000' };
    const closed = barChart([{ ...bar, limited: false }], 'kpps', String);
    const open = barChart([{ ...bar, limited: true }], 'kpps', String);
    expect(closed).toMatch(/class="axis" d="M([\d.]+) 15L([\d.]+) 15/);
    expect(open.length).toBeGreaterThan(closed.length);
    expect(open).toContain('≥ 50 (20–80)');
  });
  it('draw 0 below the powers of ten, and mark a value', () => {
    const points = [
      { x: 1, y: 0 },
      { x: 2, y: 0.01 },
      { x: 3, y: 10 },
    ];
    const axes = { x: 'x', y: 'y', scale: 'log0', mark: { y: 0.5, label: 'half' } } as const;
    const svg = pointChart([{ label: 's', colour: '#000', line: false, points }], axes);
    const cy = Array.from(svg.matchAll(/cy="([\d.]+)"/g), (m) => Number(m[1]));
    expect(cy).toHaveLength(3);
    expect(cy[0]).toBeGreaterThan(cy[1]);
    expect(cy[1]).toBeGreaterThan(cy[2]);
    expect(svg).toContain('half');
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
