// Injection: what a host route costs its writer that comes into a FIB of a million routes, or goes again, while a thread looks
// up without end; and whether that thread ever gets an answer that it must not (fib-watch.ts).

import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { Fib4, Fib4Reader } from '../tables/fib4.ts';
import type { FibThreadTask } from './fib-thread.ts';
import type { WatchData, WatchReport } from './fib-watch.ts';
import type { RouteTable } from './route-table.ts';
import { percentile } from './spread.ts';

export interface InjectReport {
  /** Routes in the FIB meanwhile. */
  readonly routes: number;
  readonly layout: string;
  /** Host routes announced and withdrawn. */
  readonly updates: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Lookups of the other thread meanwhile, each of them judged. */
  readonly lookups: number;
  readonly wrong: number;
}

/** Addresses whose host routes come and go: half of them anywhere in the table, half in the /16s of the VMs. */
const HOSTS = 4096;
/** Addresses beside them: the next ones, which share their groups. */
const OTHERS = 4096;
const VMS = 0x0a00_0000;
const VM_SPAN = 4 * 65536;
const WARM_UP = 20_000;
const UPDATES = 200_000;

export async function inject(
  fib: Fib4,
  reader: Fib4Reader,
  routes: RouteTable,
  thread: Worker,
  random: () => number,
): Promise<InjectReport> {
  const data = watched(fib, reader, routes, random);
  const { addresses, injected, begun, finished, control } = data;
  const reply = once(thread, 'message') as Promise<[WatchReport]>;
  thread.postMessage({ op: 'watch', data } satisfies FibThreadTask);
  while (Atomics.load(control, 1) < 1000) await new Promise((resolve) => setTimeout(resolve, 1));

  const took = new Float64Array(UPDATES);
  for (let k = -WARM_UP; k < UPDATES; k++) {
    const i = Math.floor(random() * HOSTS);
    const announce = begun[i] % 2 === 0;
    Atomics.add(begun, i, 1);
    const started = process.hrtime();
    if (announce) fib.set(addresses[i], 32, injected[i]);
    else fib.remove(addresses[i], 32);
    const [s, ns] = process.hrtime(started);
    if (k >= 0) took[k] = s * 1e6 + ns / 1000;
    Atomics.add(finished, i, 1);
  }
  Atomics.store(control, 0, 1);
  const [{ lookups, wrong }] = await reply;
  const { prefixes, layout } = fib.stats();
  took.sort();
  return {
    routes: prefixes,
    layout,
    updates: UPDATES,
    p50Us: percentile(took, 0.5),
    p99Us: percentile(took, 0.99),
    maxUs: took[UPDATES - 1],
    lookups,
    wrong,
  };
}

function watched(fib: Fib4, reader: Fib4Reader, routes: RouteTable, random: () => number): WatchData {
  const hosts = new Set<number>();
  while (hosts.size < HOSTS) {
    const i = Math.floor(random() * routes.prefix.length);
    const address =
      hosts.size % 2 === 0
        ? routes.prefix[i] + Math.floor(random() * 2 ** (32 - routes.len[i]))
        : VMS + Math.floor(random() * VM_SPAN);
    if (fib.get(address, 32) < 0) hosts.add(address);
  }
  const addresses = new Uint32Array(shared(HOSTS + OTHERS));
  addresses.set([...hosts]);
  for (let i = 0; i < OTHERS; i++) {
    let other = addresses[i % HOSTS] + 1;
    while (hosts.has(other)) other++;
    addresses[HOSTS + i] = other;
  }
  const around = new Uint16Array(shared((HOSTS + OTHERS) / 2)).map((_, i) => reader.lookup(addresses[i]));
  return {
    addresses,
    injected: Uint16Array.from({ length: HOSTS }, (_, i) => around[i] + 1),
    around,
    begun: new Int32Array(shared(HOSTS)),
    finished: new Int32Array(shared(HOSTS)),
    control: new Int32Array(shared(2)),
  };
}

const shared = (words: number): SharedArrayBuffer => new SharedArrayBuffer(words * 4);
