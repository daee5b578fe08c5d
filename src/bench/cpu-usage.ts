// Who used the CPUs during a trial: the device under test, and others whose work makes a trial worth nothing. From proc(5).

import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds in a tick of /proc (USER_HZ is 100 on all machines that Linux's ABI knows). */
const TICK_MS = 10;
const PF_KTHREAD = 0x0020_0000;
const PAGE_KIB = 4;

interface ProcessUsage {
  readonly session: number;
  readonly cpuMs: number;
  readonly rssKiB: number;
}

/** CPU times of all processes at one moment, kernel threads left out; what the hypervisor took. */
export interface CpuSnapshot {
  readonly processes: ReadonlyMap<number, ProcessUsage>;
  readonly stolenMs: number;
}

export function takeCpuSnapshot(): CpuSnapshot {
  const processes = new Map<number, ProcessUsage>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const usage = parseStat(readOr(`/proc/${name}/stat`));
    if (usage !== undefined) processes.set(Number(name), usage);
  }
  return { processes, stolenMs: parseStolen(readOr('/proc/stat')) };
}

/** One process from its stat file; undefined for kernel threads and for one that has gone. */
export function parseStat(text: string): ProcessUsage | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // from field 3 on: the name may hold anything
  if (fields.length < 22 || (Number(fields[6]) & PF_KTHREAD) !== 0) return undefined;
  return {
    session: Number(fields[3]),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssKiB: Number(fields[21]) * PAGE_KIB,
  };
}

/** Time that the hypervisor gave to others, of all CPUs, ms. */
export const parseStolen = (text: string): number =>
  Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(text)?.[1] ?? 0) * TICK_MS;

/** CPU time between two snapshots, ms. */
export interface CpuUse {
  /** Of the session of the device under test. */
  readonly dutMs: number;
  /** Of all processes that take no part, and of the hypervisor's other guests. */
  readonly otherMs: number;
}

/** @param parts processes that take part besides the sessions of `dut` */
export function cpuUse(
  before: CpuSnapshot,
  after: CpuSnapshot,
  dut: number,
  parts: ReadonlySet<number>,
): CpuUse {
  let dutMs = 0;
  let otherMs = after.stolenMs - before.stolenMs;
  for (const [pid, { session, cpuMs }] of after.processes) {
    const ms = cpuMs - (before.processes.get(pid)?.cpuMs ?? 0);
    if (session === dut) dutMs += ms;
    else if (!parts.has(pid)) otherMs += ms;
  }
  return { dutMs, otherMs };
}

/** Resident memory of a session, MiB. */
export function sessionRssMiB(snapshot: CpuSnapshot, session: number): number {
  let kib = 0;
  for (const usage of snapshot.processes.values()) if (usage.session === session) kib += usage.rssKiB;
  return kib / 1024;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has gone in the meantime
  }
}
