// The bridge's interfaces: the MTU of the extension, VLANs, frames that are none, and what is counted.

import { describe, expect, it } from 'vitest';
import {
  broadcast,
  ethernet,
  group,
  host,
  icmpEcho,
  ip6,
  pattern,
  TCP_SYN,
  tagged,
  tcp,
  tcp6,
  udp,
  unpadded,
} from './frames.ts';
import { frames, type World, world } from './harness.ts';
import { GREEN, router, S, server, site, T, vm1, vm2, vm3, vm9, wan } from './site.ts';

/** The same frame by each of these ports. */
const to = (ports: readonly string[], ...list: Uint8Array[]): Record<string, Uint8Array[]> =>
  Object.fromEntries(ports.map((p) => [p, list]));

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
    ['IPv6', ip6({ from: router, to: wan, nextHeader: 59 }), 'ethertype-unsupported'],
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
    expect(w.ifaceCounter('vm1', 'rxDrops')).toBe(0);
  });

  it('count a drop once, at the interface that it is about, also of a flooded frame', () => {
    const w = site({}, { vm2: { mtu: 1000 }, vm3: { mtu: 1000 } });
    w.send({ vm1: [udp({ from: vm1, to: broadcast, payload: pattern(1200) }), new Uint8Array(13)] });
    expect(w.counted()).toEqual({ 'tx-oversize': 2, runt: 1 });
    expect(w.ifaceCounter('vm1', 'rxDrops')).toBe(0); // a runt has no VLAN, so no interface
    expect(w.ifaceCounter('vm2', 'txDrops')).toBe(1);
    expect(w.ifaceCounter('vm3', 'txDrops')).toBe(1);
    w.send({ vm1: [udp({ from: T, to: vm2 })] });
    expect(w.ifaceCounter('vm1', 'rxDrops')).toBe(1);
  });
});

describe('a port without Ethernet', () => {
  const rawWorld = (): World => {
    const w = world({
      networks: [{ name: 'green', subnet: GREEN, target: T, source: S, members: ['vm1'], extension: 'ext' }],
      routed: [{ name: 'raw', self: wan, address: '172.16.0.2/30' }],
      ports: { raw: { l3Only: true } },
    });
    return w.vm('green', vm1, 'target', 'vm1').route('0.0.0.0/0', { via: '172.16.0.1', out: 'raw' });
  };
  const packet = udp({ from: vm1, to: server, via: T, ttl: 9 });

  it('gets the bare packet', () => {
    const w = rawWorld()
      .neighbor('raw', router)
      .send({ vm1: [packet] });
    const bare = w.taken()['raw']?.[0];
    expect(bare).toEqual(unpadded(udp({ from: vm1, to: server, ttl: 8 })).slice(14));
  });

  it('carries nothing but IP', () => {
    const w = site({}, { vm2: { l3Only: true } }).send({
      vm1: [ethernet({ from: vm1, to: vm2, type: 0x88b5 })],
    });
    expect(w.taken()).toEqual({});
    expect(w.counted()).toEqual({ 'port-unsuitable': 1 });
  });
});
