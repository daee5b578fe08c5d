import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ETH_HLEN,
  ETHERNET_TRUNCATED,
  ethernetCheck,
  ethernetDstHi,
  ethernetDstLo,
  ethernetEmit,
  ethernetIsGroup,
  ethernetSetDst,
  ethernetSetSrc,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../../src/wire/ethernet.ts';
import { offset, u16, u32 } from './arbitraries.ts';
import { DIRT, dirty, fromHex, toHex } from './bytes.ts';

describe('ethernetEmit', () => {
  test('writes destination, source, type in this order (IEEE 802.3 §3.2)', () => {
    const { u8, view } = dirty(ETH_HLEN);
    expect(ethernetEmit(view, 0, 0xffff, 0xffffffff, 0x0200, 0x00001001, 0x0806)).toBe(ETH_HLEN);
    expect(toHex(u8)).toBe('ffffffffffff0200000010010806');
  });

  test('is inverted by the accessors and touches nothing else', () => {
    fc.assert(
      fc.property(offset, u16, u32, u16, u32, u16, (off, dstHi, dstLo, srcHi, srcLo, type) => {
        const { u8, view } = dirty(off + ETH_HLEN + 2);
        const end = ethernetEmit(view, off, dstHi, dstLo, srcHi, srcLo, type);
        expect(ethernetCheck(view, off, ETH_HLEN)).toBe(end);
        expect([ethernetDstHi(view, off), ethernetDstLo(view, off)]).toEqual([dstHi, dstLo]);
        expect([ethernetSrcHi(view, off), ethernetSrcLo(view, off)]).toEqual([srcHi, srcLo]);
        expect(ethernetType(view, off)).toBe(type);
        expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
      }),
    );
  });
});

describe('ethernetSetDst and ethernetSetSrc', () => {
  test('write their field alone', () => {
    const { u8, view } = dirty(ETH_HLEN);
    ethernetSetDst(view, 0, 0x0102, 0x03040506);
    expect(toHex(u8)).toBe('010203040506a5a5a5a5a5a5a5a5');
    ethernetSetSrc(view, 0, 0x0708, 0x090a0b0c);
    expect(toHex(u8)).toBe('0102030405060708090a0b0ca5a5');
  });
});

describe('ethernetCheck', () => {
  test('wants 14 bytes', () => {
    const { view } = dirty(ETH_HLEN);
    expect(ethernetCheck(view, 0, 13)).toBe(ETHERNET_TRUNCATED);
    expect(ethernetCheck(view, 0, 14)).toBe(14);
  });
});

describe('ethernetIsGroup', () => {
  test('tells groups from single stations by the first octet', () => {
    expect(ethernetIsGroup(fromHex('0180c2000000').view, 0)).toBe(true);
    expect(ethernetIsGroup(fromHex('ffffffffffff').view, 0)).toBe(true);
    expect(ethernetIsGroup(fromHex('020000000001').view, 0)).toBe(false);
  });
});
