// IPv4 header (RFC 791 §3.1). `ipv4Check` looks at a header once; then the accessors cannot fail. A forwarded packet is read
// (addresses, TTL), has its TTL decremented with the checksum kept right, and goes on; a made one is written by `ipv4Emit`.

import { checksum } from '../base/checksum.ts';

/** Bytes of a header without options. */
export const IPV4_HLEN = 20;
/** Don't Fragment and More Fragments in the 16-bit word of flags and offset. */
export const IPV4_DF = 0x4000;
export const IPV4_MF = 0x2000;
/** Fragment offset in that word, in units of 8 bytes. */
export const IPV4_OFFSET_MASK = 0x1fff;

/** Protocol numbers (IANA). */
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_GRE = 47;
export const IPPROTO_ESP = 50;
export const IPPROTO_AH = 51;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_OSPF = 89;
export const IPPROTO_VRRP = 112;
export const IPPROTO_SCTP = 132;

/** Option types (RFC 791 §3.1). */
export const IPOPT_EOL = 0;
export const IPOPT_NOP = 1;
export const IPOPT_LSRR = 131;
export const IPOPT_SSRR = 137;

/** Fewer bytes than a header or than the total length says, or a total length below the header's (RFC 1812 §5.2.2). */
export const IPV4_TRUNCATED = -1;
/** Version is not 4, or the header length is below 20. */
export const IPV4_BAD_VERSION = -2;
export const IPV4_BAD_CHECKSUM = -3;

/**
 * Checks the header in `len` bytes at `off`, its checksum included (RFC 1812 §5.2.2). Bytes behind the total length are
 * Ethernet padding and no fault. Returns the payload's offset, or IPV4_TRUNCATED, IPV4_BAD_VERSION or IPV4_BAD_CHECKSUM.
 */
export function ipv4Check(view: DataView, off: number, len: number): number {
  if (len < IPV4_HLEN) return IPV4_TRUNCATED;
  const first = view.getUint8(off);
  const hlen = (first & 0x0f) << 2;
  if (first >>> 4 !== 4 || hlen < IPV4_HLEN) return IPV4_BAD_VERSION;
  const total = view.getUint16(off + 2);
  if (total < hlen || total > len) return IPV4_TRUNCATED;
  if (checksum(view, off, hlen) !== 0) return IPV4_BAD_CHECKSUM;
  return off + hlen;
}

/** Bytes of the header, 20 to 60. */
export const ipv4HeaderLen = (view: DataView, off: number): number => (view.getUint8(off) & 0x0f) << 2;
/** Type of service: DSCP in the upper 6 bits, ECN in the lower 2 (RFC 2474, RFC 3168). */
export const ipv4Tos = (view: DataView, off: number): number => view.getUint8(off + 1);
/** Bytes of header and payload. */
export const ipv4TotalLen = (view: DataView, off: number): number => view.getUint16(off + 2);
export const ipv4Id = (view: DataView, off: number): number => view.getUint16(off + 4);
/** IPV4_DF, IPV4_MF and the fragment offset in units of 8 bytes. */
export const ipv4FlagsFrag = (view: DataView, off: number): number => view.getUint16(off + 6);
export const ipv4IsDf = (view: DataView, off: number): boolean => (view.getUint8(off + 6) & 0x40) !== 0;
/** True for every fragment, the first one too. */
export const ipv4IsFragment = (view: DataView, off: number): boolean =>
  (view.getUint16(off + 6) & (IPV4_MF | IPV4_OFFSET_MASK)) !== 0;
/** Bytes from the start of the original payload to this fragment's. */
export const ipv4FragmentOffset = (view: DataView, off: number): number =>
  (view.getUint16(off + 6) & IPV4_OFFSET_MASK) << 3;
export const ipv4Ttl = (view: DataView, off: number): number => view.getUint8(off + 8);
export const ipv4Protocol = (view: DataView, off: number): number => view.getUint8(off + 9);
export const ipv4ChecksumField = (view: DataView, off: number): number => view.getUint16(off + 10);
export const ipv4Src = (view: DataView, off: number): number => view.getUint32(off + 12);
export const ipv4Dst = (view: DataView, off: number): number => view.getUint32(off + 16);

/**
 * Takes 1 from the TTL, which is above 0, and updates the checksum (RFC 1624 §3, equation 3), in one word: TTL, protocol,
 * checksum. The checksum gains 0x100, with the carry brought back in, and 0xffff becomes 0.
 */
export function ipv4DecrementTtl(view: DataView, off: number): void {
  const word = view.getInt32(off + 8);
  const sum = (word & 0xffff) + 0x100;
  view.setInt32(off + 8, ((word - 0x100_0000) & ~0xffff) | ((sum + ((sum + 1) >>> 16)) & 0xffff));
}

// The setters leave the checksum alone: call `ipv4RefreshChecksum` after the last of them.
export function ipv4SetTotalLen(view: DataView, off: number, lenBytes: number): void {
  view.setUint16(off + 2, lenBytes);
}
export function ipv4SetId(view: DataView, off: number, id: number): void {
  view.setUint16(off + 4, id);
}
export function ipv4SetFlagsFrag(view: DataView, off: number, flagsFrag: number): void {
  view.setUint16(off + 6, flagsFrag);
}
export function ipv4SetSrc(view: DataView, off: number, address: number): void {
  view.setUint32(off + 12, address);
}
export function ipv4SetDst(view: DataView, off: number, address: number): void {
  view.setUint32(off + 16, address);
}

/** Computes the header's checksum anew and writes it. */
export function ipv4RefreshChecksum(view: DataView, off: number): void {
  view.setUint16(off + 10, 0);
  view.setUint16(off + 10, checksum(view, off, ipv4HeaderLen(view, off)));
}

/** Writes a 20-byte header with its checksum; returns the offset behind it. `totalLen` counts header and payload. */
export function ipv4Emit(
  view: DataView,
  off: number,
  totalLen: number,
  id: number,
  flagsFrag: number,
  ttl: number,
  protocol: number,
  src: number,
  dst: number,
  tos = 0,
): number {
  view.setUint16(off, 0x4500 | tos);
  view.setUint16(off + 2, totalLen);
  view.setUint16(off + 4, id);
  view.setUint16(off + 6, flagsFrag);
  view.setUint16(off + 8, (ttl << 8) | protocol);
  view.setUint32(off + 12, src);
  view.setUint32(off + 16, dst);
  ipv4RefreshChecksum(view, off);
  return off + IPV4_HLEN;
}

/**
 * Offset behind the option at `at`, where the options end at `end`; `end` itself after End of Option List.
 * -1 when the option's length is below 2 or runs over `end` (RFC 791 §3.1).
 */
function optionNext(view: DataView, at: number, end: number): number {
  const type = view.getUint8(at);
  if (type === IPOPT_EOL) return end;
  if (type === IPOPT_NOP) return at + 1;
  if (at + 1 >= end) return -1;
  const len = view.getUint8(at + 1);
  return len < 2 || at + len > end ? -1 : at + len;
}

/** Whether every option of a checked header has a length that fits. True without options. */
export function ipv4OptionsValid(view: DataView, off: number): boolean {
  const end = off + ipv4HeaderLen(view, off);
  let at = off + IPV4_HLEN;
  while (at < end) {
    at = optionNext(view, at, end);
    if (at < 0) return false;
  }
  return true;
}

/** Whether a checked header has a loose or strict source route (RFC 7126 §4.3, §4.4), looking up to the first bad option. */
export function ipv4HasSourceRoute(view: DataView, off: number): boolean {
  const end = off + ipv4HeaderLen(view, off);
  let at = off + IPV4_HLEN;
  while (at >= 0 && at < end) {
    const type = view.getUint8(at);
    if (type === IPOPT_LSRR || type === IPOPT_SSRR) return true;
    at = optionNext(view, at, end);
  }
  return false;
}

/**
 * Hash of the flow of a checked packet as a u32, for choosing among equal paths: addresses, protocol and, for TCP, UDP and
 * SCTP, the ports. Fragments leave the ports out, the first one too, so that all pieces take one path.
 */
export function ipv4FlowHash(view: DataView, off: number): number {
  const protocol = view.getUint8(off + 9);
  let ports = 0;
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP || protocol === IPPROTO_SCTP) {
    const hlen = ipv4HeaderLen(view, off);
    if (!ipv4IsFragment(view, off) && ipv4TotalLen(view, off) >= hlen + 4) ports = view.getInt32(off + hlen);
  }
  return mix(mix(mix(protocol, view.getInt32(off + 12)), view.getInt32(off + 16)), ports) >>> 0;
}

/**
 * One round of a multiply-and-shift hash; every input bit reaches the upper and the lower bits of the result. Signed, as V8 keeps
 * those in registers where a u32 may become a number on the heap.
 */
function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
  return h ^ (h >>> 13);
}
