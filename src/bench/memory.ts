// The process of the benchmarks that need no device: `bench-memory NAME OPTIONS` prints one JSON value, the report or the error. It is
// a bundle of its own (tsdown.config.ts), because code that is split over files is half as fast.

import { isMainThread, workerData } from 'node:worker_threads';
import { NearhopError } from '../base/errors.ts';
import { benchFib, type FibOptions } from './fib.ts';
import { type FibThreadData, serveFibThread } from './fib-thread.ts';
import { benchForward, type ForwardOptions } from './forward.ts';
import { runForwardThread, type ThreadData } from './forward-thread.ts';
import { benchForwardWorkers, type ForwardWorkersOptions } from './forward-workers.ts';

export type MemoryReply =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string | null };

function measure(name: string, options: unknown): unknown {
  if (name === 'fib') return benchFib(options as FibOptions);
  if (name === 'forward') return benchForward(options as ForwardOptions);
  if (name === 'forward-workers') return benchForwardWorkers(options as ForwardWorkersOptions);
  throw new Error(`there is no benchmark ${name}`);
}

async function answer(): Promise<MemoryReply> {
  try {
    return { ok: true, data: await measure(process.argv[2], JSON.parse(process.argv[3])) };
  } catch (error) {
    if (!(error instanceof NearhopError)) throw error;
    return { ok: false, code: error.code, message: error.message, hint: error.hint ?? null };
  }
}

if (isMainThread) process.stdout.write(JSON.stringify(await answer()));
else if ((workerData as FibThreadData | ThreadData).thread === 'fib') serveFibThread();
else runForwardThread(workerData as ThreadData);
