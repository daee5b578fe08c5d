import { describe, expect, it } from 'vitest';
import { readExecLines } from '../../src/sim/exec-lines.ts';
import { ip, mac } from './cables.ts';

describe('readExecLines', () => {
  it('reads what makes a VM: a bridge with an address, and one of two legs down', () => {
    const setup = readExecLines('vm1', [
      'ip link add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0',
      'ip link set br0 address 02:00:00:00:aa:01',
      'ip link set eth2 mtu 1500 master br0 down',
      'ip link set eth1 mtu 1500 master br0',
      'ip link set br0 up',
      'ip addr add 192.168.10.11/24 dev br0',
      'ip route replace default via 192.168.10.1',
    ]);
    expect(setup).toEqual({
      name: 'vm1',
      forwards: false,
      addresses: [{ address: ip('192.168.10.11'), len: 24, device: 'br0' }],
      defaultVia: ip('192.168.10.1'),
      macs: new Map([['br0', mac('02:00:00:00:aa:01')]]),
      bridges: new Set(['br0']),
      masters: new Map([
        ['eth2', 'br0'],
        ['eth1', 'br0'],
      ]),
      down: new Set(['eth2']),
      tunnels: new Map(),
    });
  });

  it('reads tunnels and forwarding', () => {
    const tunnel =
      'ip link add vxlan10 type vxlan id 10 local 172.16.1.1 remote 172.16.1.2 dstport 4789 dev eth6 ttl 16';
    expect(readExecLines('sw', [tunnel]).tunnels).toEqual(new Map([['vxlan10', 'eth6']]));
    expect(
      readExecLines('r', ['sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0']).forwards,
    ).toBe(true);
    expect(readExecLines('h', ['sysctl -qw net.ipv4.ip_forward=0']).forwards).toBe(false);
  });

  it.each([
    'ip addr del 192.168.10.11/24 dev br0',
    'ip addr add 192.168.10.11/24 dev br0 noprefixroute',
    'ip route add 10.0.0.0/8 via 192.168.10.1',
    'ip link set eth1 promisc on',
    'ip link set eth1',
    'ip link add v0 type veth peer name v1',
    'iptables -A FORWARD -j DROP',
    '',
  ])("refuses '%s', which would change the lab and is not simulated", (line) => {
    expect(() => readExecLines('h', [line])).toThrow(expect.objectContaining({ code: 'lab-exec-unknown' }));
  });
});
