import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ICMP6_BAD_CHECKSUM,
  ICMP6_ECHO_REQUEST,
  ICMP6_TRUNCATED,
  icmp6Check,
  icmp6Code,
  icmp6EchoId,
  icmp6EchoSeq,
  icmp6RefreshChecksum,
  icmp6Type,
} from '../../src/wire/icmpv6.ts';
import { IPPROTO_ICMPV6 } from '../../src/wire/ipv4.ts';
import { ipv6Emit } from '../../src/wire/ipv6.ts';
import { payload, u32 } from './arbitraries.ts';
import { dirty, fromHex } from './bytes.ts';

describe('icmp6Check', () => {
  // echo request from fe80::1 to fe80::2, id 0x1234, seq 7, no data. By hand (RFC 8200 §8.1): 2 * 0xfe80 + 1 + 2 for the
  // addresses, 8 for the length, 58, then 0x8000 + 0x1234 + 7 = 0x28f80, which folds to 0x8f82, and ~0x8f82 = 0x707d
  const ECHO =
    '60000000 0008 3a 40 fe800000000000000000000000000001 fe800000000000000000000000000002 8000 707d 1234 0007';

  test('takes a right message and the accessors read it', () => {
    const { view } = fromHex(ECHO);
    expect(icmp6Check(view, 0, 40, 8)).toBe(44);
    expect([icmp6Type(view, 40), icmp6Code(view, 40), icmp6EchoId(view, 40), icmp6EchoSeq(view, 40)]).toEqual(
      [ICMP6_ECHO_REQUEST, 0, 0x1234, 7],
    );
  });

  test('refuses short messages and a wrong bit in message or addresses', () => {
    const { view, u8 } = fromHex(ECHO);
    for (let len = 0; len < 4; len++) expect(icmp6Check(view, 0, 40, len)).toBe(ICMP6_TRUNCATED);
    for (let bit = 64; bit < 384; bit++) {
      u8[bit >>> 3] ^= 1 << (bit & 7);
      expect(icmp6Check(view, 0, 40, 8)).toBe(ICMP6_BAD_CHECKSUM);
      u8[bit >>> 3] ^= 1 << (bit & 7);
    }
  });
});

describe('icmp6RefreshChecksum', () => {
  test('writes what icmp6Check accepts', () => {
    fc.assert(
      fc.property(u32, u32, payload, (src, dst, data) => {
        const { u8, view } = dirty(48 + data.length);
        const at = ipv6Emit(view, 0, 8 + data.length, IPPROTO_ICMPV6, 64, src, 0, 0, 1, dst, 0, 0, 2);
        u8.set(data, 48);
        icmp6RefreshChecksum(view, 0, at, 8 + data.length);
        expect(icmp6Check(view, 0, at, 8 + data.length)).toBe(44);
      }),
    );
  });
});
