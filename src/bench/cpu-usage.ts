// Who used the CPUs during a trial: the device under test, and others whose work makes a trial worth nothing. From proc(5).

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** Milliseconds in a tick of /proc (USER_HZ is 100 on all machines that Linux's ABI knows). */
const TICK_MS = 10;
const PF_KTHREAD = 0x0020_0000;
const PAGE_KIB = 4;

interface ProcessUsage {
  readonly cpuMs: number;
  readonly rssKiB: number;
}

/** CPU times of all processes at one moment, kernel threads left out; what the hypervisor took. */
export interface CpuSnapshot {
  readonly processes: ReadonlyMap<number, ProcessUsage>;
  /** Those in the namespace of the device under test, daemons that it has started included. */
  readonly dut: ReadonlySet<number>;
  readonly stolenMs: number;
}

/**
 * @param dutNamespace name of the network namespace of the device under test
 * @param beside processes there that are ours
 */
export function takeCpuSnapshot(dutNamespace: string, beside: ReadonlySet<number> = new Set()): CpuSnapshot {
  const processes = new Map<number, ProcessUsage>();
  const dut = new Set<number>();
  const net = `net:[${statSync(`/run/netns/${dutNamespace}`).ino}]`;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const usage = parseStat(readOr(`/proc/${name}/stat`));
    if (usage === undefined) continue;
    processes.set(Number(name), { ...usage, cpuMs: exactCpuMs(name) ?? usage.cpuMs });
    if (networkNamespace(name) === net && !beside.has(Number(name))) dut.add(Number(name));
  }
  return { processes, dut, stolenMs: parseStolen(readOr('/proc/stat')) };
}

/** One process from its stat file; undefined for kernel threads and for one that has gone. */
export function parseStat(text: string): ProcessUsage | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // from field 3 on: the name may hold anything
  if (fields.length < 22 || (Number(fields[6]) & PF_KTHREAD) !== 0) return undefined;
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssKiB: Number(fields[21]) * PAGE_KIB,
  };
}

/** Time that the hypervisor gave to others, of all CPUs, ms. */
export const parseStolen = (text: string): number =>
  Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(text)?.[1] ?? 0) * TICK_MS;

/** CPU time between two snapshots, ms. */
export interface CpuUse {
  /** Of the device under test. */
  readonly dutMs: number;
  /** Of all processes that take no part, and of the hypervisor's other guests. */
  readonly otherMs: number;
}

/** @param parts processes that take part besides the device under test */
export function cpuUse(before: CpuSnapshot, after: CpuSnapshot, parts: ReadonlySet<number>): CpuUse {
  let dutMs = 0;
  let otherMs = after.stolenMs - before.stolenMs;
  for (const [pid, { cpuMs }] of after.processes) {
    // A thread that has ended took its time along.
    const ms = Math.max(0, cpuMs - (before.processes.get(pid)?.cpuMs ?? 0));
    if (after.dut.has(pid)) dutMs += ms;
    else if (!parts.has(pid)) otherMs += ms;
  }
  return { dutMs, otherMs };
}

/** Resident memory of the device under test, MiB. */
export function dutRssMiB({ processes, dut }: CpuSnapshot): number {
  let kib = 0;
  for (const [pid, { rssKiB }] of processes) if (dut.has(pid)) kib += rssKiB;
  return kib / 1024;
}

/**
 * CPU time of all threads from schedstat, which counts nanoseconds: the ticks of stat miss a program that takes 3 ms now and
 * then, and that is enough to make a ring overflow. Undefined where the kernel does not have it (CONFIG_SCHED_INFO).
 */
function exactCpuMs(pid: string): number | undefined {
  let ms: number | undefined;
  for (const thread of listOr(`/proc/${pid}/task`)) {
    const ns = Number.parseInt(readOr(`/proc/${pid}/task/${thread}/schedstat`), 10);
    if (!Number.isNaN(ns)) ms = (ms ?? 0) + ns / 1e6;
  }
  return ms;
}

function networkNamespace(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return ''; // it has gone in the meantime
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // it has gone in the meantime
  }
}

function listOr(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
