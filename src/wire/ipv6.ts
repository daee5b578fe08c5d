// IPv6 header (RFC 8200 §3) and the walk over its extension headers to the upper layer. An address is four u32; accessors
// take the index of the word, 0 to 3, the first one the most significant.

import { IPPROTO_AH } from './ipv4.ts';

export const IPV6_HLEN = 40;

/** Next-header values of extension headers (RFC 8200 §4.1, IANA). The upper layers' are the IPPROTO_* of ipv4.ts. */
export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
/** No next header (RFC 8200 §4.7). */
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
/** Mobility, HIP and Shim6 have the extension header's format too (RFC 7045 §3). */
export const IPPROTO_MH = 135;
export const IPPROTO_HIP = 139;
export const IPPROTO_SHIM6 = 140;

/** Fewer bytes than a header or than the payload length says. */
export const IPV6_TRUNCATED = -1;
export const IPV6_BAD_VERSION = -2;
/** An extension header runs over the payload's end, or there are more than EXTENSION_HEADERS_MAX. */
export const IPV6_BAD_EXTENSION = -3;

/** Bit of a walk's result: a fragment header stood on the way. */
const WALKED_FRAGMENT = 1 << 30;
/** Bit of a walk's result: a routing header has segments left. */
const WALKED_DETOUR = 1 << 29;
/** Extension headers that the walk follows; RFC 8200 §4.1 knows at most eight in a packet. */
const EXTENSION_HEADERS_MAX = 8;

/** Checks the header in `len` bytes. Returns the offset of what follows it, or IPV6_TRUNCATED or IPV6_BAD_VERSION. */
export function ipv6Check(view: DataView, off: number, len: number): number {
  if (len < IPV6_HLEN) return IPV6_TRUNCATED;
  if (view.getUint8(off) >>> 4 !== 6) return IPV6_BAD_VERSION;
  return IPV6_HLEN + view.getUint16(off + 4) > len ? IPV6_TRUNCATED : off + IPV6_HLEN;
}

export const ipv6TrafficClass = (view: DataView, off: number): number => (view.getUint16(off) >>> 4) & 0xff;
/** 20 bits. */
export const ipv6FlowLabel = (view: DataView, off: number): number => view.getUint32(off) & 0xf_ffff;
/** Bytes behind the header, extension headers included. */
export const ipv6PayloadLen = (view: DataView, off: number): number => view.getUint16(off + 4);
/** The first extension header's or the upper layer's number. */
export const ipv6NextHeader = (view: DataView, off: number): number => view.getUint8(off + 6);
export const ipv6HopLimit = (view: DataView, off: number): number => view.getUint8(off + 7);
export const ipv6Src = (view: DataView, off: number, word: number): number =>
  view.getUint32(off + 8 + 4 * word);
export const ipv6Dst = (view: DataView, off: number, word: number): number =>
  view.getUint32(off + 24 + 4 * word);
/** Whether the destination is multicast, ff00::/8 (RFC 4291 §2.7). */
export const ipv6IsMulticast = (view: DataView, off: number): boolean => view.getUint8(off + 24) === 0xff;

/**
 * Walks the extension headers of a checked packet. Returns the upper layer as one number, to be read by `ipv6UpperOffset`,
 * `ipv6UpperProtocol`, `ipv6IsFragmented` and `ipv6IsDetoured`, or IPV6_BAD_EXTENSION. Stops at a fragment that is not the first one, as no
 * header follows it: the protocol is IPPROTO_FRAGMENT then.
 */
export function ipv6Walk(view: DataView, off: number): number {
  const end = IPV6_HLEN + view.getUint16(off + 4);
  let at = IPV6_HLEN;
  let next = view.getUint8(off + 6);
  let seen = 0;
  for (let headers = 0; headers <= EXTENSION_HEADERS_MAX; headers++) {
    let size = 0;
    if (next === IPPROTO_FRAGMENT) {
      if (at + 8 > end) return IPV6_BAD_EXTENSION;
      if (view.getUint16(off + at + 2) >>> 3 !== 0) return seen | WALKED_FRAGMENT | (at << 8) | next;
      seen |= WALKED_FRAGMENT;
      size = 8;
    } else if (ipv6IsExtension(next)) {
      if (at + 8 > end) return IPV6_BAD_EXTENSION;
      if (next === IPPROTO_ROUTING && view.getUint8(off + at + 3) !== 0) seen |= WALKED_DETOUR;
      const units = view.getUint8(off + at + 1);
      size = next === IPPROTO_AH ? (units + 2) << 2 : (units + 1) << 3; // RFC 4302 §2.2: AH counts 4-byte units
    } else return seen | (at << 8) | next;
    if (at + size > end) return IPV6_BAD_EXTENSION;
    next = view.getUint8(off + at);
    at += size;
  }
  return IPV6_BAD_EXTENSION;
}

/** Offset of the upper layer's header, for the `walked` that `ipv6Walk` returned for the packet at `off`. */
export const ipv6UpperOffset = (off: number, walked: number): number =>
  off + ((walked & (WALKED_DETOUR - 1)) >>> 8);
/** Protocol number of the upper layer; IPPROTO_NONE when there is none. */
export const ipv6UpperProtocol = (walked: number): number => walked & 0xff;
/** Whether the packet has a fragment header. Neighbor discovery in such a one is not valid (RFC 6980 §5). */
export const ipv6IsFragmented = (walked: number): boolean => (walked & WALKED_FRAGMENT) !== 0;
/**
 * Whether a routing header has segments left: the packet's destination is a stop on the way, and checksums over the
 * pseudo-header are about the last segment instead (RFC 8200 §8.1).
 */
export const ipv6IsDetoured = (walked: number): boolean => (walked & WALKED_DETOUR) !== 0;

/** Whether a next-header value is an extension header's. */
export function ipv6IsExtension(next: number): boolean {
  return (
    next === IPPROTO_FRAGMENT ||
    next === IPPROTO_HOPOPTS ||
    next === IPPROTO_ROUTING ||
    next === IPPROTO_DSTOPTS ||
    next === IPPROTO_AH ||
    next === IPPROTO_MH ||
    next === IPPROTO_HIP ||
    next === IPPROTO_SHIM6
  );
}

/** Writes a header with traffic class and flow label 0; returns the offset behind it. The addresses are four u32 each. */
export function ipv6Emit(
  view: DataView,
  off: number,
  payloadLen: number,
  nextHeader: number,
  hopLimit: number,
  src0: number,
  src1: number,
  src2: number,
  src3: number,
  dst0: number,
  dst1: number,
  dst2: number,
  dst3: number,
): number {
  view.setUint32(off, 0x6000_0000);
  view.setUint16(off + 4, payloadLen);
  view.setUint8(off + 6, nextHeader);
  view.setUint8(off + 7, hopLimit);
  view.setUint32(off + 8, src0);
  view.setUint32(off + 12, src1);
  view.setUint32(off + 16, src2);
  view.setUint32(off + 20, src3);
  view.setUint32(off + 24, dst0);
  view.setUint32(off + 28, dst1);
  view.setUint32(off + 32, dst2);
  view.setUint32(off + 36, dst3);
  return off + IPV6_HLEN;
}
