import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { icmp6Check } from '../../src/wire/icmpv6.ts';
import { ipv6Check, ipv6HopLimit, ipv6Src } from '../../src/wire/ipv6.ts';
import {
  ND_ADVERTISEMENT_LEN,
  ND_BAD_OPTION,
  ND_INVALID,
  ND_NA_OVERRIDE,
  ND_NA_ROUTER,
  ND_NOT_ND,
  ND_OPT_MTU,
  ND_OPT_PREFIX_INFORMATION,
  ND_OPT_SOURCE_LINKADDR,
  ND_OPT_TARGET_LINKADDR,
  ND_TRUNCATED,
  ndpAdvertisementFlags,
  ndpCheck,
  ndpEmitAdvertisement,
  ndpOption,
  ndpOptionMacHi,
  ndpOptionMacLo,
  ndpRedirectDst,
  ndpRouterLifetime,
  ndpTarget,
} from '../../src/wire/ndp.ts';
import { u8 as byte, offset, u16, u32 } from './arbitraries.ts';
import { type Bytes, DIRT, dirty, fromHex, toHex } from './bytes.ts';

const IP6 = '60000000 0000 3a ff fe800000000000000000000000000001 fe800000000000000000000000000002';
/** An ND message behind an IPv6 header; checksums are not ndpCheck's business, so they stay 0. */
function message(hex: string): Bytes & { len: number } {
  const bytes = fromHex(IP6 + hex);
  return { ...bytes, len: bytes.u8.length - 40 };
}

const TARGET = '20010db8000000000000000000000001';
// RFC 4861 §4.3 with a source link-layer address option (§4.6.1)
const SOLICITATION = `87 00 0000 00000000 ${TARGET} 01 01 020000001001`;
// §4.2 with source link-layer address, MTU (§4.6.4) and prefix information (§4.6.2)
const ROUTER_ADVERTISEMENT =
  '86 00 0000 40 40 0708 00000000 00000000 01 01 020000001001 05 01 0000 000005dc' +
  ` 03 04 40 c0 00278d00 00093a80 00000000 ${TARGET}`;
// §4.5 with a target link-layer address option
const REDIRECT = `89 00 0000 00000000 ${TARGET} fe8000000000000000000000000000aa 02 01 020000001002`;

const words = (read: (word: number) => number): number[] => [0, 1, 2, 3].map(read);

describe('ndpCheck', () => {
  test('reads a neighbor solicitation', () => {
    const { view, len } = message(SOLICITATION);
    expect(ndpCheck(view, 0, 40, len)).toBe(64);
    expect(words((i) => ndpTarget(view, 40, i))).toEqual([0x20010db8, 0, 0, 1]);
    const option = ndpOption(view, 64, 40 + len, ND_OPT_SOURCE_LINKADDR);
    expect([ndpOptionMacHi(view, option), ndpOptionMacLo(view, option)]).toEqual([0x0200, 0x1001]);
    expect(ndpOption(view, 64, 40 + len, ND_OPT_TARGET_LINKADDR)).toBe(0);
  });

  test('reads a router advertisement with three options', () => {
    const { view, len } = message(ROUTER_ADVERTISEMENT);
    expect(ndpCheck(view, 0, 40, len)).toBe(56);
    expect(ndpRouterLifetime(view, 40)).toBe(1800);
    expect(ndpOption(view, 56, 40 + len, ND_OPT_MTU)).toBe(64);
    expect(ndpOption(view, 56, 40 + len, ND_OPT_PREFIX_INFORMATION)).toBe(72);
  });

  test('reads a redirect', () => {
    const { view, len } = message(REDIRECT);
    expect(ndpCheck(view, 0, 40, len)).toBe(80);
    expect(words((i) => ndpRedirectDst(view, 40, i))).toEqual([0xfe800000, 0, 0, 0xaa]);
  });

  test('takes a router solicitation without options', () => {
    const { view, len } = message('85 00 0000 00000000');
    expect(ndpCheck(view, 0, 40, len)).toBe(48);
  });

  test.each([
    ['solicitation', SOLICITATION, 24, [24]],
    ['router advertisement', ROUTER_ADVERTISEMENT, 16, [16, 24, 32]],
    ['redirect', REDIRECT, 40, [40]],
  ])('refuses a %s that is cut anywhere but between options', (_name, hex, fixed, between) => {
    const { view, len } = message(hex);
    for (let cut = 0; cut < len; cut++) {
      const expected = cut < fixed ? ND_TRUNCATED : between.includes(cut) ? 40 + fixed : ND_BAD_OPTION;
      expect([cut, ndpCheck(view, 0, 40, cut)]).toEqual([cut, expected]);
    }
    expect(ndpCheck(view, 0, 40, len)).toBe(40 + fixed);
  });

  test('refuses an option of length 0 (RFC 4861 §4.6)', () => {
    const { view, u8, len } = message(SOLICITATION);
    u8[65] = 0;
    expect(ndpCheck(view, 0, 40, len)).toBe(ND_BAD_OPTION);
  });

  test('refuses what a router forwarded, and a code (RFC 4861 §7.1.1)', () => {
    const forwarded = message(SOLICITATION);
    forwarded.u8[7] = 254;
    expect(ndpCheck(forwarded.view, 0, 40, forwarded.len)).toBe(ND_INVALID);
    const code = message(SOLICITATION);
    code.u8[41] = 1;
    expect(ndpCheck(code.view, 0, 40, code.len)).toBe(ND_INVALID);
  });

  test('leaves other ICMPv6 messages to others', () => {
    const { view, len } = message('80 00 0000 00010001');
    expect(ndpCheck(view, 0, 40, len)).toBe(ND_NOT_ND);
  });

  test('accepts only options that ndpOption can walk, and reads nothing beyond the message', () => {
    const kind = fc.constantFrom(133, 134, 135, 136, 137);
    const option = fc
      .tuple(byte, fc.integer({ min: 0, max: 3 }))
      .map(([type, units]) => [type, units, ...new Array(Math.max(0, 8 * units - 2)).fill(0)]);
    fc.assert(
      fc.property(kind, fc.array(option, { maxLength: 4 }), fc.nat(9), (type, options, cut) => {
        const fixed = [0, 0, 0, 0, 0, 0, 0].concat(
          new Array(type === 137 ? 32 : type > 134 ? 16 : type === 134 ? 8 : 0).fill(0),
        );
        const bytes = [type, ...fixed, ...options.flat()];
        const { view, len } = message(toHex(Uint8Array.from(bytes.slice(0, bytes.length - cut))));
        const at = ndpCheck(view, 0, 40, len);
        if (at > 0) for (let t = 0; t < 256; t++) ndpOption(view, at, 40 + len, t);
        else expect([ND_TRUNCATED, ND_BAD_OPTION]).toContain(at);
      }),
      { numRuns: 500 },
    );
  });
});

describe('ndpEmitAdvertisement', () => {
  test('writes a packet that ipv6Check, icmp6Check and ndpCheck accept and the accessors read back', () => {
    const four = fc.tuple(u32, u32, u32, u32);
    fc.assert(
      fc.property(offset, byte, four, four, u16, u32, (off, flags, target, dst, macHi, macLo) => {
        const { u8, view } = dirty(off + 40 + ND_ADVERTISEMENT_LEN + 3);
        const end = ndpEmitAdvertisement(view, off, flags, ...target, ...dst, macHi, macLo);
        const at = off + 40;
        expect(end).toBe(at + ND_ADVERTISEMENT_LEN);
        expect(ipv6Check(view, off, end - off)).toBe(at);
        expect(ipv6HopLimit(view, off)).toBe(255);
        expect(icmp6Check(view, off, at, end - at)).toBe(at + 4);
        const options = ndpCheck(view, off, at, end - at);
        expect(options).toBe(at + 24);
        expect(words((i) => ipv6Src(view, off, i))).toEqual(target);
        expect(words((i) => ndpTarget(view, at, i))).toEqual(target);
        expect(ndpAdvertisementFlags(view, at)).toBe(flags);
        const option = ndpOption(view, options, end, ND_OPT_TARGET_LINKADDR);
        expect([ndpOptionMacHi(view, option), ndpOptionMacLo(view, option)]).toEqual([macHi, macLo]);
        expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
      }),
    );
  });

  test('writes reserved bits as zero (RFC 4861 §4.4)', () => {
    const { u8, view } = dirty(72);
    ndpEmitAdvertisement(
      view,
      0,
      ND_NA_ROUTER | ND_NA_OVERRIDE,
      1,
      2,
      3,
      4,
      0xff020000,
      0,
      0,
      1,
      0x0200,
      0x1001,
    );
    expect(toHex(u8.slice(44, 48))).toBe('a0000000');
  });
});
