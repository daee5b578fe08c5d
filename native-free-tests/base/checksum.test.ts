import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checksum,
  checksumUpdate16,
  checksumUpdate32,
  fold16,
  pseudoSum4,
  pseudoSum6,
  sum16,
  sumPayload,
} from '../../src/base/checksum.ts';
import { Slab } from '../../src/base/slab.ts';

const viewOf = (bytes: Uint8Array | number[]): DataView => new DataView(Uint8Array.from(bytes).buffer);

/** The definition (RFC 1071 §1), word by word with the carry brought back at once. */
function naiveSum(view: DataView, off: number, len: number, initial: number): number {
  let sum = initial;
  for (let i = 0; i < len; i += 2) {
    sum += (view.getUint8(off + i) << 8) | (i + 1 < len ? view.getUint8(off + i + 1) : 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

const data = fc.uint8Array({ minLength: 0, maxLength: 200 });
const word = fc.integer({ min: 0, max: 0xffff });

describe('sumPayload', () => {
  test('equals sum16 for any bytes and length, at any place of the slab', () => {
    const slab = new Slab(1 << 18);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 200 }), fc.nat(40), (bytes, off) => {
        slab.u8.set(bytes, off);
        const expected = fold16(sum16(slab.view, off, bytes.length));
        const sum = sumPayload(slab.view, slab.i32, off, bytes.length);
        expect(sum).toBeLessThanOrEqual(0x1fffe);
        expect(fold16(sum) % 0xffff).toBe(expected % 0xffff); // the two zeros of one's complement are one sum
      }),
    );
  });

  test('loses no carry over 128 KiB', () => {
    const slab = new Slab(1 << 18);
    slab.u8.fill(0xff);
    for (const off of [0, 1, 2, 3]) {
      expect(fold16(sumPayload(slab.view, slab.i32, off, 128 << 10)) % 0xffff).toBe(0);
      slab.u8[off] = 0xfe;
      expect(fold16(sumPayload(slab.view, slab.i32, off, 128 << 10))).toBe(0xfeff);
      slab.u8[off] = 0xff;
    }
  });
});

describe('sum16', () => {
  test('gives the sum of the example of RFC 1071 §3', () => {
    const view = viewOf([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    expect(fold16(sum16(view, 0, 8))).toBe(0xddf2);
    expect(checksum(view, 0, 8)).toBe(0x220d);
  });

  test('equals the definition for any bytes, offset, length and initial sum', () => {
    fc.assert(
      fc.property(data, fc.nat(20), word, (bytes, skip, initial) => {
        const off = Math.min(skip, bytes.length);
        const view = viewOf(bytes);
        const len = bytes.length - off;
        expect(fold16(sum16(view, off, len, initial))).toBe(naiveSum(view, off, len, initial));
      }),
    );
  });

  test('chains over pieces of even length', () => {
    fc.assert(
      fc.property(data, fc.nat(100), (bytes, at) => {
        const cut = Math.min(at * 2, bytes.length & ~1);
        const view = viewOf(bytes);
        const chained = sum16(view, cut, bytes.length - cut, sum16(view, 0, cut));
        expect(fold16(chained)).toBe(fold16(sum16(view, 0, bytes.length)));
      }),
    );
  });

  test('loses no carry over the longest piece, and returns at most 0x1fffe', () => {
    const view = viewOf(new Uint8Array(128 << 10).fill(0xff));
    const sum = sum16(view, 0, 128 << 10, 0x1fffe);
    expect(sum).toBeLessThanOrEqual(0x1fffe);
    expect(fold16(sum)).toBe(0xffff);
    expect(fold16(sum16(viewOf(new Uint8Array(128 << 10).fill(0x01)), 0, 128 << 10))).toBe(0x0101);
  });
});

describe('checksum', () => {
  test('is the one in an IPv4 header, and 0 over the header that carries it', () => {
    const header = [69, 0, 0, 115, 0, 0, 64, 0, 64, 17, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199];
    expect(checksum(viewOf(header), 0, 20)).toBe(0xb861);
    header[10] = 0xb8;
    header[11] = 0x61;
    expect(checksum(viewOf(header), 0, 20)).toBe(0);
  });
});

describe('checksumUpdate16', () => {
  test('gives the corrected result of RFC 1624 §4: 0x0000, not 0xffff', () => {
    expect(checksumUpdate16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  test('equals the full checksum, for all data but zero', () => {
    fc.assert(
      fc.property(data, fc.nat(99), word, (bytes, at, now) => {
        fc.pre(bytes.length >= 4);
        const pos = (at * 2) % (bytes.length & ~1);
        const view = viewOf(bytes);
        const old = view.getUint16(pos);
        const before = checksum(view, 0, bytes.length);
        view.setUint16(pos, now);
        const allZero = new Uint8Array(view.buffer).every((b) => b === 0);
        fc.pre(!allZero && before !== 0xffff);
        expect(checksumUpdate16(before, old, now)).toBe(checksum(view, 0, bytes.length));
      }),
    );
  });

  test('equals the full checksum in the corner of minus zero: every word 0xffff or 0 beside one that is not zero', () => {
    for (const rest of [0x0001, 0x8000, 0xfffe, 0xffff]) {
      for (const old of [0, 1, 0xfffe, 0xffff]) {
        for (const now of [0, 1, 0xfffe, 0xffff, ~rest & 0xffff]) {
          const view = viewOf(new Uint8Array(4));
          view.setUint16(0, rest);
          view.setUint16(2, old);
          const before = checksum(view, 0, 4);
          view.setUint16(2, now);
          expect(checksumUpdate16(before, old, now)).toBe(checksum(view, 0, 4));
        }
      }
    }
  });
});

describe('checksumUpdate32', () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

  test('equals the full checksum after one address changed', () => {
    fc.assert(
      fc.property(u32, u32, fc.integer({ min: 1, max: 0xffff }), (old, now, rest) => {
        const view = viewOf(new Uint8Array(6));
        view.setUint32(0, old);
        view.setUint16(4, rest);
        const before = checksum(view, 0, 6);
        view.setUint32(0, now);
        expect(checksumUpdate32(before, old, now)).toBe(checksum(view, 0, 6));
      }),
    );
  });
});

describe('pseudoSum4', () => {
  test('equals the sum over the pseudo-header laid out in bytes (RFC 768)', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(u32, u32, fc.integer({ min: 0, max: 255 }), word, (src, dst, protocol, len) => {
        const view = viewOf(new Uint8Array(12));
        view.setUint32(0, src);
        view.setUint32(4, dst);
        view.setUint8(9, protocol);
        view.setUint16(10, len);
        expect(pseudoSum4(src, dst, protocol, len)).toBe(naiveSum(view, 0, 12, 0));
      }),
    );
  });
});

describe('pseudoSum6', () => {
  test('equals the sum over the pseudo-header laid out in bytes (RFC 8200 §8.1)', () => {
    const addresses = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        addresses,
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 0xf_ffff }),
        (both, next, len) => {
          const ip6 = viewOf([...new Uint8Array(8).fill(0xa5), ...both]);
          const pseudo = viewOf([...both, 0, 0, 0, 0, 0, 0, 0, next]);
          pseudo.setUint32(32, len);
          expect(fold16(pseudoSum6(ip6, 0, next, len))).toBe(naiveSum(pseudo, 0, 40, 0));
        },
      ),
    );
  });
});
