// Round-trip time through an idle device under test, by ping(8): the kernel stands on both sides, so no process of ours is
// in the figure.

import { run } from '../lab/shell.ts';
import { GENERATOR_CPU, inNamespace } from './agent-client.ts';
import { percentile } from './spread.ts';
import type { WireMode } from './wire-frame.ts';
import { wireNamespace } from './wire-remove.ts';
import { SINK_IP } from './wire-topology.ts';

const ECHOES = 1000;
const INTERVAL = '0.002';

export interface Rtt {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly echoes: number;
  readonly lost: number;
}

/** Sends 1000 echoes, one every 2 ms, from the generator's side to the sink's. */
export async function pingThrough(prefix: string, mode: WireMode): Promise<Rtt> {
  const { stdout } = await run([
    ...inNamespace(wireNamespace(prefix, 'gen'), GENERATOR_CPU),
    ...['ping', '-n', '-i', INTERVAL, '-c', String(ECHOES), '-W', '1', SINK_IP[mode]],
  ]);
  return parsePing(stdout, ECHOES);
}

/** @param sent how many echoes were asked for */
export function parsePing(text: string, sent: number): Rtt {
  const us = Array.from(text.matchAll(/time=([\d.]+) ms/g), (m) => Number(m[1]) * 1000).sort((a, b) => a - b);
  return { p50Us: percentile(us, 0.5), p99Us: percentile(us, 0.99), echoes: sent, lost: sent - us.length };
}
