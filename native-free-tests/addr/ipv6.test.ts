import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv6, parseIpv6 } from '../../src/addr/ipv6.ts';

const word = fc.oneof(fc.constantFrom(0, 1, 0x10000, 0xffff), fc.integer({ min: 0, max: 0xffff_ffff }));

const accepts = (text: string): boolean => {
  try {
    parseIpv6(text);
    return true;
  } catch {
    return false;
  }
};

describe('parseIpv6', () => {
  test('gives four u32, the first one the most significant', () => {
    expect(parseIpv6('2001:db8::1')).toEqual([0x20010db8, 0, 0, 1]);
    expect(parseIpv6('::ffff:192.0.2.1')).toEqual([0, 0, 0xffff, 0xc0000201]);
    expect(parseIpv6('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toEqual(Array(4).fill(0xffffffff));
  });

  test('inverts formatIpv6', () => {
    fc.assert(
      fc.property(word, word, word, word, (a, b, c, d) => {
        expect(parseIpv6(formatIpv6(a, b, c, d))).toEqual([a, b, c, d]);
      }),
    );
  });

  test('accepts what node:net accepts, for anything made of groups and colons', () => {
    const group = fc.constantFrom('', '0', '1', 'db8', 'ffff', '10000', 'g', '00001');
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 9 }), (groups) => {
        const text = groups.join(':');
        expect([text, accepts(text)]).toEqual([text, isIPv6(text)]);
      }),
      { numRuns: 400 },
    );
  });

  test.each([
    ['2001:db8::/32', 'prefix length'],
    ['fe80::1%eth0', 'interface'],
    ['1::2::3', '2001:db8::1'],
    ['192.0.2.1', '2001:db8::1'],
  ])('refuses %j and says how to write it', (text, hint) => {
    expect(() => parseIpv6(text)).toThrow(
      expect.objectContaining({ code: 'ipv6-malformed', hint: expect.stringContaining(hint) }),
    );
  });
});

describe('formatIpv6', () => {
  test.each([
    // RFC 5952 §4.1, §4.2.1 to §4.2.3, §4.3
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AAAA', '2001:db8::aaaa'],
    ['0:0:0:0:0:0:0:0', '::'],
  ])('writes %s as %s', (text, canonical) => {
    expect(formatIpv6(...parseIpv6(text))).toBe(canonical);
  });
});
