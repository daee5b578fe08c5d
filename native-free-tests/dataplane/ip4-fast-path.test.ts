// The fast path against the long way: the same batches through two gateways, of which one traces every packet and so has no
// fast path.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { adjIndex } from '../../src/base/ids.ts';
import { resolveAdjacency } from '../../src/dataplane/neighbor-resolution.ts';
import { compileTraceFilter } from '../../src/dataplane/trace-filter.ts';
import { ipv4RefreshChecksum } from '../../src/wire/ipv4.ts';
import { VNET_GSO_NONE, VNET_LEN, VNET_NEEDS_CSUM, vnetEmit } from '../../src/wire/virtio-net.ts';
import {
  arpReply,
  arpRequest,
  type Host,
  host,
  icmpEcho,
  ip4,
  ip6,
  pattern,
  tagged,
  tcp,
  udp,
  withIp,
  withMac,
} from '../golden/frames.ts';
import type { World } from '../golden/harness.ts';
import {
  by,
  database,
  edge,
  far,
  internet,
  l3Site,
  lan,
  laptop,
  server,
  sourceRouter,
  vm1,
  vm9,
  wan,
} from '../golden/l3-site.ts';

const ROUTED = [
  { name: 'wan', self: wan, address: '172.16.0.2/30', mtu: 300 },
  { name: 'edge', self: edge, address: '203.0.113.2/30' },
  { name: 'lan', self: lan, address: '10.20.0.1/24' },
] as const;
const SELF: Readonly<Record<string, Host>> = { wan, edge, lan };
const FROM: Readonly<Record<string, Host>> = { wan: database, edge: far, lan: server };

/** Behind a next hop that is resolved by what it says itself. */
const nowhere = host('nowhere', '02:00:00:00:ee:09', '10.99.0.1');
const unresolved = host('unresolved', '02:00:00:00:1a:09', '10.20.0.9');
const nobody = withIp(nowhere, '10.66.0.1');

function site(traced: boolean): World {
  const w = l3Site({ routed: ROUTED });
  w.route('10.99.0.0/16', { via: '10.20.0.9', out: 'lan' });
  w.route('10.66.0.0/16', 'blackhole');
  const { resolved, nextHop } = w.adjacencies;
  for (const { ip } of [sourceRouter, internet, vm1]) {
    const adj = nextHop.indexOf(ip);
    w.originate((ctx) => resolveAdjacency(ctx, adjIndex(adj)));
    expect(resolved[adj], 'the fast path is open').toBe(1);
  }
  if (traced) {
    compileTraceFilter(w.trace.filter, {});
    w.trace.start(1 << 30);
  }
  return w;
}

const TO = [database, far, server, laptop, vm1, vm9, nowhere, nobody, wan, lan, sourceRouter, internet];

const NONE = new Uint8Array(0);
/** The first one nineteen times out of twenty. */
const mostly = <T>(common: T, ...rare: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 19, arbitrary: fc.constant(common) },
    { weight: 1, arbitrary: fc.constantFrom(...rare) },
  );

const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 19, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

const packet = (port: string, self: Host) =>
  fc
    .record({
      to: fc.oneof(fc.constantFrom(database, far, nowhere), fc.constantFrom(...TO)),
      from: mostly(FROM[port], self, withIp(far, '127.0.0.1'), withIp(far, '224.0.0.1')),
      kind: mostly('udp', 'tcp', 'ping', 'gre'),
      size: mostly(18, 0, 1, 200, 400),
      ttl: mostly(64, 2, 1, 0),
      flagsFrag: mostly(0, 0x4000, 0x2001),
      options: fc.oneof(
        { weight: 9, arbitrary: mostly(NONE, Uint8Array.of(131, 3, 4, 0)) },
        { weight: 1, arbitrary: fc.constant(Uint8Array.of(1, 1, 1, 0)) },
      ),
      edit: rarely(fc.record({ at: fc.integer({ min: 0, max: 33 }), to: fc.integer({ min: 0, max: 255 }) })),
      refresh: fc.boolean(),
      vlan: rarely(fc.constantFrom(0, 10)),
      padding: fc.constantFrom(0, 0, 6),
    })
    .map(({ to, from, kind, size, ttl, flagsFrag, options, edit, refresh, vlan, padding }) => {
      const ip = { from: by(from, internet), to, via: self, ttl, flagsFrag };
      const payload = pattern(size);
      const whole =
        kind === 'udp'
          ? udp({ ...ip, payload })
          : kind === 'tcp'
            ? tcp({ ...ip, flags: 16 })
            : kind === 'ping'
              ? icmpEcho({ from: ip.from, to, via: self })
              : ip4({ ...ip, protocol: 47, payload });
      const u8 = new Uint8Array(whole.length + options.length + padding);
      u8.set(whole.subarray(0, 34));
      u8.set(options, 34);
      u8.set(whole.subarray(34), 34 + options.length);
      u8[14] += options.length / 4;
      u8[17] += options.length;
      ipv4RefreshChecksum(new DataView(u8.buffer), 14);
      if (edit !== null) u8[edit.at] = edit.to;
      if (refresh && (u8[14] & 15) === 5) ipv4RefreshChecksum(new DataView(u8.buffer), 14);
      return vlan === null ? u8 : tagged(u8, vlan);
    });

const MOVED = [
  arpReply({ from: withMac(unresolved, '02:00:00:00:1a:77'), to: lan }),
  arpReply({ from: unresolved, to: lan }),
];

const batch = fc.constantFrom('wan', 'edge', 'lan').chain((port) =>
  fc.record({
    port: fc.constant(port),
    /** Neighbors with another MAC: they come before all else, as the long way reads ARP before it sends anything. */
    moved: fc.array(fc.constantFrom(...MOVED), { maxLength: 1 }),
    frames: fc.array(
      fc.oneof(
        { weight: 20, arbitrary: packet(port, SELF[port]) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            ip6({ from: far, to: SELF[port], nextHeader: 58 }),
            arpRequest({ from: laptop, for: lan }),
            arpReply({ from: laptop, to: lan }),
            udp({ from: far, to: database, via: server }),
            Uint8Array.of(1, 2, 3),
          ),
        },
      ),
      { minLength: 1, maxLength: 40 },
    ),
    /** Of the first frames, whether their checksum is partial; the others come without a virtio header. */
    partial: fc.array(fc.boolean(), { maxLength: 40 }),
    wait: fc.constantFrom(0, 0, 1100),
  }),
);

/** The frames come in; those that `partial` names lack the checksum at 40, as a UDP sender leaves it to the hardware. */
function send(w: World, port: string, frames: readonly Uint8Array[], partial: readonly boolean[]): void {
  frames.forEach((frame, f) => {
    const u8 = Uint8Array.of(...new Uint8Array(VNET_LEN), ...frame);
    const view = new DataView(u8.buffer);
    const bits = partial[f] === undefined ? 0 : OFFLOAD_VNET | (partial[f] ? OFFLOAD_CSUM : 0);
    vnetEmit(view, VNET_LEN, partial[f] === true ? VNET_NEEDS_CSUM : 0, VNET_GSO_NONE, 0, 0, 34, 6);
    expect(w.port(port).inject(u8, view, VNET_LEN, frame.length, bits)).toBe(true);
  });
  while (w.dataplane.round() > 0);
}

/** What left by each port: packets that were forwarded in their order, and the gateway's own ARP messages in theirs. */
const forwardedAndMade = (w: World): unknown =>
  Object.entries(w.sent()).map(([port, sent]) => [
    port,
    sent.filter((frame) => !frame.includes('ARP')),
    sent.filter((frame) => frame.includes('ARP')),
  ]);

/** All that the data plane has counted. */
const counted = (w: World): unknown => ({
  reasons: [...w.counters.reasons],
  totals: [...w.counters.totals],
  ifaces: [...w.counters.ifaces],
  packets: [...w.adjacencies.packets.subarray(0, 64)],
  bytes: [...w.adjacencies.bytes.subarray(0, 64)],
});

describe('createIp4FastPath', () => {
  it('sends the same frames in the same order and counts the same as the long way', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 8 }), (batches) => {
        const fast = site(false);
        const long = site(true);
        for (const { port, moved, frames, partial, wait } of batches) {
          for (const w of [fast, long]) {
            send(w, port, [...moved, ...frames], partial);
            if (wait > 0) w.wait(wait);
          }
          expect(forwardedAndMade(fast)).toEqual(forwardedAndMade(long));
          expect(counted(fast)).toEqual(counted(long));
        }
      }),
      { numRuns: 100 },
    );
  }, 30_000);
});
