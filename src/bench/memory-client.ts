// Runs a benchmark in memory in a process of its own (memory.ts), whose heap and compiled code are its alone.

import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';
import { run } from '../lab/shell.ts';
import type { MemoryReply } from './memory.ts';

const LONGEST_MS = 1_800_000;

export async function runMemoryBench<T>(name: string, options: object, signal: AbortSignal): Promise<T> {
  const bundle = fileURLToPath(new URL('./bench-memory.mjs', import.meta.url));
  const ran = await run([process.execPath, '--expose-gc', bundle, name, JSON.stringify(options)], {
    timeoutMs: LONGEST_MS,
    signal,
  });
  if (signal.aborted) throw new NearhopError('bench-interrupted', 'interrupted');
  if (ran.status !== 0) {
    throw new NearhopError('bench-failed', `the benchmark ended with ${ran.status}: ${ran.stderr.trim()}`);
  }
  const reply = JSON.parse(ran.stdout) as MemoryReply;
  if (reply.ok) return reply.data as T;
  throw new NearhopError(reply.code, reply.message, reply.hint === null ? {} : { hint: reply.hint });
}
