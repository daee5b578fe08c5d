// `nearhop bench fib`: lookups in the IPv4 FIB, beside DIR-24-8 in C over the same tables and addresses, and beside an npm package.
//
//   full         a full table: generated, or the one of a file
//   h100, h10k   that many host routes in four /16s, and a default route
//
//   match        addresses inside the prefixes of the table; of a table of host routes, half of them to the hosts and half to
//                addresses anywhere, by the default route: a gateway carries both directions
//   hosts        of a table of host routes, to the hosts alone
//   random       addresses anywhere
//
// Both sides look up a column of addresses into a column of answers, ours by batches of 256 in a thread that does nothing else,
// as the data plane is one. Rounds take turns, so that a slow moment of the machine hits both; a ratio is of one round. All
// answers must be the same. It runs in the bundle of memory.ts.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { NearhopError } from '../base/errors.ts';
import { createPrng } from '../base/prng.ts';
import { Epoch } from '../tables/epoch.ts';
import { Fib4, Fib4Reader } from '../tables/fib4.ts';
import { NextHopTable } from '../tables/next-hop-table.ts';
import { buildReference, runReference } from './c-reference.ts';
import { type InjectReport, inject } from './fib-inject.ts';
import { createPeer, type Peer } from './fib-peer.ts';
import { type FibThreadData, type FibThreadTask, PROBES } from './fib-thread.ts';
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

type Addresses = 'match' | 'hosts' | 'random';

export interface FibCase {
  readonly table: string;
  readonly addresses: Addresses;
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

/** The npm package over the full table, addresses as of `match`. */
export interface FibPeer {
  readonly name: string;
  readonly mlps: Spread;
  /** Ours ÷ the package's, of the same round. */
  readonly ratio: Spread;
}

export interface FibReport {
  readonly machine: Machine;
  readonly source: string;
  readonly rounds: number;
  /** Why there is no C beside it; null when there is. */
  readonly noReference: string | null;
  readonly tables: readonly FibTable[];
  readonly cases: readonly FibCase[];
  readonly peer: FibPeer | null;
  /** Why there is no npm package beside it; null when there is. */
  readonly noPeer: string | null;
  readonly inject: InjectReport;
}

const SEED = 2026;
const UPDATES = 100_000;
/** Routes while host routes are injected: what the full table lacks comes as host routes, 100,000 at most, in four /16s. */
const INJECT_ROUTES = 1_000_000;
const INJECT_HOSTS = 100_000;

interface Loaded {
  readonly name: string;
  readonly routes: RouteTable;
  readonly fib: Fib4;
  readonly reader: Fib4Reader;
  readonly thread: Worker;
  readonly nh: Uint16Array;
  readonly buildMs: number;
  readonly cases: readonly LookupCase[];
}

interface LookupCase {
  readonly addresses: Addresses;
  readonly probes: Uint32Array;
  readonly ours: number[];
  readonly c: number[];
}

export async function benchFib({ table, prefixes, rounds }: FibOptions): Promise<FibReport> {
  const random = createPrng(SEED);
  const full = table === null ? generateTable(prefixes, SEED) : readTable(table);
  const tables = [
    load('full', full, random),
    load('h100', hostTable(100, SEED), random),
    load('h10k', hostTable(10_000, SEED), random),
  ];
  const peer = createPeer(full, tables[0].cases[0].probes);
  const peerRates: number[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'nearhop-fib-'));
  let noReference: string | null = null;
  let described: FibTable[];
  let injected: InjectReport;
  try {
    const reference = buildReference('fib', folder);
    if ('missing' in reference) noReference = reference.missing;
    const input = join(folder, 'tables');
    if ('program' in reference) writeFileSync(input, referenceInput(tables));
    for (let round = -1; round < rounds; round++) {
      const hashes = await measureAll(tables, round >= 0);
      if ('program' in reference)
        takeReference(runReference(reference.program, input), tables, hashes, round >= 0);
      if ('measure' in peer) {
        const rate = peer.measure();
        if (round >= 0) peerRates.push(rate);
      }
    }
    described = tables.map((t) => describe(t, random));
    injected = await injectInto(tables[0], random);
  } finally {
    rmSync(folder, { recursive: true });
    for (const { thread } of tables) await thread.terminate();
  }
  return {
    machine: describeMachine(),
    source: table ?? `generated, seed ${SEED}`,
    rounds,
    noReference,
    tables: described,
    cases: tables.flatMap((t) =>
      t.cases.map((c) => ({
        table: t.name,
        addresses: c.addresses,
        mlps: spreadOf(c.ours),
        c: noReference === null ? spreadOf(c.c) : null,
        ratio: noReference === null ? ratioOf(c.ours, c.c) : null,
      })),
    ),
    ...describePeer(peer, tables[0].cases[0].ours, peerRates),
    inject: injected,
  };
}

const ratioOf = (ours: readonly number[], theirs: readonly number[]): Spread =>
  spreadOf(ours.map((mlps, i) => mlps / theirs[i]));

function describePeer(
  peer: Peer,
  ours: readonly number[],
  rates: readonly number[],
): Pick<FibReport, 'peer' | 'noPeer'> {
  if ('missing' in peer) return { peer: null, noPeer: peer.missing };
  return { peer: { name: peer.name, mlps: spreadOf(rates), ratio: ratioOf(ours, rates) }, noPeer: null };
}

function load(name: string, routes: RouteTable, random: () => number): Loaded {
  const epoch = new Epoch();
  const fib = new Fib4({ nextHops: new NextHopTable(epoch), epoch });
  const started = performance.now();
  for (let i = 0; i < routes.prefix.length; i++) fib.set(routes.prefix[i], routes.len[i], routes.nextHop[i]);
  const buildMs = performance.now() - started;
  const anywhere = (): number => random() * 2 ** 32;
  const inside = (): number => {
    const i = Math.floor(random() * routes.prefix.length);
    return routes.prefix[i] + Math.floor(random() * 2 ** (32 - routes.len[i]));
  };
  const toHost = (): number => routes.prefix[1 + Math.floor(random() * (routes.prefix.length - 1))];
  const lookupCase = (addresses: Addresses, draw: () => number): LookupCase => ({
    addresses,
    probes: Uint32Array.from({ length: PROBES }, draw),
    ours: [],
    c: [],
  });
  const cases =
    name === 'full'
      ? [lookupCase('match', inside)]
      : [lookupCase('match', () => (random() < 0.5 ? toHost() : anywhere())), lookupCase('hosts', toHost)];
  cases.push(lookupCase('random', anywhere));
  const nh = new Uint16Array(new SharedArrayBuffer(PROBES * 2));
  const workerData: FibThreadData = { thread: 'fib', fib: fib.shared, nh };
  // this module stands in the bundle of memory.ts, whose threads are readers
  const thread = new Worker(new URL(import.meta.url), { workerData });
  return { name, routes, fib, reader: new Fib4Reader(fib.shared), thread, nh, buildMs, cases };
}

/** Measures all cases in turn; returns a hash of each one's answers, as fib.c makes it. The first round warms up. */
async function measureAll(tables: readonly Loaded[], counts: boolean): Promise<number[]> {
  const hashes: number[] = [];
  for (const { thread, nh, cases } of tables) {
    for (const { probes, ours } of cases) {
      const reply = once(thread, 'message') as Promise<[number]>;
      thread.postMessage({ op: 'measure', probes } satisfies FibThreadTask);
      const [mlps] = await reply;
      if (counts) ours.push(mlps);
      let hash = 2166136261;
      for (let i = 0; i < PROBES; i++) hash = Math.imul(hash ^ nh[i], 16777619);
      hashes.push(hash >>> 0);
    }
  }
  return hashes;
}

/** Brings the full table to a million routes, then lets host routes come and go. */
function injectInto({ fib, reader, routes, thread }: Loaded, random: () => number): Promise<InjectReport> {
  const { prefixes } = fib.stats();
  const goal = Math.min(INJECT_ROUTES, prefixes + INJECT_HOSTS);
  const hosts = hostTable(2 * INJECT_HOSTS, SEED); // drawn with repetitions
  for (let i = 1; i < hosts.prefix.length && fib.stats().prefixes < goal; i++) {
    fib.set(hosts.prefix[i], 32, hosts.nextHop[i]);
  }
  return inject(fib, reader, routes, thread, random);
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
  hashes: readonly number[],
  counts: boolean,
): void {
  tables
    .flatMap((t) => t.cases.map((c) => ({ c, name: `${t.name} ${c.addresses}` })))
    .forEach(({ c, name }, i) => {
      const [mlps, hash] = lines[i];
      if (hash !== hashes[i]) throw new NearhopError('bench-answers-differ', `${name}: C has other answers`);
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
