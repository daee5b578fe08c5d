import { describe, expect, it } from 'vitest';
import { TrafficPacer } from '../../src/bench/traffic-pacer.ts';

const AT = Float64Array.of(0, 1, 1, 5);

/** When each frame goes, of `passes` passes, with a look at the clock every `stepMs`. */
function times(speed: number, passes: number, stepMs = 0.125): number[] {
  const pacer = new TrafficPacer(AT, speed, 100);
  const sent: number[] = [];
  for (let now = 100; pacer.passes < passes; now += stepMs) {
    const to = pacer.due(now, 32);
    for (let i = pacer.at; i < to; i++) sent.push(now - 100);
    if (to > pacer.at) pacer.advance(to - pacer.at);
  }
  return sent;
}

describe('TrafficPacer', () => {
  it('sends frames when they were captured, and begins again after the mean gap', () => {
    // 5 ms long, three gaps of 5/3 ms: the next pass begins at 6.67.
    expect(times(1, 2)).toEqual([0, 1, 1, 5, 6.75, 7.75, 7.75, 11.75]);
  });
  it('is so many times faster', () => {
    expect(times(2, 1)).toEqual([0, 0.5, 0.5, 2.5]);
    expect(times(0.5, 1)).toEqual([0, 2, 2, 10]);
  });
  it('has everything due for speed 0, up to what a call takes, and never past the end', () => {
    const pacer = new TrafficPacer(AT, 0, 0);
    expect(pacer.due(0, 3)).toBe(3);
    pacer.advance(3);
    expect(pacer.due(0, 3)).toBe(4);
    pacer.advance(1);
    expect([pacer.at, pacer.passes]).toEqual([0, 1]);
  });
  it('leaves a delay behind instead of making up for it in a burst', () => {
    const at = Float64Array.from({ length: 100 }, (_, i) => i);
    const pacer = new TrafficPacer(at, 1, 0);
    pacer.advance(pacer.due(0, 32));
    expect([pacer.due(50, 32), pacer.behindMs]).toEqual([3, 48]); // held up for 50 ms: what was due in the last one goes
    pacer.advance(2);
    expect(pacer.due(50, 32)).toBe(3);
    expect(pacer.due(51, 32)).toBe(4);
  });
});
