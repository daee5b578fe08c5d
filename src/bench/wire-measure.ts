// What is measured of one device under test in a round of `bench wire` (wire.ts): the wire's own limit, idle, rates, latency and loss
// under load, and a capture.

import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NearhopError } from '../base/errors.ts';
import type { Agent } from './agent-client.ts';
import { cpuUse, dutRssMiB, takeCpuSnapshot } from './cpu-usage.ts';
import type { Load, Sent } from './generator.ts';
import { pingThrough } from './ping.ts';
import { type Phase, searchRates } from './search.ts';
import { spreadOf } from './spread.ts';
import type { TrafficSummary } from './traffic.ts';
import { everyFrameFilter, type FrameSize, tcBytecode, type WireMode } from './wire-frame.ts';
import { wireNamespace } from './wire-remove.ts';
import { bestRates, type IdleRow, loadedLatency, type Row } from './wire-report.ts';
import { addTcFilter, countEveryFrame, removeTcFilter } from './wire-topology.ts';
import { runTrial, type TrialResult, type Wire } from './wire-trial.ts';

export interface WireOptions {
  /** The command line, for the report. */
  readonly command: string;
  /** `kernel`, `nearhop`, or a command. */
  readonly duts: readonly string[];
  readonly mode: WireMode;
  readonly sizes: readonly FrameSize[];
  readonly routes: number;
  readonly flows: number;
  /** Rounds. */
  readonly trials: number;
  /** Seconds of one trial. */
  readonly seconds: number;
  /** Seconds without traffic, in which the CPU time of the device under test is taken, and echoes after them; 0 for neither. */
  readonly idleSeconds: number;
  /** Only floods: no searches, latencies or curve, and nothing at idle. */
  readonly mrrOnly: boolean;
  /** Only CPU and echoes at idle. */
  readonly idleOnly: boolean;
  /** A capture that is sent instead of floods and searches, and how much faster than captured; 0 for as fast as it goes. */
  readonly traffic?: { readonly path: string; readonly speeds: readonly number[] };
  readonly signal: AbortSignal;
  /** Gets a line about each step. */
  readonly say: (text: string) => void;
}

/** All that is measured of one device under test. */
export interface DutRows {
  readonly name: string;
  readonly what: string;
  readonly rows: readonly Row[];
  readonly idle: IdleRow;
  /** Trials of the capture by pace. */
  readonly traffic: ReadonlyMap<number, TrialResult[]>;
}

const BOUNDS = [
  { name: 'pdr', lossRatio: 0.005 },
  { name: 'ndr', lossRatio: 0 },
] as const;
const PRECISION = 0.02;
/** Trials of a quarter of the time find where to look, to 6 %. */
const phasesOf = (seconds: number): Phase[] => [
  { seconds: Math.max(0.1, seconds / 4), precision: 3 * PRECISION },
  { seconds, precision: PRECISION },
];

const SHARES = [0.1, 0.5, 0.9];
/** So few frames that each finds the device asleep, and enough for a p99 in a second. */
const IDLE_PPS = 1000;
const CURVE_SHARES = [0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2];
const LEAST_PPS = 1000;

/** What the generator offers when its frames are dropped as soon as they leave the wire. */
export async function measureGenerator(prefix: string, generator: Agent, load: Load): Promise<number> {
  const dut = wireNamespace(prefix, 'dut');
  await addTcFilter(dut, 'd0', tcBytecode(everyFrameFilter()));
  const { frames, refused, seconds } = (await generator.ask({ do: 'send', load })) as Sent;
  await removeTcFilter(dut, 'd0');
  return (frames + refused) / seconds;
}

export async function measureIdle(
  wire: Wire,
  { mode, idleSeconds }: WireOptions,
  idle: IdleRow,
): Promise<void> {
  const dut = wireNamespace(wire.prefix, 'dut');
  const before = takeCpuSnapshot(dut, wire.beside);
  const from = performance.now();
  await sleep(idleSeconds * 1000, undefined, { signal: wire.signal });
  const after = takeCpuSnapshot(dut, wire.beside);
  if (after.dut.size > 0) {
    idle.cpu.push(cpuUse(before, after, new Set()).dutMs / (performance.now() - from));
    idle.rss.push(dutRssMiB(after));
  }
  idle.rtt.push(await pingThrough(wire.prefix, mode));
}

/** A flood, and unless only floods are wanted, the search of PDR and NDR. */
export async function measureRates(
  row: Row,
  { mrrOnly, seconds }: WireOptions,
  trial: (pps: number, seconds?: number) => Promise<TrialResult>,
): Promise<void> {
  const flood = await trial(0);
  checkForwarded(row.dut, flood);
  row.floods.push(flood);
  if (mrrOnly) return;
  const { found } = await searchRates({
    trial,
    bounds: BOUNDS,
    phases: phasesOf(seconds),
    flood,
    firstPps: flood.forwardedPps * (1 + PRECISION),
    leastPps: LEAST_PPS,
  });
  row.found.push([...found]);
}

/** Latency at idle and at shares of PDR, then trials at rates around it for the loss curve. */
export async function measureUnderLoad(
  row: Row,
  trial: (pps: number) => Promise<TrialResult>,
  trials: number,
): Promise<void> {
  const rates = bestRates(row.found, 'pdr');
  const pdr = rates.length === 0 ? 0 : spreadOf(rates).median;
  for (const share of [0, ...(pdr === 0 ? [] : SHARES)]) {
    const pps = share === 0 ? IDLE_PPS : pdr * share;
    const results: TrialResult[] = [];
    for (let i = 0; i < trials; i++) results.push(await trial(pps));
    const latency = loadedLatency(share, pps, results);
    if (latency !== undefined) row.latency.push(latency);
  }
  const most = Math.max(...row.all.map(({ offeredPps }) => offeredPps));
  for (const share of CURVE_SHARES) if (pdr * share < most) await trial(pdr * share);
}

/** Sends the capture at each pace, and counts what comes by size. */
export async function measureTraffic(
  wire: Wire,
  flood: Load,
  { mode, seconds, traffic }: WireOptions,
  dut: DutRows,
): Promise<TrafficSummary | undefined> {
  let summary: TrafficSummary | undefined;
  for (const speed of traffic?.speeds ?? []) {
    const load: Load = { ...flood, seconds, traffic: { path: resolve(traffic?.path ?? ''), speed } };
    if (summary === undefined) {
      summary = (await wire.generator.ask({ do: 'prepare', load })) as TrafficSummary;
      await countEveryFrame(wire.prefix, mode);
    }
    const trial = await runTrial(wire, load);
    checkForwarded(dut.name, trial);
    dut.traffic.get(speed)?.push(trial);
  }
  return summary;
}

/** A device that forwards nothing as it should has no rate; says what is wrong with what came. */
function checkForwarded(dut: string, flood: TrialResult): void {
  if (flood.lossRatio < 1) return;
  const faults = Object.entries(flood.samples.faults).map(([fault, n]) => `${fault} (${n})`);
  const came = faults.length > 0 ? `frames came, but wrong in ${faults.join(', ')}` : 'no frame came';
  throw new NearhopError('bench-dut-failed', `the device under test (${dut}) forwards nothing: ${came}`, {
    hint: 'nearhop bench wire --help says what it has to do',
  });
}
