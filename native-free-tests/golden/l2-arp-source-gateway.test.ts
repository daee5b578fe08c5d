// ARP of the source gateway as it comes out of the extension: pinned VMs hear it, local VMs do not, and it finds them all.

import { describe, expect, it } from 'vitest';
import { ARP_REPLY } from '../../src/wire/arp.ts';
import { arpReply, arpRequest, gratuitousArp, host, icmpEcho, readdressed, withMac } from './frames.ts';
import { frames } from './harness.ts';
import { ghost, S, site, T, vm1, vm3, vm9 } from './site.ts';

describe('ARP of the source gateway', () => {
  it('reply to a pinned VM (S19): delivered', () => {
    const reply = arpReply({ from: S, to: vm3 });
    const w = site().send({ ext: [reply] });
    expect(w.sent()).toEqual(frames({ vm3: [reply] }));
    expect(w.counted()).toEqual({});
  });

  it('reply to an unknown VM (S24): delivered', () => {
    const reply = arpReply({ from: S, to: ghost });
    const w = site().send({ ext: [reply] });
    expect(w.sent()).toEqual(frames({ ghost: [reply] }));
  });

  it('reply to a local VM (S15): on the wrong side, dropped and counted', () => {
    const w = site().send({ ext: [arpReply({ from: S, to: vm1 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-wrong-side': 1 });
  });

  it('reply to a local VM with another MAC of a redundant pair (S15): dropped all the same', () => {
    const w = site().send({ ext: [arpReply({ from: withMac(S, '00:00:0c:07:ac:01'), to: vm1 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-wrong-side': 1 });
  });

  it.each([1, ARP_REPLY])('gratuitous, op %i (S15, S19): delivered to pinned VMs only', (op) => {
    const garp = gratuitousArp({ from: S, op });
    const w = site().send({ ext: [garp] });
    expect(w.sent()).toEqual(frames({ vm3: [readdressed(garp, vm3)], ghost: [readdressed(garp, ghost)] }));
    expect(w.counted()).toEqual({ 'arp-gateway-to-pinned': 1 });
    expect(w.total('replicated')).toBe(2);
  });

  it('gratuitous, with no pinned VM at the target (S15): dropped and counted', () => {
    const w = site();
    w.vm('green', vm3, 'target').vm('green', ghost, 'target');
    w.send({ ext: [gratuitousArp({ from: S })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-wrong-side': 1 });
  });

  it('request for a local VM (S14): answered for the VM, which does not hear who asks', () => {
    const w = site().send({ ext: [arpRequest({ from: S, for: vm1 })] });
    expect(w.sent()).toEqual(frames({ ext: [arpReply({ from: vm1, to: S })] }));
    expect(w.counted()).toEqual({ 'arp-gateway-proxied': 1 });
  });

  it('unicast request that polls a local VM (S14): answered for the VM', () => {
    const w = site().send({ ext: [arpRequest({ from: S, for: vm1, to: vm1 })] });
    expect(w.sent()).toEqual(frames({ ext: [arpReply({ from: vm1, to: S })] }));
    expect(w.counted()).toEqual({ 'arp-gateway-proxied': 1 });
  });

  it('request for a pinned VM (S19): reaches pinned VMs only', () => {
    const request = arpRequest({ from: S, for: vm3 });
    const w = site().send({ ext: [request] });
    expect(w.sent()).toEqual(
      frames({ vm3: [readdressed(request, vm3)], ghost: [readdressed(request, ghost)] }),
    );
    expect(w.counted()).toEqual({ 'arp-gateway-to-pinned': 1 });
  });

  it('request for a pinned VM that the FDB has forgotten (S19): finds it all the same', () => {
    const w = site();
    w.fdb.remove(0, vm3.mac.hi, vm3.mac.lo);
    w.fdb.remove(0, ghost.mac.hi, ghost.mac.lo);
    const request = arpRequest({ from: S, for: vm3 });
    w.send({ ext: [request] });
    const copy = readdressed(request, vm3);
    expect(w.sent()).toEqual(frames({ vm1: [copy], vm2: [copy], vm3: [copy], ghost: [copy] }));
    expect(w.counted()).toEqual({ 'arp-gateway-to-pinned': 1 });
  });

  it('request for a source VM (S15): reaches no local VM, whose caches it would poison (RFC 826)', () => {
    const w = site();
    w.vm('green', vm3, 'target').vm('green', ghost, 'target');
    w.send({ ext: [arpRequest({ from: S, for: vm9 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'arp-gateway-wrong-side': 1 });
  });

  it('unicast request to a pinned VM (S19): delivered', () => {
    const request = arpRequest({ from: S, for: vm3, to: vm3 });
    const w = site().send({ ext: [request] });
    expect(w.sent()).toEqual(frames({ vm3: [request] }));
  });

  it('tells S-MAC where the config does not (I)', () => {
    const w = site({ source: undefined }).send({ ext: [gratuitousArp({ from: S })] });
    expect(w.told()).toEqual(['source-gateway-learned 200:1001 192.168.10.1']);
    expect([w.networks.sourceMacHi[0], w.networks.sourceMacLo[0]]).toEqual([S.mac.hi, S.mac.lo]);
    expect(w.fdb.find(0, S.mac.hi, S.mac.lo)).toBe(-1);
    w.sent();
    // and again when the router is replaced
    w.send({ ext: [gratuitousArp({ from: withMac(S, '02:00:00:00:10:99') })] });
    expect(w.told()).toEqual(['source-gateway-learned 200:1099 192.168.10.1']);
  });

  it('does not override an S-MAC of the config', () => {
    const w = site().send({ ext: [gratuitousArp({ from: withMac(S, '02:00:00:00:10:99') })] });
    expect(w.told()).toEqual([]);
    expect(w.networks.sourceMacLo[0]).toBe(S.mac.lo);
  });

  describe('from the own MAC of a router of a redundant pair (RFC 5798 §8.1.2)', () => {
    const ownMac = (frame: Uint8Array): Uint8Array => {
      frame.set([0x02, 0, 0, 0, 0x10, 0x0b], 6);
      return frame;
    };

    it('a reply to a pinned VM (S19): delivered', () => {
      const reply = ownMac(arpReply({ from: S, to: vm3 }));
      const w = site().send({ ext: [reply] });
      expect(w.sent()).toEqual(frames({ vm3: [reply] }));
    });

    it('a reply to a local VM (S15): on the wrong side', () => {
      const w = site().send({ ext: [ownMac(arpReply({ from: S, to: vm1 }))] });
      expect(w.counted()).toEqual({ 'arp-gateway-wrong-side': 1 });
    });

    it('tells the virtual MAC as S-MAC', () => {
      const w = site({ source: undefined }).send({ ext: [ownMac(gratuitousArp({ from: S }))] });
      expect(w.told()).toEqual(['source-gateway-learned 200:1001 192.168.10.1']);
    });

    it('with T-MAC in the message (invariant 3): dropped, with an event', () => {
      const w = site().send({ ext: [ownMac(arpReply({ from: T, to: vm3 }))] });
      expect(w.counted()).toEqual({ 'target-mac-from-extension': 1 });
      expect(w.told()).toEqual(['target-mac-leak 200:1002 192.168.10.1']);
    });

    it.each(['01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff'])(
      'with the group %s in the message: dropped',
      (mac) => {
        const w = site({ source: undefined }).send({
          ext: [ownMac(arpReply({ from: withMac(S, mac), to: vm3 }))],
        });
        expect(w.told()).toEqual([]);
        expect([w.sent(), Object.keys(w.counted())]).toEqual([{}, ['arp-sender-invalid']]);
      },
    );
  });

  it('with proximity routing off (S4): floods to everybody', () => {
    const garp = gratuitousArp({ from: S });
    const w = site({ proximity: false }).send({ ext: [garp] });
    expect(w.sent()).toEqual(frames({ vm1: [garp], vm2: [garp], vm3: [garp], ghost: [garp] }));
  });
});

describe('the inbound way while the /32 is not learned (S14)', () => {
  it('S finds the VM, delivers, and the VM answers by T: seen as asymmetric', () => {
    const w = site();
    w.send({ ext: [arpRequest({ from: S, for: vm1 })] });
    expect(w.sent()).toEqual(frames({ ext: [arpReply({ from: vm1, to: S })] }));
    const far = host('far', '02:00:00:00:10:01', '198.51.100.7');
    const ping = icmpEcho({ from: far, to: vm1 });
    w.send({ ext: [ping] });
    expect(w.sent()).toEqual(frames({ vm1: [ping] }));
    expect(w.counted()).toEqual({ 'arp-gateway-proxied': 1, 'asymmetric-inbound': 1 });
    expect(w.told()).toEqual(['asymmetric-inbound 200:a11 192.168.10.11']);
  });
});
