// Prefixes as BGP carries them (RFC 4271 §4.3, RFC 4760 §5): one byte of length in bits, then as many bytes as it needs.

import type { Ipv6 } from '../../addr/ipv6.ts';

export type Family = 'ipv4' | 'ipv6';

/** IPv4 as u32, or IPv6 as four u32. */
export type Address = number | Ipv6;

export interface Ipv4Nlri {
  readonly family: 'ipv4';
  readonly prefix: number;
  readonly len: number;
}
export interface Ipv6Nlri {
  readonly family: 'ipv6';
  readonly prefix: Ipv6;
  readonly len: number;
}
export type Nlri = Ipv4Nlri | Ipv6Nlri;

/** Key of a prefix in a Map: never the same for two prefixes, of either family. */
export type NlriKey = number | string;

/** AFI by family; the SAFI is always 1, unicast. */
export const AFI: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 2 };
export const SAFI_UNICAST = 1;

/** Family of an (AFI, SAFI) pair, undefined for all that we do not speak. */
export const familyOf = (afi: number, safi: number): Family | undefined => {
  if (safi !== SAFI_UNICAST) return undefined;
  return afi === AFI.ipv4 ? 'ipv4' : afi === AFI.ipv6 ? 'ipv6' : undefined;
};

const mask = (word: number, bits: number): number =>
  bits <= 0 ? 0 : bits >= 32 ? word >>> 0 : (word & (0xffffffff << (32 - bits))) >>> 0;

/** The prefix as an NLRI, bits beyond `len` cleared. */
export const nlriOf = (prefix: Address, len: number): Nlri => {
  if (typeof prefix === 'number') return { family: 'ipv4', prefix: mask(prefix, len), len };
  const words: Ipv6 = [
    mask(prefix[0], len),
    mask(prefix[1], len - 32),
    mask(prefix[2], len - 64),
    mask(prefix[3], len - 96),
  ];
  return { family: 'ipv6', prefix: words, len };
};

export const nlriKey = (nlri: Nlri): NlriKey =>
  nlri.family === 'ipv4' ? nlri.prefix * 64 + nlri.len : `${nlri.prefix.join('.')}/${nlri.len}`;

/** Bytes of the prefix on the wire, its length byte included. */
export const nlriBytes = (nlri: Nlri): number => 1 + ((nlri.len + 7) >>> 3);

/**
 * Appends the prefixes of `bytes[off..end-1]` to `out`. Bits beyond a prefix's length are irrelevant (RFC 4271 §4.3) and are
 * cleared. Returns false when a length is too large for the family or a prefix runs over the end.
 */
export const decodeNlri = (
  bytes: Uint8Array,
  off: number,
  end: number,
  family: Family,
  out: Nlri[],
): boolean => {
  const maxLen = family === 'ipv4' ? 32 : 128;
  while (off < end) {
    const len = bytes[off];
    const size = (len + 7) >>> 3;
    if (len > maxLen || off + 1 + size > end) return false;
    const at = off + 1;
    if (family === 'ipv4') {
      out.push({ family, prefix: mask(word(bytes, at, size), len), len });
    } else {
      const words: Ipv6 = [
        word(bytes, at, size),
        word(bytes, at + 4, size - 4),
        word(bytes, at + 8, size - 8),
        word(bytes, at + 12, size - 12),
      ];
      out.push(nlriOf(words, len));
    }
    off = at + size;
  }
  return true;
};

/** Big-endian u32 at `off`, of which only the first `size` bytes are there; the rest is zero. */
const word = (bytes: Uint8Array, off: number, size: number): number => {
  let value = 0;
  for (let i = 0; i < 4; i++) value = (value << 8) | (i < size ? bytes[off + i] : 0);
  return value >>> 0;
};

/** Writes the prefix at `off` and returns the offset behind it. The caller has checked that `nlriBytes` fit. */
export const encodeNlri = (bytes: Uint8Array, off: number, nlri: Nlri): number => {
  const size = (nlri.len + 7) >>> 3;
  bytes[off++] = nlri.len;
  for (let i = 0; i < size; i++) {
    const w = nlri.family === 'ipv4' ? nlri.prefix : nlri.prefix[i >>> 2];
    bytes[off++] = (w >>> (24 - 8 * (i & 3))) & 0xff;
  }
  return off;
};
