import { describe, expect, it } from 'vitest';
import { type WatchData, type WatchReport, watch } from '../../src/bench/fib-watch.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib4, Fib4Reader } from '../../src/tables/fib4.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';

const HOST = 0x0a000001;
const AROUND = 1;
const INJECTED = 2;

/** One round of `watch` over a host whose route has changed as often as `changes` says, and its neighbor. */
function round(
  routes: { readonly host: number; readonly neighbor: number },
  changes: { readonly finished: number; readonly begun: number },
): WatchReport {
  const epoch = new Epoch();
  const fib = new Fib4({ nextHops: new NextHopTable(epoch), epoch });
  fib.set(HOST, 32, routes.host);
  fib.set(HOST + 1, 32, routes.neighbor);
  const reader = new Fib4Reader(fib.shared);
  const dst = new Uint32Array(256);
  const nh = new Uint16Array(256);
  const batch = reader.batch(dst, nh);
  const data: WatchData = {
    addresses: Uint32Array.of(HOST, HOST + 1),
    injected: Uint16Array.of(INJECTED),
    around: Uint16Array.of(AROUND, AROUND),
    begun: Int32Array.of(changes.begun),
    finished: Int32Array.of(changes.finished),
    control: new Int32Array(2),
  };
  const onceOnly = (from: number, to: number): void => {
    batch(from, to);
    data.control[0] = 1;
  };
  return watch(reader, onceOnly, dst, nh, data);
}

describe('watch', () => {
  it('takes the answer of a settled host route, and of its absence, for right', () => {
    expect(round({ host: AROUND, neighbor: AROUND }, { finished: 2, begun: 2 })).toEqual({
      lookups: 256,
      wrong: 0,
    });
    expect(round({ host: INJECTED, neighbor: AROUND }, { finished: 3, begun: 3 }).wrong).toBe(0);
  });

  it('counts a settled host route with the answer of before, and any other', () => {
    expect(round({ host: AROUND, neighbor: AROUND }, { finished: 3, begun: 3 }).wrong).toBeGreaterThan(0);
    expect(round({ host: INJECTED, neighbor: AROUND }, { finished: 2, begun: 2 }).wrong).toBeGreaterThan(0);
    expect(round({ host: 9, neighbor: AROUND }, { finished: 2, begun: 2 }).wrong).toBeGreaterThan(0);
  });

  it('takes both answers while a change is under way, and nothing else', () => {
    for (const host of [AROUND, INJECTED]) {
      expect(round({ host, neighbor: AROUND }, { finished: 2, begun: 3 }).wrong).toBe(0);
    }
    expect(round({ host: 9, neighbor: AROUND }, { finished: 2, begun: 3 }).wrong).toBeGreaterThan(0);
  });

  it('counts a neighbor whose answer a host route has changed', () => {
    expect(round({ host: AROUND, neighbor: INJECTED }, { finished: 2, begun: 2 }).wrong).toBeGreaterThan(0);
  });
});
