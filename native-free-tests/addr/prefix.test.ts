import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseIpv6 } from '../../src/addr/ipv6.ts';
import {
  contains4,
  contains6,
  formatPrefix4,
  formatPrefix6,
  mask4,
  overlaps4,
  overlaps6,
  type Prefix4,
  parseInterfaceAddress4,
  parsePrefix4,
  parsePrefix6,
} from '../../src/addr/prefix.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const len4 = fc.integer({ min: 0, max: 32 });
const prefix4 = fc
  .tuple(u32, len4)
  .map(([bits, len]): Prefix4 => ({ prefix: (bits & mask4(len)) >>> 0, len }));

/** The definition: the first `len` binary digits agree. */
const sameBits = (a: number, b: number, len: number): boolean =>
  a.toString(2).padStart(32, '0').slice(0, len) === b.toString(2).padStart(32, '0').slice(0, len);

describe('parsePrefix4', () => {
  test('inverts formatPrefix4', () => {
    fc.assert(
      fc.property(prefix4, (p) => {
        expect(parsePrefix4(formatPrefix4(p.prefix, p.len))).toEqual(p);
      }),
    );
  });

  test('refuses host bits and offers the prefix that was meant', () => {
    expect(() => parsePrefix4('192.168.10.1/24')).toThrow(
      expect.objectContaining({ code: 'prefix-host-bits', hint: 'did you mean 192.168.10.0/24?' }),
    );
  });

  test.each(['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/024', '10.0.0.0/8/8', '/8', '10.0.0.0/-1'])(
    'refuses %j as a prefix',
    (text) => {
      expect(() => parsePrefix4(text)).toThrow(
        expect.objectContaining({ code: 'prefix-malformed', hint: expect.stringContaining('192.0.2.0/24') }),
      );
    },
  );

  test('names the address as the fault when the length is right', () => {
    expect(() => parsePrefix4('10.0.0/24')).toThrow(expect.objectContaining({ code: 'ipv4-malformed' }));
  });
});

describe('parseInterfaceAddress4', () => {
  test('keeps the host bits', () => {
    expect(parseInterfaceAddress4('172.16.0.2/30')).toEqual({ address: parseIpv4('172.16.0.2'), len: 30 });
  });
});

describe('mask4', () => {
  test('has as many leading ones as the length says', () => {
    for (let len = 0; len <= 32; len++) {
      expect(mask4(len).toString(2).padStart(32, '0')).toBe('1'.repeat(len).padEnd(32, '0'));
    }
  });
});

describe('contains4', () => {
  test('agrees with a comparison of binary digits', () => {
    // half of the addresses near the prefix, or nearly none would lie in it
    const address = (p: Prefix4) =>
      fc.oneof(
        u32,
        u32.map((n) => (p.prefix | (n & ~mask4(p.len))) >>> 0),
      );
    fc.assert(
      fc.property(
        prefix4.chain((p) => fc.tuple(fc.constant(p), address(p))),
        ([p, a]) => {
          expect([formatIpv4(a), contains4(p.prefix, p.len, a)]).toEqual([
            formatIpv4(a),
            sameBits(p.prefix, a, p.len),
          ]);
        },
      ),
    );
  });
});

describe('overlaps4', () => {
  test('holds exactly when one contains the first address of the other', () => {
    fc.assert(
      fc.property(prefix4, prefix4, (a, b) => {
        const expected = contains4(a.prefix, a.len, b.prefix) || contains4(b.prefix, b.len, a.prefix);
        expect(overlaps4(a, b)).toBe(expected);
      }),
    );
    expect(overlaps4(parsePrefix4('10.0.0.0/8'), parsePrefix4('10.1.0.0/16'))).toBe(true);
    expect(overlaps4(parsePrefix4('10.0.0.0/16'), parsePrefix4('10.1.0.0/16'))).toBe(false);
    expect(overlaps4(parsePrefix4('0.0.0.0/0'), parsePrefix4('255.255.255.255/32'))).toBe(true);
  });
});

describe('parsePrefix6', () => {
  test.each(['::/0', '2001:db8::/32', 'fe80::/10', '2001:db8:0:1::/64', '2001:db8::1/128'])(
    'reads %s and formatPrefix6 writes it again',
    (text) => {
      const p = parsePrefix6(text);
      expect(formatPrefix6(p.prefix, p.len)).toBe(text);
    },
  );

  test('refuses host bits and lengths above 128', () => {
    expect(() => parsePrefix6('2001:db8::1/64')).toThrow(
      expect.objectContaining({ code: 'prefix-host-bits', hint: 'did you mean 2001:db8::/64?' }),
    );
    expect(() => parsePrefix6('::/129')).toThrow(expect.objectContaining({ code: 'prefix-malformed' }));
  });
});

describe('contains6', () => {
  test('decides at the bit behind the length, in every word', () => {
    const zero = parseIpv6('::');
    for (let len = 0; len <= 128; len++) {
      for (let bit = 0; bit < 128; bit++) {
        const address = [0, 0, 0, 0];
        address[bit >>> 5] = (1 << (31 - (bit & 31))) >>> 0;
        const [a, b, c, d] = address;
        expect(contains6(zero, len, [a, b, c, d])).toBe(bit >= len);
      }
    }
  });
});

describe('overlaps6', () => {
  test('compares by the shorter length', () => {
    const site = parsePrefix6('2001:db8::/32');
    expect(overlaps6(site, parsePrefix6('2001:db8:5::/48'))).toBe(true);
    expect(overlaps6(parsePrefix6('2001:db8:5::/48'), site)).toBe(true);
    expect(overlaps6(site, parsePrefix6('2001:db9::/32'))).toBe(false);
  });
});
