// Prefixes as text and as numbers: an IPv4 prefix is a u32 and a length, an IPv6 prefix four u32 and a length. The bits
// behind the length are zero; an interface's address keeps them, so it is another type.

import { NearhopError } from '../base/errors.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import { formatIpv6, type Ipv6, parseIpv6 } from './ipv6.ts';

export interface Prefix4 {
  /** u32 with no bits behind `len`. */
  readonly prefix: number;
  /** 0 to 32. */
  readonly len: number;
}

/** An address and the length of the prefix that it lies in: `172.16.0.2/30`. */
export interface InterfaceAddress4 {
  readonly address: number;
  readonly len: number;
}

export interface Prefix6 {
  readonly prefix: Ipv6;
  /** 0 to 128. */
  readonly len: number;
}

/** Parses `172.16.0.2/30`, host bits kept. Throws `prefix-malformed` or `ipv4-malformed`. */
export function parseInterfaceAddress4(text: string): InterfaceAddress4 {
  const { address, len } = split(text, 32, '172.16.0.2/30');
  return { address: parseIpv4(address), len };
}

/** Parses `192.0.2.0/24`. Throws `prefix-malformed`, `ipv4-malformed`, or `prefix-host-bits` when bits behind the length are set. */
export function parsePrefix4(text: string): Prefix4 {
  const { address, len } = split(text, 32, '192.0.2.0/24');
  const bits = parseIpv4(address);
  const prefix = (bits & mask4(len)) >>> 0;
  if (prefix !== bits) throw hostBits(text, formatPrefix4(prefix, len));
  return { prefix, len };
}

/** Parses `2001:db8::/32`. Throws `prefix-malformed`, `ipv6-malformed` or `prefix-host-bits`. */
export function parsePrefix6(text: string): Prefix6 {
  const { address, len } = split(text, 128, '2001:db8::/32');
  const bits = parseIpv6(address);
  const prefix: Ipv6 = [
    (bits[0] & wordMask(len, 0)) >>> 0,
    (bits[1] & wordMask(len, 1)) >>> 0,
    (bits[2] & wordMask(len, 2)) >>> 0,
    (bits[3] & wordMask(len, 3)) >>> 0,
  ];
  if (prefix.some((word, i) => word !== bits[i])) throw hostBits(text, formatPrefix6(prefix, len));
  return { prefix, len };
}

export const formatPrefix4 = (prefix: number, len: number): string => `${formatIpv4(prefix)}/${len}`;
export const formatPrefix6 = (prefix: Ipv6, len: number): string => `${formatIpv6(...prefix)}/${len}`;

/** Mask of an IPv4 prefix length, as u32. A shift by 32 would be one by 0, so length 0 is its own case. */
export const mask4 = (len: number): number => (len === 0 ? 0 : (0xffff_ffff << (32 - len)) >>> 0);

/** Whether `address` lies in the prefix. */
export const contains4 = (prefix: number, len: number, address: number): boolean =>
  ((address ^ prefix) & mask4(len)) === 0;

/** Whether the two prefixes have an address in common: then one of them contains the other. */
export const overlaps4 = (a: Prefix4, b: Prefix4): boolean =>
  contains4(a.prefix, Math.min(a.len, b.len), b.prefix);

export const contains6 = (prefix: Ipv6, len: number, address: Ipv6): boolean =>
  prefix.every((word, i) => ((address[i] ^ word) & wordMask(len, i)) === 0);

export const overlaps6 = (a: Prefix6, b: Prefix6): boolean =>
  contains6(a.prefix, Math.min(a.len, b.len), b.prefix);

/** Mask of the `i`-th 32 bits of an IPv6 prefix length. */
const wordMask = (len: number, i: number): number => mask4(Math.max(0, Math.min(32, len - 32 * i)));

function split(text: string, max: number, example: string): { address: string; len: number } {
  const parts = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const len = Number(parts?.[2]);
  if (parts === null || len > max) {
    throw new NearhopError(
      'prefix-malformed',
      `'${text}' is not an address with a prefix length from 0 to ${max}`,
      {
        hint: `write it as ${example}${text.includes('/') ? '' : `, or ${text}/${max} for one address`}`,
      },
    );
  }
  return { address: parts[1], len };
}

const hostBits = (text: string, meant: string): NearhopError =>
  new NearhopError('prefix-host-bits', `'${text}' has bits set behind its prefix length`, {
    hint: `did you mean ${meant}?`,
  });
