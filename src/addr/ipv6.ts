// IPv6 addresses as text. In the rest of the code an address is four u32, the first one the most significant.

import { Address6 } from 'ip-address';
import { NearhopError } from '../base/errors.ts';

export type Ipv6 = readonly [number, number, number, number];

/**
 * Parses any form of RFC 4291 §2.2. Throws `ipv6-malformed`, also for a zone (fe80::1%eth0), as its number means nothing to
 * anyone but the host that wrote it, and for a prefix length.
 */
export function parseIpv6(text: string): Ipv6 {
  if (text.includes('/')) {
    throw new NearhopError('ipv6-malformed', `'${text}' is a prefix, not an IPv6 address`, {
      hint: 'leave the prefix length away here',
    });
  }
  if (text.includes('%')) {
    throw new NearhopError('ipv6-malformed', `'${text}' has a zone`, {
      hint: 'leave %zone away: the interface says it',
    });
  }
  if (!Address6.isValid(text)) {
    throw new NearhopError('ipv6-malformed', `'${text}' is not an IPv6 address`, {
      hint: 'write it as 2001:db8::1',
    });
  }
  const bits = new Address6(text).bigInt();
  const word = (shift: bigint): number => Number((bits >> shift) & 0xffff_ffffn);
  return [word(96n), word(64n), word(32n), word(0n)];
}

/** Canonical text (RFC 5952 §4): lower case, no leading zeros, the longest run of zero groups shortened. */
export function formatIpv6(w0: number, w1: number, w2: number, w3: number): string {
  const bits = (BigInt(w0) << 96n) | (BigInt(w1) << 64n) | (BigInt(w2) << 32n) | BigInt(w3);
  return Address6.fromBigInt(bits).correctForm();
}
