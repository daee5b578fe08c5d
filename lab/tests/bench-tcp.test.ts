// `nearhop bench tcp` as users run it: what it says, and that nothing of it stays. Not how fast anything is. Needs `npm run build`.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import type { TcpReport } from '../../src/bench/tcp.ts';
import { describeRoot } from './netns.ts';

const bundle = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

function bench(...args: string[]) {
  const child = spawn(process.execPath, [bundle, 'bench', 'tcp', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  let stdout = '';
  child.stdout.on('data', (d) => {
    stdout += d;
  });
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stdout })),
  );
  return { pid: child.pid ?? 0, child, ended };
}

/** Namespaces and folders of a run. */
const left = (pid: number): string[] =>
  ['/run/netns', tmpdir()]
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []))
    .filter((name) => name === `nhb-${pid}` || name.startsWith(`nhb-${pid}-`));

describeRoot('nearhop bench tcp', ['iperf3', 'ping', bundle], () => {
  it('measures both devices on both ways, and removes what it made', { timeout: 90_000 }, async () => {
    const { pid, ended } = bench('--rounds', '1', '--seconds', '1');
    const { code, stdout } = await ended;
    const { ok, command, data } = JSON.parse(stdout) as { ok: boolean; command: string; data: TcpReport };
    expect([code, ok, command]).toEqual([0, true, 'bench tcp']);
    expect(data.results.map((r) => [r.name, r.streams])).toEqual([
      ['routed', 1],
      ['routed-4', 4],
      ['vxlan-into', 1],
      ['vxlan-out', 1],
    ]);
    for (const { rows, ratio } of data.results) {
      const [nearhop, kernel] = rows;
      expect([nearhop.dut, kernel.dut]).toEqual(['nearhop', 'kernel']);
      expect(kernel.gbps.all).toHaveLength(1);
      expect(kernel.cpu).toBeNull();
      expect(nearhop.cpu?.median).toBeGreaterThan(0);
      expect(ratio.median).toBeCloseTo(nearhop.gbps.median / kernel.gbps.median);
    }
    expect(left(pid)).toEqual([]);
  });

  it('leaves nothing after SIGINT in a transfer', { timeout: 60_000 }, async () => {
    const { pid, child, ended } = bench('--case', 'routed', '--seconds', '30');
    for (let i = 0; i < 100 && left(pid).length < 4; i++) await sleep(100);
    expect(left(pid)).toHaveLength(4);
    await sleep(3000); // the gateway is up, and the first transfer runs
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as { error: { code: string } }).error.code).toBe('bench-interrupted');
    expect(left(pid)).toEqual([]);
  });
});
