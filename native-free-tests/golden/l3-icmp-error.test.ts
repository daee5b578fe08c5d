// When the gateway sends an ICMP error and when it must not (RFC 1812 §4.3.2).

import { describe, expect, it } from 'vitest';
import { icmpEcho, ip4, pattern, udp, withIp } from './frames.ts';
import { frames } from './harness.ts';
import { by, edge, far, greenT, icmpError, internet, l3Site, lan, server, vm1 } from './l3-site.ts';

describe('ICMP error', () => {
  it('quotes as much as fits into 576 bytes (§4.3.2.3)', () => {
    const about = udp({ from: vm1, to: server, via: greenT, ttl: 1, payload: pattern(1000) });
    const w = l3Site().send({ vm1: [about] });
    const sent = w.taken().vm1;
    expect(sent.map((f) => f.length)).toEqual([14 + 576]);
    w.send({ vm1: [about] });
    expect(w.sent()).toEqual(
      frames({ vm1: [icmpError({ from: greenT, to: vm1, type: 11, code: 0, about, id: 2 })] }),
    );
  });

  it('keeps the DSCP below the precedence, which is internetwork control (§4.3.2.5)', () => {
    const w = l3Site().send({ vm1: [udp({ from: vm1, to: server, via: greenT, ttl: 1, tos: 0x2b })] });
    expect(w.taken().vm1[0][15]).toBe(0xc0 | 0x0a);
  });

  it.each<[string, Uint8Array]>([
    [
      'an ICMP error',
      icmpError({
        from: vm1,
        to: server,
        via: greenT,
        type: 3,
        code: 1,
        about: udp({ from: server, to: vm1 }),
      }),
    ],
    [
      'a redirect',
      ip4({
        from: vm1,
        to: server,
        via: greenT,
        protocol: 1,
        payload: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0),
      }),
    ],
    ['ICMP without a type', ip4({ from: vm1, to: server, via: greenT, protocol: 1 })],
    ['a packet from class E', udp({ from: withIp(vm1, '240.0.0.1'), to: server, via: greenT })],
    ['a fragment that is not the first', udp({ from: vm1, to: server, via: greenT, flagsFrag: 10 })],
  ])('is never sent about %s (§4.3.2.7)', (_, frame) => {
    const w = l3Site()
      .route('10.20.0.5/32', 'unreachable')
      .send({ vm1: [frame] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'icmp-error-suppressed': 1, 'ip4-no-route': 1 });
  });

  it('is sent about a ping and about the first fragment', () => {
    const w = l3Site().route('10.20.0.5/32', 'unreachable');
    w.send({
      vm1: [
        icmpEcho({ from: vm1, to: server, via: greenT }),
        udp({ from: vm1, to: server, via: greenT, flagsFrag: 0x2000 }),
      ],
    });
    expect(w.taken().vm1.length).toBe(2);
  });

  it('that itself finds no route, or whose TTL would matter, causes no other one', () => {
    const w = l3Site().route('198.51.100.0/24', 'unreachable');
    w.send({ edge: [udp({ from: by(far, internet), to: server, via: edge, ttl: 1 })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'ip4-ttl-expired': 1, 'icmp-error-suppressed': 1, 'ip4-no-route': 1 });
    expect(w.total('originated')).toBe(1);
  });

  it('is not sent about an echo reply of the gateway that finds no route', () => {
    const w = l3Site().route('198.51.100.0/24', 'unreachable');
    w.send({ edge: [icmpEcho({ from: by(far, internet), to: edge })] });
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'icmp-echo-answered': 1, 'icmp-error-suppressed': 1, 'ip4-no-route': 1 });
  });

  it('whose way has no MAC yet waits as any packet, and fails without another error', () => {
    const w = l3Site();
    const from = withIp({ ...server, mac: { hi: 0x0200, lo: 0x1a44 } }, '10.20.0.68');
    w.send({ lan: [udp({ from, to: vm1, via: lan, ttl: 1 })] });
    expect(w.counted()).toEqual({ 'ip4-ttl-expired': 1, 'neighbor-queued': 1 });
    w.wait(4000);
    expect(w.counted()).toEqual({ 'neighbor-unresolved': 1, 'icmp-error-suppressed': 1 });
    expect(w.total('queued')).toBe(0);
  });
});

describe('rate limit (§4.3.2.8)', () => {
  it('of one interface: as many a second as configured, the rest counted; another interface is not affected', () => {
    const w = l3Site({ origin: { errorsPerSecondAndInterface: 5 } });
    const about = udp({ from: vm1, to: server, via: greenT, ttl: 1 });
    w.send({ vm1: Array.from({ length: 12 }, () => about) });
    expect(w.taken().vm1.length).toBe(5);
    expect(w.counted()).toEqual({ 'ip4-ttl-expired': 12, 'icmp-error-limited': 7 });
    w.send({ lan: [udp({ from: server, to: vm1, via: lan, ttl: 1 })] });
    expect(w.taken().lan.length).toBe(1);
    w.wait(1000).send({ vm1: Array.from({ length: 12 }, () => about) });
    expect(w.taken().vm1.length).toBe(5);
  });

  it('of the gateway', () => {
    const w = l3Site({ origin: { errorsPerSecond: 3 } });
    const byVm = udp({ from: vm1, to: server, via: greenT, ttl: 1 });
    const byServer = udp({ from: server, to: vm1, via: lan, ttl: 1 });
    w.send({ vm1: [byVm, byVm], lan: [byServer, byServer] });
    expect(w.counted()).toEqual({ 'ip4-ttl-expired': 4, 'icmp-error-limited': 1 });
  });
});
