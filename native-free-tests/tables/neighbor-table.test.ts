import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { Slab } from '../../src/base/slab.ts';
import {
  NEIGHBOR_ACT_FAIL,
  NEIGHBOR_ACT_IDLE,
  NEIGHBOR_ACT_NONE,
  NEIGHBOR_ACT_PROBE,
  NEIGHBOR_ACT_SOLICIT,
  NEIGHBOR_DELAY,
  NEIGHBOR_FAILED,
  NEIGHBOR_INCOMPLETE,
  NEIGHBOR_PERMANENT,
  NEIGHBOR_PROBE,
  NEIGHBOR_REACHABLE,
  NEIGHBOR_STALE,
  NeighborTable,
} from '../../src/tables/neighbor-table.ts';

const table = (capacity = 16) => new NeighborTable({ slab: new Slab(8 << 20), capacity });
const IP = 0xc0000201; // 192.0.2.1
const HI = 0x0200;
const LO = 0x5e000001;

describe('NeighborTable states (RFC 4861 §7.3)', () => {
  it('add is INCOMPLETE, asks three times in all, one second apart, and then fails', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    expect(t.state[row]).toBe(NEIGHBOR_INCOMPLETE);
    expect(t.advance(row, 999)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.advance(row, 1000)).toBe(NEIGHBOR_ACT_SOLICIT);
    expect(t.advance(row, 1999)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.advance(row, 2000)).toBe(NEIGHBOR_ACT_SOLICIT);
    expect(t.advance(row, 3000)).toBe(NEIGHBOR_ACT_FAIL);
    expect(t.state[row]).toBe(NEIGHBOR_FAILED);
    expect(t.usable(row)).toBe(false);
    expect(t.advance(row, 9000)).toBe(NEIGHBOR_ACT_NONE);
  });

  it('a solicited answer is REACHABLE for reachableMs, then STALE until it is used', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    expect(t.confirm(row, HI, LO, true, 10)).toBe(false);
    expect(t.state[row]).toBe(NEIGHBOR_REACHABLE);
    t.uses[row]++;
    expect(t.advance(row, 30_009)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.state[row]).toBe(NEIGHBOR_REACHABLE);
    t.advance(row, 30_010);
    expect(t.state[row]).toBe(NEIGHBOR_STALE);
    t.advance(row, 30_110);
    expect(t.state[row], 'a use before it was stale does not count').toBe(NEIGHBOR_STALE);
    expect(t.usable(row)).toBe(true);
  });

  it('a stale neighbor that is used waits delayMs, is probed at its MAC three times, and fails without an answer', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    t.confirm(row, HI, LO, true, 0);
    t.advance(row, 30_000);
    t.uses[row]++;
    t.advance(row, 30_100);
    expect(t.state[row]).toBe(NEIGHBOR_DELAY);
    expect(t.advance(row, 35_099)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.advance(row, 35_100)).toBe(NEIGHBOR_ACT_PROBE);
    expect(t.state[row]).toBe(NEIGHBOR_PROBE);
    expect(t.usable(row)).toBe(true);
    expect(t.advance(row, 36_100)).toBe(NEIGHBOR_ACT_PROBE);
    expect(t.advance(row, 37_100)).toBe(NEIGHBOR_ACT_PROBE);
    expect(t.advance(row, 38_100)).toBe(NEIGHBOR_ACT_FAIL);
    expect(t.usable(row)).toBe(false);
  });

  it('an answer to a probe makes it REACHABLE again', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    t.confirm(row, HI, LO, false, 0);
    expect(t.state[row], 'unsolicited').toBe(NEIGHBOR_STALE);
    t.uses[row]++;
    t.advance(row, 100);
    t.advance(row, 5100);
    expect(t.state[row]).toBe(NEIGHBOR_PROBE);
    t.confirm(row, HI, LO, true, 5200);
    expect(t.state[row]).toBe(NEIGHBOR_REACHABLE);
  });

  it('a stale neighbor without use is idle after idleMs', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    t.confirm(row, HI, LO, false, 0);
    expect(t.advance(row, 59_999)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.advance(row, 60_000)).toBe(NEIGHBOR_ACT_IDLE);
    expect(t.usable(row)).toBe(true);
  });

  it('confirm tells another MAC from the same one; an unsolicited new MAC is STALE, the same one changes nothing', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    t.confirm(row, HI, LO, true, 0);
    expect(t.confirm(row, HI, LO, false, 50)).toBe(false);
    expect(t.state[row]).toBe(NEIGHBOR_REACHABLE);
    expect(t.confirm(row, HI, LO + 1, false, 60)).toBe(true);
    expect(t.state[row]).toBe(NEIGHBOR_STALE);
    expect(t.macLo[row]).toBe(LO + 1);
    expect(t.confirm(row, HI, LO, true, 70)).toBe(true);
  });

  it('a permanent neighbor has no timers and does not change', () => {
    const t = table();
    const row = t.add(1, IP, 0);
    t.setPermanent(row, HI, LO, 0);
    expect(t.confirm(row, HI, LO + 9, true, 10)).toBe(false);
    expect(t.macLo[row]).toBe(LO);
    expect(t.advance(row, 1e9)).toBe(NEIGHBOR_ACT_NONE);
    expect(t.state[row]).toBe(NEIGHBOR_PERMANENT);
  });
});

describe('NeighborTable rows', () => {
  it('find tells interfaces and addresses apart', () => {
    const t = table();
    const a = t.add(1, IP, 0);
    const b = t.add(2, IP, 0);
    expect(t.find(1, IP)).toBe(a);
    expect(t.find(2, IP)).toBe(b);
    expect(t.find(1, IP + 1)).toBe(-1);
    t.remove(a);
    expect(t.find(1, IP)).toBe(-1);
    expect(t.find(2, IP)).toBe(b);
  });

  it('a full table gives up a stale or failed neighbor, and refuses when all are needed', () => {
    const t = table(4);
    const rows = [0, 1, 2, 3].map((k) => t.add(1, IP + k, 0));
    expect(t.add(1, IP + 4, 0), 'all are being resolved').toBe(-1);
    for (const row of rows) t.confirm(row, HI, LO + row, true, 0);
    expect(t.add(1, IP + 4, 0), 'all are reachable').toBe(-1);
    t.advance(rows[2], 30_000);
    expect(t.add(1, IP + 4, 30_000)).toBe(rows[2]);
    expect(t.find(1, IP + 2)).toBe(-1);
    t.advance(rows[0], 30_000);
    t.adj[rows[0]] = 7;
    expect(t.add(1, IP + 5, 30_000), 'an adjacency follows the only stale one').toBe(-1);
    t.adj[rows[0]] = -1;
    expect(t.add(1, IP + 5, 30_000)).toBe(rows[0]);
  });

  it('a failed neighbor whose packets are not dealt with yet keeps its row', () => {
    const slab = new Slab(32 << 20);
    const batch = new Batch(slab);
    const t = new NeighborTable({ slab, capacity: 1 });
    const row = t.add(1, IP, 0);
    t.queue.put(row, batch, batch.alloc(60), -1);
    for (const ms of [1000, 2000, 3000]) t.advance(row, ms);
    expect(t.state[row]).toBe(NEIGHBOR_FAILED);
    expect(t.add(1, IP + 1, 3000)).toBe(-1);
    t.queue.take(row, batch);
    expect(t.add(1, IP + 1, 3000)).toBe(row);
  });

  it('finds exactly what a Map holds after any sequence of additions and removals', () => {
    const op = fc.record({
      add: fc.boolean(),
      iface: fc.integer({ min: 0, max: 2 }),
      ip: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 200 }), (ops) => {
        const t = table(32);
        const naive = new Map<string, number>();
        for (const { add, iface, ip } of ops) {
          const key = `${iface}/${ip}`;
          if (add && !naive.has(key)) naive.set(key, t.add(iface, IP + ip, 0));
          else if (!add && naive.has(key)) {
            t.remove(naive.get(key)!);
            naive.delete(key);
          }
        }
        for (let iface = 0; iface < 3; iface++) {
          for (let ip = 0; ip < 10; ip++) {
            expect(t.find(iface, IP + ip)).toBe(naive.get(`${iface}/${ip}`) ?? -1);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('list shows a reader of the shared memory every neighbor with its age', () => {
    const t = table();
    const row = t.add(3, IP, 0);
    t.add(3, IP + 1, 0);
    t.confirm(row, HI, LO, true, 1000);
    t.publishNow(4000);
    const reader = new NeighborTable({ shared: t.buffer, capacity: 16 });
    expect(reader.list()).toEqual([
      {
        iface: 3,
        ip: IP,
        macHi: HI,
        macLo: LO,
        state: 'REACHABLE',
        source: 'learned',
        ageMs: 3000,
        requests: 0,
      },
      {
        iface: 3,
        ip: IP + 1,
        macHi: 0,
        macLo: 0,
        state: 'INCOMPLETE',
        source: 'learned',
        ageMs: -1,
        requests: 1,
      },
    ]);
    expect(() => reader.queue).toThrow('only the data plane');
  });
});
