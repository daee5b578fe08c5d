// The loops in WebAssembly against the codec: which headers are common, and what is left of one that was carried.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import {
  EXPECTED_AT,
  NEXT_HOP_AT,
  REWRITE_AT,
  SEEN_AT,
  SEEN_PACKET_BYTES,
  SEEN_STOP,
  SEEN_WORDS,
  STOP_END,
  STOP_LONG_WAY,
  STOP_OVER_MTU,
} from '../../src/base/batch-columns.ts';
import { Slab } from '../../src/base/slab.ts';
import { createIp4Loops } from '../../src/dataplane/ip4-loops.ts';
import { ETHERTYPE_IPV4, ethernetEmit } from '../../src/wire/ethernet.ts';
import {
  ipv4Check,
  ipv4Dst,
  ipv4RefreshChecksum,
  ipv4Src,
  ipv4TotalLen,
  ipv4Ttl,
} from '../../src/wire/ipv4.ts';

const MTU = 50;
const IP = 0x0a000001;
const BROADCAST = 0x0a0000ff;
const isHost = (ip: number): boolean => ip >>> 24 !== 0 && ip >>> 24 !== 127 && ip >>> 24 < 224;

const slab = new Slab(16 << 20);
const batch = new Batch(slab, 1 << 20);
const loops = createIp4Loops(batch);
const { view, u8 } = slab;
const vector = slab.reserve(64);
const leaving = slab.reserve(64);
const frame = slab.reserve(256) + 64;
const seen = new Uint32Array(slab.buffer, batch.columns + SEEN_AT, SEEN_WORDS);
ethernetEmit(view, batch.columns + EXPECTED_AT, 0x0200, 0x80000001, 0, 0, ETHERTYPE_IPV4);
view.setUint16(batch.columns + EXPECTED_AT + 14, 0x4500);
ethernetEmit(view, batch.columns + REWRITE_AT, 0x0200, 0x80000002, 0x0200, 0x80000003, 0);
view.setUint16(batch.columns + NEXT_HOP_AT, 0);
view.setUint16(vector, 0);

test('Ip4Loops carry the headers that ipv4Check takes, of hosts, and leave the others as they came', () => {
  const byte = fc.oneof(fc.constantFrom(0x45, 0, 1, 10, 20, 28, 127, 0xff), fc.integer({ min: 0, max: 255 }));
  const address = fc.oneof(
    fc.constantFrom(IP, BROADCAST, 0, 0x7f000001, 0xa9fe0001, 0xe0000001, 0xffffffff, 0xdfffffff, 0x80000000),
    fc.integer({ min: 0, max: 0xffffffff }),
  );
  const seenStops = new Set<number>();
  fc.assert(
    fc.property(
      fc.array(byte, { minLength: 60, maxLength: 60 }),
      fc.constantFrom(0x45, 0x45, 0x45, 0x45, 0x46, 0x65),
      fc.constantFrom(20, 28, 46, 46, 51, 60, 19),
      fc.constantFrom(0, 1, 2, 64, 255),
      fc.tuple(address, address),
      fc.oneof(fc.constant(60), fc.integer({ min: 0, max: 60 })),
      fc.constantFrom(true, true, true, false),
      (bytes, version, total, ttl, [src, dst], len, isRight) => {
        ethernetEmit(view, frame, 0x0200, 0x80000001, 0x0200, 0x80000009, ETHERTYPE_IPV4);
        const ip = frame + 14;
        u8.set(bytes, ip);
        u8[ip] = version;
        view.setUint16(ip + 2, total);
        u8[ip + 8] = ttl;
        view.setUint32(ip + 12, src);
        view.setUint32(ip + 16, dst);
        if (isRight) ipv4RefreshChecksum(view, ip);
        const before = u8.slice(frame, frame + 74);
        const good =
          ipv4Check(view, ip, len) === ip + 20 &&
          ttl > 1 &&
          ![IP, BROADCAST].includes(src) &&
          dst !== BROADCAST &&
          isHost(src) &&
          isHost(dst) &&
          dst >>> 16 !== 0xa9fe;
        const expected = !good ? STOP_LONG_WAY : total > MTU ? STOP_OVER_MTU : STOP_END;
        batch.reset();
        batch.add(frame, 14 + len, 5, 0);
        loops.look(batch.columns, vector, 1);
        loops.judge(batch.columns, 1, IP, BROADCAST);
        const carried = loops.carry(batch.columns, vector, 0, 1, 5, 0, MTU, 7, 8, leaving);
        seenStops.add(seen[SEEN_STOP]);
        expect([carried, seen[SEEN_STOP]]).toEqual([expected === STOP_END ? 1 : 0, expected]);
        if (expected !== STOP_END) {
          expect(u8.slice(frame, frame + 74)).toEqual(before);
          return;
        }
        expect(ipv4Check(view, ip, len)).toBe(ip + 20);
        expect([ipv4Ttl(view, ip), ipv4Src(view, ip), ipv4Dst(view, ip)]).toEqual([ttl - 1, src, dst]);
        expect([batch.len[0], batch.iface[0], batch.outIface[0]]).toEqual([14 + total, 7, 8]);
        expect([seen[SEEN_PACKET_BYTES], ipv4TotalLen(view, ip)]).toEqual([total, total]);
        expect(u8.slice(frame, frame + 12)).toEqual(
          u8.slice(batch.columns + REWRITE_AT, batch.columns + REWRITE_AT + 12),
        );
      },
    ),
    { numRuns: 5000 },
  );
  expect([...seenStops].sort()).toEqual([STOP_END, STOP_LONG_WAY, STOP_OVER_MTU]);
});
