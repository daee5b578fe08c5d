import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import { parsePrefix4 } from '../../src/addr/prefix.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { type AdjIndex, adjIndex, ifIndex } from '../../src/base/ids.ts';
import { createPrng } from '../../src/base/prng.ts';
import { FibPublisher } from '../../src/control/fib-publish.ts';
import { Rib } from '../../src/control/rib.ts';
import type { RibNextHop, RibRoute, RouteSource } from '../../src/control/rib-route.ts';
import {
  ADJ_BLACKHOLE,
  ADJ_GLEAN,
  ADJ_LOCAL,
  ADJ_REWRITE,
  ADJ_UNREACHABLE,
  AdjacencyTable,
} from '../../src/tables/adjacency-table.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib4, Fib4Reader } from '../../src/tables/fib4.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';

const LAN = ifIndex(2);
const KIND_NAMES = {
  [ADJ_BLACKHOLE]: 'blackhole',
  [ADJ_UNREACHABLE]: 'unreachable',
  [ADJ_LOCAL]: 'local',
  [ADJ_GLEAN]: 'connected',
  [ADJ_REWRITE]: 'via',
} as Record<number, string>;

const via = (ip: string): RibNextHop => ({ kind: 'via', ip: parseIpv4(ip) });
const route = (source: RouteSource, text: string, ...nextHops: RibNextHop[]): RibRoute => ({
  source,
  ...parsePrefix4(text),
  nextHops,
});

function create(limits: { groups24?: number; groups16?: number } = { groups16: 4096 }) {
  const epoch = new Epoch();
  const nextHops = new NextHopTable(epoch);
  const fib4 = new Fib4({ nextHops, epoch, ...limits });
  const adjacencies = new AdjacencyTable();
  const added: string[] = [];
  const publisher = new FibPublisher({
    fib4,
    nextHops,
    adjacencies,
    epoch,
    adjacencyAdded: (index) => added.push(formatIpv4(adjacencies.nextHop[index])),
  });
  const rib = new Rib({ clock: new VirtualClock() });
  rib.attach(publisher);
  rib.add(route('connected', '10.0.0.0/24', { kind: 'connected', iface: LAN, ip: 0 }));
  const reader = new Fib4Reader(fib4.shared);
  const adjacency = (address: string, flow = 0): AdjIndex =>
    reader.resolve(reader.lookup(parseIpv4(address)), flow);
  const where = (address: string, flow = 0): string => {
    const adj = adjacency(address, flow);
    return `${KIND_NAMES[adjacencies.kind[adj]]} ${formatIpv4(adjacencies.nextHop[adj])}`;
  };
  const remove = (source: RouteSource, text: string, key?: string): boolean => {
    const { prefix, len } = parsePrefix4(text);
    return rib.remove(source, prefix, len, key);
  };
  return { epoch, nextHops, fib4, adjacencies, added, publisher, rib, reader, adjacency, where, remove };
}

describe('FibPublisher', () => {
  it('sends packets to what kind of next hop the best route has', () => {
    const { rib, where, remove } = create();
    rib.add(route('connected', '10.0.0.254/32', { kind: 'local', iface: LAN, ip: parseIpv4('10.0.0.254') }));
    rib.add(route('static', '10.66.0.0/16', { kind: 'blackhole', ip: 0 }));
    rib.add(route('static', '0.0.0.0/0', via('10.0.0.1')));
    expect(where('10.0.0.7')).toBe('connected 0.0.0.0');
    expect(where('10.0.0.254')).toBe('local 10.0.0.254');
    expect(where('10.66.1.1')).toBe('blackhole 0.0.0.0');
    expect(where('8.8.8.8')).toBe('via 10.0.0.1');
    remove('static', '0.0.0.0/0');
    expect(where('8.8.8.8')).toBe('unreachable 0.0.0.0');
  });

  it('changes a default route by its next-hop index, and leaves the FIB as it is', () => {
    const { rib, reader, where, fib4 } = create();
    rib.add(route('static', '0.0.0.0/0', via('10.0.0.1')));
    const nh = reader.lookup(parseIpv4('8.8.8.8'));
    const { bytesTouched } = fib4.stats();
    rib.add(route('static', '0.0.0.0/0', via('10.0.0.2'), via('10.0.0.3')));
    expect(reader.lookup(parseIpv4('8.8.8.8'))).toBe(nh);
    expect(reader.isGroup(nh)).toBe(true);
    expect(['via 10.0.0.2', 'via 10.0.0.3']).toContain(where('8.8.8.8', 77));
    expect(fib4.stats().bytesTouched).toBe(bytesTouched);
  });

  it('moves all prefixes over a next hop by one change of their common index', () => {
    const { rib, reader, where, remove } = create();
    rib.add(route('static', '192.0.2.1/32', via('10.0.0.1')));
    for (let i = 0; i < 100; i++) rib.add(route('bgp', `20.${i}.0.0/16`, via('192.0.2.1')));
    const nh = reader.lookup(parseIpv4('20.5.0.1'));
    expect(reader.lookup(parseIpv4('20.99.0.1'))).toBe(nh);
    rib.add(route('static', '192.0.2.1/32', via('10.0.0.2')));
    expect(reader.lookup(parseIpv4('20.5.0.1'))).toBe(nh);
    expect(where('20.5.0.1')).toBe('via 10.0.0.2');
    expect(where('20.99.0.1')).toBe('via 10.0.0.2');
    remove('static', '192.0.2.1/32');
    expect(where('20.5.0.1')).toBe('unreachable 0.0.0.0');
  });

  it.each(['0.0.0.0/0', '20.0.0.0/16'])(
    'ECMP on %s: losing one of three gateways moves only its flows, and it gets its share back',
    (prefix) => {
      const { rib, adjacency, remove } = create();
      const random = createPrng(3);
      const flows = Array.from({ length: 3000 }, () => Math.floor(random() * 2 ** 32));
      const paths = (): AdjIndex[] => flows.map((f) => adjacency('20.0.0.1', f));
      for (const key of ['1', '2', '3']) rib.add({ ...route('bgp', prefix, via(`10.0.0.${key}`)), key });
      const before = paths();
      const lost = before[0];
      const key = formatIpv4(lostNextHop());
      remove('bgp', prefix, key.slice(-1));
      const after = paths();
      expect(new Set(before).size).toBe(3);
      expect(new Set(after).size).toBe(2);
      after.forEach((adj, i) => {
        if (before[i] !== lost) expect(adj).toBe(before[i]);
      });
      rib.add({ ...route('bgp', prefix, via(key)), key: key.slice(-1) });
      const back = paths();
      const newcomer = back.filter((adj) => !after.includes(adj)).length;
      expect(newcomer / flows.length).toBeGreaterThan(0.28);
      expect(newcomer / flows.length).toBeLessThan(0.39);
      back.forEach((adj, i) => {
        if (after.includes(adj)) expect(adj).toBe(after[i]);
      });

      function lostNextHop(): number {
        const hop = rib.lookup(parseIpv4('20.0.0.1'))!.list!.paths.map((p) => p.ip);
        return hop.find((ip) => adjacencyOf(ip) === lost)!;
      }
      function adjacencyOf(ip: number): AdjIndex {
        rib.add({ source: 'static', prefix: 0xc0000200, len: 32, nextHops: [{ kind: 'via', ip }] });
        const adj = adjacency('192.0.2.0');
        rib.remove('static', 0xc0000200, 32);
        return adj;
      }
    },
  );

  it('tells of each new adjacency to a neighbor once', () => {
    const { rib, added, remove } = create();
    rib.add(route('static', '20.1.0.0/16', via('10.0.0.1')));
    rib.add(route('static', '20.2.0.0/16', via('10.0.0.1')));
    rib.add(route('static', '0.0.0.0/0', via('10.0.0.1'), via('10.0.0.2')));
    expect(added).toEqual(['10.0.0.1', '10.0.0.2']);
    remove('static', '20.1.0.0/16');
    remove('static', '20.2.0.0/16');
    remove('static', '0.0.0.0/0');
    rib.add(route('static', '20.1.0.0/16', via('10.0.0.1')));
    expect(added).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.1']);
  });

  it('does not reuse an adjacency or an index while a reader is in the round that it looked it up in', () => {
    const { rib, reader, adjacencies, adjacency, remove } = create();
    rib.add(route('static', '20.1.0.0/16', via('10.0.0.1')));
    reader.beginRound();
    const held = adjacency('20.1.0.1');
    const heldIndex = reader.lookup(parseIpv4('20.1.0.1'));
    remove('static', '20.1.0.0/16');
    rib.add(route('static', '20.2.0.0/16', via('10.0.0.2')));
    expect(formatIpv4(adjacencies.nextHop[held])).toBe('10.0.0.1');
    expect(reader.resolve(heldIndex, 0)).toBe(held);
    reader.beginRound();
    rib.add(route('static', '20.3.0.0/16', via('10.0.0.3')));
    rib.add(route('static', '20.4.0.0/16', via('10.0.0.4')));
    expect(formatIpv4(adjacencies.nextHop[held])).not.toBe('10.0.0.1');
  });

  it('says why a best route is not in the FIB, and puts it there when there is room again', () => {
    const { rib, publisher, where, remove } = create({ groups24: 2, groups16: 4 });
    for (let i = 1; i <= 3; i++) rib.add(route('mobility', `20.${i}.0.1/32`, via(`10.0.0.${i}`)));
    const row = () => [...rib.snapshot()].find((r) => r.prefix === parseIpv4('20.3.0.1'))!;
    expect(row()).toMatchObject({ best: true, installed: false });
    expect(row().reason).toContain('no room');
    expect(where('20.3.0.1')).toBe('unreachable 0.0.0.0');
    expect(publisher.failed).toBe(1);
    remove('mobility', '20.1.0.1/32');
    expect(row()).toMatchObject({ best: true, installed: true, reason: '' });
    expect(where('20.3.0.1')).toBe('via 10.0.0.3');
    expect(publisher.failed).toBe(0);
  });

  it('takes prefixes out when their new paths do not fit, rather than leave them on old ones', () => {
    const { rib, nextHops, where } = create();
    const [one, two] = [via('192.0.2.1'), via('192.0.2.2')];
    rib.add(route('static', '192.0.2.1/32', via('10.0.0.1')));
    for (const prefix of ['20.1.0.0/16', '20.2.0.0/16']) rib.add(route('bgp', prefix, one, two));
    rib.add(route('bgp', '20.0.0.0/8', one, two));
    expect(['20.1.0.1', '20.2.0.1', '20.3.0.1'].map((a) => where(a))).toEqual(Array(3).fill('via 10.0.0.1'));
    const groups = Array.from({ length: 4096 }, () => nextHops.add([adjIndex(1), adjIndex(2)]));
    rib.add(route('static', '192.0.2.2/32', via('10.0.0.2'))); // now each would need a group
    const reasons = () => [...rib.snapshot()].filter((r) => r.source === 'bgp').map((r) => r.reason);
    expect(reasons()).toEqual(Array(3).fill('more than 4096 sets of equal-cost paths'));
    expect(where('20.1.0.1')).toBe('unreachable 0.0.0.0');
    for (const nh of groups) nextHops.remove(nh);
    rib.add(route('static', '21.0.0.0/16', via('10.0.0.1')));
    expect(reasons()).toEqual(['', '', '']);
    expect(['via 10.0.0.1', 'via 10.0.0.2']).toContain(where('20.3.0.1', 5));
  });

  it('gives everything back: after any routes came and went, no index, group or adjacency is left', () => {
    const hop = fc.constantFrom('10.0.0.1', '10.0.0.2', '192.0.2.1', '192.0.2.2', '20.0.0.1');
    const prefix = fc.constantFrom('0.0.0.0/0', '20.0.0.0/8', '20.0.0.0/24', '192.0.2.0/24', '192.0.2.1/32');
    const op = fc.record({
      remove: fc.boolean(),
      source: fc.constantFrom<RouteSource>('static', 'mobility', 'bgp'),
      key: fc.constantFrom('a', 'b'),
      prefix,
      hops: fc.uniqueArray(hop, { minLength: 1, maxLength: 3 }),
      up: fc.constantFrom(true, true, false),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
        const { rib, nextHops, fib4, reader, adjacencies, remove } = create({ groups24: 64, groups16: 64 });
        for (const { source, key, prefix: text, hops, ...o } of ops) {
          if (o.remove) remove(source, text, key);
          else rib.add({ ...route(source, text, ...hops.map(via)), key });
          rib.setInterface(LAN, o.up);
          // The FIB says for every address what the RIB says.
          for (const address of ['20.0.0.1', '20.1.0.1', '192.0.2.1', '192.0.2.2', '10.0.0.1', '8.8.8.8']) {
            const paths = rib.lookup(parseIpv4(address))?.list?.paths ?? [];
            const nh = reader.lookup(parseIpv4(address));
            const members = [...nextHops.shares(nh).keys()].map(
              (adj) =>
                `${KIND_NAMES[adjacencies.kind[adj]]} ${adjacencies.iface[adj]} ${adjacencies.nextHop[adj]}`,
            );
            const expected = paths.map((p) => `${p.kind} ${p.iface} ${p.ip}`);
            expect(members.sort()).toEqual(paths.length > 0 ? expected.sort() : ['unreachable 0 0']);
          }
        }
        for (const e of [...rib.snapshot()]) rib.remove(e.source, e.prefix, e.len, e.key);
        expect(nextHops.used).toBe(0);
        expect(nextHops.groups).toBe(0);
        expect(fib4.stats().prefixes).toBe(0);
        expect(rib.routes).toBe(0);
        // Rows of adjacencies are reused from the first one on.
        expect(adjacencies.acquire(ADJ_REWRITE, LAN, 1)).toBeLessThan(8);
      }),
      { numRuns: 150 },
    );
  });
});
