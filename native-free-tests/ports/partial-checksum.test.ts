import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { checksum, fold16, pseudoSum4, pseudoSum6 } from '../../src/base/checksum.ts';
import { Slab } from '../../src/base/slab.ts';
import { completeChecksum, emitSegment } from '../../src/dataplane/offload.ts';
import { markPartialChecksum, PARTIAL_UNKNOWN_SEGMENTS } from '../../src/ports/partial-checksum.ts';
import { planSegments, SegmentPlan } from '../../src/wire/segmentation.ts';

const MTU = 1450;

interface Shape {
  v6?: boolean;
  udp?: boolean;
  vlan?: boolean;
  payload: number;
  /** The checksum as the sender's stack leaves it. Default partial. */
  complete?: boolean;
}

/** A frame in a batch, as a kernel makes it for a device that sums. */
function frame({ v6 = false, udp = false, vlan = false, payload, complete = false }: Shape) {
  const batch = new Batch(new Slab(2 << 20), 1 << 20);
  const { view, u8 } = batch;
  const l3 = vlan ? 18 : 14;
  const ip = v6 ? 40 : 20;
  const l4Len = (udp ? 8 : 32) + payload;
  const slot = batch.alloc(l3 + ip + l4Len);
  const off = batch.off[slot];
  u8.fill(0, off - 10, off + batch.len[slot]);
  if (vlan) view.setUint32(off + 12, 0x8100_0007);
  view.setUint16(off + l3 - 2, v6 ? 0x86dd : 0x0800);
  const at = off + l3;
  const l4 = at + ip;
  const protocol = udp ? 17 : 6;
  if (v6) {
    view.setUint32(at, 0x6000_0000);
    view.setUint16(at + 4, l4Len);
    view.setUint8(at + 6, protocol);
    for (let i = 8; i < 40; i++) u8[at + i] = i * 5;
  } else {
    view.setUint16(at, 0x4500);
    view.setUint16(at + 2, ip + l4Len);
    view.setUint8(at + 8, 64);
    view.setUint8(at + 9, protocol);
    view.setUint32(at + 12, 0x0a000001);
    view.setUint32(at + 16, 0x0a000002);
  }
  for (let i = 0; i < l4Len; i++) u8[l4 + i] = (i * 7 + 1) & 0xff;
  if (udp) view.setUint16(l4 + 4, l4Len);
  else view.setUint8(l4 + 12, 0x80);
  const field = l4 + (udp ? 6 : 16);
  const pseudo = v6
    ? fold16(pseudoSum6(view, at, protocol, l4Len))
    : pseudoSum4(0x0a000001, 0x0a000002, protocol, l4Len);
  view.setUint16(field, 0);
  view.setUint16(field, complete ? checksum(view, l4, l4Len, pseudo) : pseudo);
  batch.l3[slot] = l3;
  const right = (): boolean => checksum(view, l4, l4Len, pseudo) === 0;
  return { batch, slot, off, len: batch.len[slot], l3, right };
}

const shapes: Shape[] = [false, true].flatMap((v6) =>
  [false, true].flatMap((udp) => [false, true].map((vlan) => ({ v6, udp, vlan, payload: 777 }))),
);

describe('markPartialChecksum', () => {
  it.each(shapes)('marks what completeChecksum then makes right: %j', (shape) => {
    const { batch, slot, off, len, right } = frame(shape);
    expect(right()).toBe(false);
    batch.offload[slot] = markPartialChecksum(batch.view, off, len, MTU);
    expect(batch.offload[slot]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM);
    expect(completeChecksum(batch, slot)).toBe(true);
    expect(right()).toBe(true);
  });

  it.each(shapes)('leaves a complete checksum alone: %j', (shape) => {
    const { batch, off, len } = frame({ ...shape, complete: true });
    const before = batch.u8.slice(off - 10, off + len);
    expect(markPartialChecksum(batch.view, off, len, MTU)).toBe(0);
    expect(batch.u8.slice(off - 10, off + len)).toEqual(before);
  });

  it.each([{ payload: 30_000 }, { payload: 64_000, vlan: true }, { payload: 30_000, v6: true }])(
    'makes TCP beyond the MTU a GSO frame whose segments fit: %j',
    (shape) => {
      const { batch, slot, off, len, l3 } = frame(shape);
      batch.offload[slot] = markPartialChecksum(batch.view, off, len, MTU);
      expect(batch.offload[slot]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
      const plan = new SegmentPlan();
      expect(planSegments(batch, slot, plan)).toBe(true);
      let payload = 0;
      for (let k = 0; k < plan.count; k++) {
        const segment = emitSegment(batch, slot, plan, k);
        expect(batch.len[segment] - l3).toBeLessThanOrEqual(MTU);
        payload += batch.len[segment] - plan.headerLen;
        batch.rewind(1, batch.off[segment] - 128);
      }
      expect(payload).toBe(shape.payload);
      expect(batch.view.getUint16(off - 8, true)).toBe(plan.headerLen);
    },
  );

  it('refuses UDP beyond the MTU, which was several datagrams of unknown length', () => {
    const { batch, off, len } = frame({ udp: true, payload: 3000 });
    expect(markPartialChecksum(batch.view, off, len, MTU)).toBe(PARTIAL_UNKNOWN_SEGMENTS);
  });

  it('lets a complete packet beyond the MTU pass as it is', () => {
    const { batch, off, len } = frame({ payload: 3000, complete: true });
    expect(markPartialChecksum(batch.view, off, len, MTU)).toBe(0);
  });

  it('reads and writes nothing outside of a frame of random bytes', () => {
    const batch = new Batch(new Slab(2 << 20), 1 << 20);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.constantFrom(0, 0x0800, 0x86dd, 0x8100),
        (bytes, type) => {
          batch.reset();
          const off = batch.off[batch.alloc(Math.max(bytes.length, 1))];
          batch.u8.fill(0x5a, off - 128, off + 200);
          batch.u8.set(bytes, off);
          if (type !== 0 && bytes.length >= 14) batch.view.setUint16(off + 12, type);
          const before = batch.u8.slice(off - 128, off + 200);
          const bits = markPartialChecksum(batch.view, off, bytes.length, MTU);
          const after = batch.u8.slice(off - 128, off + 200);
          if (bits > 0) after.set(before.subarray(118, 128), 118);
          expect(after).toEqual(before);
        },
      ),
    );
  });
});
