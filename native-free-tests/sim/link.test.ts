import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../src/base/timers.ts';
import { cable, pass } from './cables.ts';

describe('Link', () => {
  it('brings a frame to the other end after its delay, and not to its own', () => {
    const timers = new VirtualTimers();
    const link = cable(timers, { delayMs: 10 });
    const at: [string, number][] = [];
    link.a.receive = () => at.push(['a', timers.nowMs()]);
    link.b.receive = () => at.push(['b', timers.nowMs()]);
    link.a.send(Uint8Array.of(1));
    pass(timers, 9.9);
    expect(at).toEqual([]);
    pass(timers, 1);
    expect(at).toHaveLength(1);
    expect(at[0]?.[0]).toBe('b');
    expect(at[0]?.[1]).toBeGreaterThanOrEqual(10);
  });

  it('never reorders, whatever its jitter and the gaps between the frames', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 50 }),
        (seed, gaps) => {
          const timers = new VirtualTimers();
          const link = cable(timers, { delayMs: 5, seed });
          const got: number[] = [];
          link.b.receive = (frame) => got.push(frame[0]);
          gaps.forEach((gap, i) => {
            link.a.send(Uint8Array.of(i));
            pass(timers, gap);
          });
          pass(timers, 100);
          expect(got).toEqual(gaps.map((_, i) => i));
        },
      ),
    );
  });

  it('has the same arrivals with the same seed, others with another', () => {
    const arrivals = (seed: number): number[] => {
      const timers = new VirtualTimers();
      const link = cable(timers, { delayMs: 5, seed, loss: 0.2 });
      const at: number[] = [];
      link.b.receive = () => at.push(timers.nowMs());
      for (let i = 0; i < 50; i++, pass(timers, 1)) link.a.send(Uint8Array.of(i));
      pass(timers, 100);
      return at;
    };
    expect(arrivals(3)).toEqual(arrivals(3));
    expect(arrivals(3)).not.toEqual(arrivals(4));
    expect(arrivals(3).length).toBeLessThan(50);
  });

  it('loses what is sent or on its way while it is down, and tells both ends', () => {
    const timers = new VirtualTimers();
    const link = cable(timers);
    const got: number[] = [];
    const carrier: string[] = [];
    link.b.receive = (frame) => got.push(frame[0]);
    link.a.carrier = (up) => carrier.push(`a ${up}`);
    link.b.carrier = (up) => carrier.push(`b ${up}`);
    link.a.send(Uint8Array.of(1));
    link.set(false);
    link.a.send(Uint8Array.of(2));
    pass(timers, 10);
    link.set(true);
    link.set(true);
    link.a.send(Uint8Array.of(3));
    pass(timers, 10);
    expect(got).toEqual([3]);
    expect(carrier).toEqual(['a false', 'b false', 'a true', 'b true']);
  });

  it('shows watchers each frame and the end it came from, until they have seen enough', () => {
    const timers = new VirtualTimers();
    const link = cable(timers, { loss: 1 });
    const seen: string[] = [];
    const stop = link.watch((frame, from) => seen.push(`${from === link.a ? 'a' : 'b'} ${frame[0]}`));
    link.a.send(Uint8Array.of(1));
    link.b.send(Uint8Array.of(2));
    stop();
    link.a.send(Uint8Array.of(3));
    expect(seen).toEqual(['a 1', 'b 2']);
  });
});
