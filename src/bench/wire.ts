// `nearhop bench wire`: how much a router or a bridge forwards on a veth wire, with how much loss and how fast (RFC 2544).
//
//   round 1 … N: each device under test is started anew, in turn, so that a slow moment of the machine hits them all;
//     echo at idle → for each size: flood (MRR) → search of PDR and NDR
//   last round, besides: one-way latency at 10, 50 and 90 % of PDR, and the loss curve
//
// Figures are medians over the rounds, with the lowest and the highest.

import { availableParallelism } from 'node:os';
import { NearhopError } from '../base/errors.ts';
import { Agent } from './agent-client.ts';
import { cpuUse, dutRssMiB, takeCpuSnapshot } from './cpu-usage.ts';
import type { Load, Sent } from './generator.ts';
import { describeMachine, type Machine } from './machine.ts';
import { pingThrough, type Rtt } from './ping.ts';
import { type Found, searchRates } from './search.ts';
import { type Spread, spreadOf } from './spread.ts';
import { startDut } from './wire-dut.ts';
import { everyFrameFilter, type FrameSize, tcBytecode, type WireMode } from './wire-frame.ts';
import { removeLeftWires, removeWire, wireNamespace, wirePrefix } from './wire-remove.ts';
import { addTcFilter, buildWire, removeTcFilter } from './wire-topology.ts';
import { runTrial, type TrialResult, type Wire } from './wire-trial.ts';

export interface WireOptions {
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
  /** Only floods: no searches, latencies or curve. */
  readonly mrrOnly: boolean;
  readonly signal: AbortSignal;
  /** Gets a line about each step. */
  readonly say: (text: string) => void;
}

/** A rate with its spread. */
export interface RateFigure {
  readonly pps: Spread;
  /** The generator was the limit in most rounds: the device does at least this. */
  readonly limited: boolean;
}

export interface LoadedLatency {
  /** Share of PDR. */
  readonly share: number;
  readonly pps: number;
  readonly p50Us: Spread;
  readonly p99Us: Spread;
  readonly samples: number;
}

export interface CurvePoint {
  readonly offeredPps: number;
  readonly forwardedPps: number;
  readonly lossRatio: number;
  readonly contaminated: boolean;
}

export interface WireResult {
  readonly dut: string;
  readonly size: FrameSize;
  readonly meanBytes: number;
  readonly mrr: RateFigure;
  /** Absent with `mrrOnly`; null when no rate passed in some round. */
  readonly pdr?: RateFigure | null;
  readonly ndr?: RateFigure | null;
  readonly latency: readonly LoadedLatency[];
  readonly curve: readonly CurvePoint[];
  /** CPU time ÷ time of the device under test in a flood; the kernel's work is nobody's. */
  readonly floodCpu: Spread;
  readonly trials: number;
  readonly contaminated: number;
  /** Sampled frames that were checked, and those that were wrong by what was wrong. */
  readonly sampled: number;
  readonly faults: Readonly<Record<string, number>>;
}

export interface IdleResult {
  readonly dut: string;
  readonly rttP50Us: Spread;
  readonly rttP99Us: Spread;
  readonly echoes: number;
  readonly lost: number;
  /** CPU time ÷ time without traffic, and resident memory; absent for the kernel. */
  readonly cpu?: Spread;
  readonly rssMiB?: Spread;
}

export interface WireReport {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly machine: Machine;
  readonly mode: WireMode;
  readonly routes: number;
  readonly flows: number;
  readonly rounds: number;
  readonly secondsPerTrial: number;
  /** What the generator offers of the first size when nobody takes the frames: the wire's own limit. */
  readonly generatorPps: Spread;
  readonly idle: readonly IdleResult[];
  readonly results: readonly WireResult[];
}

export const BOUNDS = [
  { name: 'pdr', lossRatio: 0.005 },
  { name: 'ndr', lossRatio: 0 },
] as const;

const SHARES = [0.1, 0.5, 0.9];
const CURVE_SHARES = [0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2];
const PRECISION = 0.02;
const LEAST_PPS = 1000;
const WARM_UP_SECONDS = 0.5;
const IDLE_MS = 2000;
/** A flood with less loss than this was the generator's limit, not the device's. */
const LIMITED_LOSS = 0.01;

/** What has been measured of one device and size so far. */
interface Row {
  readonly dut: string;
  readonly size: FrameSize;
  readonly floods: TrialResult[];
  readonly found: Found<TrialResult>[][];
  readonly all: TrialResult[];
  readonly latency: LoadedLatency[];
}

interface IdleRow {
  readonly dut: string;
  readonly rtt: Rtt[];
  readonly cpu: number[];
  readonly rss: number[];
}

/** Measures all devices. Throws `bench-*` errors; what it made is removed in every case. */
export async function benchWire(options: WireOptions): Promise<WireReport> {
  const { duts, sizes, trials, say } = options;
  if (process.getuid?.() !== 0) {
    throw new NearhopError('permission-denied', 'bench wire makes network namespaces', {
      hint: 'run it as root',
    });
  }
  if (availableParallelism() < 2) {
    throw new NearhopError(
      'bench-cpus',
      'bench wire needs two CPUs: one for the load, one for the device under test',
    );
  }
  removeLeftWires();
  const startedAt = new Date().toISOString();
  const prefix = wirePrefix(process.pid);
  const rows = duts.map((dut) =>
    sizes.map((size): Row => ({ dut, size, floods: [], found: [], all: [], latency: [] })),
  );
  const generator: number[] = [];
  const idle = duts.map((dut): IdleRow => ({ dut, rtt: [], cpu: [], rss: [] }));
  try {
    for (let round = 0; round < trials; round++) {
      for (let d = 0; d < duts.length; d++) {
        say(`round ${round + 1} of ${trials}: ${duts[d]}`);
        await measureDut(prefix, options, rows[d], idle[d], generator, round === trials - 1);
      }
    }
  } catch (cause) {
    if (!options.signal.aborted) throw cause;
    throw new NearhopError('bench-interrupted', 'interrupted; the wire is removed', { cause });
  } finally {
    removeWire(prefix);
  }
  return {
    startedAt,
    machine: describeMachine(),
    mode: options.mode,
    routes: options.routes,
    flows: options.flows,
    rounds: trials,
    secondsPerTrial: options.seconds,
    generatorPps: spreadOf(generator),
    idle: idle.filter(({ rtt }) => rtt.length > 0).map(idleResult),
    results: rows.flat().map((row) => rowResult(row, options.mrrOnly)),
  };
}

/** One round of one device. */
async function measureDut(
  prefix: string,
  options: WireOptions,
  rows: readonly Row[],
  idle: IdleRow,
  generatorPps: number[],
  last: boolean,
): Promise<void> {
  const { mode, routes, flows, seconds, mrrOnly, signal } = options;
  await buildWire(prefix, mode);
  const agents: Agent[] = [];
  const endAgents = (): void => {
    for (const agent of agents) agent.kill();
  };
  signal.addEventListener('abort', endAgents);
  try {
    const generator = await Agent.start(wireNamespace(prefix, 'gen'), 'generator', 'g0');
    agents.push(generator);
    const sink = await Agent.start(wireNamespace(prefix, 'sink'), 'sink', 's0', mode, prefix);
    agents.push(sink);
    const load = (size: FrameSize, pps: number, s = seconds) => ({
      mode,
      size,
      flows,
      routes,
      pps,
      seconds: s,
    });
    generatorPps.push(await measureGenerator(prefix, generator, load(rows[0].size, 0, WARM_UP_SECONDS)));
    const dut = await startDut(idle.dut, prefix, mode, routes, signal);
    try {
      const wire: Wire = { prefix, generator, sink, signal };
      await generator.ask({ do: 'send', load: load(rows[0].size, 0, WARM_UP_SECONDS) });
      if (!mrrOnly) await measureIdle(wire, mode, idle);
      for (const row of rows) {
        const trial = async (pps: number): Promise<TrialResult> => {
          const result = await runTrial(wire, load(row.size, pps));
          row.all.push(result);
          return result;
        };
        const flood = await trial(0);
        checkForwarded(row.dut, flood);
        row.floods.push(flood);
        if (mrrOnly) continue;
        const firstPps = flood.forwardedPps * (1 + PRECISION);
        const { found } = await searchRates({
          trial,
          bounds: BOUNDS,
          flood,
          firstPps,
          precision: PRECISION,
          leastPps: LEAST_PPS,
        });
        row.found.push([...found]);
        if (last) await measureUnderLoad(row, trial, options.trials);
      }
    } finally {
      await dut.stop();
    }
  } finally {
    signal.removeEventListener('abort', endAgents);
    endAgents();
    removeWire(prefix);
  }
}

/** What the generator offers when its frames are dropped as soon as they leave the wire. */
async function measureGenerator(prefix: string, generator: Agent, load: Load): Promise<number> {
  const dut = wireNamespace(prefix, 'dut');
  await addTcFilter(dut, 'd0', tcBytecode(everyFrameFilter()));
  const { frames, refused, seconds } = (await generator.ask({ do: 'send', load })) as Sent;
  await removeTcFilter(dut, 'd0');
  return (frames + refused) / seconds;
}

async function measureIdle(wire: Wire, mode: WireMode, idle: IdleRow): Promise<void> {
  const dut = wireNamespace(wire.prefix, 'dut');
  const before = takeCpuSnapshot(dut);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const after = takeCpuSnapshot(dut);
  if (after.dut.size > 0) {
    idle.cpu.push(cpuUse(before, after, new Set()).dutMs / IDLE_MS);
    idle.rss.push(dutRssMiB(after));
  }
  idle.rtt.push(await pingThrough(wire.prefix, mode));
}

/** Latency at shares of PDR, then trials at rates around it for the loss curve. */
async function measureUnderLoad(
  row: Row,
  trial: (pps: number) => Promise<TrialResult>,
  trials: number,
): Promise<void> {
  const rates = bestRates(row.found, 'pdr');
  if (rates.length === 0) return;
  const pdr = spreadOf(rates).median;
  for (const share of SHARES) {
    const results: TrialResult[] = [];
    for (let i = 0; i < trials; i++) results.push(await trial(pdr * share));
    const heard = results.filter(({ samples }) => samples.frames > 0);
    if (heard.length === 0) continue;
    row.latency.push({
      share,
      pps: pdr * share,
      p50Us: spreadOf(heard.map(({ samples }) => samples.latencyUs.p50)),
      p99Us: spreadOf(heard.map(({ samples }) => samples.latencyUs.p99)),
      samples: heard.reduce((sum, { samples }) => sum + samples.frames, 0),
    });
  }
  const most = Math.max(...row.all.map(({ offeredPps }) => offeredPps));
  for (const share of CURVE_SHARES) if (pdr * share < most) await trial(pdr * share);
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

const bestRates = (rounds: readonly (readonly Found<TrialResult>[])[], name: string): number[] =>
  rounds.flatMap((found) => {
    const best = found.find((f) => f.name === name)?.best;
    return best === undefined ? [] : [best.offeredPps * (1 - best.lossRatio)];
  });

const most = (flags: readonly boolean[]): boolean => flags.filter(Boolean).length * 2 > flags.length;

function boundFigure(row: Row, name: string): RateFigure | null {
  const rates = bestRates(row.found, name);
  if (rates.length < row.found.length || rates.length === 0) return null;
  const limited = row.found.map((found) => found.find((f) => f.name === name)?.limited === true);
  return { pps: spreadOf(rates), limited: most(limited) };
}

function rowResult(row: Row, mrrOnly: boolean): WireResult {
  const { dut, size, floods, all, latency } = row;
  const faults: Record<string, number> = {};
  for (const { samples } of all) {
    for (const [fault, n] of Object.entries(samples.faults)) faults[fault] = (faults[fault] ?? 0) + n;
  }
  return {
    dut,
    size,
    meanBytes: floods[0].meanBytes,
    mrr: {
      pps: spreadOf(floods.map(({ forwardedPps }) => forwardedPps)),
      limited: most(floods.map(({ lossRatio }) => lossRatio < LIMITED_LOSS)),
    },
    ...(mrrOnly ? {} : { pdr: boundFigure(row, 'pdr'), ndr: boundFigure(row, 'ndr') }),
    latency,
    curve: all
      .map(({ offeredPps, forwardedPps, lossRatio, contaminated }) => ({
        offeredPps,
        forwardedPps,
        lossRatio,
        contaminated,
      }))
      .sort((a, b) => a.offeredPps - b.offeredPps),
    floodCpu: spreadOf(floods.map(({ dutCpu }) => dutCpu)),
    trials: all.length,
    contaminated: all.filter(({ contaminated }) => contaminated).length,
    sampled: all.reduce((sum, { samples }) => sum + samples.frames, 0),
    faults,
  };
}

const idleResult = ({ dut, rtt, cpu, rss }: IdleRow): IdleResult => ({
  dut,
  rttP50Us: spreadOf(rtt.map(({ p50Us }) => p50Us)),
  rttP99Us: spreadOf(rtt.map(({ p99Us }) => p99Us)),
  echoes: rtt.reduce((sum, { echoes }) => sum + echoes, 0),
  lost: rtt.reduce((sum, { lost }) => sum + lost, 0),
  ...(cpu.length === 0 ? {} : { cpu: spreadOf(cpu), rssMiB: spreadOf(rss) }),
});
