// Bridging in an extended network: the rows of the forwarding rules that are not about ARP, a case each.

import { describe, expect, it } from 'vitest';
import { IPPROTO_VRRP } from '../../src/wire/ipv4.ts';
import {
  broadcast,
  ethernet,
  group,
  type Host,
  host,
  icmpEcho,
  ip4,
  ip6,
  pattern,
  TCP_SYN,
  tagged,
  tcp,
  tcp6,
  udp,
  withIp,
  withMac,
} from './frames.ts';
import { frames, type World, world } from './harness.ts';
import { GREEN, ghost, router, S, server, site, T, vm1, vm2, vm3, vm9 } from './site.ts';

const everyoneAtTarget = ['vm1', 'vm2', 'vm3', 'ghost'] as const;

/** The same frame by each of these ports. */
const to = (ports: readonly string[], ...list: Uint8Array[]): Record<string, Uint8Array[]> =>
  Object.fromEntries(ports.map((p) => [p, list]));

describe('known unicast', () => {
  it('source VM to local VM and back (S10): bridged over the extension', () => {
    const there = udp({ from: vm9, to: vm1 });
    const back = udp({ from: vm1, to: vm9 });
    const w = site()
      .send({ ext: [there] })
      .send({ vm1: [back] });
    expect(w.sent()).toEqual(frames({ vm1: [there], ext: [back] }));
    expect(w.counted()).toEqual({});
  });

  it('source VM to pinned VM and back (S10): bridged over the extension', () => {
    const there = udp({ from: vm9, to: vm3 });
    const back = udp({ from: vm3, to: vm9 });
    const w = site()
      .send({ ext: [there] })
      .send({ vm3: [back] });
    expect(w.sent()).toEqual(frames({ vm3: [there], ext: [back] }));
  });

  it('two VMs at the target (I): switched locally, whatever their sides', () => {
    const both = udp({ from: vm1, to: vm2 });
    const mixed = udp({ from: vm1, to: vm3 });
    const w = site().send({ vm1: [both, mixed] });
    expect(w.sent()).toEqual(frames({ vm2: [both], vm3: [mixed] }));
    expect(w.counted()).toEqual({});
  });

  it('keeps every byte, the TTL too (TTL: the extension does not decrement)', () => {
    const frame = udp({ from: vm9, to: vm1, ttl: 1, payload: pattern(1400) });
    const w = site().send({ ext: [frame] });
    expect(w.taken()).toEqual({ vm1: [frame] });
  });

  it('to a VM behind the same port: not sent back', () => {
    const w = site()
      .seen('green', vm2, 'vm1')
      .send({ vm1: [udp({ from: vm1, to: vm2 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'split-horizon': 1 });
  });

  it('out of the extension to a VM behind the extension: not sent back', () => {
    const other = host('other', '02:00:00:00:0a:20', '192.168.10.20');
    const w = site()
      .seen('green', other, 'ext')
      .send({ ext: [udp({ from: vm9, to: other })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'split-horizon': 1 });
  });

  it('follows a VM that moves across the extension, and tells main', () => {
    const w = site();
    w.send({ ext: [udp({ from: vm1, to: vm9 }), udp({ from: vm1, to: vm2 })] });
    expect(w.told()).toEqual(['mac-moved 200:a11 0.0.0.0']);
    w.taken();
    const frame = udp({ from: vm2, to: vm1 });
    w.send({ vm2: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
  });
});

describe('a pinned VM (S19)', () => {
  it('all its routed traffic: bridged to S-MAC over the extension', () => {
    const frame = udp({ from: vm3, to: server, via: S });
    const w = site().send({ vm3: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
    expect(w.counted()).toEqual({});
  });

  it('the answers of S: delivered, and not asymmetric', () => {
    const frame = udp({ from: withMac(server, '02:00:00:00:10:01'), to: vm3 });
    const w = site().send({ ext: [frame] });
    expect(w.sent()).toEqual(frames({ vm3: [frame] }));
    expect(w.counted()).toEqual({});
  });

  it('to T-MAC: dropped, it is not on that gateway', () => {
    const w = site().send({ vm3: [udp({ from: vm3, to: server, via: T })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'pinned-to-target-gateway': 1 });
  });
});

describe('a VM that the inventory does not know (S23, S24, I)', () => {
  it('is treated as pinned, and main is told its address', () => {
    const frame = udp({ from: ghost, to: server, via: S });
    const w = site().send({ ghost: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
    expect(w.told()).toEqual(['vm-unknown 200:a77 192.168.10.77']);
  });

  it('is told again every ten seconds, and at once when its address is seen', () => {
    const mute = ethernet({ from: ghost, to: vm1, type: 0x88b5 });
    const w = site().send({ ghost: [mute, mute] });
    expect(w.told()).toEqual(['vm-unknown 200:a77 0.0.0.0']);
    w.send({ ghost: [udp({ from: ghost, to: vm1 })] });
    expect(w.told()).toEqual(['vm-unknown 200:a77 192.168.10.77']);
    w.wait(9_000).send({ ghost: [mute] });
    expect(w.told()).toEqual([]);
    w.wait(1_000).send({ ghost: [mute] });
    expect(w.told()).toEqual(['vm-unknown 200:a77 0.0.0.0']);
  });

  it('a known VM without an address: its address is told once it is seen (S23)', () => {
    const silent = withIp(vm3, '0.0.0.0');
    const w = site().vm('green', silent, 'source');
    w.send({ vm3: [udp({ from: vm3, to: vm1 }), udp({ from: vm3, to: vm1 })] });
    expect(w.told()).toEqual(['vm-ip-seen 200:a13 192.168.10.13']);
  });

  it('source VMs are none of its business', () => {
    const stranger = host('stranger', '02:00:00:00:0a:55', '192.168.10.55');
    const w = site().send({ ext: [udp({ from: stranger, to: vm1 })] });
    expect(w.told()).toEqual([]);
  });
});

describe("a local VM's frame to S-MAC (stale ARP cache)", () => {
  const stale = udp({ from: vm1, to: server, via: S, ttl: 64 });

  it('intercept: routed at T, counted, told', () => {
    const w = site().send({ vm1: [stale] });
    const routed = udp({
      from: { ...vm1, mac: host('', '02:00:00:00:ac:02').mac },
      to: server,
      via: router,
      ttl: 63,
    });
    expect(w.sent()).toEqual(frames({ wan: [routed] }));
    expect(w.counted()).toEqual({ 'stale-gateway-intercepted': 1 });
    expect(w.told()).toEqual(['stale-gateway 200:a11 192.168.10.11']);
  });

  it('bridge: to S over the extension, counted, told', () => {
    const w = site({ stale: 'bridge' }).send({ vm1: [stale] });
    expect(w.sent()).toEqual(frames({ ext: [stale] }));
    expect(w.counted()).toEqual({ 'stale-gateway-bridged': 1 });
    expect(w.told()).toEqual(['stale-gateway 200:a11 192.168.10.11']);
  });

  it('drop: counted, told', () => {
    const w = site({ stale: 'drop' }).send({ vm1: [stale] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'stale-gateway-dropped': 1 });
  });

  it.each(['intercept', 'bridge', 'drop'] as const)(
    '%s: IPv6 has no other gateway, so it goes to S',
    (policy) => {
      const frame = ip6({ from: vm1, to: S, nextHeader: 59 });
      const w = site({ stale: policy }).send({ vm1: [frame] });
      expect(w.sent()).toEqual(frames({ ext: [frame] }));
      expect(w.counted()).toEqual({});
    },
  );
});

describe('what S delivers to a local VM (S14)', () => {
  const inbound = udp({ from: withMac(server, '02:00:00:00:10:01'), to: vm1 });
  const ownMac = udp({ from: withMac(server, '02:00:00:00:10:0b'), to: vm1 });

  it('deliver: counted and told as asymmetric', () => {
    const w = site().send({ ext: [inbound] });
    expect(w.sent()).toEqual(frames({ vm1: [inbound] }));
    expect(w.counted()).toEqual({ 'asymmetric-inbound': 1 });
    expect(w.told()).toEqual(['asymmetric-inbound 200:a11 192.168.10.11']);
  });

  it('drop: counted and told', () => {
    const w = site({ dropAsymmetric: true }).send({ ext: [inbound] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'asymmetric-dropped': 1 });
    expect(w.told()).toEqual(['asymmetric-inbound 200:a11 192.168.10.11']);
  });

  it('with the own MAC of a router of a redundant pair: seen by its source address', () => {
    const w = site().send({ ext: [ownMac] });
    expect(w.counted()).toEqual({ 'asymmetric-inbound': 1 });
  });

  it("DHCP's answers are none: they belong to a broadcast that crossed the extension", () => {
    const relayed = udp({ from: S, to: vm1, sport: 67, dport: 68 });
    const w = site({ dropAsymmetric: true }).send({ ext: [relayed] });
    expect(w.sent()).toEqual(frames({ vm1: [relayed] }));
    expect(w.counted()).toEqual({});
  });

  it('with proximity routing off (S3, S4): the usual way, nothing is counted', () => {
    const w = site({ proximity: false, dropAsymmetric: true }).send({ ext: [inbound] });
    expect(w.sent()).toEqual(frames({ vm1: [inbound] }));
    expect(w.counted()).toEqual({});
  });
});

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

describe('a VM that claims to be the gateway, as a source (I)', () => {
  it.each<[string, Host]>([
    ['T-MAC', withMac(vm1, '02:00:00:00:10:02')],
    ['S-MAC', withMac(vm1, '02:00:00:00:10:01')],
    ["the gateway's IP", withIp(vm1, '192.168.10.1')],
  ])('with %s: dropped on its own port, with an event', (_, evil) => {
    const w = site().send({ vm1: [udp({ from: evil, to: vm9 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'gateway-claim': 1 });
    expect(w.told()[0]).toMatch(/^gateway-claim /);
  });
});

describe('invariant 3: T-MAC never enters the extension', () => {
  it('frames from and to T-MAC out of the extension: dropped, with an event', () => {
    const w = site().send({
      ext: [
        udp({ from: withMac(vm9, '02:00:00:00:10:02'), to: vm1 }),
        udp({ from: vm9, to: server, via: T }),
      ],
    });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'target-mac-from-extension': 2 });
    expect(w.told()).toEqual(['target-mac-leak 200:1002 0.0.0.0', 'target-mac-leak 200:a19 0.0.0.0']);
  });

  it('a routed packet for a VM that went behind the extension: dropped', () => {
    const w = site().seen('green', vm1, 'ext');
    w.send({ wan: [udp({ from: { ...server, mac: router.mac }, to: vm1, via: wanSelf })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'bvi-egress-extension': 1 });
  });

  it('a routed packet for a VM that the FDB has forgotten: flooded at the target only', () => {
    const w = site();
    w.fdb.remove(0, vm1.mac.hi, vm1.mac.lo);
    w.send({ wan: [udp({ from: { ...server, mac: router.mac }, to: vm1, via: wanSelf, ttl: 9 })] });
    const routed = udp({ from: { ...server, mac: T.mac }, to: vm1, ttl: 8 });
    expect(w.sent()).toEqual(frames(to(everyoneAtTarget, routed)));
  });
});

const wanSelf = host('wan', '02:00:00:00:ac:02');

describe('IPv6 to a gateway', () => {
  it('to T-MAC: not routed', () => {
    const w = site().send({ vm1: [ip6({ from: vm1, to: T, nextHeader: 59 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'ip6-not-routed': 1 });
  });

  it('between VMs: bridged', () => {
    const frame = ip6({ from: vm1, to: vm9, nextHeader: 59 });
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
  });

  it('something else to T-MAC: not handled', () => {
    const w = site().send({ vm1: [ethernet({ from: vm1, to: T, type: 0x88b5 })] });
    expect(w.counted()).toEqual({ 'ethertype-unsupported': 1 });
  });
});

describe('MTU of the extension', () => {
  const big = udp({ from: vm1, to: vm9, payload: pattern(1400) });

  it('oversize unicast: counted and dropped', () => {
    const w = site({ extensionMtu: 1400 }).send({ vm1: [big] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'extension-oversize': 1 });
  });

  it('exactly the MTU: passes', () => {
    const frame = udp({ from: vm1, to: vm9, payload: pattern(1400 - 28) });
    const w = site({ extensionMtu: 1400 }).send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
  });

  it('oversize broadcast: local members get it, the extension does not', () => {
    const frame = udp({ from: vm1, to: broadcast, payload: pattern(1400) });
    const w = site({ extensionMtu: 1400 }).send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames(to(['vm2', 'vm3', 'ghost'], frame)));
    expect(w.counted()).toEqual({ 'extension-oversize': 1 });
  });

  const syn = (mss: number, from = vm1, dst = vm9): Uint8Array => tcp({ from, to: dst, flags: TCP_SYN, mss });

  it('MSS clamp on a SYN into the extension, checksum kept right', () => {
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ vm1: [syn(1460)] });
    expect(w.sent()).toEqual(frames({ ext: [syn(1360)] }));
    expect(w.counted()).toEqual({ 'mss-clamped': 1 });
  });

  it('MSS clamp on a SYN out of the extension', () => {
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ ext: [syn(1460, vm9, vm1)] });
    expect(w.sent()).toEqual(frames({ vm1: [syn(1360, vm9, vm1)] }));
    expect(w.counted()).toEqual({ 'mss-clamped': 1 });
  });

  it('MSS clamp to S-MAC for a pinned VM', () => {
    const make = (mss: number): Uint8Array =>
      tcp({ from: vm3, to: server, via: S, flags: TCP_SYN | 0x10, mss });
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ vm3: [make(1460)] });
    expect(w.sent()).toEqual(frames({ ext: [make(1360)] }));
  });

  it('MSS clamp on IPv6', () => {
    const make = (mss: number): Uint8Array => tcp6({ from: vm1, to: vm9, flags: TCP_SYN, mss });
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ vm1: [make(1440)] });
    expect(w.sent()).toEqual(frames({ ext: [make(1340)] }));
  });

  it('MSS clamp on a flooded SYN: in the copy for the extension only', () => {
    const lost = host('lost', '02:00:00:00:0a:fd', '192.168.10.253');
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ vm1: [syn(1460, vm1, lost)] });
    expect(w.sent()).toEqual(
      frames({ ...to(['vm2', 'vm3', 'ghost'], syn(1460, vm1, lost)), ext: [syn(1360, vm1, lost)] }),
    );
  });

  it.each<[string, () => World, Uint8Array]>([
    ['off', () => site({ extensionMtu: 1400 }), syn(1460)],
    ['a smaller MSS', () => site({ extensionMtu: 1400, mssClamp: true }), syn(1200)],
    ['no SYN', () => site({ extensionMtu: 1400, mssClamp: true }), tcp({ from: vm1, to: vm9, mss: 1460 })],
    [
      'a later fragment',
      () => site({ extensionMtu: 1400, mssClamp: true }),
      tcp({ from: vm1, to: vm9, flags: TCP_SYN, mss: 1460, flagsFrag: 100 }),
    ],
  ])('MSS stays as it is: %s', (_, make, frame) => {
    const w = make().send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
    expect(w.counted()).toEqual({});
  });

  it('MSS stays as it is between two VMs at the target', () => {
    const frame = syn(1460, vm1, vm2);
    const w = site({ extensionMtu: 1400, mssClamp: true }).send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ vm2: [frame] }));
  });
});

describe('a network that has no extension any more (S8, S9)', () => {
  it('every VM is on the target gateway, the unknown ones too', () => {
    const w = site({ extension: undefined }).send({ ghost: [udp({ from: ghost, to: server, via: T })] });
    const routed = udp({ from: { ...ghost, mac: wanSelf.mac }, to: server, via: router, ttl: 63 });
    expect(w.sent()).toEqual(frames({ wan: [routed] }));
  });
});

describe('proximity routing off (S3, S4)', () => {
  it('routed traffic of VMs goes to S over the extension', () => {
    const frame = udp({ from: vm1, to: server, via: S });
    const w = site({ proximity: false }).send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ ext: [frame] }));
    expect(w.counted()).toEqual({});
  });

  it('T-MAC is just another unknown MAC', () => {
    const frame = udp({ from: vm1, to: server, via: T });
    const w = site({ proximity: false }).send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames(to(['vm2', 'vm3', 'ghost', 'ext'], frame)));
  });
});

describe('VLANs', () => {
  const trunked = (): World =>
    world({
      networks: [
        {
          name: 'green',
          subnet: GREEN,
          target: T,
          source: S,
          members: ['trunk.10', 'vm2'],
          extension: 'ext.300',
        },
        {
          name: 'blue',
          subnet: '192.168.20.0/24',
          target: host('T', '02:00:00:00:20:02', '192.168.20.1'),
          members: ['trunk.20', 'b'],
        },
      ],
    })
      .vm('green', vm1, 'target', 'trunk.10')
      .vm('green', vm2, 'target', 'vm2')
      .seen('green', vm9, 'ext.300');
  const frame = udp({ from: vm1, to: vm2 });

  it('a tag is popped on ingress and pushed on egress', () => {
    const w = trunked().send({ trunk: [tagged(frame, 10)] });
    expect(w.taken()).toEqual({ vm2: [frame] });
    const back = udp({ from: vm2, to: vm1 });
    w.send({ vm2: [back] });
    expect(w.taken()).toEqual({ trunk: [tagged(back, 10)] });
  });

  it('from tag to tag', () => {
    const over = udp({ from: vm1, to: vm9 });
    const w = trunked().send({ trunk: [tagged(over, 10)] });
    expect(w.taken()).toEqual({ ext: [tagged(over, 300)] });
  });

  it('two networks on one trunk stay apart', () => {
    const w = trunked().send({ trunk: [tagged(udp({ from: vm1, to: broadcast }), 20)] });
    expect(Object.keys(w.taken())).toEqual(['b']);
  });

  it('a priority tag is untagged', () => {
    const back = udp({ from: vm2, to: vm1 });
    const w = trunked().send({ vm2: [tagged(back, 0xe000)] });
    expect(w.taken()).toEqual({ trunk: [tagged(back, 10)] });
  });

  it.each<[string, string, Uint8Array]>([
    ['unknown', 'trunk', tagged(frame, 11)],
    ['tagged where nothing is', 'vm2', tagged(frame, 10)],
    ['untagged on a trunk', 'trunk', frame],
    ['tagged twice', 'trunk', tagged(tagged(frame, 10), 10)],
  ])('%s: dropped', (_, port, bad) => {
    const w = trunked().send({ [port]: [bad] });
    expect(w.taken()).toEqual({});
    expect(w.counted()).toEqual({ 'vlan-unknown': 1 });
  });
});

describe('frames that are none', () => {
  it.each<[string, Uint8Array, string]>([
    ['13 bytes', pattern(13), 'runt'],
    ['a tag without a type', tagged(udp({ from: vm1, to: vm2 }), 10).slice(0, 17), 'runt'],
    ['a group as source', udp({ from: group('239.1.1.1'), to: vm2 }), 'source-mac-invalid'],
    ['zero as source', udp({ from: host('zero', '00:00:00:00:00:00'), to: vm2 }), 'source-mac-invalid'],
  ])('%s: dropped', (_, frame, reason) => {
    const w = site().send({ vm1: [frame] });
    expect(w.taken()).toEqual({});
    expect(w.counted()).toEqual({ [reason]: 1 });
  });

  it('on an interface that is down: dropped', () => {
    const w = site();
    w.interfaces.up[w.iface('vm1')] = 0;
    w.send({ vm1: [udp({ from: vm1, to: vm2 })] });
    expect(w.counted()).toEqual({ 'interface-down': 1 });
  });

  it('for a member that is down: dropped', () => {
    const w = site();
    w.interfaces.up[w.iface('vm2')] = 0;
    w.send({ vm1: [udp({ from: vm1, to: vm2 })] });
    expect(w.counted()).toEqual({ 'interface-down': 1 });
    expect(w.ifaceCounter('vm2', 'txDrops')).toBe(1);
  });
});

describe('routed interfaces', () => {
  it.each<[string, Uint8Array, string]>([
    ['unicast to another MAC', udp({ from: router, to: vm1 }), 'not-for-us'],
    ['IPv4 broadcast', udp({ from: router, to: broadcast }), 'multicast-routed'],
    ['multicast', udp({ from: router, to: group('224.0.0.5') }), 'multicast-routed'],
    ['IPv6', ip6({ from: router, to: wanSelf, nextHeader: 59 }), 'ethertype-unsupported'],
  ])('%s: dropped', (_, frame, reason) => {
    const w = site().send({ wan: [frame] });
    expect(w.taken()).toEqual({});
    expect(w.counted()).toEqual({ [reason]: 1 });
  });
});

describe('interface counters', () => {
  it('count packets and bytes on both sides', () => {
    const frame = udp({ from: vm1, to: vm2, payload: pattern(100) });
    const w = site().send({ vm1: [frame, icmpEcho({ from: vm1, to: vm2 })] });
    expect(w.ifaceCounter('vm1', 'rxPackets')).toBe(2);
    expect(w.ifaceCounter('vm2', 'txPackets')).toBe(2);
    expect(w.ifaceCounter('vm2', 'txBytes')).toBe(w.ifaceCounter('vm1', 'rxBytes'));
  });

  it('what the port does not take is tx-failed, what is too large tx-oversize', () => {
    const w = site({}, { vm2: { slots: 1 }, vm3: { mtu: 1000 } });
    w.send({ vm1: [udp({ from: vm1, to: vm2 }), udp({ from: vm1, to: vm2 })] });
    w.send({ vm1: [udp({ from: vm1, to: vm3, payload: pattern(1200) })] });
    expect(w.counted()).toEqual({ 'tx-failed': 1, 'tx-oversize': 1 });
    expect(w.ifaceCounter('vm2', 'txDrops')).toBe(1);
    expect(w.ifaceCounter('vm3', 'txDrops')).toBe(1);
  });
});
