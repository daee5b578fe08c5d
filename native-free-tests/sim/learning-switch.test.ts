import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../src/base/timers.ts';
import { AGEING_MS, LearningSwitch } from '../../src/sim/learning-switch.ts';
import type { Link } from '../../src/sim/link.ts';
import { arpReply, arpRequest, host, rarp } from '../golden/frames.ts';
import { cable, pass } from './cables.ts';

const x = host('x', '02:00:00:00:00:0a', '192.0.2.1');
const y = host('y', '02:00:00:00:00:0b', '192.0.2.2');

describe('LearningSwitch', () => {
  let timers: VirtualTimers;
  let links: Link[];
  let got: string[];
  beforeEach(() => {
    timers = new VirtualTimers(1_000_000);
    links = [1, 2, 3].map((seed) => cable(timers, { seed }));
    got = [];
    const bridge = new LearningSwitch(timers);
    links.forEach((link, i) => {
      bridge.plug(link.b);
      link.a.receive = () => got.push(`port ${i}`);
    });
  });
  /** Ports at which a frame sent at port `at` comes out. */
  const from = (at: number, frame: Uint8Array): string[] => {
    got = [];
    links[at].a.send(frame);
    pass(timers, 10);
    return got.sort();
  };

  it('floods broadcast and what it does not know, never back', () => {
    expect(from(0, arpRequest({ from: x, for: y }))).toEqual(['port 1', 'port 2']);
    expect(from(1, arpReply({ from: y, to: host('z', '02:00:00:00:00:0c') }))).toEqual(['port 0', 'port 2']);
  });

  it('sends to a MAC where it was seen last', () => {
    from(0, arpRequest({ from: x, for: y }));
    expect(from(1, arpReply({ from: y, to: x }))).toEqual(['port 0']);
    from(2, rarp({ from: x })); // x has moved
    expect(from(1, arpReply({ from: y, to: x }))).toEqual(['port 2']);
  });

  it('keeps a frame for a MAC behind the port that it came from', () => {
    from(0, arpRequest({ from: x, for: y }));
    expect(from(0, arpReply({ from: y, to: x }))).toEqual([]);
  });

  it('floods again for a MAC that was not seen for five minutes', () => {
    from(0, arpRequest({ from: x, for: y }));
    pass(timers, AGEING_MS + 1);
    expect(from(1, arpReply({ from: y, to: x }))).toEqual(['port 0', 'port 2']);
  });

  it('forgets the MACs of a port whose cable is pulled', () => {
    from(0, arpRequest({ from: x, for: y }));
    links[0].set(false);
    expect(from(1, arpReply({ from: y, to: x }))).toEqual(['port 2']);
  });
});
