// The process of the benchmarks that need no device: `bench-memory NAME OPTIONS` prints one JSON value, the report or the error. It is
// a bundle of its own (tsdown.config.ts), because code that is split over files is half as fast.

import { NearhopError } from '../base/errors.ts';
import { benchFib, type FibOptions } from './fib.ts';

export type MemoryReply =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string | null };

function answer(): MemoryReply {
  try {
    return { ok: true, data: benchFib(JSON.parse(process.argv[3]) as FibOptions) };
  } catch (error) {
    if (!(error instanceof NearhopError)) throw error;
    return { ok: false, code: error.code, message: error.message, hint: error.hint ?? null };
  }
}

process.stdout.write(JSON.stringify(answer()));
