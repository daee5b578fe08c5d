// ICMPv6 (RFC 4443): type, code, a checksum over the IPv6 pseudo-header too, then what the type says. The messages of
// neighbor discovery are read by ndp.ts.

import { checksum, pseudoSum6 } from '../base/checksum.ts';
import { IPPROTO_ICMPV6 } from './ipv4.ts';

/** Bytes of type, code and checksum. */
export const ICMP6_HLEN = 4;

export const ICMP6_DEST_UNREACHABLE = 1;
export const ICMP6_PACKET_TOO_BIG = 2;
export const ICMP6_TIME_EXCEEDED = 3;
export const ICMP6_PARAMETER_PROBLEM = 4;
export const ICMP6_ECHO_REQUEST = 128;
export const ICMP6_ECHO_REPLY = 129;
/** Multicast listener discovery (RFC 2710, RFC 3810). */
export const ICMP6_MLD_QUERY = 130;
export const ICMP6_MLD_REPORT = 131;
export const ICMP6_MLD_DONE = 132;
/** Neighbor discovery (RFC 4861 §4). */
export const ICMP6_ROUTER_SOLICITATION = 133;
export const ICMP6_ROUTER_ADVERTISEMENT = 134;
export const ICMP6_NEIGHBOR_SOLICITATION = 135;
export const ICMP6_NEIGHBOR_ADVERTISEMENT = 136;
export const ICMP6_REDIRECT = 137;
export const ICMP6_MLD2_REPORT = 143;

export const ICMP6_TRUNCATED = -1;
export const ICMP6_BAD_CHECKSUM = -2;

/**
 * Checks a message of exactly `len` bytes at `off`, in the packet whose IPv6 header is at `ip6`, its checksum included
 * (RFC 4443 §2.3). Returns the offset behind type, code and checksum, or ICMP6_TRUNCATED or ICMP6_BAD_CHECKSUM.
 */
export function icmp6Check(view: DataView, ip6: number, off: number, len: number): number {
  if (len < ICMP6_HLEN) return ICMP6_TRUNCATED;
  if (checksum(view, off, len, pseudoSum6(view, ip6, IPPROTO_ICMPV6, len)) !== 0) return ICMP6_BAD_CHECKSUM;
  return off + ICMP6_HLEN;
}

export const icmp6Type = (view: DataView, off: number): number => view.getUint8(off);
export const icmp6Code = (view: DataView, off: number): number => view.getUint8(off + 1);
export const icmp6EchoId = (view: DataView, off: number): number => view.getUint16(off + 4);
export const icmp6EchoSeq = (view: DataView, off: number): number => view.getUint16(off + 6);

/** Computes and writes the checksum of a message of `len` bytes at `off`; the IPv6 header at `ip6` stands already. */
export function icmp6RefreshChecksum(view: DataView, ip6: number, off: number, len: number): void {
  view.setUint16(off + 2, 0);
  view.setUint16(off + 2, checksum(view, off, len, pseudoSum6(view, ip6, IPPROTO_ICMPV6, len)));
}
