import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import type { HostView } from '../../src/config/host.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { MAX_INTERFACES, MAX_NETWORKS } from '../../src/config/schema.ts';
import * as interfaceTable from '../../src/tables/interface-table.ts';
import * as networkTable from '../../src/tables/network-table.ts';
import { changed, EXAMPLE, problemsOf } from './example.ts';

const SECOND_NETWORK = `  - name: blue
    subnet: 192.168.20.0/24
    gateway: { address: 192.168.20.1, mac: 02:00:00:00:20:02 }
routes:`;

const gateway = (from: string, to: string): string => changed([from, to]);
const vms = (text: string): string =>
  changed(['{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.11] }', text]);

describe('parseConfig: what is refused', () => {
  it.each<[what: string, text: string, problems: string[]]>([
    // names
    [
      'a port name twice',
      changed(['name: vm1, kind: tap', 'name: wan0, kind: tap'], ['[vm1, ', '[']),
      ['5:13 name-duplicate'],
    ],
    ['an interface name twice', changed(['name: edge, port', 'name: wan, port']), ['9:13 name-duplicate']],
    ['a VM name twice', vms('{ name: db, mac: 02:00:00:00:00:0b }'), ['18:17 name-duplicate']],
    ['a VM MAC twice', vms('{ name: web, mac: 0200.0000.000c }'), ['18:26 mac-duplicate']],
    [
      'a VM address twice',
      vms('{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.12] }'),
      ['18:57 address-duplicate'],
    ],
    [
      'a neighbor twice',
      changed(['as: 65001 }', 'as: 65001 }\n    - { address: 172.16.0.1, as: 65003 }']),
      ['27:18 neighbor-duplicate'],
    ],
    [
      'a route twice',
      changed(['10.66.0.0/16, blackhole: true', '10.99.0.0/16, blackhole: true']),
      ['22:15 route-duplicate'],
    ],
    // ports
    [
      'a port that is not there',
      gateway('port: wan0', 'port: wan1'),
      ['8:24 port-unknown', '3:13 warning port-unused'],
    ],
    [
      'a member that is not there',
      gateway('[vm1, ', '[vm3, '),
      ['15:15 port-unknown', '5:13 warning port-unused'],
    ],
    [
      'a port and VLAN twice',
      gateway('port: trunk0, vlan: 10', 'port: trunk0, vlan: 30'),
      ['15:20 port-vlan-duplicate'],
    ],
    [
      'a raw-ip port in a network',
      gateway('kind: tap, device: nh0', 'kind: raw-ip'),
      ['15:15 port-unsuitable'],
    ],
    [
      'an interface of the host behind a port that keeps all frames from it',
      gateway('device: eth1 }', 'device: eth1, kernelDrop: true }'),
      ['8:5 kernel-drop-host-stack'],
    ],
    // networks
    [
      'a gateway outside its subnet',
      gateway('address: 192.168.10.1,', 'address: 192.168.11.1,'),
      ['13:25 gateway-outside-subnet'],
    ],
    [
      'a gateway with the network address',
      gateway('address: 192.168.10.1,', 'address: 192.168.10.0,'),
      ['13:25 gateway-reserved'],
    ],
    [
      'a gateway with the broadcast address',
      gateway('address: 192.168.10.1,', 'address: 192.168.10.255,'),
      ['13:25 gateway-reserved'],
    ],
    [
      'S-MAC = T-MAC',
      gateway('sourceMac: 02:00:00:00:10:01', 'sourceMac: 02:00:00:00:10:02'),
      ['13:74 gateway-mac-same'],
    ],
    ['a group MAC', gateway('mac: 02:00:00:00:10:02', 'mac: 01:00:5e:00:00:01'), ['13:44 mac-group']],
    ['a MAC of zero', gateway('mac: 02:00:00:00:10:02', 'mac: 00:00:00:00:00:00'), ['13:44 mac-zero']],
    [
      'overlapping networks',
      changed(['routes:', SECOND_NETWORK], ['192.168.20.0/24', '192.168.0.0/16']).replace(
        '192.168.20.1',
        '192.168.0.1',
      ),
      ['20:13 subnet-overlap'],
    ],
    [
      'a multicast subnet',
      changed(['subnet: 192.168.10.0/24', 'subnet: 224.0.0.0/4']),
      [
        '12:13 subnet-unsuitable',
        '13:25 gateway-outside-subnet',
        '17:58 vm-outside-subnet',
        '18:57 vm-outside-subnet',
      ],
    ],
    [
      'a routed interface inside an extended subnet',
      gateway('address: 172.16.0.2/30', 'address: 192.168.10.129/25'),
      ['8:39 interface-in-extended-subnet', '21:35 warning next-hop-unreachable'],
    ],
    // VMs
    ['a VM with the T-MAC', vms('{ name: web, mac: 02:00:00:00:10:02 }'), ['17:27 vm-mac-gateway']],
    ['a VM with the S-MAC', vms('{ name: web, mac: 02:00:00:00:10:01 }'), ['17:27 vm-mac-gateway']],
    [
      'a VM address outside the subnet',
      vms('{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.11.11] }'),
      ['17:58 vm-outside-subnet'],
    ],
    [
      "a VM with the gateway's address",
      vms('{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.1] }'),
      ['17:58 vm-address-gateway'],
    ],
    [
      'a VM with the broadcast address',
      vms('{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.255] }'),
      ['17:58 vm-address-reserved'],
    ],
    [
      'a source VM on the target gateway',
      vms('{ name: web, mac: 02:00:00:00:00:0b, gateway: target }'),
      ['17:55 vm-gateway-at-source'],
    ],
    [
      'a local VM without address',
      vms('{ name: web, mac: 02:00:00:00:00:0b, location: target, gateway: target }'),
      ['17:73 vm-without-address'],
    ],
    ['more VMs than maxVms', gateway('name: esg,', 'name: esg, maxVms: 1,'), ['1:10 too-many-vms']],
    // layer 3
    [
      'an interface with the network address',
      gateway('address: 172.16.0.2/30', 'address: 172.16.0.0/30'),
      ['8:39 address-unsuitable'],
    ],
    [
      'an interface with a loopback address',
      gateway('address: 172.16.0.2/30', 'address: 127.0.0.1/8'),
      ['8:39 address-unsuitable', '21:35 warning next-hop-unreachable'],
    ],
    [
      'overlapping interfaces',
      gateway('address: 172.16.0.2/30', 'address: 203.0.113.129/25'),
      ['9:52 subnet-overlap', '21:35 warning next-hop-unreachable'],
    ],
    [
      'an address twice',
      gateway('address: 203.0.113.2/24', 'address: 172.16.0.2/30'),
      ['9:52 address-duplicate', '20:31 warning next-hop-unreachable', '21:47 warning next-hop-unreachable'],
    ],
    [
      'a route without next hop',
      gateway('0.0.0.0/0, via: 203.0.113.1', '0.0.0.0/0'),
      ['20:5 route-without-next-hop'],
    ],
    [
      'a route with both',
      gateway('10.66.0.0/16, blackhole: true', '10.66.0.0/16, blackhole: true, via: 172.16.0.1'),
      ['22:5 route-contradicts'],
    ],
    [
      'a next hop twice',
      gateway('[172.16.0.1, 203.0.113.1]', '[172.16.0.1, 172.16.0.1]'),
      ['21:47 next-hop-duplicate'],
    ],
    [
      'an own address as next hop',
      gateway('[172.16.0.1, 203.0.113.1]', '[172.16.0.2]'),
      ['21:35 next-hop-own'],
    ],
    [
      'an own address as neighbor',
      gateway('address: 172.16.0.1, as', 'address: 172.16.0.2, as'),
      ['26:32 neighbor-own'],
    ],
    [
      'a hold time of 2 seconds',
      gateway('as: 65001', 'as: 65001, holdSeconds: 2'),
      ['26:68 value-out-of-range'],
    ],
    ['BGP without a router id', 'gateway: { name: a }\nbgp: { as: 1 }\n', ['2:6 router-id-missing']],
  ])('refuses %s', (_what, text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  it('refuses a next hop on no connected subnet where no BGP could bring one', () => {
    const text = changed(['203.0.113.1 }', '198.51.100.1 }']);
    expect(problemsOf(text)).toEqual(['20:31 warning next-hop-unreachable']);
    const [withoutBgp] = text.split('bgp:');
    expect(problemsOf(withoutBgp)).toEqual([
      '20:31 next-hop-unreachable',
      '11:5 warning proximity-without-routing',
    ]);
    expect(problemsOf(`${withoutBgp}  - { prefix: 198.51.100.0/24, via: 172.16.0.1 }\n`)).toEqual([
      '11:5 warning proximity-without-routing',
    ]);
  });

  it('refuses more interfaces than the tables have room for', () => {
    const members = Array.from({ length: 256 }, (_, vlan) => `{ port: trunk0, vlan: ${vlan + 100} }`).join(
      ', ',
    );
    expect(problemsOf(changed(['[vm1, ', `[vm1, ${members}, `]))).toEqual(['1:1 too-many-interfaces']);
    expect([MAX_INTERFACES, MAX_NETWORKS]).toEqual([
      interfaceTable.MAX_INTERFACES,
      networkTable.MAX_NETWORKS,
    ]);
  });
});

describe('parseConfig: what is warned of', () => {
  it.each<[what: string, text: string, problems: string[]]>([
    ['a port that nothing uses', gateway('[vm1, ', '['), ['5:13 warning port-unused']],
    [
      'VMs at the target without a port',
      gateway('members: [vm1, { port: trunk0, vlan: 10 }]', 'members: []'),
      ['5:13 warning port-unused', '11:5 warning network-without-members'],
    ],
    [
      'a pinned VM without extension',
      changed(
        ['    extension: { port: ext0, mtu: 1400 }\n', ''],
        ['location: target, gateway: target', 'location: target'],
      ),
      ['4:13 warning port-unused', '11:5 warning network-without-extension'],
    ],
    [
      'a local VM where proximity routing is off',
      gateway('    members:', '    proximityRouting: false\n    members:'),
      ['19:100 warning vm-gateway-without-proximity'],
    ],
  ])('warns of %s', (_what, text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
    expect(parseConfig(text).config).toBeDefined();
  });

  it.each([
    ['no BGP', EXAMPLE.split('bgp:')[0], 'there is no dynamic routing'],
    ['no neighbor', EXAMPLE.split('  neighbors:')[0], 'BGP has no neighbor'],
    [
      'no redistribution',
      changed(['as: 65002', 'as: 65002\n  redistribute: [static]']),
      'BGP does not redistribute mobility routes',
    ],
  ])('warns loudly, and does not refuse, when the /32s cannot be learned: %s (S28)', (_what, text, why) => {
    const { config, warnings } = parseConfig(text);
    expect(config?.networks[0].proximityRouting).toBe(true);
    expect(warnings.map((w) => w.message)).toEqual([
      `PROXIMITY ROUTING WILL NOT WORK in network 'green': ${why}, so no router learns the /32 of a local VM, ` +
        'and what comes in for it takes the way over the source gateway (S28)',
    ]);
  });

  it('is quiet about missing dynamic routing where proximity routing is off', () => {
    const text = EXAMPLE.split('bgp:')[0].replace(
      '    members:',
      '    proximityRouting: false\n    members:',
    );
    expect(problemsOf(text)).toEqual(['19:100 warning vm-gateway-without-proximity']);
  });
});

describe('parseConfig with a view of the host', () => {
  const host = (
    devices: Record<string, number>,
    addresses: Record<string, string> = {},
    rxQueues = 1,
  ): HostView => ({
    devices: () => Object.keys(devices),
    mtu: (device) => devices[device],
    rxQueues: () => rxQueues,
    deviceOf: (address) => Object.entries(addresses).find(([a]) => parseIpv4(a) === address)?.[1],
  });

  it('refuses a device that the host has not, unless the gateway may wait for it', () => {
    const view = host({ eth0: 1500, wan: 1500 }, { '10.0.1.2': 'wan' });
    const { errors } = parseConfig(EXAMPLE, { host: view });
    expect(errors.map((e) => [e.message, e.hint])).toEqual([
      ["the host has no device 'eth1'", "did you mean 'eth0'?"],
    ]);
    const waiting = changed(['device: eth1', 'device: eth1, waitSeconds: 30'], ['mtu: 1400', 'mtu: 1000']);
    expect(problemsOf(waiting, { host: view })).toEqual(['3:44 warning device-missing']);
  });

  it('warns when a device has more receive queues than its af-xdp port, and refuses a queue that it has not', () => {
    const text = changed(['kind: af-packet', 'kind: af-xdp, queue: 1'], ['mtu: 1400', 'mtu: 1000']);
    const view = (queues: number): HostView =>
      host({ eth1: 1500, eth2: 1500 }, { '10.0.1.2': 'eth2' }, queues);
    expect(problemsOf(text, { host: view(2) })).toEqual(['3:51 warning queues-unused']);
    expect(problemsOf(text, { host: view(1) })).toEqual(['3:51 value-out-of-range']);
    expect(problemsOf(text.replace('queue: 1', 'queue: 0'), { host: view(1) })).toEqual([]);
  });

  it('warns when a tunnel has no local address, or no room for the packets of the extension', () => {
    expect(problemsOf(EXAMPLE, { host: host({ eth1: 1500 }) })).toEqual(['4:48 warning address-not-local']);
    const view = (mtu: number): HostView => host({ eth1: 1500, eth2: mtu }, { '10.0.1.2': 'eth2' });
    expect(problemsOf(EXAMPLE, { host: view(1450) })).toEqual([]);
    const { warnings } = parseConfig(EXAMPLE, { host: view(1449) });
    expect(warnings.map((w) => [w.message, w.hint])).toEqual([
      [
        'packets of 1400 bytes do not fit the tunnel: its device has MTU 1449, so 1399 remain',
        "set mtu: 1399 here, or raise the device's MTU by at least 1",
      ],
    ]);
  });

  it('refuses a tunnel whose packets come by a device that keeps them from the host', () => {
    const view = (device: string): HostView => host({ eth1: 1500, eth2: 1500 }, { '10.0.1.2': device });
    const text = changed(
      ['device: eth1 }', 'device: eth1, kernelDrop: true }'],
      ['172.16.0.2/30 }', '172.16.0.2/30, hostStack: false }'],
    );
    expect(problemsOf(text, { host: view('eth2') })).toEqual([]);
    expect(problemsOf(text, { host: view('eth1') })).toEqual(['4:48 kernel-drop-host-stack']);
  });
});
