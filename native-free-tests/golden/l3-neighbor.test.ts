// Neighbors of the gateway: who is asked how, what waits meanwhile, and what ARP messages change.

import { describe, expect, it } from 'vitest';
import { adjIndex } from '../../src/base/ids.ts';
import {
  forgetNeighbor,
  resolveAdjacency,
  setPermanentNeighbor,
} from '../../src/dataplane/neighbor-resolution.ts';
import { ADJ_REWRITE } from '../../src/tables/adjacency-table.ts';
import {
  arpProbe,
  arpReply,
  arpRequest,
  gratuitousArp,
  host,
  pattern,
  udp,
  withIp,
  withMac,
} from './frames.ts';
import { frames, type World } from './harness.ts';
import {
  by,
  greenT,
  icmpError,
  l3Site,
  lan,
  laptop,
  server,
  sourceRouter,
  vm1,
  vm3,
  wan,
} from './l3-site.ts';

const toLaptop = (id: number) => udp({ from: vm1, to: laptop, via: greenT, id });
const atLaptop = (id: number) => udp({ from: by(vm1, lan), to: laptop, id, ttl: 63 });
const state = (w: World, out: string, ip: number) => {
  const row = w.neighbors.list().find((n) => n.iface === w.iface(out) && n.ip === ip);
  return row?.state;
};

describe('resolution on a connected network', () => {
  it('the packet waits, ARP asks from the interface, and the answer lets it go', () => {
    const w = l3Site().send({ vm1: [toLaptop(1)] });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop })] }));
    expect(w.counted()).toEqual({ 'neighbor-queued': 1 });
    expect(w.total('queued')).toBe(1);
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect(w.sent()).toEqual(frames({ lan: [atLaptop(1)] }));
    expect(w.counted()).toEqual({ 'arp-learned': 1 });
    expect(w.total('queued')).toBe(0);
    w.send({ vm1: [toLaptop(2)] });
    expect(w.sent()).toEqual(frames({ lan: [atLaptop(2)] }));
  });

  it('the newest three wait, in order; the oldest is pushed out (RFC 4861 §7.2.2)', () => {
    const w = l3Site().send({ vm1: [1, 2, 3, 4, 5].map(toLaptop) });
    expect(w.counted()).toEqual({ 'neighbor-queued': 5, 'neighbor-queue-full': 2 });
    w.sent();
    w.send({ lan: [arpReply({ from: laptop, to: lan })], vm1: [toLaptop(6)] });
    expect(w.sent()).toEqual(frames({ lan: [3, 4, 5, 6].map(atLaptop) }));
  });

  it('nobody answers: three requests a second apart, then host unreachable about each that waits (RFC 1812 §5.2.7.1)', () => {
    const about = toLaptop(1);
    const w = l3Site().send({ vm1: [about] });
    w.wait(2900);
    const request = arpRequest({ from: lan, for: laptop });
    expect(w.sent()).toEqual(frames({ lan: [request, request, request] }));
    w.wait(300);
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpError({ from: greenT, to: vm1, type: 3, code: 1, about })] }),
    );
    expect(w.counted()).toEqual({ 'neighbor-queued': 1, 'neighbor-unresolved': 1 });
    expect(w.told()).toEqual(['neighbor-failed 0:0 10.20.0.6']);
    w.wait(20_000);
    expect(w.sent(), 'a failed neighbor is left alone').toEqual({});
    w.send({ vm1: [toLaptop(2)] });
    expect(w.sent(), 'until somebody wants it').toEqual(frames({ lan: [request] }));
  });

  it('a frame that is too large to wait says so', () => {
    const w = l3Site({ ports: { vm1: { mtu: 9000 }, lan: { mtu: 9000 } } });
    w.send({ vm1: [udp({ from: vm1, to: laptop, via: greenT, payload: pattern(5000) })] });
    expect(w.counted()).toEqual({ 'neighbor-queue-oversize': 1 });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop })] }));
  });

  it('network and broadcast address of the subnet are nobody', () => {
    const w = l3Site();
    const none = withIp(laptop, '10.20.0.0');
    w.send({
      vm1: [
        udp({ from: vm1, to: none, via: greenT }),
        udp({ from: vm1, to: withIp(laptop, '10.20.0.255'), via: greenT }),
      ],
    });
    expect(w.counted()).toEqual({ 'ip4-multicast': 2 });
    expect(w.sent()).toEqual({});
  });

  it('what the batch has no room for when the answer comes goes on waiting, and leaves with the next timer', () => {
    const w = l3Site().send({ vm1: [toLaptop(1), toLaptop(2)] });
    w.sent();
    w.originate((ctx) => {
      while (ctx.batch.count < 2047) ctx.batch.alloc(60);
      setPermanentNeighbor(ctx, w.iface('lan'), laptop.ip, laptop.mac.hi, laptop.mac.lo);
    });
    expect(w.sent()).toEqual(frames({ lan: [atLaptop(1)] }));
    expect(w.total('queued')).toBe(1);
    w.wait(200);
    expect(w.sent()).toEqual(frames({ lan: [atLaptop(2)] }));
  });

  it('256 packets wait in all, whoever they are for', () => {
    const w = l3Site({ ports: { vm1: { slots: 512 }, lan: { slots: 1024 } } });
    const all = Array.from({ length: 250 }, (_, k) =>
      [1, 2].map((id) => udp({ from: vm1, to: withIp(laptop, `10.20.0.${k + 4}`), via: greenT, id })),
    ).flat();
    w.send({ vm1: all });
    expect(w.total('queued')).toBe(256);
    expect(w.counted()).toEqual({ 'neighbor-queued': 256, 'neighbor-queue-full': 500 - 2 - 256 });
    w.wait(4000);
    expect(w.total('queued')).toBe(0);
    // 100 ICMP errors a second about packets of one interface
    expect(w.counted()).toEqual({ 'neighbor-unresolved': 256, 'icmp-error-limited': 156 });
  });
});

describe('resolution of a next hop and of a VM', () => {
  it('a next hop that is not resolved: asked for, and the adjacency has its MAC from then on', () => {
    const gw2 = host('gw2', '02:00:00:00:1a:09', '10.20.0.9');
    const w = l3Site().route('10.40.0.0/16', { via: '10.20.0.9', out: 'lan' });
    const there = withIp(gw2, '10.40.1.1');
    w.send({ vm1: [udp({ from: vm1, to: there, via: greenT })] });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: gw2 })] }));
    w.send({ lan: [arpReply({ from: gw2, to: lan })] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: there, via: gw2, ttl: 63 })] }));
    const adj = w.adjacencies.acquire(ADJ_REWRITE, w.iface('lan'), gw2.ip);
    expect([w.adjacencies.resolved[adj], w.adjacencies.macLo[adj]]).toEqual([1, gw2.mac.lo]);
    expect([w.adjacencies.packets[adj], w.adjacencies.bytes[adj]]).toEqual([1, 54]);
  });

  it('a local VM is asked alone, from T-MAC and the gateway address: no pinned VM hears it, nor the extension (S15)', () => {
    const vm2 = host('vm2', '02:00:00:00:0a:12', '192.168.10.12');
    const w = l3Site().vm('green', vm2, 'target').hostRoute('green', vm2);
    w.seen('green', vm3, 'vm3');
    const packet = udp({ from: server, to: vm2, via: lan });
    w.send({ lan: [packet] });
    const ask = arpRequest({ from: greenT, for: vm2, to: vm2 });
    expect(w.sent(), 'its port is not known, so each local one gets the unicast').toEqual(
      frames({ vm1: [ask], vm3: [ask] }),
    );
    w.send({ vm1: [arpReply({ from: vm2, to: greenT })] });
    expect(w.sent()).toEqual(frames({ vm1: [udp({ from: by(server, greenT), to: vm2, ttl: 63 })] }));
    expect(w.counted()).toMatchObject({ 'arp-learned': 1 });
  });

  it('a local VM whose entry is stale is probed at its port alone', () => {
    const w = l3Site();
    w.originate((ctx) => forgetNeighbor(ctx, w.iface('bvi.green'), vm1.ip));
    const packet = udp({ from: server, to: vm1, via: lan });
    w.send({ lan: [packet] }).send({ vm1: [arpReply({ from: vm1, to: greenT })] });
    w.wait(30_200).send({ lan: [packet] });
    w.sent();
    w.wait(5300);
    expect(w.sent()).toEqual(frames({ vm1: [arpRequest({ from: greenT, for: vm1, to: vm1 })] }));
  });

  it('an unasked reply of a VM to T-MAC: learned when it is for the gateway (RFC 826), otherwise only if known', () => {
    const vm2 = host('vm2', '02:00:00:00:0a:12', '192.168.10.12');
    const w = l3Site().vm('green', vm2, 'target', 'vm1');
    w.send({ vm1: [arpReply({ from: vm2, to: withIp(greenT, '192.168.10.99') })] });
    expect(w.counted()).toEqual({ 'arp-not-for-us': 1 });
    expect(state(w, 'bvi.green', vm2.ip)).toBeUndefined();
    w.send({ vm1: [arpReply({ from: vm2, to: greenT })] });
    expect(w.counted()).toEqual({ 'arp-learned': 1 });
    expect(state(w, 'bvi.green', vm2.ip)).toBe('REACHABLE');
    const elsewhere = withIp(vm2, '10.9.9.9');
    w.send({ vm1: [arpReply({ from: elsewhere, to: greenT })] });
    expect(w.counted(), 'not an address of the network').toEqual({ 'arp-not-for-us': 1 });
  });

  it('resolveAdjacency asks before the first packet, which then goes straight through', () => {
    const w = l3Site().route('10.40.0.0/16', { via: '10.20.0.6', out: 'lan' });
    const adj = w.adjacencies.acquire(ADJ_REWRITE, w.iface('lan'), laptop.ip);
    w.originate((ctx) => resolveAdjacency(ctx, adjIndex(adj)));
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop })] }));
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    const there = withIp(laptop, '10.40.0.1');
    w.send({ vm1: [udp({ from: vm1, to: there, via: greenT })] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: there, via: laptop, ttl: 63 })] }));
    expect(w.counted()).toEqual({ 'arp-learned': 1 });
  });

  it('an adjacency whose row now belongs to another next hop does not get the old one’s MAC', () => {
    const w = l3Site().route('10.40.0.0/16', { via: '10.20.0.6', out: 'lan' });
    const adj = w.adjacencies.acquire(ADJ_REWRITE, w.iface('lan'), laptop.ip);
    w.originate((ctx) => resolveAdjacency(ctx, adj));
    w.adjacencies.release(adj);
    w.adjacencies.release(adj);
    w.adjacencies.recycle(adj);
    expect(w.adjacencies.acquire(ADJ_REWRITE, w.iface('wan'), sourceRouter.ip)).not.toBe(adj);
    const again = w.adjacencies.acquire(ADJ_REWRITE, w.iface('lan'), laptop.ip + 1);
    expect(again).toBe(adj);
    const next = withIp(withMac(laptop, '02:00:00:00:1a:07'), '10.20.0.7');
    w.originate((ctx) => resolveAdjacency(ctx, adj)).send({ lan: [arpReply({ from: next, to: lan })] });
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect([w.adjacencies.resolved[adj], w.adjacencies.macLo[adj]]).toEqual([1, next.mac.lo]);
  });

  it('forgetNeighbor: the next packet asks again', () => {
    const w = l3Site();
    w.originate((ctx) => forgetNeighbor(ctx, w.iface('lan'), server.ip));
    w.send({ vm1: [udp({ from: vm1, to: server, via: greenT })] });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: server })] }));
  });
});

describe('a neighbor in use (RFC 4861 §7.3)', () => {
  const resolved = () => {
    const w = l3Site().send({ vm1: [toLaptop(1)] });
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    w.sent();
    w.counted();
    return w;
  };

  it('is stale after 30 s, probed at its MAC 5 s after its next use, and reachable again when it answers', () => {
    const w = resolved();
    expect(state(w, 'lan', laptop.ip)).toBe('REACHABLE');
    w.wait(30_200);
    expect(state(w, 'lan', laptop.ip)).toBe('STALE');
    w.send({ vm1: [toLaptop(2)] });
    w.wait(200);
    expect(state(w, 'lan', laptop.ip)).toBe('DELAY');
    expect(w.sent(), 'packets go on meanwhile').toEqual(frames({ lan: [atLaptop(2)] }));
    w.wait(5000);
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop, to: laptop })] }));
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect(state(w, 'lan', laptop.ip)).toBe('REACHABLE');
  });

  it('that is gone is unresolved after three probes', () => {
    const w = resolved();
    w.wait(30_200).send({ vm1: [toLaptop(2)] });
    w.wait(8500);
    expect(state(w, 'lan', laptop.ip)).toBe('FAILED');
    w.sent();
    w.send({ vm1: [toLaptop(3)] });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop })] }));
  });

  it('of a rewrite adjacency is probed by its use too, and kept resolved while it is idle', () => {
    const w = l3Site().route('10.40.0.0/16', { via: '10.20.0.6', out: 'lan' });
    const there = withIp(laptop, '10.40.0.1');
    const packet = udp({ from: vm1, to: there, via: greenT });
    w.send({ vm1: [packet], lan: [] }).send({ lan: [arpReply({ from: laptop, to: lan })] });
    w.wait(30_200).send({ vm1: [packet] });
    w.sent();
    w.wait(5300);
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop, to: laptop })] }));
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    w.wait(80_000);
    const row = w.neighbors.find(w.iface('lan'), laptop.ip);
    expect(w.neighbors.adj[row], 'stale, but kept').toBeGreaterThan(0);
    w.wait(20_000);
    expect(state(w, 'lan', laptop.ip)).toBe('STALE');
    expect(w.neighbors.adj[row], 'idle: the row may be given up').toBe(-1);
    w.send({ vm1: [packet] });
    expect(w.sent(), 'no ARP before the packet').toEqual(
      frames({ lan: [udp({ from: by(vm1, lan), to: there, via: laptop, ttl: 63 })] }),
    );
  });

  it('of a rewrite adjacency that is gone: the adjacency has no MAC any more', () => {
    const w = l3Site().route('10.40.0.0/16', { via: '10.20.0.6', out: 'lan' });
    const packet = udp({ from: vm1, to: withIp(laptop, '10.40.0.1'), via: greenT });
    const adj = w.adjacencies.acquire(ADJ_REWRITE, w.iface('lan'), laptop.ip);
    w.send({ vm1: [packet] }).send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect(w.adjacencies.resolved[adj]).toBe(1);
    w.wait(30_200)
      .send({ vm1: [packet] })
      .wait(8500);
    expect(w.adjacencies.resolved[adj]).toBe(0);
    w.counted();
    w.send({ vm1: [packet] });
    expect(w.counted()).toEqual({ 'neighbor-queued': 1 });
  });

  it('with another MAC: followed at once, counted and told', () => {
    const w = resolved();
    const moved = withMac(laptop, '02:00:00:00:1a:66');
    w.send({ lan: [gratuitousArp({ from: moved })] });
    expect(w.counted()).toEqual({ 'neighbor-changed': 1, 'arp-learned': 1 });
    expect(w.told()).toEqual(['neighbor-changed 200:1a66 10.20.0.6']);
    w.send({ vm1: [toLaptop(2)] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: moved, id: 2, ttl: 63 })] }));
  });
});

describe('ARP on a routed interface (RFC 826)', () => {
  it('a request for its address is answered, and the asker is learned', () => {
    const w = l3Site().send({ lan: [arpRequest({ from: laptop, for: lan })] });
    expect(w.sent()).toEqual(frames({ lan: [arpReply({ from: lan, to: laptop })] }));
    expect(w.counted()).toEqual({ 'arp-answered': 1 });
    expect(state(w, 'lan', laptop.ip)).toBe('STALE');
    w.send({ vm1: [toLaptop(1)] });
    expect(w.sent()).toEqual(frames({ lan: [atLaptop(1)] }));
  });

  it('a probe for its address is answered (RFC 5227), and nobody is learned from it', () => {
    const w = l3Site().send({ lan: [arpProbe({ from: laptop, for: lan })] });
    expect(w.sent()).toEqual(frames({ lan: [arpReply({ from: lan, to: withIp(laptop, '0.0.0.0') })] }));
    expect(state(w, 'lan', 0)).toBeUndefined();
  });

  it('an asker from another subnet is answered but not learned', () => {
    const w = l3Site().send({ lan: [arpRequest({ from: withIp(laptop, '10.99.0.6'), for: lan })] });
    expect(w.counted()).toEqual({ 'arp-answered': 1 });
    expect(w.neighbors.list().some((n) => n.ip === 0x0a630006)).toBe(false);
  });

  it('what is about others changes nobody who is not known', () => {
    const w = l3Site();
    w.send({ lan: [gratuitousArp({ from: laptop }), arpRequest({ from: laptop, for: server })] });
    expect(w.counted()).toEqual({ 'arp-not-for-us': 2 });
    expect(state(w, 'lan', laptop.ip)).toBeUndefined();
    expect(w.sent()).toEqual({});
  });

  it('another host with our address (RFC 5227 §2.4): dropped and told, not learned', () => {
    const w = l3Site().send({ lan: [gratuitousArp({ from: withIp(laptop, '10.20.0.1') })] });
    expect(w.counted()).toEqual({ 'arp-address-conflict': 1 });
    expect(w.told()).toEqual(['gateway-claim 200:1a06 10.20.0.1']);
    expect(w.sent()).toEqual({});
  });

  it('a sender that is not who sent the frame, and messages that are not ARP for IPv4', () => {
    const w = l3Site();
    const lie = arpRequest({ from: laptop, for: lan });
    lie[11] ^= 1; // Ethernet source
    const short = arpRequest({ from: laptop, for: lan }).slice(0, 41);
    const op = arpRequest({ from: laptop, for: lan });
    op[21] = 8;
    w.send({ lan: [lie, short, op] });
    expect(w.counted()).toEqual({ 'arp-sender-invalid': 1, 'arp-malformed': 2 });
    expect(w.sent()).toEqual({});
  });

  it("where the host's stack has the address, it answers; neighbors that we know are learned all the same", () => {
    const w = l3Site({
      routed: [
        { name: 'lan', self: lan, address: '10.20.0.1/24', hostStack: true },
        { name: 'wan', self: wan, address: '172.16.0.2/30' },
        { name: 'edge', self: wan, address: '203.0.113.2/30' },
      ],
    });
    w.send({ lan: [arpRequest({ from: laptop, for: lan })] });
    expect(w.counted()).toEqual({ 'arp-left-to-host': 1 });
    expect(state(w, 'lan', laptop.ip)).toBeUndefined();
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect(w.counted(), 'the answer to a question of the host').toEqual({ 'arp-left-to-host': 1 });
    w.send({ vm1: [toLaptop(1)] }).send({ lan: [arpReply({ from: laptop, to: lan })] });
    expect(w.counted()).toEqual({ 'neighbor-queued': 1, 'arp-learned': 1 });
    expect(w.sent()).toEqual(frames({ lan: [arpRequest({ from: lan, for: laptop }), atLaptop(1)] }));
  });
});
