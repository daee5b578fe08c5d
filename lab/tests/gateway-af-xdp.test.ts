// A gateway with af-xdp ports between two hosts, on devices whose addresses its own host has as well: who answers what, TCP with
// default offloads, and that no end leaves a program behind.
//
//   left 10.1.0.2 ── d0 10.1.0.1 :gw: d1 10.2.0.1 ── right 10.2.0.2

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ensureBuild } from '../../scripts/setup.mjs';
import { BUNDLE } from './lab-fixture.ts';
import { createNetns, describeRoot, type LabProcess, type Netns } from './netns.ts';

describeRoot('nearhop run with af-xdp', ['socat', 'ping', 'setpriv'], () => {
  let net: Netns;
  let directory: string;
  let [gw, left, right] = ['', '', ''];
  let started: LabProcess[] = [];

  beforeAll(() => {
    ensureBuild();
    net = createNetns('nhp-gxdp');
    directory = mkdtempSync(join(tmpdir(), 'nearhop-xdp-'));
    [gw, left, right] = [net.ns('gw'), net.ns('left'), net.ns('right')];
    net.veth({ ns: left, dev: 'eth0', ip: '10.1.0.2/24' }, { ns: gw, dev: 'd0', ip: '10.1.0.1/24' });
    net.veth({ ns: right, dev: 'eth0', ip: '10.2.0.2/24' }, { ns: gw, dev: 'd1', ip: '10.2.0.1/24' });
    net.exec(left, 'ip route add default via 10.1.0.1');
    net.exec(right, 'ip route add default via 10.2.0.1');
  });
  afterEach(async () => {
    for (const process of started) await process.stop();
    started = [];
  });
  afterAll(async () => {
    await net.cleanup();
    rmSync(directory, { recursive: true, force: true });
  });

  const keep = (process: LabProcess): LabProcess => {
    started.push(process);
    return process;
  };
  const run = (mode: string, ...before: readonly string[]): LabProcess => {
    const port = (device: string): object => ({ name: device, kind: 'af-xdp', device, mode });
    const itf = (name: string, device: string, address: string): object => ({ name, port: device, address });
    const config = {
      gateway: { name: 'xdp' },
      ports: [port('d0'), port('d1')],
      interfaces: [itf('left', 'd0', '10.1.0.1/24'), itf('right', 'd1', '10.2.0.1/24')],
    };
    const file = join(directory, 'xdp.yml');
    writeFileSync(file, JSON.stringify(config));
    const socket = join(directory, 'xdp.sock');
    return keep(net.spawn(gw, [...before, process.execPath, BUNDLE, 'run', '-c', file, '--socket', socket]));
  };
  const up = async (mode = 'auto'): Promise<LabProcess> => {
    const gateway = run(mode);
    await gateway.waitFor(/is up/, 20_000);
    await net.run(
      left,
      'for i in 1 2 3 4 5 6 7 8; do ping -nqc1 -W1 10.2.0.2 >/dev/null && exit; done; exit 1',
    );
    return gateway;
  };
  const programs = (): string => net.exec(gw, "ip -d link show | grep -o 'prog/xdp' || true").trim();
  const flood = (): LabProcess => keep(net.spawn(left, 'exec ping -qf -s 1000 -w 20 10.2.0.2'));

  test.each(['native', 'generic'])(
    '%s: transit goes through the gateway, and the kernel answers for its addresses',
    async (mode) => {
      await up(mode);
      for (const ns of [left, right]) net.exec(ns, 'ip neigh flush all');
      // TTL 63: one router on the way. TTL 64 from the kernel, which would forward nothing: ip_forward is off.
      expect(net.exec(gw, 'cat /proc/sys/net/ipv4/ip_forward').trim()).toBe('0');
      expect(net.exec(left, 'ping -nc3 -i0.2 -W1 10.2.0.2')).toMatch(/ttl=63/);
      const icmpBefore = echosOf(net.exec(gw, 'grep ^Icmp: /proc/net/snmp'));
      expect(net.exec(left, 'ping -nc3 -i0.2 -W1 10.1.0.1')).toMatch(/3 received/);
      expect(net.exec(left, 'ping -nc2 -i0.2 -W1 10.2.0.1')).toMatch(/2 received/);
      expect(echosOf(net.exec(gw, 'grep ^Icmp: /proc/net/snmp')) - icmpBefore, 'by the kernel').toBe(5);
      expect(net.exec(gw, 'ping -nc2 -i0.2 -W1 10.2.0.2'), 'the kernel has ARP replies too').toMatch(
        /2 received/,
      );
    },
  );

  test('native: TCP with default offloads arrives whole, without a wrong checksum', async () => {
    await up('native');
    const [source, target] = [join(directory, 'sent'), join(directory, 'received')];
    const bytes = randomBytes(48 << 20);
    writeFileSync(source, bytes);
    const listener = keep(net.spawn(right, ['socat', '-u', 'TCP-LISTEN:5001,reuseaddr', `CREATE:${target}`]));
    await expect.poll(() => net.exec(right, 'ss -ltn')).toContain(':5001');
    await net.run(left, ['socat', '-u', `OPEN:${source}`, 'TCP:10.2.0.2:5001']);
    await listener.exited();
    expect(readFileSync(target).equals(bytes)).toBe(true);
    for (const ns of [left, right]) {
      const [names, values] = net.exec(ns, 'grep ^Tcp: /proc/net/snmp').trim().split('\n');
      expect(values.split(' ')[names.split(' ').indexOf('InCsumErrors')]).toBe('0');
    }
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    '%s under a flood ends it, and no program stays',
    async (signal) => {
      const gateway = await up();
      expect(programs()).toBe('prog/xdp\nprog/xdp');
      const load = flood();
      await new Promise((done) => setTimeout(done, 300));
      process.kill(gateway.pid, signal);
      expect(await gateway.exited()).toBe(signal === 'SIGTERM' ? 0 : -1);
      await expect.poll(programs).toBe('');
      await load.stop();
      expect(net.exec(left, 'ping -nc1 -W1 10.1.0.1')).toMatch(/1 received/);
    },
  );

  test('says which rights are missing', async () => {
    const gateway = run('auto', 'setpriv', '--bounding-set', '-sys_admin,-bpf');
    expect(await gateway.exited()).toBe(1);
    expect(gateway.output()).toContain('[permission-denied]');
    expect(gateway.output()).toContain('CAP_BPF');
  });
});

/** Echo replies that a host's stack has sent, from its two Icmp lines of /proc/net/snmp. */
function echosOf(snmp: string): number {
  const [names, values] = snmp.trim().split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('OutEchoReps')]);
}
