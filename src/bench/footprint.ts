// `nearhop bench memory`: what a running gateway holds in memory once a BGP peer has announced a table to it.
//
// The gateway is `nearhop run` as users start it, with one port of kind memory, so that it needs neither root nor devices (the
// ring of an af-packet port comes on top). The peer is a BGP speaker in this process, over TCP on the loopback, whose routes
// have 200 next hops on the gateway's one network. The figures are the kernel's (proc(5), status), when all routes are in the
// FIB and the gateway has been left alone for some seconds.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';
import { ask } from '../gateway/control-client.ts';
import { start } from '../lab/shell.ts';
import { createBgpSpeaker } from '../routing/bgp/speaker.ts';
import { describeMachine, type Machine } from './machine.ts';
import { hostTable, type RouteTable, readTable } from './route-table.ts';

export interface FootprintOptions {
  /** File with a table; that many host routes in four /16s otherwise. */
  readonly table: string | null;
  readonly routes: number;
  readonly signal: AbortSignal;
}

export interface FootprintReport {
  readonly machine: Machine;
  readonly source: string;
  /** Prefixes in the FIB, and the layout that it has for them. */
  readonly prefixes: number;
  readonly layout: string;
  /** From the first announcement to the last route in the FIB. */
  readonly seconds: number;
  /** Resident memory, MiB, with no route from the peer, and with all. */
  readonly emptyMiB: number;
  readonly rssMiB: number;
  /** The highest it ever was. */
  readonly peakMiB: number;
  /** Of `rssMiB`, pages of files, above all of the program node: shared with other processes that run it. */
  readonly fileMiB: number;
}

const SETTLE_MS = 5000;
const LONGEST_MS = 600_000;
const NEXT_HOPS = 200;
/** 10.99.0.2, the first of the peer's next hops. */
const FIRST_NEXT_HOP = 0x0a63_0002;
/** What the gateway has of its own: its subnet and its address. */
const OWN_PREFIXES = 2;

export async function benchFootprint({ table, routes, signal }: FootprintOptions): Promise<FootprintReport> {
  const announced = table === null ? hostTable(routes * 2) : readTable(table);
  const folder = mkdtempSync(join(tmpdir(), 'nearhop-memory-'));
  const socket = join(folder, 'nearhop.sock');
  const config = join(folder, 'nearhop.yml');
  const port = await freePort();
  writeFileSync(config, configText(port));
  const main = fileURLToPath(new URL('./main.mjs', import.meta.url));
  const log: string[] = [];
  const gateway = start([process.execPath, main, 'run', '-c', config, '--socket', socket], (line) =>
    log.push(line),
  );
  const exited = once(gateway, 'exit');
  const speaker = createBgpSpeaker({
    as: 65001,
    routerId: 1,
    peers: [{ name: 'gateway', address: '127.0.0.1', as: 65002, port, connectRetrySeconds: 1 }],
    events: { route() {}, withdraw() {}, session() {} },
  });
  try {
    const alive = (): void => {
      signal.throwIfAborted();
      if (gateway.exitCode === null) return;
      throw new NearhopError('bench-gateway-failed', `the gateway has ended: ${log.slice(-3).join(' | ')}`);
    };
    while (!log.some((line) => line.includes('is up'))) {
      alive();
      await sleep(50);
    }
    await sleep(SETTLE_MS, undefined, { signal });
    const empty = memoryOf(gateway.pid!);
    const wanted =
      OWN_PREFIXES + announce(announced, table === null ? routes : announced.prefix.length, speaker);
    const started = performance.now();
    await speaker.start();
    let fib = { prefixes: 0, layout: '' };
    while (fib.prefixes < wanted) {
      alive();
      if (performance.now() - started > LONGEST_MS) {
        throw new NearhopError('bench-timeout', `${fib.prefixes} of ${wanted} prefixes are in the FIB`);
      }
      await sleep(100);
      fib = (await ask(socket, 'show.fib', { limit: 1 }, { timeoutMs: LONGEST_MS, signal })).data;
    }
    const seconds = (performance.now() - started) / 1000;
    await sleep(SETTLE_MS, undefined, { signal });
    const full = memoryOf(gateway.pid!);
    return {
      machine: describeMachine(),
      source: table ?? `${routes} host routes`,
      prefixes: fib.prefixes,
      layout: fib.layout,
      seconds,
      emptyMiB: empty.VmRSS,
      rssMiB: full.VmRSS,
      peakMiB: full.VmHWM,
      fileMiB: full.RssFile,
    };
  } finally {
    await speaker.stop();
    gateway.kill();
    await exited;
    rmSync(folder, { recursive: true });
  }
}

/** Gives the speaker the first `count` distinct prefixes that a peer may announce; returns how many there are. */
function announce(
  { prefix, len }: RouteTable,
  count: number,
  speaker: { announce(route: { prefix: number; len: number; nextHop: number }): void },
): number {
  const seen = new Set<number>();
  for (let i = 0; i < prefix.length && seen.size < count; i++) {
    const key = prefix[i] * 64 + len[i];
    if (len[i] === 0 || seen.has(key)) continue;
    speaker.announce({ prefix: prefix[i], len: len[i], nextHop: FIRST_NEXT_HOP + (seen.size % NEXT_HOPS) });
    seen.add(key);
  }
  return seen.size;
}

const configText = (port: number): string => `gateway: { name: bench-memory, routerId: 10.99.0.1 }
ports:
  - { name: lan0, kind: memory }
interfaces:
  - { name: lan, port: lan0, address: 10.99.0.1/24 }
bgp:
  as: 65002
  port: ${port}
  neighbors:
    - { address: 127.0.0.1, as: 65001, passive: true, maxPrefixes: 4000000 }
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

type Field = 'VmRSS' | 'VmHWM' | 'RssFile';

/** Resident memory of a process, MiB. */
function memoryOf(pid: number): Record<Field, number> {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mib = (field: Field): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { VmRSS: mib('VmRSS'), VmHWM: mib('VmHWM'), RssFile: mib('RssFile') };
}
