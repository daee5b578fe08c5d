// `nearhop bench wire` as users run it: what it says, what it counts, and that nothing of it stays. Not how fast anything is.
// Needs `npm run build`.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import type { WireReport } from '../../src/bench/wire.ts';
import { describeRoot } from './netns.ts';

const bundle = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function bench(...args: string[]): Run {
  const child = spawn(process.execPath, [bundle, 'bench', 'wire', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (d) => {
    stdout += d;
  });
  child.stderr.on('data', (d) => {
    stderr += d;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

/** Namespaces and folders of a run. */
const left = (pid: number): string[] =>
  ['/run/netns', tmpdir()]
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []))
    .filter((name) => name === `nhb-${pid}` || name.startsWith(`nhb-${pid}-`));

async function until(what: () => boolean, ms: number): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(50)) if (what()) return true;
  return what();
}

/** Processes that have a run's name in their command line. */
const processes = (pid: number): string[] =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(`nhb-${pid}`);
    } catch {
      return false;
    }
  });

const FAST = ['--trials', '1', '--seconds', '0.2'];

describeRoot('nearhop bench wire', ['tc', 'ping', 'nsenter', 'taskset', bundle], () => {
  it('measures the kernel, counts every frame, and removes what it made', { timeout: 90_000 }, async () => {
    const report = join(tmpdir(), `bench-wire-${process.pid}.html`);
    const { child, ended } = bench('--dut', 'kernel', ...FAST, '--json', '--report', report);
    const { code, stdout, stderr } = await ended;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const { ok, command, data } = JSON.parse(stdout) as { ok: boolean; command: string; data: WireReport };
    expect([ok, command]).toEqual([true, 'bench wire']);
    expect(data.rounds).toBe(1);
    const [idle] = data.idle;
    expect(idle.echoes).toBe(500);
    expect(idle.lost).toBeLessThan(500);
    const [row] = data.results;
    expect([row.dut, row.size, row.meanBytes]).toEqual(['kernel', 64, 60]);
    expect(row.mrr.pps.all).toHaveLength(1);
    expect(row.mrr.pps.median).toBeGreaterThan(1000);
    expect(row.faults).toEqual({});
    expect(row.sampled).toBeGreaterThan(0);
    expect(row.trials).toBe(row.curve.length);
    for (const { offeredPps, forwardedPps, lossRatio } of row.curve) {
      expect(lossRatio).toBeGreaterThanOrEqual(0);
      expect(lossRatio).toBeLessThanOrEqual(1);
      expect(forwardedPps).toBeLessThanOrEqual(offeredPps * 1.05);
    }
    const html = readFileSync(report, 'utf8');
    rmSync(report);
    expect(html).toContain('<svg');
    expect(html).not.toMatch(/<script|src=|href=/);
    expect(left(child.pid ?? 0)).toEqual([]);
  });

  it('measures Nearhop as a bridge, with sizes of a mix', { timeout: 90_000 }, async () => {
    const { ended } = bench(
      '--dut',
      'nearhop',
      '--mode',
      'l2',
      '--size',
      'imix,1518',
      '--mrr-only',
      ...FAST,
      '--json',
    );
    const { stdout } = await ended;
    const { data } = JSON.parse(stdout) as { data: WireReport };
    expect(data.results.map((r) => r.size)).toEqual(['imix', 1518]);
    expect(data.results[0].meanBytes).toBeGreaterThan(300);
    for (const r of data.results) {
      expect(r.faults).toEqual({});
      expect(r.mrr.pps.median).toBeGreaterThan(1000);
    }
  });

  it('does not take a device that lets echoes through for one that forwards', {
    timeout: 90_000,
  }, async () => {
    const command =
      'ip addr add 10.1.0.1/24 dev d0; ip addr add 10.2.0.1/24 dev d1; ' +
      'echo 1 > /proc/sys/net/ipv4/ip_forward; exec sleep 100'; // without the routes of the load
    const { child, ended } = bench('--dut', command, '--mrr-only', ...FAST, '--json');
    const { code, stdout } = await ended;
    expect(code).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe('bench-dut-failed');
    expect(error.message).toContain('forwards nothing: no frame came');
    expect(left(child.pid ?? 0)).toEqual([]);
  });

  it('says what a command said that ended', { timeout: 90_000 }, async () => {
    const { child, ended } = bench('--dut', 'echo no such router >&2; exit 3', ...FAST);
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toContain('has ended:\nno such router [bench-dut-failed]');
    expect(left(child.pid ?? 0)).toEqual([]);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves nothing after %s under full load',
    { timeout: 90_000 },
    async (signal) => {
      const { child, ended } = bench('--dut', 'nearhop', '--trials', '1', '--seconds', '3', '--mrr-only');
      const pid = child.pid ?? 0;
      expect(await until(() => left(pid).length === 4, 10_000)).toBe(true);
      await sleep(2500); // it is in its flood, or about to begin it
      child.kill(signal);
      await ended;
      expect(await until(() => left(pid).length === 0 && processes(pid).length === 0, 8000)).toBe(true);
    },
  );
});
