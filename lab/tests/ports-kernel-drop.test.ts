// The option kernelDrop of an af-packet port: what the host's stack gets with it, and that its filter never outlives the gateway.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createAfPacketPort } from '../../src/ports/af-packet.ts';
import { KERNEL_DROP_PREF } from '../../src/ports/kernel-drop.ts';
import type { Port } from '../../src/ports/port.ts';
import { createSite, NATIVE_IP, type Site } from './gateway-fixture.ts';
import { createNetns, describeRoot, type LabProcess, type Netns } from './netns.ts';

describeRoot('kernelDrop', ['tc', 'ping'], () => {
  describe('of a port', () => {
    let net: Netns;
    let ns: string;
    let dev: string;
    let port: Port | undefined;

    beforeEach(() => {
      net = createNetns('nhp-drop');
      ns = net.ns('b');
      dev = net.deviceName('a');
      net.veth({ dev, ip: '10.77.0.1/24' }, { ns, dev: 'eth0', ip: '10.77.0.2/24' });
    });
    afterEach(async () => {
      port?.close();
      await net.cleanup();
    });

    const open = (): Port => {
      port = createAfPacketPort(
        { id: portId(0), name: 'p', device: dev, kernelDrop: true },
        new Slab(64 << 20),
      );
      return port;
    };
    const filters = (): string => net.exec(null, `tc filter show dev ${dev} ingress`);
    const qdiscs = (): string => net.exec(null, `tc qdisc show dev ${dev}`);
    const pings = (): boolean => net.exec(ns, 'ping -c1 -W1 10.77.0.1 >/dev/null && echo yes || true') !== '';

    test('the port receives what the host does not, until it is closed', () => {
      const before = qdiscs();
      expect(pings()).toBe(true);
      const slab = new Slab(64 << 20);
      port = createAfPacketPort({ id: portId(0), name: 'p', device: dev, kernelDrop: true }, slab);
      expect(pings()).toBe(false);
      expect(port.rx(new Batch(slab), 256)).toBeGreaterThan(0);
      port.close();
      expect(pings()).toBe(true);
      expect([filters(), qdiscs()]).toEqual(['', before]);
    });

    test('filters and a qdisc of others stay', () => {
      const other = 'ingress pref 7 handle 0x1 bpf bytecode "1,6 0 0 4294967295" da';
      net.exec(null, `tc qdisc add dev ${dev} clsact && tc filter add dev ${dev} ${other}`);
      const before = [filters(), qdiscs()];
      open();
      expect(filters()).toContain(`pref ${KERNEL_DROP_PREF}`);
      port?.close();
      expect([filters(), qdiscs()]).toEqual(before);
    });

    test('a filter that an earlier process left is replaced', () => {
      const left = `ingress pref ${KERNEL_DROP_PREF} handle 0x7ffffff bpf bytecode "1,6 0 0 2" da`;
      net.exec(null, `tc qdisc add dev ${dev} clsact && tc filter add dev ${dev} ${left}`);
      open();
      expect(filters()).not.toContain('0x7ffffff');
      port?.close();
      expect(filters()).toBe('');
    });

    test('the filter is there again when the device comes back', async () => {
      const slab = new Slab(64 << 20);
      const batch = new Batch(slab);
      port = createAfPacketPort({ id: portId(0), name: 'p', device: dev, kernelDrop: true }, slab);
      net.exec(null, ['ip', 'link', 'del', dev]);
      port.rx(batch, 256);
      net.veth({ dev, ip: '10.77.0.1/24' }, { ns, dev: 'eth0', ip: '10.77.0.2/24' });
      await vi.waitFor(
        () => {
          for (let i = 0; i < 1000; i++) port?.rx(batch, 256);
          port?.rxRelease();
          batch.reset();
          expect(filters()).toContain(`pref ${KERNEL_DROP_PREF}`);
        },
        { timeout: 10_000, interval: 50 },
      );
    });

    test('without tc the port says what it needs', () => {
      vi.stubEnv('PATH', '/nonexistent');
      expect(open).toThrow(expect.objectContaining({ code: 'program-missing' }));
      vi.unstubAllEnvs();
    });
  });

  describe('of a gateway', () => {
    let site: Site;
    let started: LabProcess[] = [];

    beforeAll(() => {
      site = createSite('nhp-drop');
    });
    afterEach(async () => {
      for (const process of started) await process.stop();
      started = [];
    });
    afterAll(() => site.cleanup());

    test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)(
      'nothing is left when it ends by %s under full load',
      async (signal) => {
        const { net, ns, config } = site;
        const ports = config.ports.map((p) => (p.kind === 'af-packet' ? { ...p, kernelDrop: true } : p));
        const filters = (): string =>
          ['wan', 'p1', 'p2', 'p3', 'nat']
            .map((d) => net.exec(ns.gw, `tc filter show dev ${d} ingress`))
            .join('');
        const gateway = await site.up({ ...config, ports });
        started.push(gateway);
        await site.reach(ns.vm1, NATIVE_IP);
        expect(filters().match(/0x[0-9a-f]+ direct-action/g)).toHaveLength(5);
        const floods = [1, 2].map(() => net.spawn(ns.vm1, `exec ping -qf -s 18 -w 20 ${NATIVE_IP}`));
        started.push(...floods);
        await Promise.all(floods.map((flood) => flood.waitFor(/PING/)));
        process.kill(gateway.pid, signal);
        await gateway.exited();
        await vi.waitFor(
          () => {
            expect(net.exec(null, ['ip', 'netns', 'pids', ns.gw])).toBe('');
            expect(filters()).toBe('');
            expect(net.exec(ns.gw, 'tc qdisc show')).not.toContain('clsact');
            expect(net.exec(ns.gw, 'ip -d link show')).not.toMatch(/promiscuity [1-9]/);
          },
          { timeout: 5000, interval: 50 },
        );
      },
    );
  });
});
