// A running gateway with ports whose addons live in the main thread: cap for a VM, raw-ip as the way into the host's stack.

import { createRequire } from 'node:module';
import { afterEach, expect, test } from 'vitest';
import type { CountersData, PortRow } from '../../src/gateway/api.ts';
import { createSite, NATIVE_IP, type Site, SOURCE_HOST_IP, VM_IP } from './gateway-fixture.ts';
import { describeRoot } from './netns.ts';

const OUTSIDE_IP = '198.51.100.10';

const missing = ['cap', 'raw-socket'].filter((name) => {
  try {
    createRequire(import.meta.url)(name);
    return false;
  } catch {
    return true;
  }
});
const has = (name: string): string[] => (missing.includes(name) ? [`package-${name}`] : []);

describeRoot('a running gateway', has('cap').concat(has('raw-socket')), () => {
  let site: Site;
  afterEach(() => site.cleanup());

  const stats = async (port: string): Promise<PortRow['stats']> => {
    const row = (await site.ask<readonly PortRow[]>('show', 'ports')).find((p) => p.name === port);
    if (row === undefined) throw new Error(`no port ${port}`);
    return row.stats;
  };

  test('carries a VM behind a cap port, and ends cleanly', async () => {
    site = createSite('nhp-gwcap', { vm1Port: 'cap' });
    const gateway = await site.up();
    await site.reach(site.ns.vm1, NATIVE_IP);
    await site.reach(site.ns.vm1, SOURCE_HOST_IP);
    await site.reach(site.ns.vm4, VM_IP.vm1);
    const ping = site.net.exec(site.ns.vm1, `ping -nq -c 20 -i 0.02 -s 1400 ${NATIVE_IP}`);
    expect(ping).toContain('20 received');
    expect(await stats('p1')).toMatchObject({ rxInvalid: 0, rxTruncated: 0, txDropped: 0 });
    expect((await site.ask<CountersData>('show', 'counters')).imbalance).toBe(0);
    process.kill(gateway.pid, 'SIGTERM');
    expect([await gateway.exited(), gateway.output()]).toEqual([0, expect.stringContaining('stopped by')]);
  });

  test("sends by a raw-ip port into the host's stack, which routes on", async () => {
    site = createSite('nhp-gwraw');
    const { net, ns, config } = site;
    // A network that only the host of the gateway has a way to; answers come back by the native network.
    net.veth(
      { ns: ns.native, dev: 'eth1', ip: `${OUTSIDE_IP}/24` },
      { ns: ns.gw, dev: 'out', ip: '198.51.100.1/24' },
    );
    net.exec(ns.native, 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done');
    const gateway = await site.up({
      ...config,
      ports: [...config.ports, { name: 'host', kind: 'raw-ip' }],
      interfaces: [...config.interfaces, { name: 'host', port: 'host', address: '198.51.100.2/24' }],
    });
    await site.reach(ns.vm1, OUTSIDE_IP);
    const ping = net.exec(ns.vm1, `ping -nq -c 20 -i 0.02 -s 1400 ${OUTSIDE_IP}`);
    expect(ping).toContain('20 received');
    // the data plane tells its ports' counts a few times a second
    await expect.poll(async () => (await stats('host')).txPackets).toBeGreaterThanOrEqual(21);
    expect((await stats('host')).txDropped).toBe(0);
    expect((await site.ask<CountersData>('show', 'counters')).imbalance).toBe(0);
    process.kill(gateway.pid, 'SIGTERM');
    expect([await gateway.exited(), gateway.output()]).toEqual([0, expect.stringContaining('stopped by')]);
  });
});
