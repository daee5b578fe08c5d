// What `bench wire` finds out: the shape of its answer, and how trials become figures. A figure is the median of the rounds and
// stands with the lowest and the highest.

import type { Machine } from './machine.ts';
import type { Rtt } from './ping.ts';
import type { Found } from './search.ts';
import { type Spread, spreadOf } from './spread.ts';
import { SIZE_CLASSES, type TrafficSummary } from './traffic.ts';
import type { FrameSize, WireMode } from './wire-frame.ts';
import type { TrialResult } from './wire-trial.ts';

/** A rate with its spread. */
export interface RateFigure {
  readonly pps: Spread;
  /** The generator was the limit in most rounds: the device does at least this. */
  readonly limited: boolean;
}

/** One-way latency at a load, µs; each figure is one of a trial, and the spread that of the trials. */
export interface LoadedLatency {
  /** Share of PDR; 0 for 1000 frames a second, which is idle. */
  readonly share: number;
  readonly pps: number;
  readonly p50Us: Spread;
  readonly p90Us: Spread;
  readonly p99Us: Spread;
  readonly highestUs: Spread;
  readonly samples: number;
}

export interface CurvePoint {
  readonly offeredPps: number;
  readonly forwardedPps: number;
  readonly lossRatio: number;
  readonly contaminated: boolean;
}

/** What trials say besides rates. */
interface Checks {
  readonly trials: number;
  /** Trials in which others used the CPUs, also when they were repeated. */
  readonly contaminated: number;
  /** Sampled frames that were checked, and those that were wrong by what was wrong. */
  readonly sampled: number;
  readonly faults: Readonly<Record<string, number>>;
  /** The device routes without taking one off the TTL: it does less than a router. */
  readonly ttlUnchanged: boolean;
}

export interface WireResult extends Checks {
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
}

/** A capture as the load, at one pace. */
export interface TrafficResult extends Checks {
  readonly dut: string;
  /** How much faster than captured; 0 for as fast as it goes. */
  readonly speed: number;
  readonly offeredPps: Spread;
  readonly forwardedPps: Spread;
  /** Of the offered frames, 0 to 1. */
  readonly lossRatio: Spread;
  readonly meanBytes: number;
  /** The generator was the limit in most rounds: it offered less than the pace, or could offer no more. */
  readonly limited: boolean;
  /** Of the probes between the capture's frames, µs; absent when none came. */
  readonly p50Us?: Spread;
  readonly p99Us?: Spread;
  /** Frames of all trials by size, without FCS; sizes that the capture has. */
  readonly bySize: readonly {
    readonly mostBytes: number;
    readonly offered: number;
    readonly lossRatio: Spread;
  }[];
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
  /** The command line that measured it. */
  readonly command: string;
  /** The names in the results, and what each stands for. */
  readonly duts: readonly { readonly name: string; readonly what: string }[];
  readonly mode: WireMode;
  readonly routes: number;
  readonly flows: number;
  readonly rounds: number;
  readonly secondsPerTrial: number;
  readonly idleSeconds: number;
  /** What the generator offers of the first size when nobody takes the frames: the wire's own limit. */
  readonly generatorPps: Spread;
  readonly idle: readonly IdleResult[];
  readonly results: readonly WireResult[];
  readonly traffic?: {
    readonly capture: string;
    readonly summary: TrafficSummary;
    readonly results: readonly TrafficResult[];
  };
  /** What went wrong in a later round, whose device has fewer trials then. */
  readonly problems: readonly string[];
}

/** What has been measured of one device and size so far. */
export interface Row {
  readonly dut: string;
  readonly size: FrameSize;
  readonly floods: TrialResult[];
  readonly found: Found<TrialResult>[][];
  readonly all: TrialResult[];
  readonly latency: LoadedLatency[];
}

export interface IdleRow {
  readonly dut: string;
  readonly rtt: Rtt[];
  readonly cpu: number[];
  readonly rss: number[];
}

/** A flood with less loss than this was the generator's limit, not the device's. */
const LIMITED_LOSS = 0.01;

const most = (flags: readonly boolean[]): boolean => flags.filter(Boolean).length * 2 > flags.length;

const spreadBy = <T>(all: readonly T[], value: (one: T) => number): Spread => spreadOf(all.map(value));

/** PPS of the best trial for a bound, of each round that has one. */
export const bestRates = (rounds: readonly (readonly Found<TrialResult>[])[], name: string): number[] =>
  rounds.flatMap((found) => {
    const best = found.find((f) => f.name === name)?.best;
    return best === undefined ? [] : [best.offeredPps * (1 - best.lossRatio)];
  });

function boundFigure(row: Row, name: string): RateFigure | null {
  const rates = bestRates(row.found, name);
  if (rates.length < row.found.length || rates.length === 0) return null;
  const limited = row.found.map((found) => found.find((f) => f.name === name)?.limited === true);
  return { pps: spreadOf(rates), limited: most(limited) };
}

/** Latency of trials at one rate; undefined when no sample came. */
export function loadedLatency(
  share: number,
  pps: number,
  trials: readonly TrialResult[],
): LoadedLatency | undefined {
  const heard = trials.map(({ samples }) => samples).filter(({ latencyUs }) => !Number.isNaN(latencyUs.p50));
  if (heard.length === 0) return undefined;
  return {
    share,
    pps,
    p50Us: spreadBy(heard, ({ latencyUs }) => latencyUs.p50),
    p90Us: spreadBy(heard, ({ latencyUs }) => latencyUs.p90),
    p99Us: spreadBy(heard, ({ latencyUs }) => latencyUs.p99),
    highestUs: spreadBy(heard, ({ latencyUs }) => latencyUs.highest),
    samples: heard.reduce((sum, { frames }) => sum + frames, 0),
  };
}

function checks(all: readonly TrialResult[], routes: boolean): Checks {
  const faults: Record<string, number> = {};
  let sampled = 0;
  let unchanged = 0;
  let right = 0;
  for (const { samples } of all) {
    sampled += samples.frames;
    unchanged += samples.ttlUnchanged;
    right += samples.frames;
    for (const [fault, n] of Object.entries(samples.faults)) {
      faults[fault] = (faults[fault] ?? 0) + n;
      right -= n;
    }
  }
  const ttlUnchanged = routes && unchanged > 0 && unchanged === right;
  // A device that does it now and then has a fault.
  if (routes && unchanged > 0 && !ttlUnchanged) faults.ttl = (faults.ttl ?? 0) + unchanged;
  const contaminated = all.filter((trial) => trial.contaminated).length;
  return { trials: all.length, contaminated, sampled, faults, ttlUnchanged };
}

/** @param seconds of a full trial: shorter ones, which only narrow a search, are no points of the curve */
export function rowResult(row: Row, mode: WireMode, mrrOnly: boolean, seconds: number): WireResult {
  const { dut, size, floods, all, latency } = row;
  return {
    dut,
    size,
    meanBytes: floods[0].meanBytes,
    mrr: {
      pps: spreadBy(floods, ({ forwardedPps }) => forwardedPps),
      limited: most(floods.map(({ lossRatio }) => lossRatio < LIMITED_LOSS)),
    },
    ...(mrrOnly ? {} : { pdr: boundFigure(row, 'pdr'), ndr: boundFigure(row, 'ndr') }),
    latency,
    curve: all
      .filter((trial) => trial.seconds >= seconds)
      .map(({ offeredPps, forwardedPps, lossRatio, contaminated }) => ({
        offeredPps,
        forwardedPps,
        lossRatio,
        contaminated,
      }))
      .sort((a, b) => a.offeredPps - b.offeredPps),
    floodCpu: spreadBy(floods, ({ dutCpu }) => dutCpu),
    ...checks(all, mode === 'l3'),
  };
}

export function trafficResult(
  dut: string,
  speed: number,
  mode: WireMode,
  all: readonly TrialResult[],
): TrafficResult {
  const latency = loadedLatency(0, 0, all);
  return {
    dut,
    speed,
    offeredPps: spreadBy(all, ({ offeredPps }) => offeredPps),
    forwardedPps: spreadBy(all, ({ forwardedPps }) => forwardedPps),
    lossRatio: spreadBy(all, ({ lossRatio }) => lossRatio),
    meanBytes: spreadBy(all, ({ meanBytes }) => meanBytes).median,
    limited: most(all.map(({ lossRatio, behind }) => (speed === 0 ? lossRatio < LIMITED_LOSS : behind))),
    ...(latency === undefined ? {} : { p50Us: latency.p50Us, p99Us: latency.p99Us }),
    bySize: SIZE_CLASSES.flatMap((mostBytes, i) => {
      const sizes = all.map(({ bySize }) => bySize[i]).filter(({ offered }) => offered > 0);
      if (sizes.length === 0) return [];
      const offered = sizes.reduce((sum, size) => sum + size.offered, 0);
      const lossRatio = spreadBy(sizes, (size) => Math.max(0, 1 - size.came / size.offered));
      return [{ mostBytes, offered, lossRatio }];
    }),
    ...checks(all, mode === 'l3'),
  };
}

export const idleResult = ({ dut, rtt, cpu, rss }: IdleRow): IdleResult => ({
  dut,
  rttP50Us: spreadBy(rtt, ({ p50Us }) => p50Us),
  rttP99Us: spreadBy(rtt, ({ p99Us }) => p99Us),
  echoes: rtt.reduce((sum, { echoes }) => sum + echoes, 0),
  lost: rtt.reduce((sum, { lost }) => sum + lost, 0),
  ...(cpu.length === 0 ? {} : { cpu: spreadOf(cpu), rssMiB: spreadOf(rss) }),
});
