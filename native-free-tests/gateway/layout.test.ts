import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { formatMac } from '../../src/addr/mac.ts';
import { networkId } from '../../src/base/ids.ts';
import { adoptPortMacs, createLayout } from '../../src/gateway/layout.ts';
import { STALE_BRIDGE, STALE_DROP, STALE_INTERCEPT } from '../../src/tables/network-table.ts';
import { CONFIG, configOf } from './inline-site.ts';

const KIND = { 1: 'bridged', 2: 'extension', 3: 'routed', 4: 'bvi' } as Record<number, string>;

describe('createLayout', () => {
  const { interfaces, networks } = createLayout(configOf(CONFIG));

  it('puts the routed interfaces first, then for each network its BVI, extension and members', () => {
    const rows = interfaces.names.map((name, i) => {
      const port = interfaces.port[i] === 0xffff ? 'none' : interfaces.port[i];
      return `${name}: ${KIND[interfaces.kind[i]]}, port ${port} VLAN ${interfaces.vlan[i]}, MTU ${interfaces.mtu[i]}`;
    });
    expect(rows).toEqual([
      'wan: routed, port 0 VLAN 0, MTU 1500',
      'edge: routed, port 4 VLAN 30, MTU 1400',
      'bvi.green: bvi, port none VLAN 0, MTU 1500',
      'ext0: extension, port 1 VLAN 0, MTU 1500',
      'rack1: bridged, port 2 VLAN 0, MTU 1500',
      'rack2: bridged, port 3 VLAN 0, MTU 1500',
      'bvi.plain: bvi, port none VLAN 0, MTU 1500',
      'ext0.20: extension, port 1 VLAN 20, MTU 1500',
      'trunk0.20: bridged, port 4 VLAN 20, MTU 9000',
    ]);
  });

  it("gives the gateway's interface a /32, never the subnet (invariant 1)", () => {
    const bvi = networks.bvi[networkId(0)];
    expect([formatIpv4(interfaces.ip[bvi]), interfaces.prefixLen[bvi]]).toEqual(['192.168.10.1', 32]);
    expect(formatMac(interfaces.macHi[bvi], interfaces.macLo[bvi])).toBe('02:00:00:00:10:fe');
  });

  it('ties networks and interfaces to each other', () => {
    const names = (rows: Iterable<number>): string[] => [...rows].map((i) => interfaces.names[i]);
    expect(networks.names).toEqual(['green', 'plain']);
    expect(names(networks.extension.slice(0, 2))).toEqual(['ext0', 'ext0.20']);
    expect([names(networks.locals[0]), names(networks.locals[1])]).toEqual([
      ['rack1', 'rack2'],
      ['trunk0.20'],
    ]);
    expect([...interfaces.network.slice(2, interfaces.count)]).toEqual([0, 0, 0, 0, 1, 1, 1]);
  });

  it('takes over what the config says of a network, and its defaults', () => {
    const all = (column: ArrayLike<number>): number[] => [column[0], column[1]];
    expect(all(networks.proximity)).toEqual([1, 0]);
    expect(all(networks.stale)).toEqual([STALE_INTERCEPT, STALE_BRIDGE]);
    expect(all(networks.dropAsymmetric)).toEqual([0, 1]);
    expect(all(networks.mssClamp)).toEqual([1, 0]);
    expect(all(networks.floodPps)).toEqual([10_000, 500]);
    expect(all(networks.mask)).toEqual([0xffffff00, 0xffffff00]);
    expect(formatMac(networks.sourceMacHi[0], networks.sourceMacLo[0])).toBe('02:00:00:00:10:01');
    expect(all(networks.sourceMacLo)[1]).toBe(0); // to be learned
  });

  it('knows the third word for stale frames, and a network without extension', () => {
    const text = CONFIG.replace('staleGateway: bridge', 'staleGateway: drop').replace(
      / {4}extension: .* vlan: 20.*\n/,
      '',
    );
    const other = createLayout(configOf(text));
    expect([other.networks.stale[1], other.networks.extension[1]]).toEqual([STALE_DROP, 0xffff]);
  });

  it('gives the same indices for the same config: main and the data plane each make one', () => {
    const again = createLayout(configOf(CONFIG));
    expect([again.interfaces.names, again.networks.names]).toEqual([interfaces.names, networks.names]);
  });
});

describe('adoptPortMacs', () => {
  it("gives a routed interface its port's MAC unless it has its own, and touches no other", () => {
    const { interfaces } = createLayout(configOf(CONFIG));
    const ports = [1, 2, 3, 4, 5].map((n) => ({ macHi: 0x0200, macLo: n }));
    const before = [...interfaces.macLo];
    adoptPortMacs(interfaces, ports);
    expect([interfaces.macHi[0], interfaces.macLo[0]]).toEqual([0x0200, 1]);
    expect([...interfaces.macLo].slice(1)).toEqual(before.slice(1));
  });
});
