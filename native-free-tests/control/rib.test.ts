import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import { formatPrefix4, parsePrefix4 } from '../../src/addr/prefix.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { type IfIndex, ifIndex } from '../../src/base/ids.ts';
import { Rib } from '../../src/control/rib.ts';
import type { CompareBgp } from '../../src/control/rib-order.ts';
import {
  type BestChange,
  IBGP_DISTANCE,
  type RibEntry,
  type RibNextHop,
  type RibRoute,
  type RouteSource,
} from '../../src/control/rib-route.ts';

const WAN = ifIndex(1);
const LAN = ifIndex(2);

const via = (ip: string, iface?: IfIndex): RibNextHop => ({
  kind: 'via',
  ip: parseIpv4(ip),
  ...(iface === undefined ? {} : { iface }),
});
const onLink = (iface: IfIndex): RibNextHop => ({ kind: 'connected', iface, ip: 0 });

function route(
  source: RouteSource,
  text: string,
  nextHops: RibNextHop | RibNextHop[],
  more: Partial<RibRoute> = {},
): RibRoute {
  const { prefix, len } = parsePrefix4(text);
  return { source, prefix, len, nextHops: [nextHops].flat(), ...more };
}

/** A RIB with a WAN of 172.16.0.0/30 and a LAN of 10.0.0.0/24. */
function createRib(options: { compareBgp?: CompareBgp; maxPaths?: number } = {}) {
  const clock = new VirtualClock(1000);
  const rib = new Rib({ clock, ...options });
  const changes: string[] = [];
  rib.add(route('connected', '172.16.0.0/30', onLink(WAN)));
  rib.add(route('connected', '10.0.0.0/24', onLink(LAN)));
  rib.onBestChange((c: BestChange) => {
    changes.push(
      `${formatPrefix4(c.prefix, c.len)} ${c.previous?.source ?? '-'} -> ${c.best?.source ?? '-'}`,
    );
  });
  const remove = (source: RouteSource, text: string, key?: string): boolean => {
    const { prefix, len } = parsePrefix4(text);
    return rib.remove(source, prefix, len, key);
  };
  return { rib, clock, changes, remove };
}

/** `lookup` as text: "prefix source → kind interface address, …". */
function where(rib: Rib, address: string): string {
  const entry: RibEntry | undefined = rib.lookup(parseIpv4(address));
  if (entry === undefined) return 'no route';
  const paths = entry.list!.paths.map((p) => `${p.kind} ${p.iface} ${formatIpv4(p.ip)}`);
  return `${formatPrefix4(entry.prefix, entry.len)} ${entry.best[0].route.source} → ${paths.join(', ')}`;
}

const reasonOf = (rib: Rib, source: RouteSource, text: string): string =>
  [...rib.snapshot()].find((r) => r.source === source && formatPrefix4(r.prefix, r.len) === text)!.reason;

describe('Rib best path', () => {
  it('lets connected win over static, static over mobility, mobility over eBGP, eBGP over iBGP', () => {
    const { rib, remove } = createRib();
    const p = '192.168.10.11/32';
    rib.add(route('bgp', p, via('172.16.0.1'), { key: 'ibgp', distance: IBGP_DISTANCE }));
    expect(rib.lookup(parseIpv4('192.168.10.11'))!.best[0].key).toBe('ibgp');
    rib.add(route('bgp', p, via('172.16.0.1'), { key: 'ebgp' }));
    expect(rib.lookup(parseIpv4('192.168.10.11'))!.best[0].key).toBe('ebgp');
    rib.add(route('mobility', p, via('192.168.10.11', LAN)));
    expect(where(rib, '192.168.10.11')).toBe(`${p} mobility → via 2 192.168.10.11`);
    rib.add(route('static', p, via('10.0.0.9')));
    expect(where(rib, '192.168.10.11')).toBe(`${p} static → via 2 10.0.0.9`);
    rib.add(route('connected', p, { kind: 'local', iface: LAN, ip: parseIpv4('192.168.10.11') }));
    expect(where(rib, '192.168.10.11')).toBe(`${p} connected → local 2 192.168.10.11`);
    expect(remove('connected', p)).toBe(true);
    expect(remove('static', p)).toBe(true);
    expect(remove('mobility', p)).toBe(true);
    expect(remove('bgp', p, 'ebgp')).toBe(true);
    expect(rib.lookup(parseIpv4('192.168.10.11'))!.best[0].key).toBe('ibgp');
    expect(remove('bgp', p, 'ibgp')).toBe(true);
    expect(where(rib, '192.168.10.11')).toBe('no route');
    expect(remove('bgp', p, 'ibgp')).toBe(false);
  });

  it('prefers the lower metric, then the BGP comparison before the metric', () => {
    const { rib } = createRib({ compareBgp: (a, b) => (a.attributes as number) - (b.attributes as number) });
    rib.add(route('static', '10.1.0.0/16', via('10.0.0.1'), { key: 'a', metric: 20 }));
    rib.add(route('static', '10.1.0.0/16', via('10.0.0.2'), { key: 'b', metric: 10 }));
    expect(where(rib, '10.1.0.1')).toBe('10.1.0.0/16 static → via 2 10.0.0.2');
    rib.add(route('bgp', '10.2.0.0/16', via('10.0.0.1'), { key: 'a', attributes: 1, metric: 9 }));
    rib.add(route('bgp', '10.2.0.0/16', via('10.0.0.2'), { key: 'b', attributes: 2, metric: 1 }));
    expect(where(rib, '10.2.0.1')).toBe('10.2.0.0/16 bgp → via 2 10.0.0.1');
  });

  it('shares the traffic between equal routes, up to maxPaths, and not between distances', () => {
    const { rib, remove } = createRib({ maxPaths: 2 });
    for (const [key, hop] of [
      ['esg1', '10.0.0.1'],
      ['esg2', '10.0.0.2'],
      ['esg3', '10.0.0.3'],
    ]) {
      rib.add(route('bgp', '0.0.0.0/0', via(hop), { key }));
    }
    expect(where(rib, '8.8.8.8')).toBe('0.0.0.0/0 bgp → via 2 10.0.0.1, via 2 10.0.0.2');
    remove('bgp', '0.0.0.0/0', 'esg1');
    expect(where(rib, '8.8.8.8')).toBe('0.0.0.0/0 bgp → via 2 10.0.0.2, via 2 10.0.0.3');
    rib.add(route('static', '0.0.0.0/0', via('172.16.0.1')));
    expect(where(rib, '8.8.8.8')).toBe('0.0.0.0/0 static → via 1 172.16.0.1');
  });

  it('replaces a route that is added again, and starts its age anew', () => {
    const { rib, clock, changes } = createRib();
    rib.add(route('static', '10.1.0.0/16', via('10.0.0.1')));
    clock.advanceTo(5000);
    rib.add(route('static', '10.1.0.0/16', via('10.0.0.2')));
    expect(where(rib, '10.1.0.1')).toBe('10.1.0.0/16 static → via 2 10.0.0.2');
    const rows = [...rib.snapshot()].filter((r) => r.source === 'static');
    expect(rows.map((r) => [r.sinceMs, r.best])).toEqual([[5000, true]]);
    expect(changes).toEqual(['10.1.0.0/16 - -> static', '10.1.0.0/16 static -> static']);
  });

  it('ignores host bits and walks prefixes in ascending order, shorter ones first', () => {
    const { rib } = createRib();
    rib.add({ source: 'static', prefix: parseIpv4('10.0.0.77'), len: 8, nextHops: [via('10.0.0.1')] });
    rib.add({ source: 'static', prefix: parseIpv4('255.255.255.255'), len: 0, nextHops: [via('10.0.0.1')] });
    expect([...rib.walk()].map((e) => formatPrefix4(e.prefix, e.len))).toEqual([
      '0.0.0.0/0',
      '10.0.0.0/8',
      '10.0.0.0/24',
      '172.16.0.0/30',
    ]);
    expect(rib.prefixes).toBe(4);
    expect(rib.routes).toBe(4);
  });

  it('forwards to a blackhole where that is the best route', () => {
    const { rib } = createRib();
    rib.add(route('static', '10.66.0.0/16', { kind: 'blackhole', ip: 0 }));
    expect(where(rib, '10.66.1.1')).toBe('10.66.0.0/16 static → blackhole 0 0.0.0.0');
    rib.add(route('bgp', '10.67.0.0/16', via('10.66.0.1')));
    expect(where(rib, '10.67.1.1')).toBe('10.67.0.0/16 bgp → blackhole 0 0.0.0.0');
  });
});

describe('Rib next-hop resolution', () => {
  it('resolves a BGP next hop through a static route and a connected one, and again when they change', () => {
    const { rib, remove, changes } = createRib();
    rib.add(route('bgp', '203.0.113.0/24', via('10.255.0.1')));
    expect(where(rib, '203.0.113.1')).toBe('no route');
    expect(reasonOf(rib, 'bgp', '203.0.113.0/24')).toBe('no route to the next hop');
    rib.add(route('static', '10.255.0.0/24', via('172.16.0.1')));
    expect(where(rib, '203.0.113.1')).toBe('203.0.113.0/24 bgp → via 1 172.16.0.1');
    rib.add(route('static', '10.255.0.1/32', via('10.0.0.9')));
    expect(where(rib, '203.0.113.1')).toBe('203.0.113.0/24 bgp → via 2 10.0.0.9');
    remove('static', '10.255.0.1/32');
    expect(where(rib, '203.0.113.1')).toBe('203.0.113.0/24 bgp → via 1 172.16.0.1');
    remove('static', '10.255.0.0/24');
    expect(where(rib, '203.0.113.1')).toBe('no route');
    expect(changes.filter((c) => c.startsWith('203'))).toEqual([
      '203.0.113.0/24 - -> bgp',
      '203.0.113.0/24 bgp -> -',
    ]);
  });

  it('does not resolve through the default route, through BGP, or to an own address', () => {
    const { rib } = createRib();
    rib.add(route('static', '0.0.0.0/0', via('172.16.0.1')));
    rib.add(route('bgp', '203.0.113.0/24', via('198.51.100.1')));
    expect(where(rib, '203.0.113.1')).toBe('0.0.0.0/0 static → via 1 172.16.0.1');
    rib.add(route('bgp', '198.51.100.0/24', via('172.16.0.1')));
    expect(where(rib, '203.0.113.1')).toBe('0.0.0.0/0 static → via 1 172.16.0.1');
    rib.add(route('connected', '10.0.0.254/32', { kind: 'local', iface: LAN, ip: parseIpv4('10.0.0.254') }));
    rib.add(route('static', '10.9.0.0/16', via('10.0.0.254')));
    expect(reasonOf(rib, 'static', '10.9.0.0/16')).toBe('the next hop is an address of this gateway');
  });

  it('keeps resolving a peer by the connected network when the peer announces its own address', () => {
    const { rib } = createRib();
    rib.add(route('bgp', '172.16.0.1/32', via('172.16.0.1')));
    rib.add(route('bgp', '203.0.113.0/24', via('172.16.0.1')));
    expect(where(rib, '203.0.113.1')).toBe('203.0.113.0/24 bgp → via 1 172.16.0.1');
    expect(where(rib, '172.16.0.1')).toBe('172.16.0.1/32 bgp → via 1 172.16.0.1');
  });

  it('breaks a loop of static routes: a next hop is never reached through itself', () => {
    const { rib, remove } = createRib();
    rib.add(route('static', '20.0.0.0/8', via('10.0.0.5')));
    rib.add(route('static', '10.0.0.5/32', via('20.0.0.1')));
    // 10.0.0.5 would be reached through 20.0.0.0/8, which is reached through 10.0.0.5: it stays on the connected network.
    expect(where(rib, '20.1.1.1')).toBe('20.0.0.0/8 static → via 2 10.0.0.5');
    expect(where(rib, '10.0.0.5')).toBe('10.0.0.5/32 static → via 2 10.0.0.5');
    remove('connected', '10.0.0.0/24');
    expect(where(rib, '20.1.1.1')).toBe('no route');
    expect(where(rib, '10.0.0.5')).toBe('no route');
    expect(reasonOf(rib, 'static', '10.0.0.5/32')).toBe('no route to the next hop');
    rib.add(route('connected', '10.0.0.0/24', onLink(WAN)));
    expect(where(rib, '20.1.1.1')).toBe('20.0.0.0/8 static → via 1 10.0.0.5');
  });

  it('ends for rings of static routes that all depend on each other', () => {
    const { rib } = createRib();
    const ring = ['10.0.0.5', '10.0.0.6', '10.0.0.7'];
    ring.forEach((hop, i) => {
      rib.add(route('static', `${hop}/32`, via(ring[(i + 1) % 3])));
    });
    for (const hop of ring) expect(where(rib, hop)).toContain(`${hop}/32 static → via 2`);
    rib.setInterface(LAN, false);
    for (const hop of ring) expect(where(rib, hop)).toBe('no route');
    rib.setInterface(LAN, true);
    for (const hop of ring) expect(where(rib, hop)).toContain(`${hop}/32 static → via 2`);
  });

  it('drops the next hops of an interface that goes down, and takes them back', () => {
    const { rib, changes } = createRib();
    rib.add(route('static', '0.0.0.0/0', [via('172.16.0.1'), via('10.0.0.1', LAN)]));
    rib.add(route('static', '10.5.0.0/16', via('172.16.0.1')));
    changes.length = 0;
    rib.setInterface(WAN, false);
    expect(where(rib, '8.8.8.8')).toBe('0.0.0.0/0 static → via 2 10.0.0.1');
    expect(where(rib, '10.5.0.1')).toBe('0.0.0.0/0 static → via 2 10.0.0.1');
    expect(reasonOf(rib, 'connected', '172.16.0.0/30')).toBe('interface is down');
    expect(changes).toEqual(['172.16.0.0/30 connected -> -', '10.5.0.0/16 static -> -']);
    rib.setInterface(WAN, false);
    rib.setInterface(WAN, true);
    expect(where(rib, '8.8.8.8')).toBe('0.0.0.0/0 static → via 1 172.16.0.1, via 2 10.0.0.1');
    expect(where(rib, '10.5.0.1')).toBe('10.5.0.0/16 static → via 1 172.16.0.1');
  });
});

describe('Rib as a whole', () => {
  it('after any changes says the same as a RIB that got only what is left, in another order', () => {
    const statics = fc.record({
      source: fc.constant<RouteSource>('static'),
      text: fc.constantFrom('192.0.2.0/24', '192.0.2.1/32', '20.0.0.0/8', '0.0.0.0/0'),
      hops: fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.2', '172.16.0.1'), { minLength: 1 }),
    });
    const learned = fc.record({
      source: fc.constantFrom<RouteSource>('bgp', 'mobility'),
      text: fc.constantFrom('20.0.0.0/8', '20.0.0.0/24', '20.0.0.1/32', '192.0.2.1/32'),
      hops: fc.uniqueArray(fc.constantFrom('192.0.2.1', '192.0.2.2', '10.0.0.1'), { minLength: 1 }),
    });
    const step = fc.record({
      change: fc.oneof(
        statics,
        learned.filter((r) => r.source === 'bgp' || !r.text.startsWith('192')),
      ),
      key: fc.constantFrom('a', 'b'),
      metric: fc.constantFrom(0, 0, 10),
      remove: fc.boolean(),
      wanUp: fc.constantFrom(true, true, false),
    });
    const probes = ['20.0.0.1', '20.0.0.2', '20.9.9.9', '192.0.2.1', '192.0.2.2', '10.0.0.1', '8.8.8.8'];
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { rib, remove } = createRib();
        let up = true;
        for (const { change, key, metric, ...s } of steps) {
          if (s.remove) remove(change.source, change.text, key);
          else {
            const hops = (change.hops as string[]).map((hop) => via(hop));
            rib.add(route(change.source, change.text, hops, { key, metric }));
          }
          rib.setInterface(WAN, (up = s.wanUp));
        }
        const fresh = createRib();
        fresh.rib.setInterface(WAN, up);
        const left = [...rib.walk()].flatMap((e) => e.candidates.map((c) => c.route)).reverse();
        for (const r of left) fresh.rib.add(r);
        const answers = (of: Rib): string[] => probes.map((p) => where(of, p));
        expect(answers(rib)).toEqual(answers(fresh.rib));
      }),
      { numRuns: 300 },
    );
  });
});
