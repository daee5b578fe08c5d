import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatMac, macIsGroup, parseMac } from '../../src/addr/mac.ts';
import { NearhopError } from '../../src/base/errors.ts';

describe('parseMac', () => {
  test('reads the three ways of writing, in any case', () => {
    const mac = { hi: 0xaabb, lo: 0xccddeeff };
    expect(parseMac('aa:bb:cc:dd:ee:ff')).toEqual(mac);
    expect(parseMac('AA-BB-CC-DD-EE-FF')).toEqual(mac);
    expect(parseMac('aabb.ccdd.eeff')).toEqual(mac);
  });

  test('inverts formatMac', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.integer({ min: 0, max: 0xffff_ffff }), (hi, lo) => {
        expect(parseMac(formatMac(hi, lo))).toEqual({ hi, lo });
      }),
    );
  });

  test.each([
    '',
    'aa:bb:cc:dd:ee',
    'aa:bb:cc:dd:ee:ff:00',
    'a:b:c:d:e:f',
    'aa:bb-cc:dd-ee:ff',
    'aabbccddeeff',
    'gg:bb:cc:dd:ee:ff',
    ' aa:bb:cc:dd:ee:ff',
    'aa:bb:cc:dd:ee:ff\n',
  ])('refuses %j with a code and a hint', (text) => {
    try {
      parseMac(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(NearhopError);
      expect(error).toMatchObject({ code: 'mac-malformed', hint: expect.stringContaining('02:00:00') });
    }
  });
});

describe('macIsGroup', () => {
  test('is true for multicast and broadcast only', () => {
    expect(macIsGroup(parseMac('ff:ff:ff:ff:ff:ff').hi)).toBe(true);
    expect(macIsGroup(parseMac('01:80:c2:00:00:00').hi)).toBe(true);
    expect(macIsGroup(parseMac('02:01:00:00:00:00').hi)).toBe(false);
  });
});
