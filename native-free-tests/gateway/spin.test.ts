import { describe, expect, it } from 'vitest';
import { Spin } from '../../src/gateway/spin.ts';

/** Milliseconds for which it stays awake after a packet at `at`, looked at every 1/8 ms; the next packet comes after `gapMs`. */
function awakeAfter(spin: Spin, at: number, gapMs: number): number {
  let awake = 0;
  for (let t = 0; t < gapMs * 8; t++) if (!spin.idle(at + t / 8)) awake = (t + 1) / 8;
  spin.packets(at + gapMs);
  return awake;
}

describe('Spin', () => {
  it('stays awake for the next packet while packets come closer together than the longest time', () => {
    const spin = new Spin(4);
    expect([1000, 1002, 1004, 1006].map((at) => awakeAfter(spin, at, 2))).toEqual([0.25, 2, 2, 2]);
  });

  it('sleeps soon again once a packet took longer to come, and gives up at the longest time', () => {
    const spin = new Spin(4);
    awakeAfter(spin, 1000, 2);
    expect(awakeAfter(spin, 1002, 10)).toBe(4);
    expect([1012, 1022].map((at) => awakeAfter(spin, at, 10))).toEqual([0.25, 0.25]);
  });

  it('learns nothing from an answer that comes at once', () => {
    const spin = new Spin(4);
    const gaps = [100, 0.125, 100, 0.125];
    let at = 1000;
    const awake = gaps.map((gap) => {
      const ms = awakeAfter(spin, at, gap);
      at += gap;
      return ms;
    });
    expect(awake).toEqual([0.25, 0.125, 0.25, 0.125]);
  });

  it('stays asleep when the timers wake it, until a packet comes', () => {
    const spin = new Spin(4);
    expect([spin.idle(1000), spin.idle(1001), spin.idle(1001), spin.idle(1010)]).toEqual([
      false,
      true,
      true,
      true,
    ]);
    spin.packets(1011);
    expect(spin.idle(1011)).toBe(false);
  });

  it('sleeps at once when it may not spin', () => {
    const spin = new Spin(0);
    expect(spin.idle(1000)).toBe(true);
    spin.packets(1001);
    expect(spin.idle(1001)).toBe(true);
  });
});
