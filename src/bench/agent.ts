// The processes that `bench wire` puts into its namespaces: `bench-agent generator DEVICE`, `bench-agent sink DEVICE MODE PREFIX`, and
// beside a Nearhop with many routes `bench-agent routes COUNT`.
// Each reads requests from stdin, one JSON value a line, and answers each with one line. When stdin ends, whoever
// started it is gone: the sink, which is idle during a trial, then removes what was made, so that also a `kill -9` leaves nothing.
//
// It is a bundle of its own (tsdown.config.ts), because code that is split over files is half as fast.

import { createInterface } from 'node:readline';
import { NearhopError } from '../base/errors.ts';
import { Generator, type Load } from './generator.ts';
import { announceRoutes } from './route-announcer.ts';
import { Sink } from './sink.ts';
import { SizeCounter } from './size-counter.ts';
import type { WireMode } from './wire-frame.ts';
import { removeWire } from './wire-remove.ts';

export type AgentRequest =
  | { readonly do: 'prepare' | 'send'; readonly load: Load }
  | { readonly do: 'take' }
  /** Frames by size since the last time; the first counts from then on. */
  | { readonly do: 'sizes' };
export type AgentReply =
  | { readonly ok: true; readonly data: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string | null };

const say = (reply: AgentReply): void => void process.stdout.write(`${JSON.stringify(reply)}\n`);

function sayError(error: unknown): void {
  const { code, message, hint } =
    error instanceof NearhopError ? error : new NearhopError('bench-agent-failed', String(error));
  say({ ok: false, code, message, hint: hint ?? null });
}

async function createAnswerer(
  role: string,
  device: string,
  mode: WireMode,
): Promise<(request: AgentRequest) => unknown> {
  if (role === 'generator') {
    const generator = new Generator(device);
    return (request) => {
      if (request.do === 'prepare') return generator.prepare(request.load);
      if (request.do === 'send') return generator.send(request.load);
      throw new Error(`a generator does not ${request.do}`);
    };
  }
  if (role === 'routes') {
    await announceRoutes(Number(device));
    return () => {
      throw new Error('routes are announced, and nothing else');
    };
  }
  const sink = new Sink(device, mode);
  let sizes: SizeCounter | undefined;
  return (request) => {
    if (request.do === 'take') return sink.take();
    if (request.do !== 'sizes') throw new Error(`a sink does not ${request.do}`);
    sizes ??= new SizeCounter(device, mode);
    return sizes.take();
  };
}

const [role = '', device = '', mode = '', prefix = ''] = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {}); // Ctrl-C is its parent's affair
try {
  const answer = await createAnswerer(role, device, mode as WireMode);
  say({ ok: true, data: null });
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      try {
        say({ ok: true, data: answer(JSON.parse(line) as AgentRequest) ?? null });
      } catch (error) {
        sayError(error);
      }
    })
    .on('close', () => {
      if (prefix !== '') removeWire(prefix);
      process.exit(0);
    });
} catch (error) {
  sayError(error);
  process.exitCode = 1;
}
