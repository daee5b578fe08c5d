import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeNlri,
  encodeNlri,
  type Nlri,
  nlriBytes,
  nlriKey,
  nlriOf,
} from '../../../src/routing/bgp/nlri.ts';
import { hex, toHex } from './bytes.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const anyNlri: fc.Arbitrary<Nlri> = fc.oneof(
  fc.tuple(u32, fc.integer({ min: 0, max: 32 })).map(([prefix, len]) => nlriOf(prefix, len)),
  fc
    .tuple(fc.tuple(u32, u32, u32, u32), fc.integer({ min: 0, max: 128 }))
    .map(([prefix, len]) => nlriOf(prefix, len)),
);

const encode = (nlri: Nlri): Uint8Array => {
  const bytes = new Uint8Array(17);
  return bytes.subarray(0, encodeNlri(bytes, 0, nlri));
};

describe('encodeNlri', () => {
  it.each([
    [nlriOf(0, 0), '00'],
    [nlriOf(0x0a000000, 8), '080a'],
    [nlriOf(0xc0a80a0b, 32), '20c0a80a0b'],
    [nlriOf(0xc0a80a00, 23), '17c0a80a'],
    [nlriOf([0x20010db8, 0, 0, 0], 32), '2020010db8'],
    [nlriOf([0x20010db8, 0x00010000, 0, 0], 33), '2120010db800'],
  ])('writes the length and as many bytes as it needs (RFC 4271 §4.3)', (nlri, expected) => {
    expect(toHex(encode(nlri))).toBe(expected);
    expect(nlriBytes(nlri)).toBe(expected.length / 2);
  });
});

describe('decodeNlri', () => {
  it('gives back what encodeNlri wrote', () => {
    fc.assert(
      fc.property(anyNlri, (nlri) => {
        const out: Nlri[] = [];
        expect(decodeNlri(encode(nlri), 0, nlriBytes(nlri), nlri.family, out)).toBe(true);
        expect(out).toEqual([nlri]);
      }),
    );
  });

  it('clears the bits beyond the length', () => {
    const out: Nlri[] = [];
    expect(decodeNlri(hex('11 c0 a8 ff'), 0, 4, 'ipv4', out)).toBe(true);
    expect(out).toEqual([{ family: 'ipv4', prefix: 0xc0a88000, len: 17 }]);
  });

  it.each([
    ['a length above 32', '21 0a000000 00', 'ipv4' as const],
    ['a length above 128', `81 ${'00'.repeat(17)}`, 'ipv6' as const],
    ['a prefix that is cut short', '18 0a00', 'ipv4' as const],
    ['a length alone', '08', 'ipv4' as const],
  ])('refuses %s', (_name, text, family) => {
    const bytes = hex(text);
    expect(decodeNlri(bytes, 0, bytes.length, family, [])).toBe(false);
  });
});

describe('nlriKey', () => {
  it('is the same for two prefixes exactly when they are', () => {
    fc.assert(
      fc.property(anyNlri, anyNlri, (a, b) => {
        expect(nlriKey(a) === nlriKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
        expect(nlriKey(a)).toBe(nlriKey({ ...a }));
      }),
    );
  });
});
