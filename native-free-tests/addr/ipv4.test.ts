import { isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';

const accepts = (text: string): boolean => {
  try {
    parseIpv4(text);
    return true;
  } catch {
    return false;
  }
};

describe('parseIpv4', () => {
  test('gives a u32, also above 2^31', () => {
    expect(parseIpv4('10.0.0.1')).toBe(0x0a000001);
    expect(parseIpv4('255.255.255.255')).toBe(0xffffffff);
    expect(parseIpv4('0.0.0.0')).toBe(0);
  });

  test('inverts formatIpv4', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (address) => {
        expect(parseIpv4(formatIpv4(address))).toBe(address);
      }),
    );
  });

  test('accepts what node:net accepts, for anything made of an address’s characters', () => {
    const part = fc.oneof(
      fc.nat(300).map(String),
      fc.constantFrom('', '00', '01', '1e1', '0x1', '-1', '+1', ' 1'),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const text = parts.join('.');
        expect([text, accepts(text)]).toEqual([text, isIPv4(text)]);
      }),
    );
  });

  test.each([
    ['10.0.0.0/24', 'leave the prefix length away here'],
    ['10.0.0', 'four numbers'],
    ['10.0.0.256', 'four numbers'],
    ['010.0.0.1', 'leading zeros'],
    ['gateway', 'four numbers'],
    ['', 'four numbers'],
  ])('refuses %j and says how to write it', (text, hint) => {
    expect(() => parseIpv4(text)).toThrow(
      expect.objectContaining({ code: 'ipv4-malformed', hint: expect.stringContaining(hint) }),
    );
  });
});
