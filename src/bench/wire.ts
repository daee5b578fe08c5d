// `nearhop bench wire`: how much a router or a bridge forwards on a veth wire, with how much loss and how fast (RFC 2544).
//
//   round 1 … N: each device under test is started anew, in turn, so that a slow moment of the machine hits them all;
//     idle: CPU, echoes → for each size: flood (MRR) → search of PDR and NDR
//   last round, besides: one-way latency at idle and at 10, 50 and 90 % of PDR, and the loss curve
//
// With a capture as the load, a round sends it at each pace instead of floods and searches. What trials become is in
// wire-report.ts, how they are measured in wire-measure.ts.

import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { NearhopError } from '../base/errors.ts';
import { Agent } from './agent-client.ts';
import { dutNames } from './dut-name.ts';
import type { Load } from './generator.ts';
import { describeMachine } from './machine.ts';
import { spreadOf } from './spread.ts';
import type { TrafficSummary } from './traffic.ts';
import { startDut } from './wire-dut.ts';
import type { FrameSize } from './wire-frame.ts';
import {
  type DutRows,
  measureGenerator,
  measureIdle,
  measureRates,
  measureTraffic,
  measureUnderLoad,
  type WireOptions,
} from './wire-measure.ts';
import { removeLeftWires, removeWire, wireNamespace, wirePrefix } from './wire-remove.ts';
import { idleResult, rowResult, trafficResult, type WireReport } from './wire-report.ts';
import { buildWire } from './wire-topology.ts';
import { runTrial, type TrialResult, type Wire } from './wire-trial.ts';

const WARM_UP_SECONDS = 0.5;

/** Measures all devices. Throws `bench-*` errors; what it made is removed in every case. */
export async function benchWire(options: WireOptions): Promise<WireReport> {
  const { duts, mode, sizes, trials, say } = options;
  checkHost();
  removeLeftWires();
  const startedAt = new Date().toISOString();
  const prefix = wirePrefix(process.pid);
  const names = dutNames(duts);
  const measured = duts.map((what, i): DutRows => {
    const dut = names[i];
    return {
      name: dut,
      what,
      rows: (options.traffic === undefined && !options.idleOnly ? sizes : []).map((size) => ({
        ...{ dut, size, floods: [], found: [], all: [], latency: [] },
      })),
      idle: { dut, rtt: [], cpu: [], rss: [] },
      traffic: new Map(options.traffic?.speeds.map((speed) => [speed, []])),
    };
  });
  const generator: number[] = [];
  const problems: string[] = [];
  let summary: TrafficSummary | undefined;
  try {
    for (let round = 0; round < trials; round++) {
      for (const dut of measured) {
        say(`round ${round + 1} of ${trials}: ${dut.name}`);
        try {
          summary = (await measureDut(prefix, options, dut, generator, round === trials - 1)) ?? summary;
        } catch (error) {
          // What was measured before is worth having; a device that never worked is not.
          if (round === 0 || !(error instanceof NearhopError) || error.code !== 'bench-dut-failed')
            throw error;
          problems.push(`round ${round + 1}: ${error.message}`);
        }
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
    command: options.command,
    duts: measured.map(({ name, what }) => ({ name, what })),
    mode,
    routes: options.routes,
    flows: options.flows,
    rounds: trials,
    secondsPerTrial: options.seconds,
    idleSeconds: options.idleSeconds,
    generatorPps: spreadOf(generator),
    idle: measured.filter(({ idle }) => idle.rtt.length > 0).map(({ idle }) => idleResult(idle)),
    results: measured.flatMap(({ rows }) =>
      rows.map((row) => rowResult(row, mode, options.mrrOnly, options.seconds)),
    ),
    ...(options.traffic === undefined || summary === undefined
      ? {}
      : {
          traffic: {
            capture: basename(options.traffic.path),
            summary,
            results: measured.flatMap(({ name, traffic }) =>
              [...traffic].map(([speed, all]) => trafficResult(name, speed, mode, all)),
            ),
          },
        }),
    problems,
  };
}

function checkHost(): void {
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
}

/** One round of one device; returns what the capture has, if one is the load. */
async function measureDut(
  prefix: string,
  options: WireOptions,
  dut: DutRows,
  generatorPps: number[],
  last: boolean,
): Promise<TrafficSummary | undefined> {
  const { mode, routes, flows, sizes, mrrOnly, signal } = options;
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
    const load = (size: FrameSize, pps: number, seconds: number): Load => ({
      ...{ mode, size, flows, routes, pps, seconds },
    });
    const flood = load(sizes[0], 0, WARM_UP_SECONDS);
    generatorPps.push(await measureGenerator(prefix, generator, flood));
    const task = { mode, routes, defaultRoute: options.traffic !== undefined };
    const started = await startDut(dut.what, prefix, task, signal);
    try {
      const wire: Wire = { prefix, generator, sink, beside: started.beside, signal };
      await generator.ask({ do: 'send', load: flood });
      if (!mrrOnly && options.idleSeconds > 0) await measureIdle(wire, options, dut.idle);
      for (const row of dut.rows) {
        const trial = async (pps: number, seconds = options.seconds): Promise<TrialResult> => {
          const result = await runTrial(wire, load(row.size, pps, seconds));
          row.all.push(result);
          return result;
        };
        await measureRates(row, options, trial);
        if (last && !mrrOnly) await measureUnderLoad(row, trial, options.trials);
      }
      if (options.traffic !== undefined) return await measureTraffic(wire, flood, options, dut);
      return undefined;
    } finally {
      await started.stop();
    }
  } finally {
    signal.removeEventListener('abort', endAgents);
    endAgents();
    removeWire(prefix);
  }
}
