// Who is routed where: one case for each routing row of the forwarding rules, and the checks of RFC 1812 around them.

import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { REASONS } from '../../src/stats/reasons.ts';
import { ipv4DecrementTtl, ipv4RefreshChecksum } from '../../src/wire/ipv4.ts';
import { icmpEcho, ip4, pattern, tcp, udp, withIp } from './frames.ts';
import { frames } from './harness.ts';
import {
  blueT,
  by,
  database,
  edge,
  far,
  greenS,
  greenT,
  icmpError,
  internet,
  l3Site,
  lan,
  server,
  sourceRouter,
  vm1,
  vm3,
  vm5,
  vm6,
  vm8,
  wan,
} from './l3-site.ts';

describe('local VM', () => {
  it('→ target native network (S7): routed at T', () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: server, via: greenT })] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: server, ttl: 63 })] }));
    expect(w.counted()).toEqual({});
  });

  it('→ Internet (S6): T to the edge', () => {
    const w = l3Site().send({ vm1: [tcp({ from: vm1, to: far, via: greenT })] });
    expect(w.sent()).toEqual(
      frames({ edge: [tcp({ from: by(vm1, edge), to: far, via: internet, ttl: 63 })] }),
    );
  });

  it('→ other networks of the source (S13): over the WAN, not over the extension', () => {
    const w = l3Site().send({ vm1: [tcp({ from: vm1, to: database, via: greenT })] });
    expect(w.sent()).toEqual(
      frames({ wan: [tcp({ from: by(vm1, wan), to: database, via: sourceRouter, ttl: 63 })] }),
    );
  });

  it('→ local VM on another extended network (S12): routed at T, in and out of bridges', () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: vm5, via: greenT })] });
    expect(w.sent()).toEqual(frames({ vm5: [udp({ from: by(vm1, blueT), to: vm5, ttl: 63 })] }));
    expect(w.counted()).toEqual({});
  });

  it.each([
    ['pinned', vm6],
    ['source', vm8],
  ])('→ %s VM on another extended network (I): no /32, so by the /24 to the source router', (_, vm) => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: vm, via: greenT })] });
    expect(w.sent()).toEqual(
      frames({ wan: [udp({ from: by(vm1, wan), to: vm, via: sourceRouter, ttl: 63 })] }),
    );
  });

  it("→ anywhere by the source gateway's MAC (stale ARP cache): intercepted and routed at T", () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: server, via: greenS })] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: server, ttl: 63 })] }));
    expect(w.counted()).toEqual({ 'stale-gateway-intercepted': 1 });
  });
});

describe('inbound', () => {
  it('native → local VM (S14): by its host route, the same path back', () => {
    const w = l3Site().send({ lan: [udp({ from: server, to: vm1, via: lan })] });
    expect(w.sent()).toEqual(frames({ vm1: [udp({ from: by(server, greenT), to: vm1, ttl: 63 })] }));
  });

  it('from the WAN, /32 learned at the source (S14 S17): WAN → T → VM', () => {
    const w = l3Site().send({ wan: [tcp({ from: by(database, sourceRouter), to: vm1, via: wan })] });
    expect(w.sent()).toEqual(frames({ vm1: [tcp({ from: by(database, greenT), to: vm1, ttl: 63 })] }));
  });

  it('native → pinned VM (I, invariant 1): no /32, so by the /24 to the source router, never onto the bridge', () => {
    const w = l3Site().send({ lan: [udp({ from: server, to: vm3, via: lan })] });
    expect(w.sent()).toEqual(
      frames({ wan: [udp({ from: by(server, wan), to: vm3, via: sourceRouter, ttl: 63 })] }),
    );
  });

  it('a host route to a VM that the FDB has behind the extension: the gateway never sends there (invariant 3)', () => {
    const w = l3Site().seen('green', vm1, 'ext.10');
    w.send({ lan: [udp({ from: server, to: vm1, via: lan })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'bvi-egress-extension': 1 });
  });
});

describe('transit and redirects', () => {
  it('in and out by the same interface (I): forwarded, and no ICMP redirect is ever sent', () => {
    const w = l3Site().route('10.30.0.0/16', { via: '10.20.0.5', out: 'lan' });
    const there = withIp(server, '10.30.0.9');
    const laptop = withIp({ ...far, mac: { hi: 0x0200, lo: 0x1a06 } }, '10.20.0.6');
    w.send({ lan: [udp({ from: laptop, to: there, via: lan })] });
    expect(w.sent()).toEqual(
      frames({ lan: [udp({ from: by(laptop, lan), to: there, via: server, ttl: 63 })] }),
    );
    expect(w.counted()).toEqual({});
  });

  it('ECMP: one flow stays on one path, many flows use all of them', () => {
    const w = l3Site().route(
      '0.0.0.0/0',
      { via: '203.0.113.1', out: 'edge' },
      { via: '172.16.0.1', out: 'wan' },
    );
    const flow = (sport: number) => udp({ from: vm1, to: far, via: greenT, sport });
    w.send({ vm1: Array.from({ length: 20 }, () => flow(4000)) });
    expect(Object.values(w.taken()).map((list) => list.length)).toEqual([20]);
    w.send({ vm1: Array.from({ length: 50 }, (_, k) => flow(5000 + k)) });
    expect(Object.keys(w.taken()).sort()).toEqual(['edge', 'wan']);
  });
});

describe('no route', () => {
  it('net unreachable to the sender, from the ingress address (RFC 1812 §5.2.7.1)', () => {
    const w = l3Site().route('198.51.100.0/24', 'unreachable');
    const about = udp({ from: vm1, to: far, via: greenT });
    w.send({ vm1: [about] });
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpError({ from: greenT, to: vm1, type: 3, code: 0, about })] }),
    );
    expect(w.counted()).toEqual({ 'ip4-no-route': 1 });
  });

  it('a blackhole says nothing (I)', () => {
    const w = l3Site().route('198.51.100.0/24', 'blackhole');
    w.send({ vm1: [udp({ from: vm1, to: far, via: greenT })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'ip4-blackhole': 1 });
  });
});

describe('TTL (RFC 1812 §5.3.1)', () => {
  it('T decrements once; TTL 2 leaves with 1', () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: server, via: greenT, ttl: 2 })] });
    expect(w.sent()).toEqual(frames({ lan: [udp({ from: by(vm1, lan), to: server, ttl: 1 })] }));
  });

  it.each([0, 1])('TTL %i: time exceeded from the ingress address', (ttl) => {
    const about = udp({ from: vm1, to: server, via: greenT, ttl });
    const w = l3Site().send({ vm1: [about] });
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpError({ from: greenT, to: vm1, type: 11, code: 0, about })] }),
    );
    expect(w.counted()).toEqual({ 'ip4-ttl-expired': 1 });
  });

  it('from a routed interface: the address of that interface, though the error leaves by it as well', () => {
    const about = udp({ from: by(far, internet), to: vm1, via: edge, ttl: 1 });
    const w = l3Site().send({ edge: [about] });
    const error = icmpError({ from: edge, to: far, via: internet, type: 11, code: 0, about });
    expect(w.sent()).toEqual(frames({ edge: [error] }));
  });

  it('siteAddress gives a network at this site a source address of its own (I: traceroute tells the sites apart)', () => {
    const about = udp({ from: vm1, to: server, via: greenT, ttl: 1 });
    const w = l3Site({ origin: { siteAddress: 0x0aff0002 } }).send({ vm1: [about] });
    const from = withIp(greenT, '10.255.0.2');
    expect(w.sent()).toEqual(frames({ vm1: [icmpError({ from, to: vm1, type: 11, code: 0, about })] }));
  });
});

describe('packets that no router passes on', () => {
  const good = () => udp({ from: vm1, to: server, via: greenT });
  const change = (frame: Uint8Array, edit: (view: DataView) => void, refresh = true): Uint8Array => {
    const view = new DataView(frame.buffer);
    edit(view);
    if (refresh) ipv4RefreshChecksum(view, 14);
    return frame;
  };
  const options = (...bytes: number[]): Uint8Array => {
    const frame = ip4({ from: vm1, to: server, via: greenT, protocol: 17, payload: pattern(40) });
    frame.set(bytes, 34);
    return change(frame, (v) => v.setUint8(14, 0x40 | (5 + bytes.length / 4)));
  };

  it.each<[string, Uint8Array, string]>([
    ['header checksum wrong', change(good(), (v) => v.setUint8(22, 9), false), 'ip4-bad-checksum'],
    ['version 5', change(good(), (v) => v.setUint8(14, 0x55)), 'ip4-bad-version'],
    ['header length 16', change(good(), (v) => v.setUint8(14, 0x44), false), 'ip4-bad-version'],
    ['total length beyond the frame', change(good(), (v) => v.setUint16(16, 1000)), 'ip4-truncated'],
    [
      'source 127.0.0.1',
      udp({ from: withIp(vm1, '127.0.0.1'), to: server, via: greenT }),
      'ip4-martian-source',
    ],
    ['source 0.0.0.5', udp({ from: withIp(vm1, '0.0.0.5'), to: server, via: greenT }), 'ip4-martian-source'],
    [
      'source 224.0.0.9',
      udp({ from: withIp(vm1, '224.0.0.9'), to: server, via: greenT }),
      'ip4-martian-source',
    ],
    [
      'source 192.168.10.255, the subnet broadcast',
      udp({ from: withIp(vm1, '192.168.10.255'), to: server, via: greenT }),
      'ip4-martian-source',
    ],
    [
      'destination 127.0.0.1',
      udp({ from: vm1, to: withIp(server, '127.0.0.1'), via: greenT }),
      'ip4-martian-destination',
    ],
    [
      'destination 0.0.0.0',
      udp({ from: vm1, to: withIp(server, '0.0.0.0'), via: greenT }),
      'ip4-martian-destination',
    ],
    [
      'destination 169.254.1.1',
      udp({ from: vm1, to: withIp(server, '169.254.1.1'), via: greenT }),
      'ip4-martian-destination',
    ],
    [
      'destination 239.1.1.1',
      udp({ from: vm1, to: withIp(server, '239.1.1.1'), via: greenT }),
      'ip4-multicast',
    ],
    [
      'destination 255.255.255.255',
      udp({ from: vm1, to: withIp(server, '255.255.255.255'), via: greenT }),
      'ip4-multicast',
    ],
    [
      'destination 192.168.10.255',
      udp({ from: vm1, to: withIp(server, '192.168.10.255'), via: greenT }),
      'ip4-multicast',
    ],
    [
      'destination 10.20.0.255, a directed broadcast',
      udp({ from: vm1, to: withIp(server, '10.20.0.255'), via: greenT }),
      'ip4-multicast',
    ],
    ['loose source route', options(131, 7, 4, 10, 0, 0, 1, 0), 'ip4-source-route'],
    ['strict source route behind a NOP', options(1, 137, 7, 4, 10, 0, 0, 1), 'ip4-source-route'],
  ])('%s', (_, frame, reason) => {
    const w = l3Site().send({ vm1: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ [reason]: 1 });
    expect(REASONS.find((r) => r.name === reason)?.cls).toBe('drop');
  });

  it("a routed interface's own address as source", () => {
    const w = l3Site().send({ lan: [udp({ from: withIp(server, '10.20.0.1'), to: vm1, via: lan })] });
    expect(w.counted()).toEqual({ 'ip4-martian-source': 1 });
  });

  it('Ethernet padding is cut off before the packet goes on', () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: server, via: greenT, payload: pattern(1) })] });
    expect(w.taken().lan[0].length).toBe(14 + 29);
  });

  it('other options pass', () => {
    const w = l3Site().send({ vm1: [options(1, 1, 1, 0)] });
    expect(Object.keys(w.taken())).toEqual(['lan']);
  });
});

describe('ping to the gateway (RFC 1812 §4.3.3.6)', () => {
  it('by a local VM: answered from the gateway address, even with TTL 1', () => {
    const w = l3Site().send({ vm1: [icmpEcho({ from: vm1, to: greenT, ttl: 1, id: 9, tos: 0x28 })] });
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpEcho({ from: greenT, to: vm1, reply: true, id: 1, tos: 0x28 })] }),
    );
    expect(w.counted()).toEqual({ 'icmp-echo-answered': 1 });
  });

  it('by a host on a routed interface, and of another interface than it came by', () => {
    const w = l3Site().send({ lan: [icmpEcho({ from: server, to: by(wan, lan) })] });
    expect(w.sent()).toEqual(frames({ lan: [icmpEcho({ from: by(wan, lan), to: server, reply: true })] }));
  });

  it('an echo reply, an ICMP error and a bad checksum ask for nothing', () => {
    const w = l3Site().send({ vm1: [icmpEcho({ from: vm1, to: greenT, reply: true })] });
    expect(w.counted()).toEqual({ 'icmp-ignored': 1 });
    const about = udp({ from: greenT, to: vm1 });
    w.send({ vm1: [icmpError({ from: vm1, to: greenT, type: 3, code: 3, about })] });
    expect(w.counted()).toEqual({ 'icmp-ignored': 1 });
    const bad = icmpEcho({ from: vm1, to: greenT });
    bad[50] ^= 1;
    w.send({ vm1: [bad] });
    expect(w.counted()).toEqual({ 'icmp-malformed': 1 });
    expect(w.sent()).toEqual({});
  });

  it('what the gateway does not serve: port or protocol unreachable; fragments: nothing', () => {
    const w = l3Site();
    const cases: [Uint8Array, number][] = [
      [udp({ from: vm1, to: greenT, dport: 53 }), 3],
      [tcp({ from: vm1, to: greenT, dport: 22 }), 3],
      [ip4({ from: vm1, to: greenT, protocol: 47, payload: pattern(30) }), 2],
    ];
    cases.forEach(([about, code], k) => {
      w.send({ vm1: [about] });
      const error = icmpError({ from: greenT, to: vm1, type: 3, code, about, id: k + 1 });
      expect(w.sent()).toEqual(frames({ vm1: [error] }));
      expect(w.counted()).toEqual({ 'ip4-local-unsupported': 1 });
    });
    w.send({ vm1: [icmpEcho({ from: vm1, to: greenT, flagsFrag: 0x2000 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'ip4-local-fragment': 1 });
  });

  it("where the host's stack owns the address, what came by a host interface is left to it, a VM's ping is answered", () => {
    const w = l3Site({
      routed: [
        { name: 'wan', self: wan, address: '172.16.0.2/30', hostStack: true },
        { name: 'edge', self: edge, address: '203.0.113.2/30' },
        { name: 'lan', self: lan, address: '10.20.0.1/24' },
      ],
    });
    w.send({ wan: [icmpEcho({ from: sourceRouter, to: wan })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'ip4-to-host': 1 });
    w.send({ wan: [icmpEcho({ from: sourceRouter, to: greenT, via: wan })] });
    expect(Object.keys(w.taken()), 'the address of a network is never the host\u2019s').toEqual(['wan']);
    w.counted();
    w.send({ vm1: [icmpEcho({ from: vm1, to: wan, via: greenT })] });
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpEcho({ from: by(wan, greenT), to: vm1, via: vm1, reply: true, id: 2 })] }),
    );
  });

  it('with a checksum that is left to the hardware: complete in the reply', () => {
    const w = l3Site({ ports: { vm1: { offload: true } } });
    const request = icmpEcho({ from: vm1, to: greenT });
    request.set([0, 0], 36);
    w.sendOffload('vm1', Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 2, 0), request, OFFLOAD_VNET | OFFLOAD_CSUM);
    expect(w.sent()).toEqual(frames({ vm1: [icmpEcho({ from: greenT, to: vm1, reply: true })] }));
  });
});

describe('an interface without Ethernet', () => {
  it('needs no neighbor: the packet goes out as it is', () => {
    const tun = withIp(lan, '10.50.0.1');
    const w = l3Site({
      routed: [
        { name: 'wan', self: wan, address: '172.16.0.2/30' },
        { name: 'edge', self: edge, address: '203.0.113.2/30' },
        { name: 'lan', self: lan, address: '10.20.0.1/24' },
        { name: 'tun', self: tun, address: '10.50.0.1/24' },
      ],
      ports: { tun: { l3Only: true } },
    });
    w.route('10.60.0.0/16', { via: '10.50.0.9', out: 'tun' });
    const toConnected = udp({ from: vm1, to: withIp(far, '10.50.0.7'), via: greenT });
    const toNextHop = udp({ from: vm1, to: withIp(far, '10.60.0.7'), via: greenT });
    w.send({ vm1: [toConnected, toNextHop] });
    const bare = [toConnected, toNextHop].map((frame) => {
      const packet = frame.slice(14);
      ipv4DecrementTtl(new DataView(packet.buffer), 0);
      return packet;
    });
    expect(w.taken()).toEqual({ tun: bare });
    expect(w.counted()).toEqual({});
  });
});
