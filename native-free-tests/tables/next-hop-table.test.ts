import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { type AdjIndex, adjIndex } from '../../src/base/ids.ts';
import { createPrng } from '../../src/base/prng.ts';
import { Epoch, EpochReader } from '../../src/tables/epoch.ts';
import { MAX_NEXT_HOPS, NextHopTable } from '../../src/tables/next-hop-table.ts';

const adjs = (...n: number[]): AdjIndex[] => n.map(adjIndex);

const FLOWS = (() => {
  const random = createPrng(7);
  return Array.from({ length: 4000 }, () => Math.floor(random() * 2 ** 32));
})();

const create = () => {
  const epoch = new Epoch();
  const table = new NextHopTable(epoch);
  const flows = (nh: number): AdjIndex[] => FLOWS.map((h) => table.reader.adjacency(nh, h));
  return { epoch, table, flows };
};

describe('NextHopTable', () => {
  it('answers index 0 with the adjacency that an empty FIB has', () => {
    const { table } = create();
    expect(table.reader.adjacency(0, 12345)).toBe(0);
    expect(table.reader.isGroup(0)).toBe(false);
  });

  it('replace: a single path is changed in place, in both directions between path and group', () => {
    const { table } = create();
    const nh = table.add(adjs(5));
    expect(table.reader.adjacency(nh, 99)).toBe(5);
    table.replace(nh, adjs(6));
    expect(table.reader.adjacency(nh, 99)).toBe(6);
    table.replace(nh, adjs(6, 7));
    expect(table.reader.isGroup(nh)).toBe(true);
    expect([...table.shares(nh)].sort()).toEqual([
      [6, 64],
      [7, 64],
    ]);
    table.replace(nh, adjs(7));
    expect(table.reader.isGroup(nh)).toBe(false);
    expect(table.reader.adjacency(nh, 99)).toBe(7);
  });

  it('replace: a member that leaves moves only the flows that it had', () => {
    const { table, flows } = create();
    const nh = table.add(adjs(1, 2, 3, 4));
    const before = flows(nh);
    table.replace(nh, adjs(1, 2, 4));
    flows(nh).forEach((adj, i) => {
      if (before[i] === 3) expect([1, 2, 4]).toContain(adj);
      else expect(adj).toBe(before[i]);
    });
  });

  it('replace: a member that joins takes its fair share, and nobody else changes places', () => {
    const { table, flows } = create();
    const nh = table.add(adjs(1, 2, 3));
    const before = flows(nh);
    table.replace(nh, adjs(1, 2, 3, 4));
    expect([...table.shares(nh).values()]).toEqual([32, 32, 32, 32]);
    flows(nh).forEach((adj, i) => {
      if (adj !== 4) expect(adj).toBe(before[i]);
    });
  });

  it('add: a group that comes from another keeps the flows of the members that stay', () => {
    const { table, flows } = create();
    const three = table.add(adjs(1, 2, 3));
    table.replace(three, adjs(1, 3, 9)); // an arrangement with a history
    const before = flows(three);
    const two = table.add(adjs(1, 9), three);
    flows(two).forEach((adj, i) => {
      if (before[i] !== 3) expect(adj).toBe(before[i]);
    });
    const one = table.add(adjs(9));
    const grown = table.add(adjs(8, 9), one);
    expect([...table.shares(grown).values()]).toEqual([64, 64]);
  });

  it('shares are fair within one bucket, and moves are fewest, after any changes of members', () => {
    const members = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 130 });
    fc.assert(
      fc.property(fc.array(members, { minLength: 1, maxLength: 6 }), (steps) => {
        const { table } = create();
        const nh = table.add(adjs(1, 2));
        for (const step of steps) {
          const before = table.shares(nh);
          table.replace(nh, adjs(...step));
          const after = table.shares(nh);
          const kept = step.slice(0, 128);
          const counts = kept.map((m) => after.get(adjIndex(m)) ?? 0);
          expect(counts.reduce((a, b) => a + b)).toBe(128);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
          // Whoever stays loses no more than what is beyond its share.
          for (const m of adjs(...kept)) {
            const had = before.get(m) ?? 0;
            expect(after.get(m)).toBeGreaterThanOrEqual(Math.min(had, Math.floor(128 / kept.length)));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('remove: an index and its group come back when readers have moved on, not before', () => {
    const { table, epoch } = create();
    const reader = new EpochReader(epoch.buffer);
    const nh = table.add(adjs(1, 2));
    reader.beginRound();
    table.remove(nh);
    epoch.reclaim();
    expect(table.reader.isGroup(nh)).toBe(true);
    expect(table.add(adjs(3))).not.toBe(nh);
    reader.idle();
    epoch.reclaim();
    expect(table.reader.adjacency(nh, 0)).toBe(0);
    expect(table.groups).toBe(0);
    expect(table.add(adjs(4))).toBe(nh);
    expect(table.used).toBe(2);
  });

  it('add: says when indices or groups are used up, and goes on when some came back', () => {
    const { table } = create();
    const codeOf = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        return error instanceof NearhopError ? error.code : String(error);
      }
      return 'none';
    };
    const groups = Array.from({ length: 4096 }, () => table.add(adjs(1, 2)));
    expect(codeOf(() => table.add(adjs(1, 2)))).toBe('ecmp-group-table-full');
    table.remove(groups[0]);
    expect(codeOf(() => table.add(adjs(1, 2)))).toBe('none');
    while (table.used < MAX_NEXT_HOPS - 1) table.add(adjs(1));
    expect(codeOf(() => table.add(adjs(1)))).toBe('next-hop-table-full');
    table.remove(groups[1]);
    expect(table.add(adjs(1))).toBe(groups[1]);
  });
});
