// The thread that looks up for `nearhop bench fib`: one for each table, as a gateway has one for its data plane. It has one
// column of addresses and one of answers, and looks up 256 at a time.
//
//   measure   the addresses of a case, PASSES times; answers the rate, and leaves the answers in the column
//   watch     looks up without end while routes come and go, and judges every answer; see fib-inject.ts

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/errors.ts';
import { Fib4Reader, type Fib4Shared } from '../tables/fib4.ts';
import { type WatchData, watch } from './fib-watch.ts';

/** Addresses of a case. */
export const PROBES = 1 << 20;
/** As in fib.c. */
export const PASSES = 8;
/** Lookups at a time: what a round of the data plane takes from its ports at most. */
export const BATCH = 256;

export interface FibThreadData {
  readonly thread: 'fib';
  readonly fib: Fib4Shared;
  /** PROBES answers of the case that was measured last. */
  readonly nh: Uint16Array;
}

export type FibThreadTask =
  | { readonly op: 'measure'; readonly probes: Uint32Array }
  | { readonly op: 'watch'; readonly data: WatchData };

/** Answers the tasks that main posts: of `measure` the millions of lookups a second, of `watch` a WatchReport. */
export function serveFibThread(): void {
  assert(parentPort !== null, 'a thread of its own');
  const port = parentPort;
  const { fib, nh } = workerData as FibThreadData;
  const reader = new Fib4Reader(fib);
  const dst = new Uint32Array(PROBES);
  const batch = reader.batch(dst, nh);
  port.on('message', (task: FibThreadTask) => {
    if (task.op === 'watch') {
      port.postMessage(watch(reader, batch, dst, nh, task.data));
      return;
    }
    dst.set(task.probes);
    const started = performance.now();
    for (let pass = 0; pass < PASSES; pass++) {
      for (let i = 0; i < PROBES; i += BATCH) batch(i, i + BATCH);
    }
    const ms = performance.now() - started;
    port.postMessage((PROBES * PASSES) / ms / 1000);
  });
}
