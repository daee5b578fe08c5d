// Bridging in an extended network, unicast: the rows of the forwarding rules that are not about ARP, a case each.

import { describe, expect, it } from 'vitest';
import { ethernet, type Host, host, ip6, pattern, udp, withIp, withMac } from './frames.ts';
import { frames } from './harness.ts';
import { ghost, router, S, server, site, T, vm1, vm2, vm3, vm9, wan } from './site.ts';

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
    w.send({ wan: [udp({ from: { ...server, mac: router.mac }, to: vm1, via: wan })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'bvi-egress-extension': 1 });
  });

  it('a routed packet for a VM that the FDB has forgotten: flooded at the target only', () => {
    const w = site();
    w.fdb.remove(0, vm1.mac.hi, vm1.mac.lo);
    w.send({ wan: [udp({ from: { ...server, mac: router.mac }, to: vm1, via: wan, ttl: 9 })] });
    const routed = udp({ from: { ...server, mac: T.mac }, to: vm1, ttl: 8 });
    expect(w.sent()).toEqual(frames(to(everyoneAtTarget, routed)));
  });
});

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

describe('a network that has no extension any more (S8, S9)', () => {
  it('every VM is on the target gateway, the unknown ones too', () => {
    const w = site({ extension: undefined }).send({ ghost: [udp({ from: ghost, to: server, via: T })] });
    const routed = udp({ from: { ...ghost, mac: wan.mac }, to: server, via: router, ttl: 63 });
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
