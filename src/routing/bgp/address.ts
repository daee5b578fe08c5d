// Addresses of either family between text (config, sockets, status) and numbers (routes).

import { isIPv4 } from 'node:net';
import { formatIpv4, parseIpv4 } from '../../addr/ipv4.ts';
import { formatIpv6, parseIpv6 } from '../../addr/ipv6.ts';
import type { Address } from './nlri.ts';

/** Parses an address; the zone of a link-local one is left away. Throws `ipv6-malformed`. */
export const parseAddress = (text: string): Address =>
  isIPv4(text) ? parseIpv4(text) : parseIpv6(text.replace(/%.*$/, ''));

export const formatAddress = (address: Address): string =>
  typeof address === 'number' ? formatIpv4(address) : formatIpv6(...address);

/** The address as sockets write it: two texts of one address become equal. A zone stays. */
export const canonicalAddress = (text: string): string =>
  formatAddress(parseAddress(text)) + (/%.*$/.exec(text)?.[0] ?? '');
