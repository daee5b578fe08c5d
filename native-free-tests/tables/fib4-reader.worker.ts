// A reader in a thread of its own, which checks every answer it gets (fib-shared.test.ts).
//
// The writer keeps, for each address, the list of all answers it was ever to have, and two counts: how many of them it has
// begun to write, and how many it has finished. An answer is right if it is among those from the last one finished before
// the lookup to the last one begun after it: then it was valid at some moment in between.

import { parentPort, workerData } from 'node:worker_threads';
import { Fib4Reader, type Fib4Shared } from '../../src/tables/fib4.ts';

export interface ReaderData {
  readonly fib: Fib4Shared;
  readonly addresses: Uint32Array;
  /** Row of an address: `historyLength` answers. */
  readonly history: SharedArrayBuffer;
  readonly historyLength: number;
  readonly begun: SharedArrayBuffer;
  readonly finished: SharedArrayBuffer;
  /** Word 0: 1 = stop. Word 1: lookups done. */
  readonly control: SharedArrayBuffer;
}

export interface ReaderReport {
  readonly lookups: number;
  /** Different answers seen, over all addresses. */
  readonly distinct: number;
  readonly wrong: readonly string[];
}

const data = workerData as ReaderData;
const reader = new Fib4Reader(data.fib);
const history = new Uint16Array(data.history);
const begun = new Int32Array(data.begun);
const finished = new Int32Array(data.finished);
const control = new Int32Array(data.control);
const seen = new Set<number>();
const wrong: string[] = [];
let lookups = 0;

for (let round = 0; Atomics.load(control, 0) === 0; round++) {
  reader.beginRound();
  for (let k = 0; k < 256; k++) {
    const i = (round * 31 + k * 7) % data.addresses.length;
    const from = Atomics.load(finished, i);
    const nh = reader.lookup(data.addresses[i]);
    const to = Atomics.load(begun, i);
    lookups++;
    let valid = false;
    for (let v = from; v <= to && !valid; v++) valid = history[i * data.historyLength + v] === nh;
    if (!valid) wrong.push(`address ${i} answered ${nh}, versions ${from} to ${to}`);
    seen.add(i * 32768 + nh);
  }
  Atomics.store(control, 1, lookups);
  if (round % 3 === 0) reader.idle();
}
reader.close();
const report: ReaderReport = { lookups, distinct: seen.size, wrong: wrong.slice(0, 5) };
parentPort!.postMessage(report);
