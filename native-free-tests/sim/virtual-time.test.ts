import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../src/sim/virtual-time.ts';

describe('VirtualTime', () => {
  it('runs exactly as long as it is told, whatever its steps are, and what falls due on the way', async () => {
    const time = new VirtualTime();
    const start = time.timers.nowMs();
    const at: number[] = [];
    for (const ms of [0, 3, 7.5, 12, 13]) time.timers.after(ms, () => at.push(time.timers.nowMs() - start));
    await time.run(12.2);
    expect(at).toEqual([0, 3, 7.5, 12]);
    expect(time.timers.nowMs()).toBe(start + 12.2);
  });

  it('ends as soon as the condition holds, and says whether it does', async () => {
    const time = new VirtualTime();
    const start = time.timers.nowMs();
    let done = false;
    time.timers.after(42, () => {
      done = true;
    });
    expect(await time.until(() => done, 20)).toBe(false);
    expect(time.timers.nowMs()).toBe(start + 20);
    expect(await time.until(() => done, 1000)).toBe(true);
    expect(time.timers.nowMs() - start).toBeLessThan(50);
  });

  it('lets the process do other work during a long run', async () => {
    const time = new VirtualTime();
    let turns = 0;
    const count = (): void => {
      turns++;
      handle = setImmediate(count);
    };
    let handle = setImmediate(count);
    await time.run(10_000);
    clearImmediate(handle);
    expect(turns).toBeGreaterThan(10);
  });
});
