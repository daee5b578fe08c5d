// What a lab has made, on disk before it is made: so that `lab down` finds it after Ctrl-C, a crash or a reboot of the
// process, and touches nothing else.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NearhopError } from '../base/errors.ts';

export const LAB_ROOT = '/run/nearhop/labs';

export interface LabState {
  readonly name: string;
  /** Topology file. */
  readonly file: string;
  /** Process that is building or running it. */
  pid: number;
  /** When that process started, in clock ticks since boot: tells it from a later one with the same pid. */
  pidStart: string;
  /** Node → namespace. */
  readonly namespaces: Record<string, string>;
  /** Folders made outside of LAB_ROOT. */
  readonly folders: string[];
  /** `building` and `running` belong to the process; `up` stays until somebody takes it down. */
  phase: 'building' | 'running' | 'up';
}

export const labFolder = (name: string): string => join(LAB_ROOT, name);
const stateFile = (name: string): string => join(labFolder(name), 'state.json');

/** Start time of a process in clock ticks (proc(5), field 22), '' when it is gone. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether the process that made the lab still runs. */
export const ownerAlive = (state: LabState): boolean =>
  state.pidStart !== '' && processStart(state.pid) === state.pidStart;

/** Whether nobody will take the lab down who could: its process ended before it was done. */
export const leftBehind = (state: LabState): boolean => state.phase !== 'up' && !ownerAlive(state);

export function createLabState(name: string, file: string): LabState {
  const pid = process.pid;
  return { name, file, pid, pidStart: processStart(pid), namespaces: {}, folders: [], phase: 'building' };
}

export function saveLabState(state: LabState): void {
  try {
    mkdirSync(labFolder(state.name), { recursive: true });
    // In one step, because a process that is killed while it writes must not leave half a state.
    const next = `${stateFile(state.name)}.new`;
    writeFileSync(next, `${JSON.stringify(state, null, 2)}\n`);
    renameSync(next, stateFile(state.name));
  } catch (cause) {
    throw new NearhopError('lab-state-unwritable', `cannot write ${stateFile(state.name)}`, {
      hint: 'labs of namespaces need root; `nearhop lab run --in-process` does not',
      cause,
    });
  }
}

/** The state of a lab, undefined when there is none. */
export function loadLabState(name: string): LabState | undefined {
  if (!existsSync(stateFile(name))) return undefined;
  return JSON.parse(readFileSync(stateFile(name), 'utf8')) as LabState;
}

/** Names of all labs that have left a state. */
export const labNames = (): string[] => (existsSync(LAB_ROOT) ? readdirSync(LAB_ROOT).sort() : []);

export function removeLabState(name: string): void {
  rmSync(labFolder(name), { recursive: true, force: true });
}
