import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { Slab } from '../../src/base/slab.ts';
import {
  FRAGMENT_IMPOSSIBLE,
  FRAGMENT_NO_ROOM,
  fragmentIpv4,
  MAX_FRAGMENTS,
} from '../../src/dataplane/fragment.ts';
import {
  IPV4_MF,
  IPV4_OFFSET_MASK,
  ipv4Check,
  ipv4FlagsFrag,
  ipv4HeaderLen,
  ipv4Id,
  ipv4RefreshChecksum,
  ipv4TotalLen,
} from '../../src/wire/ipv4.ts';

const out = new Uint16Array(MAX_FRAGMENTS);

/** An Ethernet frame with an IPv4 packet: `options` (padded to 4) and a payload of counting bytes. */
function frame(batch: Batch, payload: number, options: number[] = [], flagsFrag = 0): number {
  const hlen = 20 + Math.ceil(options.length / 4) * 4;
  const i = batch.alloc(14 + hlen + payload);
  const off = batch.off[i];
  const { u8, view } = batch;
  u8.fill(0, off, off + 14 + hlen);
  view.setUint16(off + 12, 0x0800);
  view.setUint8(off + 14, 0x40 | (hlen / 4));
  view.setUint16(off + 16, hlen + payload);
  view.setUint16(off + 18, 0xbeef);
  view.setUint16(off + 20, flagsFrag);
  view.setUint16(off + 22, 0x4011);
  u8.set(options, off + 34);
  ipv4RefreshChecksum(view, off + 14);
  for (let k = 0; k < payload; k++) u8[off + 14 + hlen + k] = (k * 7) & 0xff;
  return i;
}

const setUp = () => new Batch(new Slab(16 << 20));

describe('fragmentIpv4 (RFC 791 §3.2)', () => {
  it('cuts at multiples of 8, with More Fragments on all but the last', () => {
    const batch = setUp();
    const i = frame(batch, 3000);
    const n = fragmentIpv4(batch, i, 1500, out);
    const { view } = batch;
    const heads = [...out.subarray(0, n)].map((j) => {
      const at = batch.off[j] + 14;
      return [ipv4TotalLen(view, at), ipv4FlagsFrag(view, at), ipv4Id(view, at)];
    });
    expect(heads).toEqual([
      [1500, IPV4_MF, 0xbeef],
      [1500, IPV4_MF | 185, 0xbeef],
      [60, 370, 0xbeef],
    ]);
  });

  it('copies only the options whose copied flag is set into later fragments, padded to 32 bits', () => {
    const batch = setUp();
    // record route (7, not copied), NOP (not copied), security-like option 130 (copied), 3 bytes
    const i = frame(batch, 190, [7, 7, 4, 0, 0, 0, 0, 1, 130, 3, 9]);
    const n = fragmentIpv4(batch, i, 132, out);
    const { u8, view } = batch;
    expect(n).toBe(2);
    const [first, second] = [...out.subarray(0, n)].map((j) => batch.off[j] + 14);
    expect(ipv4HeaderLen(view, first)).toBe(32);
    expect(ipv4HeaderLen(view, second)).toBe(24);
    expect([...u8.slice(second + 20, second + 24)]).toEqual([130, 3, 9, 0]);
    expect(ipv4Check(view, second, batch.len[out[1]] - 14)).toBeGreaterThan(0);
  });

  it('cuts a fragment again: offsets add up, and the last piece keeps More Fragments', () => {
    const batch = setUp();
    const i = frame(batch, 64, [], IPV4_MF | 100);
    const n = fragmentIpv4(batch, i, 60, out);
    const flags = [...out.subarray(0, n)].map((j) => ipv4FlagsFrag(batch.view, batch.off[j] + 14));
    expect(flags).toEqual([IPV4_MF | 100, IPV4_MF | 105]);
  });

  it('refuses where no 8 bytes fit, and where options are broken', () => {
    const batch = setUp();
    expect(fragmentIpv4(batch, frame(batch, 64), 27, out)).toBe(FRAGMENT_IMPOSSIBLE);
    expect(fragmentIpv4(batch, frame(batch, 64, [7, 200, 0, 0]), 60, out)).toBe(FRAGMENT_IMPOSSIBLE);
  });

  it('makes nothing when the batch has no room for all pieces', () => {
    const batch = setUp();
    const i = frame(batch, 1400);
    while (batch.count < 2046) batch.alloc(60);
    const { count } = batch;
    const mark = batch.mark();
    expect(fragmentIpv4(batch, i, 576, out)).toBe(FRAGMENT_NO_ROOM);
    expect([batch.count, batch.mark()]).toEqual([count, mark]);
  });

  it('pieces fit the MTU, have right checksums, and put together are the packet', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 68, max: 1500 }),
        fc.integer({ min: 0, max: 10 }),
        (payload, mtu, nops) => {
          const batch = setUp();
          const i = frame(batch, payload, new Array(nops).fill(1));
          const n = fragmentIpv4(batch, i, mtu, out);
          const whole = new Uint8Array(payload);
          let seen = 0;
          for (let k = 0; k < n; k++) {
            const j = out[k];
            const at = batch.off[j] + 14;
            const body = ipv4Check(batch.view, at, batch.len[j] - 14);
            expect(body).toBeGreaterThan(0);
            const total = ipv4TotalLen(batch.view, at);
            expect(total).toBe(batch.len[j] - 14);
            if (n > 1) expect(total).toBeLessThanOrEqual(mtu);
            const offset = (ipv4FlagsFrag(batch.view, at) & IPV4_OFFSET_MASK) * 8;
            const part = batch.u8.slice(body, at + total);
            whole.set(part, offset);
            seen += part.length;
            expect((ipv4FlagsFrag(batch.view, at) & IPV4_MF) !== 0).toBe(k < n - 1);
          }
          expect(seen).toBe(payload);
          const hlen = ipv4HeaderLen(batch.view, batch.off[i] + 14);
          const from = batch.off[i] + 14 + hlen;
          expect(whole).toEqual(batch.u8.slice(from, from + payload));
        },
      ),
      { numRuns: 100 },
    );
  });
});
