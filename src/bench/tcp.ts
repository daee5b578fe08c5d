// `nearhop bench tcp`: what TCP gets through Nearhop and through the kernel, on the same ways, with the offloads that the kernel
// turns on by itself.
//
//   round 1 … N: for each way (tcp-topology.ts) both devices in turns, each started anew; who is first changes with the round
//     a transfer to warm up → one for each case
//
// Nothing is pinned: the scheduler places sender, receiver and device under test as it would for anybody. A round's ratio is of
// two transfers of that round.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';
import { cpuUse, takeCpuSnapshot } from './cpu-usage.ts';
import { checksumErrors, type Transfer, transfer } from './iperf.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Spread, spreadOf } from './spread.ts';
import { buildTcpPath, configureTcpKernel, TCP_ENDS, type TcpPath, tcpConfig } from './tcp-topology.ts';
import { awaitEcho, type Dut, startProcess } from './wire-dut.ts';
import { removeLeftWires, removeWire, wireFolder, wireNamespace, wirePrefix } from './wire-remove.ts';

export interface TcpCase {
  readonly name: string;
  readonly path: TcpPath;
  readonly from: 'gen' | 'sink';
  readonly streams: number;
  readonly what: string;
}

export const TCP_CASES = [
  { name: 'routed', path: 'routed', from: 'gen', streams: 1, what: 'routed, 1 stream' },
  { name: 'routed-4', path: 'routed', from: 'gen', streams: 4, what: 'routed, 4 streams' },
  { name: 'vxlan-into', path: 'vxlan', from: 'gen', streams: 1, what: 'bridged into VXLAN' },
  { name: 'vxlan-into-gso', path: 'vxlan-gso', from: 'gen', streams: 1, what: 'into VXLAN, gsoDevice' },
  { name: 'vxlan-out', path: 'vxlan', from: 'sink', streams: 1, what: 'bridged out of VXLAN' },
] as const satisfies readonly TcpCase[];

export type TcpCaseName = (typeof TCP_CASES)[number]['name'];
export const TCP_DUTS = ['nearhop', 'kernel'] as const;
export type TcpDut = (typeof TCP_DUTS)[number];

export interface TcpOptions {
  readonly cases: readonly TcpCaseName[];
  readonly rounds: number;
  /** Seconds of one transfer. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Gets a line about each step. */
  readonly say: (text: string) => void;
}

export interface TcpRow {
  readonly dut: TcpDut;
  /** Payload that the receiver got, Gbit/s. */
  readonly gbps: Spread;
  readonly retransmits: Spread;
  /** CPU time ÷ time of the process; null for the kernel, whose work is nobody's. */
  readonly cpu: Spread | null;
  /** Transfers during which other programs used more than 2 % of a CPU. */
  readonly disturbed: number;
}

export interface TcpResult {
  readonly name: TcpCaseName;
  readonly what: string;
  readonly streams: number;
  readonly rows: readonly TcpRow[];
  /** Nearhop's rate ÷ the kernel's, of each round. */
  readonly ratio: Spread;
}

export interface TcpReport {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly secondsPerTransfer: number;
  readonly results: readonly TcpResult[];
}

const READY_MS = 20_000;
const WARM_UP_SECONDS = 1;
const OTHERS_ALLOWED = 0.02;

interface Measured extends Transfer {
  readonly cpu: number | null;
  readonly disturbed: boolean;
}

/** Measures; throws `bench-*` errors. What it made is removed in every case. */
export async function benchTcp(options: TcpOptions): Promise<TcpReport> {
  const { rounds, seconds, say, signal } = options;
  if (process.getuid?.() !== 0) {
    throw new NearhopError('permission-denied', 'bench tcp makes network namespaces', {
      hint: 'run it as root',
    });
  }
  removeLeftWires();
  const startedAt = new Date().toISOString();
  const prefix = wirePrefix(process.pid);
  const cases = TCP_CASES.filter(({ name }) => options.cases.includes(name));
  const measured = new Map<string, Measured[]>();
  try {
    for (let round = 0; round < rounds; round++) {
      const duts = round % 2 === 0 ? TCP_DUTS : [...TCP_DUTS].reverse();
      for (const path of ['routed', 'vxlan', 'vxlan-gso'] as const) {
        const here = cases.filter((c) => c.path === path);
        if (here.length === 0) continue;
        for (const dut of duts) {
          say(`round ${round + 1} of ${rounds}: ${path}, ${dut}`);
          await measure(prefix, path, dut, here, options, (name, result) => {
            const key = `${name} ${dut}`;
            measured.set(key, [...(measured.get(key) ?? []), result]);
          });
        }
      }
    }
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new NearhopError('bench-interrupted', 'interrupted; the namespaces are removed', { cause });
  } finally {
    removeWire(prefix);
  }
  return {
    startedAt,
    machine: describeMachine(),
    rounds,
    secondsPerTransfer: seconds,
    results: cases.map(({ name, what, streams }) => {
      const of = (dut: TcpDut): readonly Measured[] => measured.get(`${name} ${dut}`) ?? [];
      const kernel = of('kernel');
      return {
        name,
        what,
        streams,
        rows: TCP_DUTS.map((dut) => rowOf(dut, of(dut))),
        ratio: spreadOf(of('nearhop').map(({ gbps }, round) => gbps / kernel[round].gbps)),
      };
    }),
  };
}

/** One device on one way: starts it, warms it up, and measures each case. */
async function measure(
  prefix: string,
  path: TcpPath,
  dut: TcpDut,
  cases: readonly TcpCase[],
  { seconds, signal }: TcpOptions,
  take: (name: string, result: Measured) => void,
): Promise<void> {
  signal.throwIfAborted();
  await buildTcpPath(prefix, path);
  const running = await start(prefix, path, dut, signal);
  const [gen, sink] = [wireNamespace(prefix, 'gen'), wireNamespace(prefix, 'sink')];
  const ends = TCP_ENDS[path];
  try {
    for (const { name, from, streams } of cases) {
      const way =
        from === 'gen' ? { from: gen, to: sink, toIp: ends.sink } : { from: sink, to: gen, toIp: ends.gen };
      await transfer({ ...way, streams, seconds: WARM_UP_SECONDS, signal });
      const before = takeCpuSnapshot(wireNamespace(prefix, 'dut'));
      const startedMs = performance.now();
      const result = await transfer({ ...way, streams, seconds, signal });
      const ms = performance.now() - startedMs;
      const after = takeCpuSnapshot(wireNamespace(prefix, 'dut'));
      const { dutMs, otherMs } = cpuUse(before, after, new Set([process.pid]));
      take(name, {
        ...result,
        cpu: dut === 'kernel' ? null : dutMs / ms,
        disturbed: otherMs / ms > OTHERS_ALLOWED,
      });
    }
    const wrong = (await checksumErrors(gen)) + (await checksumErrors(sink));
    if (wrong > 0) {
      throw new NearhopError(
        'bench-dut-failed',
        `${dut}, ${path}: ${wrong} segments came with a wrong checksum`,
      );
    }
  } finally {
    await running.stop();
    removeWire(prefix);
  }
}

async function start(prefix: string, path: TcpPath, dut: TcpDut, signal: AbortSignal): Promise<Dut> {
  const starting = { what: dut, prefix, target: TCP_ENDS[path].sink, readyMs: READY_MS, signal };
  if (dut === 'kernel') {
    await configureTcpKernel(prefix, path);
    await awaitEcho(starting, () => true);
    return { stop: async () => {} };
  }
  const folder = wireFolder(prefix);
  const config = join(folder, 'nearhop.yml');
  writeFileSync(config, tcpConfig(path));
  const main = fileURLToPath(new URL('./main.mjs', import.meta.url));
  return startProcess(
    starting,
    [
      ...['nice', '-n', '-20', 'ip', 'netns', 'exec', wireNamespace(prefix, 'dut')],
      ...[process.execPath, main, 'run', '-c', config, '--socket', join(folder, 'nearhop.sock')],
    ],
    {},
  );
}

const rowOf = (dut: TcpDut, all: readonly Measured[]): TcpRow => ({
  dut,
  gbps: spreadOf(all.map(({ gbps }) => gbps)),
  retransmits: spreadOf(all.map(({ retransmits }) => retransmits)),
  cpu: dut === 'kernel' ? null : spreadOf(all.map(({ cpu }) => cpu ?? 0)),
  disturbed: all.filter(({ disturbed }) => disturbed).length,
});
