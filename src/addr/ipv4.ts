// IPv4 addresses as text. In the rest of the code an address is a u32.

import { NearhopError } from '../base/errors.ts';

/** Four numbers without leading zeros. */
const QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/**
 * Parses a dotted quad into a u32. Throws `ipv4-malformed`, also for a prefix length behind it and for leading zeros, which
 * some systems read as octal (RFC 6943 §3.1.1).
 */
export function parseIpv4(text: string): number {
  if (text.includes('/')) {
    throw new NearhopError('ipv4-malformed', `'${text}' is a prefix, not an IPv4 address`, {
      hint: 'leave the prefix length away here',
    });
  }
  const octets = QUAD.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) {
    throw new NearhopError('ipv4-malformed', `'${text}' is not an IPv4 address`, {
      hint: 'write four numbers from 0 to 255 without leading zeros: 192.0.2.1',
    });
  }
  return octets.reduce((address, octet) => address * 256 + octet);
}

/** Dotted quad of a u32. */
export const formatIpv4 = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
