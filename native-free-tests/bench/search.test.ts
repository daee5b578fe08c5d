// The search on devices under test whose loss curve is known.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Outcome, type SearchOptions, searchRates } from '../../src/bench/search.ts';

const BOUNDS = [
  { name: 'pdr', lossRatio: 0.005 },
  { name: 'ndr', lossRatio: 0 },
];
const PRECISION = 0.02;
const PHASES = [
  { seconds: 0.25, precision: 0.06 },
  { seconds: 1, precision: PRECISION },
];

const optionsFor = (trial: SearchOptions<Outcome>['trial'], flood: Outcome, firstPps: number) => ({
  ...{ trial, bounds: BOUNDS, phases: PHASES, flood, firstPps, leastPps: 1000 },
});

/** A device that drops nothing up to `ndr`, grows to 0.5 % at `pdr`, and from there sends no more than that. */
function device(ndr: number, pdr: number, generatorMost: number) {
  let trials = 0;
  const trial = async (asked: number): Promise<Outcome> => {
    trials++;
    const offeredPps = Math.min(asked, generatorMost);
    const lossRatio =
      offeredPps <= ndr
        ? 0
        : offeredPps <= pdr
          ? (0.005 * (offeredPps - ndr)) / (pdr - ndr)
          : 1 - (0.995 * pdr) / offeredPps;
    return { offeredPps, lossRatio, backlogRatio: lossRatio };
  };
  return { trial, count: () => trials };
}

async function search(ndr: number, pdr: number, generatorMost: number) {
  const { trial, count } = device(ndr, pdr, generatorMost);
  const flood = await trial(Number.MAX_VALUE);
  const firstPps = flood.offeredPps * (1 - flood.lossRatio) * 1.02;
  const { found, trials } = await searchRates(optionsFor(trial, flood, firstPps));
  return { pdr: found[0], ndr: found[1], trials, count: count() };
}

describe('searchRates', () => {
  it('finds PDR and NDR within the precision, and never above them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 20_000, max: 2_000_000 }),
        fc.double({ min: 0.3, max: 1, noNaN: true }),
        fc.double({ min: 1.1, max: 10, noNaN: true }),
        async (pdr, ndrShare, more) => {
          const ndr = Math.floor(pdr * ndrShare);
          const r = await search(ndr, pdr, pdr * more);
          for (const [found, truth] of [
            [r.pdr, pdr],
            [r.ndr, ndr],
          ] as const) {
            expect(found.limited).toBe(false);
            expect(found.best?.offeredPps).toBeLessThanOrEqual(truth * (1 + 1e-9));
            expect(found.best?.offeredPps).toBeGreaterThanOrEqual((truth / (1 + PRECISION)) * (1 - 1e-9));
            expect(found.failedPps).toBeGreaterThan(truth);
          }
          expect(r.count).toBeLessThan(40);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does both bounds in less than two searches, because a trial for one narrows the other', async () => {
    const both = await search(480_000, 500_000, 1_000_000);
    expect(both.trials.length).toBeLessThan(18);
  });

  it('lets no short trial count for what is found', async () => {
    // Queues of a tenth of a second take what comes too much, so a short trial passes at rates that a full one does not.
    const lengths: number[] = [];
    const trial = async (offeredPps: number, seconds = 1): Promise<Outcome> => {
      lengths.push(seconds);
      const limit = seconds < 1 ? 560_000 : 500_000;
      const lossRatio = Math.max(0, 1 - limit / offeredPps);
      return { offeredPps, lossRatio, backlogRatio: lossRatio };
    };
    const flood = await trial(1e6);
    const { found } = await searchRates(optionsFor(trial, flood, 5e5));
    expect(found[1].best?.offeredPps).toBeLessThanOrEqual(500_000);
    expect(found[1].best?.offeredPps).toBeGreaterThan(488_000);
    expect(lengths.slice(1)).toContain(0.25);
    expect(lengths.indexOf(1, 1)).toBeGreaterThan(lengths.lastIndexOf(0.25));
  });

  it('says that the generator was the limit when a flood passes, without another trial', async () => {
    const r = await search(900_000, 1_000_000, 800_000);
    expect(r.pdr.limited).toBe(true);
    expect(r.ndr.limited).toBe(true);
    expect(r.ndr.best?.offeredPps).toBe(800_000);
    expect(r.trials).toEqual([]);
  });

  it('holds only NDR for found when the flood loses less than PDR allows', async () => {
    const r = await search(500_000, 1_000_000, 600_000);
    expect(r.pdr.limited).toBe(true);
    expect(r.pdr.best?.offeredPps).toBe(600_000);
    expect(r.ndr.limited).toBe(false);
    expect(r.ndr.best?.offeredPps).toBeGreaterThan(480_000);
    expect(r.ndr.best?.offeredPps).toBeLessThanOrEqual(500_000);
  });

  it('gives no rate to a device that always loses', async () => {
    const trial = async (offeredPps: number): Promise<Outcome> => ({
      offeredPps,
      lossRatio: 0.1,
      backlogRatio: 0.1,
    });
    const flood = await trial(1e6);
    const { found } = await searchRates(optionsFor(trial, flood, 9e5));
    expect(found.map((f) => f.best)).toEqual([undefined, undefined]);
  });

  it('takes a queue that grows for loss, although every frame comes out in the end', async () => {
    const trial = async (offeredPps: number): Promise<Outcome> => ({
      offeredPps,
      lossRatio: 0,
      backlogRatio: Math.max(0, 1 - 400_000 / offeredPps),
    });
    const flood = await trial(1e6);
    const options = optionsFor(trial, flood, 4e5);
    const { found } = await searchRates(options);
    expect(found[1].best?.offeredPps).toBeLessThan(400_000 * 1.025);
    expect(found[1].best?.offeredPps).toBeGreaterThan(390_000);
  });

  it('does not believe a rate above one that failed', async () => {
    // Passes at 500k and above, but not at 400k: a hole in the curve.
    const rates: number[] = [];
    const trial = async (offeredPps: number): Promise<Outcome> => {
      rates.push(offeredPps);
      const lossRatio = offeredPps > 600_000 || (offeredPps > 350_000 && offeredPps < 450_000) ? 0.2 : 0;
      return { offeredPps, lossRatio, backlogRatio: lossRatio };
    };
    const flood = await trial(1e6);
    const options = optionsFor(trial, flood, 4e5);
    const { found } = await searchRates(options);
    expect(found[0].best?.offeredPps).toBeLessThanOrEqual(350_000);
  });

  it('ends when the generator offers less than in the flood', async () => {
    let first = true;
    const trial = async (asked: number): Promise<Outcome> => {
      const offeredPps = first ? 1e6 : Math.min(asked, 300_000); // the flood was a lucky one
      first = false;
      const lossRatio = offeredPps > 500_000 ? 0.5 : 0;
      return { offeredPps, lossRatio, backlogRatio: lossRatio };
    };
    const flood = await trial(Number.MAX_VALUE);
    const options = optionsFor(trial, flood, 5e5);
    const { found, trials } = await searchRates(options);
    expect(found[0].best?.offeredPps).toBe(300_000);
    expect(found[0].limited).toBe(true);
    expect(trials.length).toBeLessThan(10);
  });
});
