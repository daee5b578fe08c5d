import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { VirtualTimers } from '../../src/base/timers.ts';
import { DEFAULT_TTL, echoRequest, icmpError, L3, udpPacket, viewOf } from '../../src/sim/frames.ts';
import { IpNode } from '../../src/sim/ip-node.ts';
import { startPing, startProbe, watchEchoes } from '../../src/sim/probes.ts';
import { ICMP4_DEST_UNREACHABLE, icmp4Code, icmp4Type } from '../../src/wire/icmpv4.ts';
import { IPPROTO_UDP, ipv4Src, ipv4Ttl } from '../../src/wire/ipv4.ts';
import { cable, host, ip, mac, pass, throughRouter, twoHosts } from './cables.ts';

describe('IpNode', () => {
  it('pings a neighbor: 20 of 20, and the round trip is twice the delay', () => {
    const { timers, link, a, aIp, bIp } = twoHosts({ delayMs: 5 });
    const seen = watchEchoes(link, aIp, bIp);
    const ping = startPing({
      timers,
      node: a,
      src: aIp,
      dst: bIp,
      count: 20,
      intervalMs: 50,
      timeoutMs: 1000,
      id: 7,
    });
    pass(timers, 2000);
    expect(ping.done).toBe(true);
    expect(ping.rttMs).toHaveLength(20);
    // The first one waits for ARP.
    expect(Math.min(...ping.rttMs)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...ping.rttMs.slice(1))).toBeLessThan(10.6);
    expect([seen.requests, seen.replies]).toEqual([20, 20]);
  });

  it('counts what a lossy cable takes as lost, and ends in time', () => {
    const { timers, a, aIp, bIp } = twoHosts({ loss: 0.3 });
    const ping = startPing({
      timers,
      node: a,
      src: aIp,
      dst: bIp,
      count: 50,
      intervalMs: 50,
      timeoutMs: 1000,
      id: 7,
    });
    pass(timers, 49 * 50 + 1000);
    expect(ping.done).toBe(true);
    expect(ping.rttMs.length).toBeGreaterThan(10);
    expect(ping.rttMs.length).toBeLessThan(40);
  });

  it('tells pings apart by their identifier', () => {
    const { timers, a, aIp, bIp } = twoHosts();
    const options = { timers, node: a, src: aIp, dst: bIp, count: 3, intervalMs: 10, timeoutMs: 100 };
    const pings = [startPing({ ...options, id: 1 }), startPing({ ...options, id: 2 })];
    pass(timers, 1000);
    expect(pings.map((p) => p.rttMs.length)).toEqual([3, 3]);
  });

  it('forwards with one less TTL, and says where the TTL ran out', () => {
    const { timers, right, a, b, aIp, bIp } = throughRouter();
    const ttls: number[] = [];
    right.watch((frame) => {
      if (frame.length > 60) ttls.push(ipv4Ttl(viewOf(frame), L3));
    });
    const hops = [1, 2].map((ttl) => {
      const probe = startProbe({ timers, node: a, src: aIp, dst: bIp, ttl, timeoutMs: 1000 });
      pass(timers, 1000);
      return probe.answer === undefined ? '*' : formatIpv4(probe.answer);
    });
    expect(hops).toEqual(['192.0.2.254', '198.51.100.1']);
    startPing({ timers, node: b, src: bIp, dst: aIp, count: 1, intervalMs: 1, timeoutMs: 100, id: 1 });
    pass(timers, 1000);
    expect(ttls).toContain(DEFAULT_TTL - 1); // the reply, on its last cable
  });

  it('has no answer to a probe where nobody is, and tells so by done', () => {
    const { timers, a, aIp } = twoHosts();
    const probe = startProbe({ timers, node: a, src: aIp, dst: ip('192.0.2.99'), ttl: 5, timeoutMs: 1000 });
    pass(timers, 1000);
    expect(probe).toEqual({ answer: undefined, done: true });
  });

  const errorsAt = (node: ReturnType<typeof twoHosts>['a']): string[] => {
    const errors: string[] = [];
    node.icmp.add((packet) => {
      const view = viewOf(packet);
      errors.push(`${icmp4Type(view, L3 + 20)}/${icmp4Code(view, L3 + 20)} ${formatIpv4(ipv4Src(view, L3))}`);
    });
    return errors;
  };

  it('as a router says net unreachable without a route and host unreachable without a neighbor', () => {
    const { timers, a, aIp } = throughRouter();
    const errors = errorsAt(a);
    a.send(echoRequest({ src: aIp, dst: ip('203.0.113.9') }, 1, 1));
    a.send(echoRequest({ src: aIp, dst: ip('198.51.100.77') }, 1, 2));
    pass(timers, 10_000);
    expect(errors).toEqual(['3/0 192.0.2.254', '3/1 198.51.100.254']);
  });

  it('never answers an ICMP error with another one (RFC 1812)', () => {
    const { timers, a, aIp } = throughRouter();
    const errors = errorsAt(a);
    const about = echoRequest({ src: ip('203.0.113.9'), dst: aIp }, 1, 1);
    a.send(icmpError({ src: aIp, dst: ip('203.0.113.9') }, ICMP4_DEST_UNREACHABLE, 3, about));
    pass(timers, 10_000);
    expect(errors).toEqual([]);
  });

  it('gives UDP to whoever has bound the port, and answers port unreachable otherwise', () => {
    const { timers, a, b, aIp, bIp } = twoHosts();
    const errors = errorsAt(a);
    let got = 0;
    const release = b.bind(IPPROTO_UDP, 5000, () => got++);
    const datagram = () => udpPacket({ src: aIp, dst: bIp }, 4000, 5000, new Uint8Array(8));
    a.send(datagram());
    pass(timers, 100);
    release();
    a.send(datagram());
    pass(timers, 100);
    expect([got, errors]).toEqual([1, ['3/3 192.0.2.2']]);
  });

  it('forwards nothing as a host, though the frame was for its MAC', () => {
    const { timers, link, a, aIp } = twoHosts();
    a.routes.add({ prefix: 0, len: 0, source: 'static', via: ip('192.0.2.2') });
    a.send(echoRequest({ src: aIp, dst: ip('203.0.113.9') }, 1, 1));
    let back = 0;
    link.watch((frame, from) => {
      if (from === link.b && frame.length > 60) back++;
    });
    pass(timers, 1000);
    expect(back).toBe(0);
  });

  it('booted, knows no neighbor and tells those that know it where it is', () => {
    const { timers, link, a, aIp, b, bIp } = twoHosts();
    startPing({ timers, node: a, src: aIp, dst: bIp, count: 1, intervalMs: 1, timeoutMs: 100, id: 1 });
    pass(timers, 200);
    expect(a.interfaces[0].arp.lookup(bIp)).toBe('02:00:00:00:00:0b');
    // The same address on another machine: b follows its announcement.
    const other = host(timers, 'a2', '192.0.2.1/24', '02:00:00:00:00:aa', link.a);
    other.boot();
    pass(timers, 10);
    expect(b.interfaces[0].arp.lookup(aIp)).toBe('02:00:00:00:00:aa');
    a.boot();
    expect(a.interfaces[0].arp.lookup(bIp)).toBe('none');
  });

  it('with two legs uses the one that is up, and asks anew only when it boots there', () => {
    const timers = new VirtualTimers(1_000_000);
    const [near, far] = [cable(timers), cable(timers, { seed: 2 })];
    host(timers, 'near', '192.0.2.2/24', '02:00:00:00:00:01', near.b);
    host(timers, 'far', '192.0.2.2/24', '02:00:00:00:00:02', far.b);
    const vm = new IpNode('vm', timers, false);
    const [src, dst] = [ip('192.0.2.3'), ip('192.0.2.2')];
    const { arp } = vm.addInterface(mac('02:00:00:00:00:0c'), src, 24, [near.a, far.a]);
    let id = 0;
    const answered = (): string => {
      const ping = startPing({
        timers,
        node: vm,
        src,
        dst,
        count: 1,
        intervalMs: 1,
        timeoutMs: 100,
        id: ++id,
      });
      pass(timers, 100);
      return `${ping.rttMs.length} ${arp.lookup(dst)}`;
    };
    far.set(false);
    expect(answered()).toBe('1 02:00:00:00:00:01');
    near.set(false);
    far.set(true);
    expect(answered()).toBe('0 02:00:00:00:00:01');
    vm.boot();
    expect(answered()).toBe('1 02:00:00:00:00:02');
  });
});
