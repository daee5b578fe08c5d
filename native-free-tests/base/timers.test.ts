import { describe, expect, it } from 'vitest';
import { systemTimers, VirtualTimers } from '../../src/base/timers.ts';

describe('VirtualTimers', () => {
  it('runs what is due in order of time, then of creation, each at its own time', () => {
    const timers = new VirtualTimers(1000);
    const ran: string[] = [];
    timers.after(20, () => ran.push(`b at ${timers.nowMs()}`));
    timers.after(10, () => ran.push(`a at ${timers.nowMs()}`));
    timers.after(20, () => ran.push(`c at ${timers.nowMs()}`));
    timers.after(21, () => ran.push('never'));
    timers.advanceTo(1020);
    expect(ran).toEqual(['a at 1010', 'b at 1020', 'c at 1020']);
    expect(timers.pending).toBe(1);
    expect(timers.nowMs()).toBe(1020);
  });

  it('runs what a timer asks for, if it is due on the way', () => {
    const timers = new VirtualTimers();
    const ran: number[] = [];
    const again = (): void => {
      ran.push(timers.nowMs());
      timers.after(3, again);
    };
    timers.soon(again);
    timers.advanceTo(10);
    expect(ran).toEqual([0, 3, 6, 9]);
  });

  it('never runs a cancelled timer', () => {
    const timers = new VirtualTimers();
    let ran = false;
    const later = timers.after(5, () => {
      ran = true;
    });
    timers.after(1, () => later.cancel());
    timers.advanceTo(100);
    expect(ran).toBe(false);
  });
});

describe('systemTimers', () => {
  it('after and soon run, unless they are cancelled', async () => {
    const ran: string[] = [];
    systemTimers.soon(() => ran.push('cancelled soon')).cancel();
    systemTimers.after(0, () => ran.push('cancelled after')).cancel();
    await new Promise<void>((done) => {
      systemTimers.soon(() => ran.push('soon'));
      systemTimers.after(5, () => {
        ran.push('after');
        done();
      });
    });
    expect(ran).toEqual(['soon', 'after']);
  });
});
