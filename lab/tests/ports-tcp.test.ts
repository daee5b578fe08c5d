// TCP between two namespaces through a repeater of two ports, all devices with their default offloads: what arrives must be
// what was sent, byte for byte, and no receiver may see a wrong checksum.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createAfPacketPort } from '../../src/ports/af-packet.ts';
import type { Port } from '../../src/ports/port.ts';
import { createTapPort } from '../../src/ports/tap.ts';
import { createVxlanPort } from '../../src/ports/vxlan.ts';
import { createNetns, describeRoot, type Netns } from './netns.ts';
import { type Repeater, startRepeater } from './repeater.ts';

const BYTES = 48 << 20;

describeRoot('TCP through', ['iperf3', 'socat', '/dev/net/tun'], () => {
  let net: Netns;
  let slab: Slab;
  let dir: string;
  let a: string;
  let b: string;
  const ports: Port[] = [];
  let repeater: Repeater | undefined;

  beforeEach(() => {
    net = createNetns('nhp-tcp');
    slab = new Slab(256 << 20);
    dir = mkdtempSync(join(tmpdir(), 'nearhop-tcp-'));
    a = net.ns('a');
    b = net.ns('b');
  });
  afterEach(async () => {
    await repeater?.stop();
    repeater = undefined;
    for (const port of ports.splice(0)) port.close();
    await net.cleanup();
    rmSync(dir, { recursive: true, force: true });
  });

  /** An af-packet port whose other end is eth0 in `ns`. */
  const afPacket = (ns: string, ip: string): Port => {
    const dev = net.deviceName(ns.slice(-1));
    net.veth({ ns, dev: 'eth0', ip }, { dev });
    return keep(createAfPacketPort({ id: portId(ports.length), name: dev, device: dev }, slab));
  };
  const keep = (port: Port): Port => {
    ports.push(port);
    return port;
  };
  const checksumErrors = (ns: string): number => {
    const [names, values] = net.exec(ns, 'grep ^Tcp: /proc/net/snmp').trim().split('\n');
    return Number(values.split(' ')[names.split(' ').indexOf('InCsumErrors')]);
  };
  const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

  /** Sends a file from one namespace to the other and compares, then lets iperf3 run; returns its Gbit/s. */
  const transfer = async (from: string, to: string, toIp: string): Promise<number> => {
    const [source, target] = [join(dir, `from-${from}`), join(dir, `to-${to}`)];
    writeFileSync(source, randomBytes(BYTES));
    const listener = net.spawn(to, ['socat', '-u', 'TCP-LISTEN:5001,reuseaddr', `CREATE:${target}`]);
    await expect.poll(() => net.exec(to, 'ss -ltn')).toContain(':5001');
    await net.run(from, ['socat', '-u', `OPEN:${source}`, `TCP:${toIp}:5001`]);
    await listener.exited();
    expect(digest(target)).toBe(digest(source));
    const server = net.spawn(to, ['iperf3', '-s', '-1', '-p', '5002']);
    await expect.poll(() => net.exec(to, 'ss -ltn')).toContain(':5002');
    const report = await net.run(from, ['iperf3', '-c', toIp, '-p', '5002', '-t', '1', '-J']);
    await server.exited();
    return JSON.parse(report).end.sum_received.bits_per_second / 1e9;
  };
  const bothWays = async (ipA: string, ipB: string, name: string): Promise<void> => {
    await net.run(a, ['ping', '-c', '2', '-i', '0.2', '-W', '2', ipB]);
    const rates = [await transfer(a, b, ipB), await transfer(b, a, ipA)];
    expect([checksumErrors(a), checksumErrors(b)]).toEqual([0, 0]);
    expect(ports.map((port) => [port.stats.rxInvalid, port.stats.rxTruncated])).toEqual(
      ports.map(() => [0, 0]),
    );
    console.info(`${name}: ${rates.map((rate) => rate.toFixed(2)).join(' and ')} Gbit/s`);
  };

  test('af-packet ↔ af-packet', async () => {
    repeater = startRepeater(slab, afPacket(a, '10.0.0.1/24'), afPacket(b, '10.0.0.2/24'));
    await bothWays('10.0.0.1', '10.0.0.2', 'af-packet ↔ af-packet');
  });

  test('af-packet ↔ tap', async () => {
    const device = net.deviceName('t');
    const tap = keep(createTapPort({ id: portId(1), name: 'tap', device }, slab));
    net.exec(null, ['ip', 'link', 'set', device, 'netns', b]);
    net.exec(b, `ip addr add 10.0.0.2/24 dev ${device} && ip link set ${device} up`);
    repeater = startRepeater(slab, afPacket(a, '10.0.0.1/24'), tap);
    await bothWays('10.0.0.1', '10.0.0.2', 'af-packet ↔ tap');
  });

  test.each(['udpcsum', 'noudpcsum'])(
    "af-packet ↔ vxlan, whose other end is a kernel's vxlan device with %s",
    async (sums) => {
      // b is the remote site: its eth0 carries the tunnel, its vx0 is a host of the segment
      const dev = net.deviceName('u');
      const [outer, remote] = [`198.18.${process.pid & 0xff}.1`, `198.18.${process.pid & 0xff}.2`];
      net.veth({ ns: b, dev: 'eth0', ip: `${remote}/30` }, { dev, ip: `${outer}/30` });
      net.exec(
        b,
        `ip link add vx0 type vxlan id 77 local ${remote} remote ${outer} dstport 4789 dev eth0 ${sums}`,
      );
      net.exec(b, 'ip link set vx0 up && ip addr add 10.0.0.2/24 dev vx0');
      // 77 is the VNI; the host of the segment at this side has the tunnel's MTU, as the gateway would tell it
      const u32 = (text: string): number => text.split('.').reduce((sum, n) => sum * 256 + Number(n), 0);
      const vxlan = keep(
        createVxlanPort(
          { id: portId(0), name: 'vx', vni: 77, local: u32(outer), remotes: [u32(remote)] },
          slab,
        ),
      );
      expect(vxlan.mtu).toBe(1450);
      const port = afPacket(a, '10.0.0.1/24');
      net.exec(a, 'ip link set eth0 mtu 1450');
      repeater = startRepeater(slab, port, vxlan);
      await bothWays('10.0.0.1', '10.0.0.2', `af-packet ↔ vxlan, ${sums}`);
    },
  );
});
