import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { checksum, pseudoSum4, pseudoSum6 } from '../../src/base/checksum.ts';
import { HEADROOM, Slab } from '../../src/base/slab.ts';
import { completeChecksum, emitSegment, wireL3Len } from '../../src/dataplane/offload.ts';
import { ipv4Check, ipv4Dst, ipv4HeaderLen, ipv4Id, ipv4Src, ipv4TotalLen } from '../../src/wire/ipv4.ts';
import { planSegments, SegmentPlan } from '../../src/wire/segmentation.ts';
import {
  VNET_GSO_ECN,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  VNET_NEEDS_CSUM,
  vnetEmit,
} from '../../src/wire/virtio-net.ts';
import { host, ip6, pattern, tagged, tcp, tcp6, udp } from '../golden/frames.ts';

const a = host('a', '02:00:00:00:00:0a', '192.0.2.10');
const b = host('b', '02:00:00:00:00:0b', '192.0.2.11');
const ALL = OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;

const slab = new Slab(16 << 20);
const batch = new Batch(slab, 4 << 20);
const rx = slab.reserve(70_000);

/** Slot of a frame in the emptied batch. */
function put(frame: Uint8Array, offload = ALL, l3 = 14): number {
  batch.reset();
  const off = rx + HEADROOM;
  batch.u8.set(frame, off);
  const i = batch.add(off, frame.length, 0, offload);
  batch.l3[i] = l3;
  return i;
}

const bytes = (i: number): Uint8Array => batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]);

describe('emitSegment', () => {
  const size = fc.integer({ min: 1, max: 3000 });
  const payloadLen = fc.integer({ min: 1, max: 9000 });

  it.each([4, 6])(
    'cuts TCP over IPv%i so that payload, lengths, sequence and checksums are right',
    (version) => {
      fc.assert(
        fc.property(
          size,
          payloadLen,
          fc.nat(0xffffffff),
          fc.nat(255),
          fc.boolean(),
          (mss, len, seq, flags, tag) => {
            const payload = pattern(len);
            const fields = { from: a, to: b, seq, flags, payload, partial: true };
            const plain = version === 4 ? tcp({ ...fields, id: 0xffff }) : tcp6(fields);
            const l3 = tag ? 18 : 14;
            const i = put(tag ? tagged(plain, 5) : plain, ALL, l3);
            const l4 = l3 + (version === 4 ? 20 : 40);
            const type =
              (version === 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6) | (flags & 0x80 ? VNET_GSO_ECN : 0);
            vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, type, l4 + 20, mss, l4, 16);
            const plan = new SegmentPlan();
            expect(planSegments(batch, i, plan)).toBe(true);
            expect(plan.count).toBe(Math.ceil(len / mss));
            let at = 0;
            const count = Math.min(plan.count, 1500);
            for (let k = 0; k < count; k++) {
              const j = emitSegment(batch, i, plan, k);
              expect(j).toBeGreaterThan(i);
              const { view } = batch;
              const ip = batch.off[j] + l3;
              const tcpLen = batch.len[j] - l4;
              if (version === 4) {
                expect(ipv4Check(view, ip, batch.len[j] - l3)).toBe(ip + 20);
                expect(ipv4TotalLen(view, ip)).toBe(batch.len[j] - l3);
                expect(ipv4Id(view, ip)).toBe((0xffff + k) & 0xffff);
                expect(
                  checksum(
                    view,
                    ip + 20,
                    tcpLen,
                    pseudoSum4(ipv4Src(view, ip), ipv4Dst(view, ip), 6, tcpLen),
                  ),
                ).toBe(0);
              } else {
                expect(view.getUint16(ip + 4)).toBe(batch.len[j] - l4);
                expect(checksum(view, ip + 40, tcpLen, pseudoSum6(view, ip, 6, tcpLen))).toBe(0);
              }
              const t = batch.off[j] + l4;
              expect(view.getUint32(t + 4)).toBe((seq + at) >>> 0);
              const last = k === plan.count - 1;
              expect(view.getUint8(t + 13)).toBe(flags & (last ? 0xff : ~0x09) & (k === 0 ? 0xff : ~0x80));
              const data = bytes(j).slice(l4 + 20);
              expect(data).toEqual(payload.slice(at, at + mss));
              expect(batch.offload[j]).toBe(0);
              at += data.length;
            }
            if (count === plan.count) expect(at).toBe(len);
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  it('keeps IPv6 extension headers, which csum_start tells the end of', () => {
    const segment = tcp6({ from: a, to: b, payload: pattern(3000), partial: true }).slice(54);
    const options = Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0); // hop-by-hop options: next header TCP, PadN (RFC 8200 §4.3)
    const frame = ip6({ from: a, to: b, nextHeader: 0, payload: Uint8Array.of(...options, ...segment) });
    const i = put(frame);
    vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, VNET_GSO_TCPV6, 0, 1400, 62, 16);
    const plan = new SegmentPlan();
    expect(planSegments(batch, i, plan)).toBe(true);
    expect(plan.count).toBe(3);
    const j = emitSegment(batch, i, plan, 1);
    expect(bytes(j).slice(54, 62)).toEqual(options);
    const { view } = batch;
    const ip = batch.off[j] + 14;
    expect(view.getUint16(ip + 4)).toBe(8 + 20 + 1400);
    expect(checksum(view, ip + 48, 1420, pseudoSum6(view, ip, 6, 1420))).toBe(0);
  });

  it('never sends a UDP checksum of zero, which says none (RFC 768)', () => {
    // the payload's last word makes the sum come out as zero
    const base = udp({ from: a, to: b, payload: new Uint8Array(4) });
    const fill = new DataView(base.buffer).getUint16(40);
    const payload = Uint8Array.of(0, 0, fill >> 8, fill & 0xff);
    const i = put(udp({ from: a, to: b, payload, partial: true, pad: false }));
    vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, VNET_GSO_UDP_L4, 42, 4, 34, 6);
    const plan = new SegmentPlan();
    expect(planSegments(batch, i, plan)).toBe(true);
    const j = emitSegment(batch, i, plan, 0);
    expect(batch.view.getUint16(batch.off[j] + 40)).toBe(0xffff);
    expect(completeChecksum(batch, i)).toBe(true);
    expect(batch.view.getUint16(batch.off[i] + 40)).toBe(0xffff);
  });

  it('-1 when the batch has no room', () => {
    const small = new Batch(new Slab(1 << 20), 4096);
    const off = small.slab.reserve(8192) + HEADROOM;
    small.u8.set(tcp({ from: a, to: b, payload: pattern(6000), partial: true }), off);
    const i = small.add(off, 6054, 0, ALL);
    vnetEmit(small.view, off, VNET_NEEDS_CSUM, VNET_GSO_TCPV4, 54, 1448, 34, 16);
    const plan = new SegmentPlan();
    planSegments(small, i, plan);
    expect(emitSegment(small, i, plan, 0)).toBeGreaterThan(0);
    expect(emitSegment(small, i, plan, 1)).toBeGreaterThan(0);
    expect(emitSegment(small, i, plan, 2)).toBe(-1);
  });
});

describe('completeChecksum', () => {
  it('makes a partial checksum what the sender would have computed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (payload) => {
        const i = put(
          tcp({ from: a, to: b, payload, partial: true, pad: false }),
          OFFLOAD_VNET | OFFLOAD_CSUM,
        );
        vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, 0, 0, 0, 34, 16);
        expect(completeChecksum(batch, i)).toBe(true);
        expect(bytes(i)).toEqual(tcp({ from: a, to: b, payload, pad: false }));
        expect(batch.offload[i]).toBe(OFFLOAD_VNET);
        expect(batch.view.getUint8(batch.off[i] - 10)).toBe(0);
      }),
    );
  });
});

describe('wireL3Len', () => {
  it('is that of the largest segment', () => {
    const i = put(tcp({ from: a, to: b, payload: pattern(5000), partial: true }));
    vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, VNET_GSO_TCPV4, 0, 1448, 34, 16);
    expect(wireL3Len(batch, i)).toBe(1488);
    vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, VNET_GSO_TCPV4, 0, 9000, 34, 16);
    expect(wireL3Len(batch, i)).toBe(5040);
  });

  it('is the whole packet without GSO', () => {
    const i = put(udp({ from: a, to: b, payload: pattern(1000) }), 0);
    expect(wireL3Len(batch, i)).toBe(1028);
  });
});

describe('offloads of any bytes', () => {
  it('never throw, and never write outside of the frame and its segments', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 14, maxLength: 300 }),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        fc.constantFrom(14, 18),
        (frame, vnet, l3) => {
          const i = put(frame, ALL, l3);
          batch.u8.set(vnet, batch.off[i] - 10);
          batch.u8.fill(0x5a, batch.off[i] + frame.length, batch.off[i] + frame.length + 64);
          const plan = new SegmentPlan();
          if (planSegments(batch, i, plan)) {
            for (let k = 0; k < Math.min(plan.count, 50); k++)
              expect(emitSegment(batch, i, plan, k)).toBeGreaterThan(0);
          }
          completeChecksum(batch, i);
          expect(wireL3Len(batch, i)).toBeLessThanOrEqual(frame.length);
          const after = batch.u8.slice(batch.off[i] + frame.length, batch.off[i] + frame.length + 64);
          expect(after.every((x) => x === 0x5a)).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('plans only what has a header that fits', () => {
    const good = tcp({ from: a, to: b, payload: pattern(3000), partial: true });
    const change = (edit: (u8: Uint8Array) => void): boolean => {
      const u8 = good.slice();
      edit(u8);
      const i = put(u8);
      vnetEmit(batch.view, batch.off[i], VNET_NEEDS_CSUM, VNET_GSO_TCPV4, 54, 1448, 34, 16);
      return planSegments(batch, i, new SegmentPlan());
    };
    expect(change(() => {})).toBe(true);
    expect(change((u) => u.fill(0x44, 14, 15))).toBe(false); // IPv4 header of 16 bytes
    expect(change((u) => u.fill(17, 23, 24))).toBe(false); // UDP
    expect(change((u) => u.fill(0x20, 20, 21))).toBe(false); // a fragment
    expect(change((u) => u.fill(0x40, 46, 47))).toBe(false); // TCP header of 16 bytes
    expect(ipv4HeaderLen(new DataView(good.buffer), 14)).toBe(20);
  });
});
