// Bad frames through the whole data plane: whatever comes in, nothing throws, every packet is accounted for after every
// round, and no frame of the target gateway ever leaves by the extension.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { compileTraceFilter } from '../../src/dataplane/trace-filter.ts';
import { formatTrace } from '../../src/dataplane/trace-format.ts';
import { ipv4RefreshChecksum } from '../../src/wire/ipv4.ts';
import {
  arpProbe,
  arpReply,
  arpRequest,
  gratuitousArp,
  type Host,
  icmpEcho,
  ip4,
  ip6,
  pattern,
  rarp,
  tagged,
  tcp,
  udp,
  withIp,
} from './frames.ts';
import type { World } from './harness.ts';
import {
  blueT,
  database,
  far,
  greenS,
  greenT,
  icmpError,
  l3Site,
  lan,
  laptop,
  server,
  sourceRouter,
  vm1,
  vm3,
  vm5,
  vm8,
  vm9,
  wan,
} from './l3-site.ts';

/** Valid frames of every kind, to start from. */
const VALID: Uint8Array[] = [
  udp({ from: vm1, to: server, via: greenT }),
  tcp({ from: vm1, to: far, via: greenT, flags: 2, mss: 1460 }),
  udp({ from: vm1, to: vm5, via: greenT, payload: pattern(1400) }),
  udp({ from: vm1, to: laptop, via: greenT }),
  udp({ from: vm1, to: vm8, via: greenS, ttl: 1 }),
  udp({ from: server, to: vm1, via: lan }),
  tcp({ from: database, to: vm1, via: wan }),
  icmpEcho({ from: vm1, to: greenT }),
  icmpEcho({ from: server, to: lan }),
  icmpError({ from: server, to: vm1, via: lan, type: 3, code: 1, about: udp({ from: vm1, to: server }) }),
  ip4({ from: vm1, to: server, via: greenT, protocol: 47, payload: pattern(30), flagsFrag: 0x2001 }),
  udp({ from: vm1, to: vm9 }),
  udp({ from: vm3, to: server, via: greenT }),
  ip6({ from: vm1, to: greenT, nextHeader: 58 }),
  arpRequest({ from: vm1, for: greenT }),
  arpRequest({ from: vm3, for: greenT }),
  arpRequest({ from: vm9, for: greenT }),
  arpRequest({ from: greenS, for: vm1 }),
  arpRequest({ from: laptop, for: lan }),
  arpReply({ from: laptop, to: lan }),
  arpReply({ from: vm1, to: greenT }),
  arpReply({ from: greenS, to: vm3 }),
  gratuitousArp({ from: greenS }),
  gratuitousArp({ from: withIp(laptop, '10.20.0.1') }),
  gratuitousArp({ from: blueT }),
  arpProbe({ from: vm1, for: vm3 }),
  rarp({ from: vm1 }),
];
const PORTS = ['vm1', 'vm3', 'vm5', 'ext', 'wan', 'lan', 'edge'];

const mutation = fc.record({
  at: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 1500 })),
  to: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x45, 0x46, 0x4f, 0xff)),
});

const frame = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 4,
    arbitrary: fc
      .record({
        base: fc.constantFrom(...VALID),
        edits: fc.array(mutation, { maxLength: 4 }),
        cut: fc.option(fc.integer({ min: 0, max: 80 }), { freq: 4 }),
        vlan: fc.option(fc.constantFrom(0, 10, 20, 30), { freq: 2 }),
        /** With a right header checksum the mutated header gets past the first look at it. */
        refresh: fc.boolean(),
      })
      .map(({ base, edits, cut, vlan, refresh }) => {
        const u8 = base.slice(0, cut ?? base.length);
        for (const { at, to } of edits) if (at < u8.length) u8[at] = to;
        if (refresh && u8[12] === 8 && u8[13] === 0 && u8.length >= Math.max(34, 14 + (u8[14] & 15) * 4)) {
          ipv4RefreshChecksum(new DataView(u8.buffer), 14);
        }
        return vlan === null || u8.length < 14 ? u8 : tagged(u8, vlan);
      }),
  },
);

const vnet = fc.record({
  bits: fc.constantFrom(
    OFFLOAD_VNET,
    OFFLOAD_VNET | OFFLOAD_CSUM,
    OFFLOAD_VNET | OFFLOAD_GSO,
    OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO,
  ),
  header: fc.oneof(
    fc.uint8Array({ minLength: 10, maxLength: 10 }),
    fc.constantFrom(
      Uint8Array.of(1, 1, 54, 0, 100, 0, 34, 0, 16, 0),
      Uint8Array.of(1, 5, 42, 0, 100, 0, 34, 0, 6, 0),
      Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 6, 0),
    ),
  ),
});

const event = fc.record({
  port: fc.constantFrom(...PORTS),
  frame,
  offload: fc.option(vnet, { freq: 3 }),
  wait: fc.constantFrom(0, 0, 0, 100, 1100),
});

const hex = (h: Host): string =>
  `${h.mac.hi.toString(16).padStart(4, '0')}${h.mac.lo.toString(16).padStart(8, '0')}`;
/** The T-MAC of each VLAN of the extension. */
const T_MACS: Readonly<Record<number, string>> = { 10: hex(greenT), 20: hex(blueT) };

function checkRound(w: World): void {
  expect(w.counters.imbalance()).toBe(0);
  expect(w.total('queued')).toBe(w.neighbors.queue.waiting);
  for (const f of w.taken().ext ?? []) {
    const vlan = new DataView(f.buffer, f.byteOffset).getUint16(14) & 0xfff;
    expect(Buffer.from(f.slice(6, 12)).toString('hex'), 'invariant 3').not.toBe(T_MACS[vlan]);
  }
}

describe('data plane under bad frames', () => {
  it('random bytes and mutated frames: nothing throws, the conservation law holds, T-MAC stays at the target', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 20, maxLength: 60 }), (events) => {
        const ports = Object.fromEntries(PORTS.map((p) => [p, { offload: p !== 'edge', slots: 128 }]));
        const w = l3Site({ ports, routed: l3Routed });
        compileTraceFilter(w.trace.filter, {});
        w.trace.start(20);
        for (const { port, frame: bytes, offload, wait } of events) {
          if (offload === null) w.send({ [port]: [bytes] });
          else w.sendOffload(port, offload.header, bytes, offload.bits);
          checkRound(w);
          if (wait > 0) w.wait(wait);
        }
        w.wait(4000);
        checkRound(w);
        expect(w.total('queued'), 'whoever waited is gone').toBe(0);
        w.checkConservation();
        for (let id = 1; id <= w.trace.committed; id++) {
          formatTrace(w.trace.read(id)!, { port: String, iface: String });
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('more frames than a round has room for: what cannot be made is counted, and nothing is lost', () => {
    const ports = Object.fromEntries(PORTS.map((p) => [p, { slots: 4096 }]));
    const w = l3Site({ ports, routed: l3Routed });
    const big = udp({ from: vm1, to: server, via: greenT, payload: pattern(1400) });
    w.send({
      vm1: Array.from({ length: 2000 }, () => big),
      wan: Array.from({ length: 300 }, () => icmpEcho({ from: sourceRouter, to: wan })),
    });
    checkRound(w);
    expect(w.counted()['no-buffer']).toBeGreaterThan(0);
  });
});

/** A narrow lan, so that packets are cut: 1400 bytes into 30 pieces. */
const l3Routed = [
  { name: 'wan', self: wan, address: '172.16.0.2/30' },
  {
    name: 'edge',
    self: withIp({ ...wan, mac: { hi: 0x0200, lo: 0xcb02 } }, '203.0.113.2'),
    address: '203.0.113.2/30',
  },
  { name: 'lan', self: lan, address: '10.20.0.1/24', mtu: 68 },
] as const;
