// ARP in an extended network: the rows of the forwarding rules, a case each. Words as there: a local VM is on the target
// gateway T, a pinned VM is at the target but on the source gateway S, a source VM is at the source. What S itself says in
// ARP is in l2-arp-source-gateway.test.ts.

import { describe, expect, it } from 'vitest';
import { announceGateway } from '../../src/dataplane/announce.ts';
import { arpRequest as makeArpRequest } from '../../src/dataplane/arp-emit.ts';
import { NODE } from '../../src/dataplane/graph.ts';
import { ETHERTYPE_ARP } from '../../src/wire/ethernet.ts';
import {
  arpProbe,
  arpReply,
  arpRequest,
  ethernet,
  gratuitousArp,
  host,
  pattern,
  rarp,
  readdressed,
  withIp,
} from './frames.ts';
import { frames } from './harness.ts';
import { ghost, S, site, T, vm1, vm2, vm3, vm9 } from './site.ts';

describe('ARP request for the gateway', () => {
  it('by a source VM (S15): dropped as it comes out of the extension', () => {
    const w = site().send({ ext: [arpRequest({ from: vm9, for: T })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-request-from-extension': 1 });
  });

  it('as a probe of a source VM (S15): dropped as it comes out of the extension', () => {
    const w = site().send({ ext: [arpProbe({ from: vm9, for: T })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-request-from-extension': 1 });
  });

  it('by a local VM (S15): answered by T only, never enters the extension', () => {
    const w = site().send({ vm1: [arpRequest({ from: vm1, for: T })] });
    expect(w.sent()).toEqual(frames({ vm1: [arpReply({ from: T, to: vm1 })] }));
    expect(w.counted()).toEqual({ 'arp-gateway-answered': 1 });
  });

  it('by a local VM that polls the MAC of S (S15): answered by T, so that its cache is mended', () => {
    const w = site().send({ vm1: [arpRequest({ from: vm1, for: T, to: S })] });
    expect(w.sent()).toEqual(frames({ vm1: [arpReply({ from: T, to: vm1 })] }));
    expect(w.counted()).toEqual({ 'arp-gateway-answered': 1 });
  });

  it('as a probe of a local VM (RFC 5227): answered by T, who has the address', () => {
    const w = site().send({ vm1: [arpProbe({ from: vm1, for: T })] });
    expect(w.sent()).toEqual(frames({ vm1: [arpReply({ from: T, to: withIp(vm1, '0.0.0.0') })] }));
    expect(w.counted()).toEqual({ 'arp-gateway-answered': 1 });
  });

  it('by a local VM makes the VM a neighbor of T (RFC 826)', () => {
    const w = site();
    w.vm('green', withIp(ghost, '192.168.10.78'), 'target').send({
      ghost: [arpRequest({ from: withIp(ghost, '192.168.10.78'), for: T })],
    });
    const row = w.neighbors.find(w.iface('bvi.green'), withIp(ghost, '192.168.10.78').ip);
    expect(row).toBeGreaterThanOrEqual(0);
    expect([w.neighbors.macHi[row], w.neighbors.macLo[row]]).toEqual([ghost.mac.hi, ghost.mac.lo]);
  });

  it('by a pinned VM (S19): enters the extension only, T is silent', () => {
    const request = arpRequest({ from: vm3, for: S });
    const w = site().send({ vm3: [request] });
    expect(w.sent()).toEqual(frames({ ext: [request] }));
    expect(w.counted()).toEqual({});
  });

  it('by a VM that the inventory does not know (S24): as by a pinned VM, with an event', () => {
    const request = arpRequest({ from: ghost, for: S });
    const w = site().send({ ghost: [request] });
    expect(w.sent()).toEqual(frames({ ext: [request] }));
    expect(w.told()).toEqual(['vm-unknown 200:a77 192.168.10.77']);
  });

  it('by a pinned VM while the extension is down (S19): dropped, T stays silent', () => {
    const w = site();
    w.interfaces.up[w.iface('ext')] = 0;
    w.send({ vm3: [arpRequest({ from: vm3, for: S })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'extension-down': 1 });
  });

  it('by any VM of a network without an extension (S8): answered by T', () => {
    const w = site({ extension: undefined }).send({ vm3: [arpRequest({ from: vm3, for: T })] });
    expect(w.sent()).toEqual(frames({ vm3: [arpReply({ from: T, to: vm3 })] }));
  });

  it('with proximity routing off (S4): bridged to everybody, T is silent', () => {
    const request = arpRequest({ from: vm1, for: S });
    const w = site({ proximity: false }).send({ vm1: [request] });
    expect(w.sent()).toEqual(frames({ vm2: [request], vm3: [request], ghost: [request], ext: [request] }));
  });
});

describe('ARP of the target gateway', () => {
  it('gratuitous ARP to a VM that switched (S15): reaches that VM alone', () => {
    const w = site().originate((ctx) => announceGateway(ctx, 0, vm1.mac.hi, vm1.mac.lo, vm1.ip));
    expect(w.sent()).toEqual(frames({ vm1: [arpReply({ from: T, to: vm1 })] }));
  });

  it('gratuitous ARP by broadcast (S15): local VMs only, neither pinned VMs nor the extension', () => {
    const garp = gratuitousArp({ from: T });
    const w = site().originate((ctx, on) => {
      const i = ctx.batch.alloc(garp.length);
      ctx.batch.u8.set(garp, ctx.batch.off[i]);
      ctx.batch.outIface[i] = on.iface('bvi.green');
      ctx.originate(NODE['l2-flood'], i);
    });
    expect(w.sent()).toEqual(frames({ vm1: [readdressed(garp, vm1)], vm2: [readdressed(garp, vm2)] }));
  });

  it('request for a local VM (RFC 826): unicast to it, so that no pinned VM learns T', () => {
    const w = site().originate((ctx, on) => makeArpRequest(ctx, on.iface('bvi.green'), vm1.ip, 0, 0, -1));
    expect(w.sent()).toEqual(frames({ vm1: [readdressed(arpRequest({ from: T, for: vm1 }), vm1)] }));
  });

  it('request for an address that the inventory does not have: to local VMs, each by unicast', () => {
    const other = host('other', '02:00:00:00:0a:ff', '192.168.10.200');
    const w = site().originate((ctx, on) => makeArpRequest(ctx, on.iface('bvi.green'), other.ip, 0, 0, -1));
    const request = arpRequest({ from: T, for: other });
    expect(w.sent()).toEqual(frames({ vm1: [readdressed(request, vm1)], vm2: [readdressed(request, vm2)] }));
  });

  it('answers of local VMs to T are learned, and go nowhere else', () => {
    const w = site().send({ vm1: [arpReply({ from: vm1, to: T })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-learned': 1 });
  });

  it('an answer of a pinned VM to T (S19): dropped, T never asked it', () => {
    const w = site().send({ vm3: [arpReply({ from: vm3, to: T })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'pinned-to-target-gateway': 1 });
  });

  it('T-MAC out of the extension (invariant 3): dropped, with an event', () => {
    const w = site().send({
      ext: [gratuitousArp({ from: T }), arpReply({ from: vm9, to: T })],
    });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'target-mac-from-extension': 2 });
    expect(w.told()).toEqual(['target-mac-leak 200:1002 0.0.0.0', 'target-mac-leak 200:a19 0.0.0.0']);
  });
});

describe('a VM that claims to be the gateway (I)', () => {
  const evil = withIp(vm1, '192.168.10.1');

  it.each([
    ['gratuitous ARP', gratuitousArp({ from: evil })],
    ['reply', arpReply({ from: evil, to: vm2 })],
    ['request', arpRequest({ from: evil, for: vm2 })],
  ])('by %s: dropped on its own port, with an event', (_, frame) => {
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'gateway-claim': 1 });
    expect(w.told()).toEqual(['gateway-claim 200:a11 192.168.10.1']);
  });

  it.each([
    ['T-MAC', T],
    ['S-MAC', S],
  ])('with %s as its own: dropped, and nothing is learned', (_, mac) => {
    const w = site().send({ vm1: [arpRequest({ from: { ...vm1, mac: mac.mac }, for: vm2 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'gateway-claim': 1 });
    expect(w.fdb.find(0, mac.mac.hi, mac.mac.lo)).toBe(-1);
  });

  it('with proximity routing off: dropped all the same', () => {
    const w = site({ proximity: false }).send({ vm1: [gratuitousArp({ from: evil })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'gateway-claim': 1 });
  });

  it('is told once a second, however often it claims', () => {
    const w = site().send({ vm1: Array.from({ length: 20 }, () => gratuitousArp({ from: evil })) });
    expect(w.told()).toHaveLength(1);
    expect(w.counted()).toEqual({ 'gateway-claim': 20 });
    w.wait(1000).send({ vm1: [gratuitousArp({ from: evil })] });
    expect(w.told()).toHaveLength(1);
  });
});

describe('ARP between VMs (S10, RFC 5227)', () => {
  it('request of a local VM: crosses the extension and reaches every other VM at the target', () => {
    const request = arpRequest({ from: vm1, for: vm9 });
    const w = site().send({ vm1: [request] });
    expect(w.sent()).toEqual(frames({ vm2: [request], vm3: [request], ghost: [request], ext: [request] }));
    expect(w.total('replicated')).toBe(3);
  });

  it('request of a source VM: reaches all VMs at the target, and does not go back', () => {
    const request = arpRequest({ from: vm9, for: vm1 });
    const w = site().send({ ext: [request] });
    expect(w.sent()).toEqual(frames({ vm1: [request], vm2: [request], vm3: [request], ghost: [request] }));
  });

  it('reply: bridged to the one who asked', () => {
    const reply = arpReply({ from: vm1, to: vm9 });
    const w = site().send({ vm1: [reply] });
    expect(w.sent()).toEqual(frames({ ext: [reply] }));
  });

  it('probe and announcement of a VM: cross, so that duplicates are found', () => {
    const probe = arpProbe({ from: vm1, for: vm1 });
    const announcement = gratuitousArp({ from: vm1 });
    const w = site().send({ vm1: [probe, announcement] });
    expect(w.sent()).toEqual(
      frames({
        vm2: [probe, announcement],
        vm3: [probe, announcement],
        ghost: [probe, announcement],
        ext: [probe, announcement],
      }),
    );
  });

  it('announcement of a source VM: reaches VMs of every kind', () => {
    const announcement = gratuitousArp({ from: vm9 });
    const w = site().send({ ext: [announcement] });
    expect(w.sent()).toEqual(
      frames({ vm1: [announcement], vm2: [announcement], vm3: [announcement], ghost: [announcement] }),
    );
  });

  it('RARP of a hypervisor after a move: crosses', () => {
    const frame = rarp({ from: vm1 });
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual(frames({ vm2: [frame], vm3: [frame], ghost: [frame], ext: [frame] }));
  });
});

describe('ARP that is none', () => {
  it.each([
    ['short', arpRequest({ from: vm1, for: vm2 }).slice(0, 14 + 27)],
    ['of another hardware', ethernet({ from: vm1, to: vm2, type: ETHERTYPE_ARP, payload: pattern(28) })],
    ['an inverse request', arpRequest({ from: vm1, for: vm2 }).fill(8, 21, 22)],
  ])('%s: dropped as malformed', (_, frame) => {
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-malformed': 1 });
  });

  it("a sender that is not the frame's source: dropped, so nobody speaks for others", () => {
    const frame = arpReply({ from: vm9, to: vm2 });
    new DataView(frame.buffer).setUint32(8, vm1.mac.lo);
    const w = site().send({ vm1: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-sender-invalid': 1 });
  });
});
