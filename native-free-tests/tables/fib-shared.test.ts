import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { createPrng } from '../../src/base/prng.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib4 } from '../../src/tables/fib4.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';
import type { ReaderData, ReaderReport } from './fib4-reader.worker.ts';

/** A worker that runs TypeScript: its loader has to be set up by JavaScript. */
function startWorker(file: string, workerData: unknown): Worker {
  const url = new URL(file, import.meta.url).href;
  const source = `import('tsx/esm/api').then((tsx) => tsx.tsImport(${JSON.stringify(url)}, ${JSON.stringify(url)}));`;
  return new Worker(source, { eval: true, workerData });
}

const HISTORY = 60_000;
const MIN_WRITES = 20_000;
const MIN_LOOKUPS = 200_000;

it('Fib4: a reader in another thread gets only answers that were valid while it looked, through reuse of groups and changes of layout', async () => {
  const epoch = new Epoch();
  // So few groups that emptied ones are reused all the time, and the layouts change to and fro.
  const fib = new Fib4({ nextHops: new NextHopTable(epoch), epoch, groups24: 6, groups16: 9 });
  const addresses = new Uint32Array(48);
  for (let i = 0; i < addresses.length; i++) addresses[i] = 0x0a000000 + (i % 6) * 65536 + (i % 4) * 256 + i;
  const data: ReaderData = {
    fib: fib.shared,
    addresses,
    history: new SharedArrayBuffer(addresses.length * HISTORY * 2),
    historyLength: HISTORY,
    begun: new SharedArrayBuffer(addresses.length * 4),
    finished: new SharedArrayBuffer(addresses.length * 4),
    control: new SharedArrayBuffer(8),
  };
  const history = new Uint16Array(data.history);
  const begun = new Int32Array(data.begun);
  const finished = new Int32Array(data.finished);
  const control = new Int32Array(data.control);

  const worker = startWorker('./fib4-reader.worker.ts', data);
  const message = once(worker, 'message');
  // Rejects when the worker fails.
  while (Atomics.load(control, 1) === 0) await Promise.race([message, new Promise((r) => setTimeout(r, 5))]);

  // The truth is kept apart from the FIB: for each address, the next hop of each of its prefix lengths.
  const lengths = [8, 16, 22, 24, 25, 30, 32];
  const routes = new Map<string, number>();
  const id = (addr: number, len: number): string => `${(addr & (-1 << (32 - len))) >>> 0}/${len}`;
  const truth = (addr: number): number => {
    for (let l = lengths.length - 1; l >= 0; l--) {
      const nh = routes.get(id(addr, lengths[l]));
      if (nh !== undefined) return nh;
    }
    return 0;
  };
  /** Adds its new answer to the history of each address of the prefix that gets one; returns those addresses. */
  const record = (prefix: number, len: number): number[] => {
    const changed: number[] = [];
    for (let i = 0; i < addresses.length; i++) {
      if ((addresses[i] ^ prefix) & (-1 << (32 - len))) continue;
      const nh = truth(addresses[i]);
      if (history[i * HISTORY + begun[i]] === nh) continue;
      history[i * HISTORY + begun[i] + 1] = nh;
      Atomics.add(begun, i, 1);
      changed.push(i);
    }
    return changed;
  };

  const random = createPrng(11);
  let writes = 0;
  let refused = 0;
  // However fast the threads are: until both have done their part and the table has met all that it shall meet.
  const enough = (): boolean =>
    writes >= MIN_WRITES &&
    Atomics.load(control, 1) >= MIN_LOOKUPS &&
    refused > 0 &&
    fib.stats().switches > 2;
  while (!enough() && Math.max(...begun) < HISTORY - 4) {
    for (let k = 0; k < 50; k++) {
      const addr = addresses[Math.floor(random() * addresses.length)];
      const len = lengths[Math.floor(random() * lengths.length)];
      const nh = 1 + Math.floor(random() * 32767);
      const key = id(addr, len);
      const old = routes.get(key);
      const remove = random() < 0.6;
      if (remove) routes.delete(key);
      else routes.set(key, nh);
      let changed = record(addr, len);
      try {
        if (remove) fib.remove(addr, len);
        else fib.set(addr, len, nh);
      } catch (error) {
        if (!(error instanceof NearhopError)) throw error;
        refused++;
        if (old === undefined) routes.delete(key);
        else routes.set(key, old);
        changed = [...changed, ...record(addr, len)];
      }
      for (const i of changed) Atomics.add(finished, i, 1);
      writes++;
    }
  }
  Atomics.store(control, 0, 1);
  const [report] = (await message) as [ReaderReport];
  await worker.terminate();

  expect(report.wrong).toEqual([]);
  expect(report.lookups).toBeGreaterThanOrEqual(MIN_LOOKUPS);
  expect(report.distinct).toBeGreaterThan(500);
  expect(writes - refused).toBeGreaterThan(500);
  expect(fib.stats().switches).toBeGreaterThan(2);
  expect(refused).toBeGreaterThan(0);
});
