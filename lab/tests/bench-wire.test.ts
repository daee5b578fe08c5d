// `nearhop bench wire` as users run it: what it says, what it counts, and that nothing of it stays. Not how fast anything is.
// Needs `npm run build`.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { buildPcap } from '../../native-free-tests/pcap/capture-builder.ts';
import type { WireReport } from '../../src/bench/wire-report.ts';
import { ethernetEmit } from '../../src/wire/ethernet.ts';
import { ipv4Emit } from '../../src/wire/ipv4.ts';
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

const FAST = ['--trials', '1', '--seconds', '0.2', '--idle', '1'];

/** A capture of 100 rounds of the sizes, 0.2 ms apart, between documentation addresses; and one ARP. */
function captureOf(sizes: readonly number[]): Uint8Array {
  const frame = (bytes: number, type: number): Uint8Array => {
    const view = new DataView(new ArrayBuffer(bytes));
    const ip = ethernetEmit(view, 0, 0x0011, 1, 0x0022, 2, type);
    if (type === 0x0800) ipv4Emit(view, ip, bytes - 14, 0, 0, 9, 17, 0xc000_0201, 0xc633_6401);
    return new Uint8Array(view.buffer);
  };
  const frames = Array.from({ length: 100 }, () => sizes.map((bytes) => frame(bytes, 0x0800))).flat();
  const all = [frame(60, 0x0806), ...frames];
  return buildPcap(
    all.map((bytes, i) => ({ bytes, timeNs: 1_700_000_000_000_000_000n + BigInt(i) * 200_000n })),
  );
}

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
    expect(idle.echoes).toBe(1000);
    expect(idle.lost).toBeLessThan(1000);
    const [row] = data.results;
    expect([row.dut, row.size, row.meanBytes]).toEqual(['kernel', 64, 60]);
    expect(row.mrr.pps.all).toHaveLength(1);
    expect(row.mrr.pps.median).toBeGreaterThan(1000);
    expect(row.faults).toEqual({});
    expect(row.sampled).toBeGreaterThan(0);
    expect(row.ttlUnchanged).toBe(false);
    expect(row.trials).toBeGreaterThanOrEqual(row.curve.length); // short trials are no points of the curve
    const [atIdle] = row.latency;
    expect([atIdle.share, atIdle.pps]).toEqual([0, 1000]);
    expect(atIdle.p50Us.median).toBeLessThanOrEqual(atIdle.highestUs.median);
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

  it('sends a capture through the kernel and Nearhop, and counts by size what comes', {
    timeout: 120_000,
  }, async () => {
    const capture = join(tmpdir(), `bench-wire-${process.pid}.pcap`);
    writeFileSync(capture, captureOf([60, 60, 60, 300, 1514]));
    const { child, ended } = bench(
      ...['--dut', 'kernel', '--dut', 'nearhop', '--routes', '1', '--traffic', capture],
      ...['--pace', '1,x2', ...FAST, '--json'],
    );
    const { code, stdout } = await ended;
    rmSync(capture);
    const { data } = JSON.parse(stdout) as { data: WireReport };
    expect(code).toBe(0);
    expect(data.results).toEqual([]);
    expect(data.traffic?.summary).toMatchObject({ frames: 500, leftOut: { 'not-ipv4': 1 }, cut: false });
    expect(data.traffic?.results.map(({ dut, speed }) => [dut, speed])).toEqual([
      ['kernel', 1],
      ['kernel', 2],
      ['nearhop', 1],
      ['nearhop', 2],
    ]);
    for (const r of data.traffic?.results ?? []) {
      expect(r.faults).toEqual({});
      expect(r.sampled).toBeGreaterThan(0);
      expect(r.bySize.map(({ mostBytes }) => mostBytes)).toEqual([60, 507, 1514]);
      for (const { mostBytes, offered, lossRatio } of r.bySize) {
        expect(offered).toBeGreaterThan(0);
        expect(lossRatio.median, `${r.dut} x${r.speed}, up to ${mostBytes} bytes`).toBeLessThan(1);
      }
    }
    expect(left(child.pid ?? 0)).toEqual([]);
  });

  it.skipIf(!existsSync('/usr/bin/dpdk-testpmd'))(
    'measures a device that leaves the TTL alone (DPDK testpmd), and says so',
    { timeout: 90_000 },
    async () => {
      const script = fileURLToPath(new URL('../../scripts/bench/duts/testpmd-af-packet.sh', import.meta.url));
      const { ended } = bench('--dut', script, '--mrr-only', ...FAST, '--json');
      const { data } = JSON.parse((await ended).stdout) as { data: WireReport };
      const [row] = data.results;
      expect([row.dut, row.ttlUnchanged, row.faults]).toEqual(['testpmd-af-packet', true, {}]);
      expect(row.mrr.pps.median).toBeGreaterThan(1000);
    },
  );

  it('says which package a command of scripts/bench/duts needs', { timeout: 90_000 }, async () => {
    const script = fileURLToPath(new URL('../../scripts/bench/duts/testpmd-af-xdp.sh', import.meta.url));
    const { child, ended } = bench('--dut', `PATH=/nowhere ${script}`, ...FAST);
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toContain('apt-get install dpdk-dev');
    expect(left(child.pid ?? 0)).toEqual([]);
  });

  it('does not take a device that lets echoes through for one that forwards', {
    timeout: 90_000,
  }, async () => {
    const dropUdp = '4,48 0 0 23,21 0 1 17,6 0 0 2,6 0 0 0'; // byte 23 is the protocol, 2 is TC_ACT_SHOT
    const command =
      'ip addr add 10.1.0.1/24 dev d0; ip addr add 10.2.0.1/24 dev d1; ip route add 10.3.0.0/16 via 10.2.0.2; ' +
      'echo 1 > /proc/sys/net/ipv4/ip_forward; tc qdisc add dev d0 clsact; ' +
      `tc filter add dev d0 ingress bpf bytecode '${dropUdp}' da; exec sleep 100`;
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
