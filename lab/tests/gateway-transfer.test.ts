// TCP and UDP through a running gateway, all devices with their default offloads: what arrives must be what was sent, byte
// for byte, and no receiver may see a wrong checksum.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CountersData } from '../../src/gateway/api.ts';
import { createSite, NATIVE_IP, type Site, SOURCE_HOST_IP, VM_IP } from './gateway-fixture.ts';
import { describeRoot, type LabProcess } from './netns.ts';

const MEGABYTES = 300;
/** iperf3 of each kind runs so long. */
const SECONDS = 1;

describeRoot('a running gateway carries', ['iperf3', 'socat', '/dev/net/tun'], () => {
  describe('over an extension that takes packets of 1500 bytes', () => {
    let site: Site;
    let file: string;
    let digest: string;

    beforeAll(async () => {
      site = createSite('nhp-transfer', { tap: true });
      ({ file, digest } = await makeFile(site));
      await site.up();
    });
    afterAll(() => site.cleanup());

    test('a local VM on veth ↔ a native network', async () => {
      await carries(site, 'vm1', VM_IP.vm1, 'native', NATIVE_IP, file, digest);
    });

    test('a local VM on veth ↔ a network of the source, by the WAN', async () => {
      const before = await extensionPackets(site);
      await carries(site, 'vm1', VM_IP.vm1, 'host', SOURCE_HOST_IP, file, digest);
      // Only ARP may be there: S looks for VMs by broadcast.
      expect((await extensionPackets(site)) - before).toBeLessThan(20);
    });

    test('a local VM on TAP ↔ a native network', async () => {
      await carries(site, 'tap', VM_IP.tap, 'native', NATIVE_IP, file, digest);
    });

    test('a local VM on TAP ↔ a network of the source, by the WAN', async () => {
      await carries(site, 'tap', VM_IP.tap, 'host', SOURCE_HOST_IP, file, digest);
    });

    test('a pinned VM ↔ a source VM, through the extension', async () => {
      await carries(site, 'vm2', VM_IP.vm2, 'vm4', VM_IP.vm4, file, digest);
    });

    test('a VM on TAP ↔ a source VM, through the extension', async () => {
      await carries(site, 'tap', VM_IP.tap, 'vm4', VM_IP.vm4, file, digest);
    });

    test('a pinned VM ↔ a network of the source, by the source gateway', async () => {
      await carries(site, 'vm2', VM_IP.vm2, 'host', SOURCE_HOST_IP, file, digest);
    });
  });

  const [major = 0, minor = 0] = release().split('.').map(Number);
  const old = major < 6 || (major === 6 && minor < 17);
  if (old) console.warn(`skipped: Linux ${release()} has no GSO in tunnels over TAP, 6.17 has`);
  describe.skipIf(old)('over an extension with a gsoDevice', () => {
    let site: Site;
    let file: string;
    let digest: string;
    let gateway: LabProcess;
    const received = (): number => {
      const [link] = JSON.parse(site.net.exec(site.ns.gw, 'ip -s -j link show gso0'));
      return link.stats64.rx.packets;
    };

    beforeAll(async () => {
      site = createSite('nhp-gso', { gsoDevice: 'gso0' });
      ({ file, digest } = await makeFile(site));
      gateway = await site.up();
    });
    afterAll(() => site.cleanup());

    test('a pinned VM ↔ a source VM, in pieces of up to 64 KB', async () => {
      await carries(site, 'vm2', VM_IP.vm2, 'vm4', VM_IP.vm4, file, digest);
      expect(received()).toBeGreaterThan(1000);
    });

    test('a pinned VM ↔ a source VM, over a device that the kernel has to cut for', async () => {
      const off = 'tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off';
      site.net.exec(site.ns.gw, `ethtool -K und ${off}`);
      const before = received();
      await carries(site, 'vm2', VM_IP.vm2, 'vm4', VM_IP.vm4, file, digest);
      expect(received() - before).toBeGreaterThan(1000);
    });

    test('a filter that somebody turned on is off again', async () => {
      const filter = '/proc/sys/net/ipv4/conf/gso0/rp_filter';
      site.net.exec(site.ns.gw, `echo 2 > ${filter}`);
      await expect.poll(() => site.net.exec(site.ns.gw, `cat ${filter}`).trim(), { timeout: 5000 }).toBe('0');
    });

    test('its device goes with the gateway', async () => {
      expect(site.net.exec(site.ns.gw, 'ip -br link')).toContain('gso0');
      await gateway.stop();
      expect(site.net.exec(site.ns.gw, 'ip -br link')).not.toContain('gso0');
      gateway = await site.up();
    });

    test('a pinned VM ↔ a source VM, cut by the gateway when somebody has removed the device', async () => {
      site.net.exec(site.ns.gw, 'ip link del gso0');
      await carries(site, 'vm2', VM_IP.vm2, 'vm4', VM_IP.vm4, file, digest);
    });
  });

  describe('over an extension of a plain link, which takes packets of 1450 bytes', () => {
    let site: Site;
    let file: string;
    let digest: string;

    beforeAll(async () => {
      site = createSite('nhp-mss', { underlayMtu: 1500, extensionMtu: 1450 });
      ({ file, digest } = await makeFile(site));
      await site.up();
    });
    afterAll(() => site.cleanup());

    test('TCP of VMs that know of 1500 bytes only: its MSS is clamped', async () => {
      await site.reach(site.ns.vm2, VM_IP.vm4);
      await sendFile(site, 'vm2', 'vm4', VM_IP.vm4, file, digest);
      await sendFile(site, 'vm4', 'vm2', VM_IP.vm2, file, digest);
      const { reasons } = await site.ask<CountersData>('show', 'counters');
      expect(reasons.find((r) => r.reason === 'mss-clamped')?.packets).toBeGreaterThanOrEqual(2);
      await noBadChecksums(site, ['vm2', 'vm4']);
    });
  });
});

type End = 'vm1' | 'vm2' | 'vm4' | 'tap' | 'native' | 'host';

/** The file both ways, and iperf3 TCP both ways and UDP from the VM; afterwards nothing may have been wrong anywhere. */
async function carries(
  site: Site,
  vm: End,
  vmIp: string,
  peer: End,
  peerIp: string,
  file: string,
  digest: string,
): Promise<void> {
  await site.reach(site.ns[vm], peerIp);
  const seconds = [
    await sendFile(site, vm, peer, peerIp, file, digest),
    await sendFile(site, peer, vm, vmIp, file, digest),
  ];
  const tcp = [await iperf(site, vm, peer, peerIp), await iperf(site, vm, peer, peerIp, '-R')];
  const udp = await iperf(site, vm, peer, peerIp, '-u', '-b', '200M');
  await noBadChecksums(site, [vm, peer]);
  console.info(
    `${vm} ↔ ${peer}: file ${seconds.map((s) => `${((MEGABYTES * 8) / 1000 / s).toFixed(2)} Gbit/s`).join(' and back ')}, ` +
      `TCP ${tcp.map((r) => `${(r / 1e9).toFixed(2)} Gbit/s`).join(' and back ')}, UDP ${(udp / 1e6).toFixed(0)} Mbit/s`,
  );
}

async function makeFile(site: Site): Promise<{ file: string; digest: string }> {
  const file = join(site.directory, 'sent');
  execFileSync('sh', ['-c', `head -c ${MEGABYTES}M /dev/urandom > ${file}`]);
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return { file, digest: hash.digest('hex') };
}

/** Sends the file and compares its SHA-256 at the other end; returns how long it took, in seconds. */
async function sendFile(
  site: Site,
  from: End,
  to: End,
  toIp: string,
  file: string,
  digest: string,
): Promise<number> {
  const { net, ns } = site;
  const receiver = net.spawn(ns[to], `socat -u -b 1048576 TCP-LISTEN:5001,reuseaddr - | sha256sum`);
  await expect.poll(() => net.exec(ns[to], 'ss -ltn'), { timeout: 5000 }).toContain(':5001');
  const startMs = performance.now();
  await net.run(ns[from], ['socat', '-u', '-b', '1048576', `OPEN:${file}`, `TCP:${toIp}:5001`]);
  expect(await receiver.exited()).toBe(0);
  const seconds = (performance.now() - startMs) / 1000;
  expect(receiver.output().split(' ')[0]).toBe(digest);
  return seconds;
}

/** Runs iperf3 and returns what the receiver got, bits a second. */
async function iperf(site: Site, from: End, to: End, toIp: string, ...args: string[]): Promise<number> {
  const { net, ns } = site;
  const server = net.spawn(ns[to], ['iperf3', '-s', '-1', '-p', '5002']);
  await expect.poll(() => net.exec(ns[to], 'ss -ltn'), { timeout: 5000 }).toContain(':5002');
  const client = ['iperf3', '-c', toIp, '-p', '5002', '-t', String(SECONDS), '-J', ...args];
  const { end } = JSON.parse(await net.run(ns[from], client));
  await server.exited();
  const received: number = (end.sum_received ?? end.sum).bits_per_second;
  expect(received).toBeGreaterThan(1e6);
  return received;
}

/** No receiver saw a wrong checksum (`TcpInCsumErrors`), and the gateway neither refused a frame nor lost count. */
async function noBadChecksums(site: Site, ends: readonly End[]): Promise<void> {
  const errors = ends.flatMap((end) =>
    ['Ip', 'Tcp', 'Udp'].map((what) => `${end} ${what} ${snmp(site, end, what)}`),
  );
  expect(errors).toEqual(ends.flatMap((end) => ['Ip', 'Tcp', 'Udp'].map((what) => `${end} ${what} 0`)));
  const ports = await site.ask<readonly { name: string; stats: Record<string, number> }[]>('show', 'ports');
  expect(ports.map((p) => [p.name, p.stats['rxInvalid'], p.stats['rxTruncated']])).toEqual(
    ports.map((p) => [p.name, 0, 0]),
  );
  const { imbalance, reasons } = await site.ask<CountersData>('show', 'counters');
  expect(imbalance).toBe(0);
  expect(reasons.map((r) => r.reason)).not.toContain('offload-invalid');
}

/** Packets that this end threw away for what was wrong in their header. */
function snmp(site: Site, end: End, what: string): number {
  const rows = site.net.exec(site.ns[end], 'cat /proc/net/snmp').split('\n');
  const [names, values] = rows.filter((row) => row.startsWith(`${what}:`)).map((row) => row.split(' '));
  return Number(values[names.indexOf(what === 'Ip' ? 'InHdrErrors' : 'InCsumErrors')]);
}

async function extensionPackets(site: Site): Promise<number> {
  const { interfaces } = await site.ask<CountersData>('show', 'counters');
  const ext = interfaces.find((i) => i.name === 'ext');
  if (ext === undefined) throw new Error('no interface ext');
  return ext.rxPackets + ext.txPackets;
}
