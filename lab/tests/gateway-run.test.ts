// The life of a running gateway: it starts and forwards, answers while it is flooded, loses a device and finds it again, and
// ends without leaving anything.

import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { CountersData, PortRow, RouteRow, StatusData } from '../../src/gateway/api.ts';
import { ask } from '../../src/gateway/control-client.ts';
import { createSite, NATIVE_IP, type Site, VM_IP } from './gateway-fixture.ts';
import { describeRoot, type LabProcess } from './netns.ts';

/** Measurements are printed, not judged: this only tells an answer from none. */
const ANSWERS_WITHIN_MS = 2000;
/** Below every timeout of the gateway: what ends after one has not ended by itself. */
const ENDS_WITHIN_MS = 5000;

describeRoot('nearhop run', ['iperf3', 'ping'], () => {
  let site: Site;
  let started: LabProcess[] = [];

  beforeAll(() => {
    site = createSite('nhp-run');
  });
  afterEach(async () => {
    for (const process of started) await process.stop();
    started = [];
  });
  afterAll(() => site.cleanup());

  const keep = (process: LabProcess): LabProcess => {
    started.push(process);
    return process;
  };
  const up = async (config?: object): Promise<LabProcess> => keep(await site.up(config));
  const spawn = (ns: string, command: string): LabProcess => keep(site.net.spawn(ns, command));
  const processesInGateway = (): string => site.net.exec(null, ['ip', 'netns', 'pids', site.ns.gw]).trim();

  test('forwards as soon as it says that it is up', async () => {
    const ping = spawn(site.ns.vm1, `exec ping -n -i 0.02 ${NATIVE_IP}`);
    await ping.waitFor(/PING/);
    const startMs = performance.now();
    const gateway = keep(site.run());
    const said = gateway.waitFor(/is up/).then(() => performance.now() - startMs);
    const passed = ping.waitFor(/bytes from/).then(() => performance.now() - startMs);
    const [upMs, firstMs] = await Promise.all([said, passed]);
    console.info(`up ${upMs.toFixed(0)} ms after the start, first reply after ${firstMs.toFixed(0)} ms`);
    expect(firstMs).toBeLessThan(upMs + ANSWERS_WITHIN_MS);
  });

  test('answers show while the data plane is flooded, and counts every packet', async () => {
    await up();
    await site.reach(site.ns.vm1, NATIVE_IP);
    spawn(site.ns.native, 'exec iperf3 -s -1 -p 5002');
    await expect.poll(() => site.net.exec(site.ns.native, 'ss -ltn')).toContain(':5002');
    // Until it is stopped: on a machine that is slow the flood would else be over before the last answer.
    const flood = spawn(site.ns.vm1, `exec iperf3 -c ${NATIVE_IP} -p 5002 -u -b 0 -l 64 -t 60 --forceflush`);
    const pings = spawn(site.ns.native, `exec ping -qf -w 60 ${VM_IP.vm1}`);
    await flood.waitFor(/0\.00-1\.0/);

    const before = await site.ask<CountersData>('show', 'counters');
    const beforeMs = performance.now();
    const tables = ['ports', 'routes', 'fib', 'fdb', 'neighbors', 'vms', 'counters'];
    const took: string[] = [];
    const askedMs = performance.now();
    for (let n = 0; n < 20; n++) await ask(site.socket, 'show.counters', { all: true });
    const eachMs = (performance.now() - askedMs) / 20;
    for (const table of tables) {
      const { code, stderr, tookMs } = await site.nearhop('show', table, '--json', '--socket', site.socket);
      expect([code, stderr], table).toEqual([0, '']);
      expect(tookMs, table).toBeLessThan(ANSWERS_WITHIN_MS);
      took.push(`${table} ${tookMs.toFixed(0)}`);
    }
    const after = await site.ask<CountersData>('show', 'counters');
    const received = after.totals.received - before.totals.received;
    const kpps = received / (performance.now() - beforeMs);
    console.info(
      `${kpps.toFixed(0)} kpps: an answer takes ${eachMs.toFixed(1)} ms; \`show\` with the start of node: ${took.join(', ')} ms`,
    );
    expect(eachMs).toBeLessThan(ANSWERS_WITHIN_MS);
    expect(received).toBeGreaterThan(1000);

    await Promise.all([flood.stop(), pings.stop()]);
    // within a round the law does not hold, and some packets are still on their way
    await vi.waitFor(async () => {
      const { totals, imbalance, reasons } = await site.ask<CountersData>('show', 'counters');
      expect(imbalance).toBe(0);
      const sum = (cls: string): number =>
        reasons.filter((r) => r.class === cls).reduce((packets, r) => packets + r.packets, 0);
      expect([sum('drop'), sum('consume')]).toEqual([totals.dropped, totals.consumed]);
    });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends by %s under load and leaves nothing', async (signal) => {
    const gateway = await up();
    await site.reach(site.ns.vm1, NATIVE_IP);
    const flood = spawn(site.ns.vm1, `exec ping -qf -w 10 ${NATIVE_IP}`);
    process.kill(gateway.pid, signal);
    expect(await gateway.exited()).toBe(0);
    expect(gateway.output()).toContain(`stopped by ${signal}`);
    expect(existsSync(site.socket)).toBe(false);
    expect(processesInGateway()).toBe('');
    expect(site.net.exec(site.ns.gw, 'ip -d link show')).not.toMatch(/promiscuity [1-9]/);
    await flood.stop();
  });

  test('starts again after a SIGKILL', async () => {
    const gateway = await up();
    process.kill(gateway.pid, 'SIGKILL');
    await gateway.exited();
    expect(existsSync(site.socket)).toBe(true);
    const refused = await site.nearhop('status', '--socket', site.socket);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[gateway-not-running]')]);
    await up();
    await site.reach(site.ns.vm1, NATIVE_IP);
  });

  test('goes on when a device disappears, and takes it back when it returns', async () => {
    await up();
    const { net, ns } = site;
    await site.reach(ns.vm2, VM_IP.vm1);
    net.exec(ns.gw, 'ip link del p2');
    await site.reach(ns.vm1, NATIVE_IP);
    const ports = await site.ask<readonly PortRow[]>('show', 'ports');
    expect(ports.map((p) => p.name)).toContain('p2');

    net.veth(
      { ns: ns.vm2, dev: 'eth0', mac: '02:00:00:00:aa:02', ip: `${VM_IP.vm2}/24` },
      { ns: ns.gw, dev: 'p2' },
    );
    net.exec(ns.vm2, 'ip route add default via 192.168.10.1');
    await site.reach(ns.vm2, VM_IP.vm1);
    expect((await site.ask<StatusData>('status')).imbalance).toBe(0);
  });

  test('takes the routes of a routed interface out while its link is down', async () => {
    await up();
    const { net, ns } = site;
    const active = async (): Promise<boolean> => {
      const rows = await site.ask<readonly RouteRow[]>('show', 'routes', NATIVE_IP);
      return rows.some((r) => r.best && r.prefix !== '0.0.0.0/0');
    };
    await site.reach(ns.vm1, NATIVE_IP);
    expect(await active()).toBe(true);
    net.exec(ns.native, 'ip link set eth0 down');
    await vi.waitFor(async () => expect(await active()).toBe(false), { timeout: 10_000, interval: 200 });
    net.exec(ns.native, 'ip link set eth0 up');
    net.exec(ns.native, 'ip route replace default via 10.20.0.1');
    await vi.waitFor(async () => expect(await active()).toBe(true), { timeout: 10_000, interval: 200 });
    await site.reach(ns.vm1, NATIVE_IP);
  });

  test('waits for a device when it is told to', async () => {
    const { net, ns, config } = site;
    const late = {
      ...config,
      ports: config.ports.map((p) => (p.name === 'p3' ? { ...p, device: 'late', waitSeconds: 20 } : p)),
    };
    const gateway = keep(site.run(late));
    await gateway.waitFor(/device-missing/); // the warning of the config check
    net.veth({ ns: ns.vm3, dev: 'eth9' }, { ns: ns.gw, dev: 'late' });
    await gateway.waitFor(/is up/);
    net.exec(ns.gw, 'ip link del late');
  });

  test('says which device is missing, and does not start', async () => {
    const { config } = site;
    const ports = config.ports.map((p) => (p.name === 'p3' ? { ...p, device: 'nothere0' } : p));
    const gateway = keep(site.run({ ...config, ports }));
    expect(await gateway.exited()).toBe(2);
    expect(gateway.output()).toContain('[device-missing]');
    expect(gateway.output()).toContain("no device 'nothere0'");
    expect(gateway.output()).toMatch(/site\.yml:\d+:\d+/);
    expect([existsSync(site.socket), processesInGateway()]).toEqual([false, '']);
  });

  test('says when an address of its tunnel is not there, and leaves nothing', async () => {
    const { config } = site;
    const ports = config.ports.map((p) => (p.name === 'ext' ? { ...p, local: '172.16.1.77' } : p));
    const gateway = keep(site.run({ ...config, ports }));
    const ended = await Promise.race([gateway.exited(), pause(ENDS_WITHIN_MS, 'still there')]);
    expect(ended, gateway.output()).toBe(1);
    expect(gateway.output()).toContain('172.16.1.77');
    expect([existsSync(site.socket), processesInGateway()]).toEqual([false, '']);
  });
});
