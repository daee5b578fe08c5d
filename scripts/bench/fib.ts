// Measures the IPv4 FIB: `npx tsx scripts/bench/bundled.ts fib`. Lookups in millions a second, median of rounds in which all
// cases take turns, so that a slow moment of the machine hits them all; updates of one prefix at a time, the tree included.
//
//   bgp    the recorded table (902,000 prefixes) where it exists, otherwise 200,000 made-up ones
//   h100, h10k   that many host routes in four /16s, and a default route
//   match  addresses inside the prefixes;  rnd  addresses anywhere

import { ribTable4 } from '../../native-free-tests/tables/rib-data.ts';
import { createPrng } from '../../src/base/prng.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib4, Fib4Reader } from '../../src/tables/fib4.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';

const ROUNDS = 7;
const PROBES = 1 << 20;
const PASSES = 8;

interface Routes {
  readonly prefix: ArrayLike<number>;
  readonly len: ArrayLike<number>;
  readonly nh: ArrayLike<number>;
}

const random = createPrng(2026);

function hosts(n: number): Routes {
  const prefix = Array.from({ length: n }, () => Math.floor(0x0a000000 + random() * 4 * 65536));
  return {
    prefix: [0, ...prefix],
    len: [0, ...prefix.map(() => 32)],
    nh: [1, ...prefix.map((_, i) => 1 + (i % 200))],
  };
}

function load(name: string, routes: Routes) {
  const epoch = new Epoch();
  const fib = new Fib4({ nextHops: new NextHopTable(epoch), epoch });
  const started = performance.now();
  for (let i = 0; i < routes.prefix.length; i++) fib.set(routes.prefix[i], routes.len[i], routes.nh[i]);
  return { name, routes, fib, reader: new Fib4Reader(fib.shared), buildMs: performance.now() - started };
}
type Loaded = ReturnType<typeof load>;

function probes(routes: Routes, inside: boolean): Uint32Array {
  return Uint32Array.from({ length: PROBES }, () => {
    const i = Math.floor(random() * routes.prefix.length);
    return inside ? routes.prefix[i] + Math.floor(random() * 2 ** (32 - routes.len[i])) : random() * 2 ** 32;
  });
}

/** Millions of lookups a second. The sum is returned too, so that no lookup can be left out. */
function measure(reader: Fib4Reader, addresses: Uint32Array): { mlps: number; sum: number } {
  let sum = 0;
  const started = performance.now();
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < addresses.length; i++) sum += reader.lookup(addresses[i]);
  }
  return { mlps: (addresses.length * PASSES) / (performance.now() - started) / 1000, sum };
}

/** Withdraws and announces prefixes one by one; returns the rate and the 99th percentile of one update in µs. */
function updates({ fib, routes }: Loaded, n = 100_000): { perSecond: number; p99: number } {
  const took = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    const i = Math.floor(random() * routes.prefix.length);
    const t0 = performance.now();
    fib.remove(routes.prefix[i], routes.len[i]);
    const t1 = performance.now();
    fib.set(routes.prefix[i], routes.len[i], routes.nh[i]);
    took[2 * k] = t1 - t0;
    took[2 * k + 1] = performance.now() - t1;
  }
  const total = took.reduce((a, b) => a + b);
  return { perSecond: (2 * n * 1000) / total, p99: took.sort()[Math.floor(2 * n * 0.99)] * 1000 };
}

const bgp = ribTable4();
const tables = [load('bgp', bgp), load('h100', hosts(100)), load('h10k', hosts(10_000))];
const cases = tables.flatMap((t) => [
  { t, what: 'match', addresses: probes(t.routes, true), mlps: [] as number[] },
  { t, what: 'rnd', addresses: probes(t.routes, false), mlps: [] as number[] },
]);
let sum = 0;
for (let round = -1; round < ROUNDS; round++) {
  for (const c of cases) {
    const m = measure(c.t.reader, c.addresses);
    sum += m.sum;
    if (round >= 0) c.mlps.push(m.mlps); // the first round warms up
  }
}

console.log(
  `node ${process.version}, bgp table ${bgp.recorded ? 'recorded' : 'made up'}, checksum ${sum % 65536}`,
);
console.log('table  prefixes  layout      MB     build ms  match Mlps  rnd Mlps  updates/s  p99 µs');
for (const t of tables) {
  const mlps = cases
    .filter((c) => c.t === t)
    .map((c) => c.mlps.sort((a, b) => a - b)[ROUNDS >> 1].toFixed(0));
  const { layout, prefixes, bytesTouched } = t.fib.stats();
  const { perSecond, p99 } = updates(t);
  console.log(
    [
      t.name.padEnd(5),
      String(prefixes).padStart(9),
      ` ${layout.padEnd(10)}`,
      (bytesTouched / 2 ** 20).toFixed(1).padStart(5),
      t.buildMs.toFixed(0).padStart(11),
      mlps[0].padStart(11),
      mlps[1].padStart(9),
      perSecond.toFixed(0).padStart(10),
      p99.toFixed(1).padStart(7),
    ].join(' '),
  );
}
