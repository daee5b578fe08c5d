import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { formatMac } from '../../src/addr/mac.ts';
import { VirtualTimers } from '../../src/base/timers.ts';
import { loadConfig } from '../../src/config/parse.ts';
import { loadTopology } from '../../src/lab/topology.ts';
import { guardTargetMac } from '../../src/sim/faults.ts';
import { startPing } from '../../src/sim/probes.ts';
import { buildSite, type SiteOptions } from '../../src/sim/site.ts';
import { gratuitousArp, host } from '../golden/frames.ts';
import { pass } from './cables.ts';

const ESG = fileURLToPath(new URL('../../lab/esg', import.meta.url));
const { config } = loadConfig(`${ESG}/nearhop.yml`);

const esg = (change: Partial<SiteOptions> = {}) => {
  const timers = new VirtualTimers(1_000_000);
  const { nodes, links } = loadTopology(ESG);
  return {
    timers,
    site: buildSite({ timers, seed: 1, nodes, links, gateway: 'nearhop', config, ...change }),
  };
};

describe('buildSite', () => {
  it("builds lab/esg with the files' own names and addresses", () => {
    const { site } = esg();
    expect(Object.fromEntries([...site.addresses].map(([name, ip]) => [name, formatIpv4(ip)]))).toEqual({
      'src-router': '192.168.10.1',
      vm1: '192.168.10.11',
      vm2: '192.168.10.12',
      vm3: '192.168.10.13',
      vm4: '192.168.10.14',
      'src-host': '192.168.20.10',
      native: '10.20.0.10',
      internet: '198.51.100.10',
    });
    expect(site.router.name).toBe('src-router');
    expect([...site.vms.keys()]).toEqual(['vm1', 'vm2', 'vm3']);
    expect([...site.cables.keys()]).toEqual(config.ports.map((p) => p.name));
  });

  it('gives each VM the MAC that the config of the gateway has for it', () => {
    const { site } = esg();
    for (const vm of config.networks[0].vms) {
      const { mac } = site.hosts.get(vm.name)?.interfaces[0] ?? { mac: { hi: 0, lo: 0 } };
      expect(formatMac(mac.hi, mac.lo)).toBe(formatMac(vm.mac.hi, vm.mac.lo));
    }
    const [first] = site.router.interfaces;
    expect(first.mac).toEqual(config.networks[0].gateway.sourceMac);
  });

  it('has the VMs at the source, and nobody on the cables to the gateway', () => {
    const { timers, site } = esg();
    for (const { source, target } of site.vms.values()) expect([source.up, target.up]).toEqual([true, false]);
    const [vm1, vm4] = [site.hosts.get('vm1'), site.hosts.get('vm4')];
    if (vm1 === undefined || vm4 === undefined) throw new Error('lab/esg has vm1 and vm4');
    const ping = startPing({
      timers,
      node: vm1,
      src: vm1.interfaces[0].ip,
      dst: vm4.interfaces[0].ip,
      count: 3,
      intervalMs: 10,
      timeoutMs: 100,
      id: 1,
    });
    pass(timers, 200);
    expect(ping.rttMs).toHaveLength(3);
  });

  it('knows whose address is whose, the gateway’s own too', () => {
    const { owners } = esg().site;
    expect(owners.get('192.168.10.1')).toBe('src-router');
    expect(owners.get('10.255.0.2')).toBe('nearhop');
    expect(owners.get('203.0.113.1')).toBe('nearhop');
    expect(owners.get('198.51.100.10')).toBe('internet');
  });

  it.each([
    ['no gateway', { gateway: 'edge' }],
    ['no link at a device', { links: loadTopology(ESG).links.slice(1) }],
    ['no router', { nodes: loadTopology(ESG).nodes.filter((n) => n.name !== 'src-router') }],
  ])('refuses a lab with %s', (_what, change) => {
    expect(() => esg(change)).toThrow(expect.objectContaining({ code: 'lab-invalid' }));
  });
});

describe('guardTargetMac', () => {
  const { mac } = config.networks[0].gateway;
  const T = { name: 'T', mac, ip: config.networks[0].gateway.address };

  it("crashes when the gateway sends a frame of the target gateway's MAC into the extension", () => {
    const { site } = esg();
    guardTargetMac(site.extensionEnd, mac);
    site.extensionEnd.send(gratuitousArp({ from: host('vm1', '02:00:00:00:aa:01', '192.168.10.11') }));
    expect(() => site.extensionEnd.send(gratuitousArp({ from: T }))).toThrow(/target gateway's MAC/);
  });
});
