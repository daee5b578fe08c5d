import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IPPROTO_AH, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../src/wire/ipv4.ts';
import {
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_NONE,
  IPPROTO_ROUTING,
  IPV6_BAD_EXTENSION,
  IPV6_BAD_VERSION,
  IPV6_HLEN,
  IPV6_TRUNCATED,
  ipv6Check,
  ipv6Dst,
  ipv6Emit,
  ipv6FlowLabel,
  ipv6HopLimit,
  ipv6IsDetoured,
  ipv6IsFragmented,
  ipv6IsMulticast,
  ipv6NextHeader,
  ipv6PayloadLen,
  ipv6Src,
  ipv6TrafficClass,
  ipv6UpperOffset,
  ipv6UpperProtocol,
  ipv6Walk,
} from '../../src/wire/ipv6.ts';
import { u8 as byte, offset, u16, u32 } from './arbitraries.ts';
import { type Bytes, DIRT, dirty, fromBytes, fromHex, toHex } from './bytes.ts';

/** A packet of the given chain: each header is its own number and its bytes from the second one on. */
function packet(chain: [number, ...number[]][], last: number, data: number[] = []): Bytes {
  const payload: number[] = [];
  chain.forEach(([, ...rest], i) => {
    payload.push(i + 1 < chain.length ? chain[i + 1][0] : last, ...rest);
  });
  payload.push(...data);
  const bytes = fromBytes(new Uint8Array(IPV6_HLEN + payload.length));
  ipv6Emit(
    bytes.view,
    0,
    payload.length,
    chain[0]?.[0] ?? last,
    64,
    0xfe800000,
    0,
    0,
    1,
    0xff020000,
    0,
    0,
    1,
  );
  bytes.u8.set(payload, IPV6_HLEN);
  return bytes;
}

describe('ipv6Emit', () => {
  test('writes the fields of RFC 8200 §3 in their order', () => {
    const { u8, view } = dirty(IPV6_HLEN);
    expect(ipv6Emit(view, 0, 32, IPPROTO_ICMPV6, 255, 0xfe800000, 0, 0, 1, 0xff020000, 0, 0, 2)).toBe(40);
    expect(toHex(u8)).toBe(
      '60000000 0020 3a ff fe800000000000000000000000000001 ff020000000000000000000000000002'.replaceAll(
        ' ',
        '',
      ),
    );
  });

  test('is inverted by ipv6Check and the accessors and touches nothing else', () => {
    const words = fc.tuple(u32, u32, u32, u32);
    fc.assert(
      fc.property(offset, u16, byte, byte, words, words, (off, len, next, hops, src, dst) => {
        const { u8, view } = dirty(off + IPV6_HLEN + 2);
        const end = ipv6Emit(view, off, len, next, hops, ...src, ...dst);
        expect(ipv6Check(view, off, IPV6_HLEN + len)).toBe(end);
        expect([ipv6PayloadLen(view, off), ipv6NextHeader(view, off), ipv6HopLimit(view, off)]).toEqual([
          len,
          next,
          hops,
        ]);
        expect([0, 1, 2, 3].map((i) => ipv6Src(view, off, i))).toEqual(src);
        expect([0, 1, 2, 3].map((i) => ipv6Dst(view, off, i))).toEqual(dst);
        expect(ipv6IsMulticast(view, off)).toBe(dst[0] >>> 24 === 0xff);
        expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
      }),
    );
  });
});

describe('ipv6TrafficClass and ipv6FlowLabel', () => {
  test('read the bits between version and length', () => {
    const { view } = fromHex('6b8abcde');
    expect(ipv6TrafficClass(view, 0)).toBe(0xb8);
    expect(ipv6FlowLabel(view, 0)).toBe(0xabcde);
  });
});

describe('ipv6Check', () => {
  test('refuses a packet that is not all there, and another version', () => {
    const { view, u8 } = packet([], IPPROTO_UDP, [1, 2, 3]);
    for (let len = 0; len < 43; len++) expect(ipv6Check(view, 0, len)).toBe(IPV6_TRUNCATED);
    expect(ipv6Check(view, 0, 43)).toBe(40);
    u8[0] = 0x45;
    expect(ipv6Check(view, 0, 43)).toBe(IPV6_BAD_VERSION);
  });
});

describe('ipv6Walk', () => {
  const HOPOPTS: [number, ...number[]] = [IPPROTO_HOPOPTS, 0, 5, 2, 0, 0, 1, 0]; // router alert (RFC 2711 §2.1)
  const DSTOPTS16: [number, ...number[]] = [IPPROTO_DSTOPTS, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const AH: [number, ...number[]] = [IPPROTO_AH, 4, ...new Array(22).fill(0)]; // (4 + 2) * 4 = 24 bytes (RFC 4302 §2.2)
  const fragment = (offsetUnits: number, more: number): [number, ...number[]] => [
    IPPROTO_FRAGMENT,
    0,
    offsetUnits >>> 5,
    ((offsetUnits << 3) & 0xff) | more,
    0,
    0,
    0,
    1,
  ];

  test.each([
    ['no extension', [], IPPROTO_TCP, 40, false],
    ['hop-by-hop options', [HOPOPTS], IPPROTO_ICMPV6, 48, false],
    ['two headers of different length', [HOPOPTS, DSTOPTS16], IPPROTO_UDP, 64, false],
    ['an authentication header in units of 4 bytes', [AH], IPPROTO_TCP, 64, false],
    ['a first fragment', [fragment(0, 1)], IPPROTO_UDP, 48, true],
    ['no next header', [HOPOPTS], IPPROTO_NONE, 48, false],
  ] as [string, [number, ...number[]][], number, number, boolean][])(
    'finds the upper layer behind %s',
    (_name, chain, last, at, fragmented) => {
      const { view } = packet(chain, last, [1, 2, 3, 4]);
      const walked = ipv6Walk(view, 0);
      expect([ipv6UpperProtocol(walked), ipv6UpperOffset(0, walked), ipv6IsFragmented(walked)]).toEqual([
        last,
        at,
        fragmented,
      ]);
      expect(ipv6UpperOffset(1000, walked)).toBe(1000 + at);
    },
  );

  test('stops at a later fragment, which has no further header', () => {
    const { view } = packet([HOPOPTS, fragment(185, 0)], IPPROTO_UDP, [1, 2, 3, 4]);
    const walked = ipv6Walk(view, 0);
    expect([ipv6UpperProtocol(walked), ipv6UpperOffset(0, walked)]).toEqual([IPPROTO_FRAGMENT, 48]);
    expect(ipv6IsFragmented(walked)).toBe(true);
  });

  test('says when a routing header has segments left, so that the destination is not the last one', () => {
    const routing = (left: number): [number, ...number[]] => [IPPROTO_ROUTING, 0, 0, left, 0, 0, 0, 0];
    const under = (left: number): number => ipv6Walk(packet([HOPOPTS, routing(left)], IPPROTO_UDP).view, 0);
    expect([ipv6IsDetoured(under(1)), ipv6IsDetoured(under(0))]).toEqual([true, false]);
    expect([ipv6UpperProtocol(under(1)), ipv6UpperOffset(0, under(1))]).toEqual([IPPROTO_UDP, 56]);
  });

  test('refuses a header that runs over the payload, and a chain that is too long', () => {
    expect(ipv6Walk(packet([[IPPROTO_ROUTING, 1, 0, 0, 0, 0, 0, 0]], IPPROTO_TCP).view, 0)).toBe(
      IPV6_BAD_EXTENSION,
    );
    expect(ipv6Walk(packet([[IPPROTO_HOPOPTS, 0, 0]], IPPROTO_TCP).view, 0)).toBe(IPV6_BAD_EXTENSION);
    expect(ipv6Walk(packet([[IPPROTO_FRAGMENT, 0, 0]], IPPROTO_TCP).view, 0)).toBe(IPV6_BAD_EXTENSION);
    expect(ipv6UpperProtocol(ipv6Walk(packet(new Array(8).fill(HOPOPTS), IPPROTO_TCP).view, 0))).toBe(
      IPPROTO_TCP,
    );
    expect(ipv6Walk(packet(new Array(9).fill(HOPOPTS), IPPROTO_TCP).view, 0)).toBe(IPV6_BAD_EXTENSION);
  });

  test('stays inside the payload, whatever the headers say', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 43, 44, 51, 60, 135),
        fc.uint8Array({ maxLength: 80 }),
        (first, bytes) => {
          const { view, u8 } = packet([], first, [...bytes]);
          const walked = ipv6Walk(view, 0);
          if (walked >= 0) expect(ipv6UpperOffset(0, walked)).toBeLessThanOrEqual(u8.length);
          else expect(walked).toBe(IPV6_BAD_EXTENSION);
        },
      ),
      { numRuns: 300 },
    );
  });
});
