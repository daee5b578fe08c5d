// Bridging in an extended network: what goes to everybody, what is bounded, and what never crosses.

import { describe, expect, it } from 'vitest';
import { IPPROTO_VRRP } from '../../src/wire/ipv4.ts';
import { broadcast, ethernet, group, type Host, host, ip4, pattern, udp, withIp } from './frames.ts';
import { frames, world } from './harness.ts';
import { GREEN, site, T, vm1, vm9 } from './site.ts';

const everyoneAtTarget = ['vm1', 'vm2', 'vm3', 'ghost'] as const;

/** The same frame by each of these ports. */
const to = (ports: readonly string[], ...list: Uint8Array[]): Record<string, Uint8Array[]> =>
  Object.fromEntries(ports.map((p) => [p, list]));

describe('broadcast, unknown unicast, multicast (I)', () => {
  const unknown = host('unknown', '02:00:00:00:0a:fe', '192.168.10.254');

  it.each<[string, Host]>([
    ['broadcast', broadcast],
    ['multicast', group('239.1.2.3')],
    ['unknown unicast', unknown],
  ])('%s of a local VM: to everybody else, also over the extension', (_, dst) => {
    const frame = udp({ from: vm1, to: dst });
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames(to(['vm2', 'vm3', 'ghost', 'ext'], frame)));
    expect(w.total('replicated')).toBe(3);
  });

  it.each<[string, Host]>([
    ['broadcast', broadcast],
    ['unknown unicast', unknown],
  ])('%s out of the extension: to local members only (split horizon)', (_, dst) => {
    const frame = udp({ from: vm9, to: dst });
    const w = site().send({ ext: [frame] });
    expect(w.sent()).toEqual(frames(to(everyoneAtTarget, frame)));
  });

  it('DHCP of a local VM: crosses to the server at the source', () => {
    const discover = udp({ from: withIp(vm1, '0.0.0.0'), to: broadcast, sport: 68, dport: 67 });
    const w = site().send({ vm1: [discover] });
    expect(w.sent()['ext']).toEqual(frames({ ext: [discover] })['ext']);
  });

  it('nobody else there: dropped', () => {
    const w = world({ networks: [{ name: 'green', subnet: GREEN, target: T, members: ['vm1'] }] });
    w.send({ vm1: [udp({ from: vm1, to: broadcast })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'flood-no-member': 1 });
  });

  it('members that are down get no copy', () => {
    const frame = udp({ from: vm1, to: broadcast });
    const w = site();
    for (const name of ['vm2', 'ext']) w.interfaces.up[w.iface(name)] = 0;
    w.send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames(to(['vm3', 'ghost'], frame)));
  });

  it('rate limit: counted for each source interface, and full again after a second', () => {
    const storm = Array.from({ length: 15 }, () => udp({ from: vm1, to: broadcast }));
    const w = site({ floodPps: 10 }).send({ vm1: storm, ext: [udp({ from: vm9, to: broadcast })] });
    expect(w.counted()).toEqual({ 'flood-limited': 5 });
    expect(w.taken()['vm2']).toHaveLength(11);
    w.clock.advanceTo(w.clock.nowMs() + 500);
    w.send({ vm1: storm });
    expect(w.counted()).toEqual({ 'flood-limited': 10 });
  });

  it('keeps the order of a flow that changes from flooded to known', () => {
    const flow = [1, 2, 3].map((id) => udp({ from: vm1, to: unknown, id }));
    const w = site();
    w.send({ vm1: flow.slice(0, 1) })
      .seen('green', unknown, 'vm2')
      .send({ vm1: flow.slice(1) });
    expect(w.taken()['vm2']).toEqual(flow);
  });

  it('a batch without room for all copies: counts what it could not make', () => {
    const members = Array.from({ length: 41 }, (_, i) => `p${i}`);
    const many = world({
      networks: [{ name: 'green', subnet: GREEN, target: T, members }],
      ports: { p0: { slots: 256 } },
    });
    many.ports.forEach((p) => {
      p.connect(() => true);
    });
    many.send({ p0: Array.from({ length: 256 }, () => udp({ from: vm1, to: broadcast })) });
    // 2048 slots hold the 256 frames and 1792 copies; 39 copies of each frame were due
    expect(many.counted()).toEqual({ 'no-buffer': 256 * 39 - 1792 });
    expect(many.total('sent')).toBe(2048);
  });
});

describe('what never crosses (I)', () => {
  const to01 = (mac: string): Host => host(mac, mac);

  it.each<[string, Uint8Array]>([
    ['BPDU', ethernet({ from: vm1, to: to01('01:80:c2:00:00:00'), type: 38 })],
    ['LACP', ethernet({ from: vm1, to: to01('01:80:c2:00:00:02'), type: 0x8809 })],
    ['LLDP', ethernet({ from: vm1, to: to01('01:80:c2:00:00:0e'), type: 0x88cc })],
    ['LLDP to another group', ethernet({ from: vm1, to: to01('01:1b:19:00:00:00'), type: 0x88cc })],
    ['CDP', ethernet({ from: vm1, to: to01('01:00:0c:cc:cc:cc'), type: 100 })],
    ['PVST+', ethernet({ from: vm1, to: to01('01:00:0c:cc:cc:cd'), type: 50 })],
  ])('%s: dropped in both directions', (_, frame) => {
    const w = site().send({ vm1: [frame], ext: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'link-local-group': 2 });
  });

  const vrrpMac = host('vrrp', '00:00:5e:00:01:01', '192.168.10.2');
  it.each<[string, Uint8Array]>([
    ['VRRP', ip4({ from: vrrpMac, to: group('224.0.0.18'), protocol: IPPROTO_VRRP, payload: pattern(20) })],
    ['HSRPv1', udp({ from: vrrpMac, to: group('224.0.0.2'), sport: 1985, dport: 1985 })],
    ['HSRPv2', udp({ from: vrrpMac, to: group('224.0.0.102'), sport: 1985, dport: 1985 })],
    ['GLBP', udp({ from: vrrpMac, to: group('224.0.0.102'), sport: 3222, dport: 3222 })],
    ['VRRP for IPv6', ethernet({ from: vrrpMac, to: to01('33:33:00:00:00:12'), type: 0x86dd })],
  ])('%s hello: dropped in both directions', (_, frame) => {
    const w = site().send({ vm1: [frame], ext: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'fhrp-hello': 2 });
  });

  it('other multicast to the same groups of routers does cross', () => {
    const frame = udp({ from: vm9, to: group('224.0.0.2'), sport: 9, dport: 9 });
    const w = site().send({ ext: [frame] });
    expect(w.sent()).toEqual(frames(to(everyoneAtTarget, frame)));
  });
});
