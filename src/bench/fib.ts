// `nearhop bench fib`: lookups in the IPv4 FIB, beside DIR-24-8 in C over the same tables and addresses.
//
//   full         a full table: generated, or the one of a file
//   h100, h10k   that many host routes in four /16s, and a default route
//   match        addresses inside the prefixes;  random  addresses anywhere
//
// Rounds take turns between ours and C, so that a slow moment of the machine hits both; a ratio is of one round. The sums of all
// answers must be the same. It runs in the bundle of memory.ts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NearhopError } from '../base/errors.ts';
import { createPrng } from '../base/prng.ts';
import { Epoch } from '../tables/epoch.ts';
import { Fib4, Fib4Reader } from '../tables/fib4.ts';
import { NextHopTable } from '../tables/next-hop-table.ts';
import { buildReference, runReference } from './c-reference.ts';
import { describeMachine, type Machine } from './machine.ts';
import { generateTable, hostTable, type RouteTable, readTable } from './route-table.ts';
import { percentile, type Spread, spreadOf } from './spread.ts';

export interface FibOptions {
  /** File with a table; generated otherwise. */
  readonly table: string | null;
  /** Prefixes of the generated full table. */
  readonly prefixes: number;
  readonly rounds: number;
}

export interface FibCase {
  readonly table: string;
  readonly addresses: 'match' | 'random';
  /** Millions of lookups a second. */
  readonly mlps: Spread;
  readonly c: Spread | null;
  /** Ours ÷ C, of the same round. */
  readonly ratio: Spread | null;
}

export interface FibTable {
  readonly table: string;
  readonly prefixes: number;
  readonly layout: string;
  readonly mib: number;
  readonly buildMs: number;
  /** Withdrawals and announcements of one prefix, the tree of routes included. */
  readonly updatesPerSecond: number;
  readonly updateP99Us: number;
}

export interface FibReport {
  readonly machine: Machine;
  readonly source: string;
  readonly rounds: number;
  /** Why there is no C beside it; null when there is. */
  readonly noReference: string | null;
  readonly tables: readonly FibTable[];
  readonly cases: readonly FibCase[];
}

const SEED = 2026;
const PROBES = 1 << 20;
/** As in fib.c. */
const PASSES = 8;
const UPDATES = 100_000;

interface Loaded {
  readonly name: string;
  readonly routes: RouteTable;
  readonly fib: Fib4;
  readonly reader: Fib4Reader;
  readonly buildMs: number;
  readonly cases: readonly LookupCase[];
}

interface LookupCase {
  readonly addresses: 'match' | 'random';
  readonly probes: Uint32Array;
  readonly ours: number[];
  readonly c: number[];
}

export function benchFib({ table, prefixes, rounds }: FibOptions): FibReport {
  const random = createPrng(SEED);
  const full = table === null ? generateTable(prefixes, SEED) : readTable(table);
  const tables = [
    load('full', full, random),
    load('h100', hostTable(100, SEED), random),
    load('h10k', hostTable(10_000, SEED), random),
  ];
  const folder = mkdtempSync(join(tmpdir(), 'nearhop-fib-'));
  let noReference: string | null = null;
  try {
    const reference = buildReference('fib', folder);
    if ('missing' in reference) noReference = reference.missing;
    const input = join(folder, 'tables');
    if ('program' in reference) writeFileSync(input, referenceInput(tables));
    for (let round = -1; round < rounds; round++) {
      const sums = tables.flatMap((t) => t.cases.map((c) => measure(t.reader, c, round >= 0)));
      if ('program' in reference)
        takeReference(runReference(reference.program, input), tables, sums, round >= 0);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return {
    machine: describeMachine(),
    source: table ?? `generated, seed ${SEED}`,
    rounds,
    noReference,
    tables: tables.map((t) => describe(t, random)),
    cases: tables.flatMap((t) =>
      t.cases.map((c) => ({
        table: t.name,
        addresses: c.addresses,
        mlps: spreadOf(c.ours),
        c: noReference === null ? spreadOf(c.c) : null,
        ratio: noReference === null ? spreadOf(c.ours.map((mlps, i) => mlps / c.c[i])) : null,
      })),
    ),
  };
}

function load(name: string, routes: RouteTable, random: () => number): Loaded {
  const epoch = new Epoch();
  const fib = new Fib4({ nextHops: new NextHopTable(epoch), epoch });
  const started = performance.now();
  for (let i = 0; i < routes.prefix.length; i++) fib.set(routes.prefix[i], routes.len[i], routes.nextHop[i]);
  const buildMs = performance.now() - started;
  const lookupCase = (addresses: 'match' | 'random'): LookupCase => ({
    addresses,
    probes: Uint32Array.from({ length: PROBES }, () => {
      const i = Math.floor(random() * routes.prefix.length);
      if (addresses === 'random') return random() * 2 ** 32;
      return routes.prefix[i] + Math.floor(random() * 2 ** (32 - routes.len[i]));
    }),
    ours: [],
    c: [],
  });
  const cases = [lookupCase('match'), lookupCase('random')];
  return { name, routes, fib, reader: new Fib4Reader(fib.shared), buildMs, cases };
}

/** Measures one case; the sum of its answers comes back, so that no lookup can be left out. */
function measure(reader: Fib4Reader, { probes, ours }: LookupCase, counts: boolean): number {
  let sum = 0;
  const started = performance.now();
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < probes.length; i++) sum += reader.lookup(probes[i]);
  }
  const ms = performance.now() - started;
  if (counts) ours.push((probes.length * PASSES) / ms / 1000); // the first round warms up
  return sum;
}

/** Tables and addresses as fib.c reads them; it wants routes by growing length, and of equal ones the last. */
function referenceInput(tables: readonly Loaded[]): Uint32Array {
  const words: number[] = [tables.length];
  for (const { routes, cases } of tables) {
    const order = Array.from(routes.prefix, (_, i) => i).sort((a, b) => routes.len[a] - routes.len[b]);
    words.push(order.length);
    for (const i of order) words.push(routes.prefix[i], routes.len[i], routes.nextHop[i]);
    words.push(cases.length);
    for (const { probes } of cases) {
      words.push(probes.length);
      for (const address of probes) words.push(address);
    }
  }
  return Uint32Array.from(words);
}

function takeReference(
  lines: readonly (readonly number[])[],
  tables: readonly Loaded[],
  sums: readonly number[],
  counts: boolean,
): void {
  tables
    .flatMap((t) => t.cases.map((c) => ({ c, name: `${t.name} ${c.addresses}` })))
    .forEach(({ c, name }, i) => {
      const [mlps, sum] = lines[i];
      if (sum !== sums[i]) {
        throw new NearhopError(
          'bench-answers-differ',
          `${name}: ours sum up to ${sums[i]}, those of C to ${sum}`,
        );
      }
      if (counts) c.c.push(mlps);
    });
}

function describe({ name, routes, fib, buildMs }: Loaded, random: () => number): FibTable {
  const { layout, prefixes, bytesTouched } = fib.stats();
  const took = new Float64Array(2 * UPDATES);
  for (let k = 0; k < UPDATES; k++) {
    const i = Math.floor(random() * routes.prefix.length);
    const t0 = performance.now();
    fib.remove(routes.prefix[i], routes.len[i]);
    const t1 = performance.now();
    fib.set(routes.prefix[i], routes.len[i], routes.nextHop[i]);
    took[2 * k] = t1 - t0;
    took[2 * k + 1] = performance.now() - t1;
  }
  const total = took.reduce((a, b) => a + b);
  return {
    table: name,
    prefixes,
    layout,
    mib: bytesTouched / 2 ** 20,
    buildMs,
    updatesPerSecond: (2 * UPDATES * 1000) / total,
    updateP99Us: percentile(took.sort(), 0.99) * 1000,
  };
}
