import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DOT1Q_TRUNCATED,
  dot1qCheck,
  dot1qInnerType,
  dot1qIsTpid,
  dot1qPcp,
  dot1qPop,
  dot1qPush,
  dot1qTci,
  dot1qVid,
} from '../../src/wire/dot1q.ts';
import { ETHERTYPE_QINQ, ethernetType } from '../../src/wire/ethernet.ts';
import { u16 } from './arbitraries.ts';
import { fromBytes, fromHex, toHex } from './bytes.ts';

const UNTAGGED = 'ffffffffffff 020000001001 0806 0001';

describe('dot1qPush', () => {
  test('moves the MACs 4 bytes down and puts TPID and TCI behind them (IEEE 802.1Q §9.6)', () => {
    const { u8, view } = fromHex(`a5a5a5a5 a5a5a5a5 ${UNTAGGED}`);
    expect(dot1qPush(u8, view, 8, 0x6064)).toBe(4);
    expect(toHex(u8.slice(4))).toBe('ffffffffffff02000000100181006064' + '08060001');
    expect(toHex(u8.slice(0, 4))).toBe('a5a5a5a5');
  });

  test('stacks an S-tag on a C-tag', () => {
    const { u8, view } = fromHex(`a5a5a5a5 a5a5a5a5 ${UNTAGGED}`);
    const outer = dot1qPush(u8, view, dot1qPush(u8, view, 8, 100), 200, ETHERTYPE_QINQ);
    expect(ethernetType(view, outer)).toBe(ETHERTYPE_QINQ);
    expect(dot1qVid(view, outer)).toBe(200);
    expect(dot1qInnerType(view, outer)).toBe(0x8100);
    expect(dot1qVid(view, dot1qPop(u8, outer))).toBe(100);
  });

  test('is undone by dot1qPop, for any frame and tag', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 14, maxLength: 40 }), u16, (frame, tci) => {
        const { u8, view } = fromBytes(new Uint8Array([0, 0, 0, 0, ...frame]));
        const off = dot1qPush(u8, view, 4, tci);
        expect(dot1qTci(view, off)).toBe(tci);
        expect(dot1qVid(view, off)).toBe(tci & 0xfff);
        expect(dot1qPcp(view, off)).toBe(tci >>> 13);
        expect(dot1qPop(u8, off)).toBe(4);
        expect(u8.slice(4)).toEqual(frame);
      }),
    );
  });
});

describe('dot1qCheck', () => {
  test('wants the type behind the tag, too', () => {
    const { view } = fromHex('ffffffffffff 020000001001 8100 0064 0800');
    expect(dot1qCheck(view, 0, 17)).toBe(DOT1Q_TRUNCATED);
    expect(dot1qCheck(view, 0, 18)).toBe(18);
  });
});

describe('dot1qIsTpid', () => {
  test('knows C-tags and S-tags', () => {
    expect([0x8100, 0x88a8, 0x0800, 0x9100].map(dot1qIsTpid)).toEqual([true, true, false, false]);
  });
});
