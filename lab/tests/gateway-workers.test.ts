// A gateway with two data-plane workers: everything works as with one, flows keep their order, and it ends without leaving
// anything.

import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { StatusData, VmRow } from '../../src/gateway/api.ts';
import { createSite, NATIVE_IP, type Site, SOURCE_HOST_IP, VM_IP } from './gateway-fixture.ts';
import { describeRoot, type LabProcess } from './netns.ts';

const SECONDS = 2;

describeRoot('nearhop run with gateway.workers: 2', ['iperf3', 'ping'], () => {
  let site: Site;
  let config: object;
  let started: LabProcess[] = [];

  beforeAll(() => {
    site = createSite('nhp-wrk', { tap: true });
    config = { ...site.config, gateway: { ...site.config.gateway, workers: 2 } };
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
  const up = async (): Promise<LabProcess> => keep(await site.up(config));
  const spawn = (ns: string, command: string): LabProcess => keep(site.net.spawn(ns, command));

  /** Runs iperf3 between two ends; returns what it says at its end. */
  async function iperf(from: string, to: string, toIp: string, ...args: string[]) {
    const server = keep(site.net.spawn(to, ['iperf3', '-s', '-1', '-p', '5002']));
    await expect.poll(() => site.net.exec(to, 'ss -ltn'), { timeout: 5000 }).toContain(':5002');
    const client = ['iperf3', '-c', toIp, '-p', '5002', '-t', String(SECONDS), '-J', ...args];
    const { end } = JSON.parse(await site.net.run(from, client));
    await server.exited();
    return end;
  }

  async function lawHolds(): Promise<StatusData> {
    await expect.poll(async () => (await site.ask<StatusData>('status')).imbalance).toBe(0);
    return site.ask<StatusData>('status');
  }

  test('shares a device between its workers, and carries what every kind of port sends', async () => {
    await up();
    const { ns } = site;
    await site.reach(ns.native, SOURCE_HOST_IP); // routed to routed
    await site.reach(ns.vm1, NATIVE_IP); // a local VM
    await site.reach(ns.tap, NATIVE_IP); // one on TAP
    await site.reach(ns.vm2, VM_IP.vm4); // a pinned one, through the extension
    await site.reach(ns.vm1, VM_IP.vm2); // bridged
    for (let flow = 0; flow < 24; flow++) {
      site.net.exec(ns.native, `ping -nqc1 -W2 -I 10.20.0.10 ${SOURCE_HOST_IP}`);
      site.net.exec(ns.native, `ip addr add 10.20.0.${100 + flow}/24 dev eth0`);
      site.net.exec(ns.native, `ping -nqc1 -W2 -I 10.20.0.${100 + flow} ${SOURCE_HOST_IP}`);
    }
    const { workers } = await lawHolds();
    expect(workers).toHaveLength(2);
    for (const { received } of workers) expect(received).toBeGreaterThan(0);
    // the same flow comes to the same worker, and each echo has been carried once
    const again = site.net.exec(ns.native, `ping -nc20 -i0.01 ${SOURCE_HOST_IP}`);
    expect(again).toContain('20 received');
    expect(again).not.toContain('DUP');
  });

  test.each([
    ['one way', []],
    ['the other way', ['-R']],
  ])('keeps the order of UDP flows, %s', async (_way, more) => {
    await up();
    await site.reach(site.ns.native, SOURCE_HOST_IP);
    const udp = ['-u', '-l', '200', '-b', '20M', '-P', '4', ...more];
    const { streams } = await iperf(site.ns.native, site.ns.host, SOURCE_HOST_IP, ...udp);
    const flows = streams.map((s: { udp: { out_of_order: number; packets: number } }) => s.udp);
    console.info(
      flows.map((f: { packets: number; out_of_order: number }) => `${f.packets}/${f.out_of_order}`),
    );
    for (const { packets, out_of_order } of flows) {
      expect(packets).toBeGreaterThan(1000);
      expect(out_of_order).toBe(0);
    }
    await lawHolds();
  });

  test('carries TCP in both directions over several flows', async () => {
    await up();
    await site.reach(site.ns.native, SOURCE_HOST_IP);
    await site.reach(site.ns.vm1, NATIVE_IP);
    for (const [from, to, ip] of [
      [site.ns.native, site.ns.host, SOURCE_HOST_IP],
      [site.ns.vm1, site.ns.native, NATIVE_IP],
      [site.ns.tap, site.ns.native, NATIVE_IP],
    ]) {
      for (const more of [[], ['-R']]) {
        const { sum_received, sum_sent } = await iperf(from, to, ip, '-P', '4', ...more);
        expect(sum_received.bits_per_second).toBeGreaterThan(1e6);
        console.info(
          `${(sum_received.bits_per_second / 1e9).toFixed(2)} Gbit/s, ${sum_sent.retransmits} sent again`,
        );
      }
    }
    await lawHolds();
  });

  test('switches a VM that migrates while its packets flow', async () => {
    await up();
    const { ns } = site;
    await site.reach(ns.vm3, NATIVE_IP); // by the source gateway, the WAN, and back
    const ping = spawn(ns.vm3, `exec ping -n -i 0.01 -w 8 ${NATIVE_IP}`);
    spawn(ns.native, `exec ping -qf -w 8 ${SOURCE_HOST_IP}`);
    await ping.waitFor(/bytes from .* ttl=62/);
    const row = await site.ask<VmRow>('vm', 'migrate', 'vm3', 'bulk');
    expect(row).toMatchObject({ state: 'LOCAL_PENDING', gatewaySide: 'target' });
    await ping.waitFor(/bytes from .* ttl=63/);
    await ping.stop();
    await lawHolds();
  });

  test('ends by SIGTERM under load and leaves nothing, and starts again after a SIGKILL under load', async () => {
    const { ns, net } = site;
    const inGateway = (): string => net.exec(null, ['ip', 'netns', 'pids', ns.gw]).trim();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const gateway = await up();
      await site.reach(ns.native, SOURCE_HOST_IP);
      spawn(ns.native, `exec ping -qf -w 20 ${SOURCE_HOST_IP}`);
      spawn(ns.vm1, `exec ping -qf -w 20 ${NATIVE_IP}`);
      process.kill(gateway.pid, signal);
      const code = await gateway.exited();
      if (signal === 'SIGTERM') {
        expect(code).toBe(0);
        expect(existsSync(site.socket)).toBe(false);
      }
      expect(inGateway()).toBe('');
      expect(net.exec(ns.gw, 'ip -d link show')).not.toMatch(/promiscuity [1-9]/);
    }
    await up();
    await site.reach(ns.native, SOURCE_HOST_IP);
  });
});
