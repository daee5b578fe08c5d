// Labs, as the command offers them: up, run, down, status.

import { NearhopError } from '../base/errors.ts';
import type { LabDriver } from './driver.ts';
import { type LabState, labNames, leftBehind, loadLabState } from './lab-state.ts';
import { engineDown, engineKeep, engineUp } from './netns-engine.ts';
import { type LabReport, type Paint, reportTail } from './report.ts';
import { runScenario } from './scenario.ts';
import { loadTopology } from './topology.ts';

export interface LabOptions {
  readonly paint: Paint;
  /** Gets the text as things happen. */
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface LabRunOptions extends LabOptions {
  /** Simulate everything in this process: no root, no daemons. */
  readonly inProcess: boolean;
  /** Leave the lab up when the scenario is over. */
  readonly keep: boolean;
}

function needRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new NearhopError('lab-needs-root', 'a lab of network namespaces needs root', {
    hint: 'run it as root, or run the scenario with --in-process',
  });
}

/** Builds the lab of a folder and leaves it up. */
export async function labUp(
  dir: string,
  options: LabOptions,
): Promise<{ lab: string; namespaces: string[] }> {
  needRoot();
  const topology = loadTopology(dir);
  const { signal, write } = options;
  try {
    await engineUp(topology, { say: (text) => write(`${text}\n`), signal, phase: 'up' });
  } catch (error) {
    throw signal.aborted ? interrupted(error) : error;
  }
  const state = loadLabState(topology.name);
  return { lab: topology.name, namespaces: Object.values(state?.namespaces ?? {}) };
}

const interrupted = (cause: unknown): NearhopError =>
  new NearhopError('lab-interrupted', 'interrupted; the lab is taken down', { cause });

/** Takes the lab down; says whether there was one. Idempotent. */
export async function labDown(dir: string): Promise<{ lab: string; removed: boolean }> {
  needRoot();
  const { name } = loadTopology(dir);
  return { lab: name, removed: await engineDown(name) };
}

export interface LabStatusRow {
  readonly lab: string;
  readonly phase: LabState['phase'] | 'left behind';
  readonly file: string;
  readonly namespaces: readonly string[];
}

/** All labs that are up or have left something behind, or the one of a folder. */
export function labStatus(dir: string | undefined): LabStatusRow[] {
  const names = dir === undefined ? labNames() : [loadTopology(dir).name];
  return names.flatMap((name): LabStatusRow[] => {
    const state = loadLabState(name);
    if (state === undefined) return [];
    const phase = leftBehind(state) ? 'left behind' : state.phase;
    return [{ lab: name, phase, file: state.file, namespaces: Object.values(state.namespaces) }];
  });
}

/**
 * Builds the lab, runs its scenario, prints the report as it goes, and takes the lab down whatever happened. The caller
 * decides by `held` and `claims` whether it was a success.
 */
export async function labRun(dir: string, options: LabRunOptions): Promise<LabReport> {
  const topology = loadTopology(dir);
  const { paint, write } = options;
  let driver: LabDriver;
  if (options.inProcess) {
    const { createInProcessDriver } = await import('./in-process-driver.ts');
    driver = createInProcessDriver(dir);
  } else {
    needRoot();
    const { createNetnsDriver } = await import('./netns-driver.ts');
    driver = createNetnsDriver(topology, (text) => write(`${text}\n`), options.signal);
  }
  let keep = options.keep;
  try {
    write(paint.dim(`building lab ${topology.name} …\n`));
    await driver.up();
    write(`${paint.bold(`lab ${topology.name}`)}: ${driver.engine}\n`);
    write(paint.dim('counters: echo requests and replies seen on the link, of those sent\n'));
    const report = await runScenario(driver, { lab: topology.name, paint, write, signal: options.signal });
    write(reportTail(paint, report));
    if (keep) engineKeep(topology.name);
    return report;
  } catch (error) {
    keep = false;
    throw options.signal.aborted ? interrupted(error) : error;
  } finally {
    if (!keep) await driver.down();
  }
}
