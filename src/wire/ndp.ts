// Neighbor discovery (RFC 4861 §4): router and neighbor solicitations and advertisements, and redirects. `off` is the ICMPv6
// message's first byte. A message is a fixed part, which the type gives, and options of 8-byte units behind it.
//
// A bridge that filters what concerns the gateway reads target, addresses and options; to announce the gateway to a VM it
// writes an unsolicited advertisement.

import {
  ICMP6_NEIGHBOR_ADVERTISEMENT,
  ICMP6_NEIGHBOR_SOLICITATION,
  ICMP6_REDIRECT,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
  icmp6RefreshChecksum,
} from './icmpv6.ts';
import { IPPROTO_ICMPV6 } from './ipv4.ts';
import { ipv6Emit, ipv6HopLimit } from './ipv6.ts';

/** Option types (RFC 4861 §4.6). */
export const ND_OPT_SOURCE_LINKADDR = 1;
export const ND_OPT_TARGET_LINKADDR = 2;
export const ND_OPT_PREFIX_INFORMATION = 3;
export const ND_OPT_REDIRECTED_HEADER = 4;
export const ND_OPT_MTU = 5;

/** Flags of a neighbor advertisement in its fifth byte (RFC 4861 §4.4). */
export const ND_NA_ROUTER = 0x80;
export const ND_NA_SOLICITED = 0x40;
export const ND_NA_OVERRIDE = 0x20;

/** Bytes of an advertisement with its target link-layer address option, as `ndpEmitAdvertisement` writes it. */
export const ND_ADVERTISEMENT_LEN = 32;
/** Hop limit of every message: no router forwarded it (RFC 4861 §3.1). */
export const ND_HOP_LIMIT = 255;

/** Shorter than the fixed part of its type. */
export const ND_TRUNCATED = -1;
/** Hop limit is not 255 or the code is not 0: the message may come from off the link (RFC 4861 §6.1, §7.1, §8.1). */
export const ND_INVALID = -2;
/** An option of length 0, or one that runs over the message's end: the whole message is discarded (RFC 4861 §4.6). */
export const ND_BAD_OPTION = -3;
/** No message of neighbor discovery. */
export const ND_NOT_ND = -4;

/** Bytes of the fixed part of an ICMPv6 type; 0 for a type that is not neighbor discovery. */
function fixedLen(type: number): number {
  switch (type) {
    case ICMP6_ROUTER_SOLICITATION:
      return 8;
    case ICMP6_ROUTER_ADVERTISEMENT:
      return 16;
    case ICMP6_NEIGHBOR_SOLICITATION:
    case ICMP6_NEIGHBOR_ADVERTISEMENT:
      return 24;
    case ICMP6_REDIRECT:
      return 40;
    default:
      return 0;
  }
}

/**
 * Checks a message of exactly `len` bytes at `off` in the packet whose checked IPv6 header is at `ip6`, all options' lengths
 * included; the checksum is `icmp6Check`'s. Returns the offset of the options, or ND_TRUNCATED, ND_INVALID, ND_BAD_OPTION or
 * ND_NOT_ND.
 */
export function ndpCheck(view: DataView, ip6: number, off: number, len: number): number {
  if (len < 8) return ND_TRUNCATED;
  const fixed = fixedLen(view.getUint8(off));
  if (fixed === 0) return ND_NOT_ND;
  if (len < fixed) return ND_TRUNCATED;
  if (ipv6HopLimit(view, ip6) !== ND_HOP_LIMIT || view.getUint8(off + 1) !== 0) return ND_INVALID;
  const end = off + len;
  let at = off + fixed;
  while (at < end) {
    if (at + 8 > end) return ND_BAD_OPTION;
    const size = view.getUint8(at + 1) << 3;
    if (size === 0 || at + size > end) return ND_BAD_OPTION;
    at += size;
  }
  return off + fixed;
}

/** Word 0 to 3 of the target of a neighbor solicitation, neighbor advertisement or redirect. */
export const ndpTarget = (view: DataView, off: number, word: number): number =>
  view.getUint32(off + 8 + 4 * word);
/** Word 0 to 3 of the destination that a redirect is about. */
export const ndpRedirectDst = (view: DataView, off: number, word: number): number =>
  view.getUint32(off + 24 + 4 * word);
/** ND_NA_* bits of a neighbor advertisement. */
export const ndpAdvertisementFlags = (view: DataView, off: number): number => view.getUint8(off + 4);
/** Seconds that a router advertisement makes its sender a default router; 0 = it is none. */
export const ndpRouterLifetime = (view: DataView, off: number): number => view.getUint16(off + 6);

/**
 * Offset of the first option of `type` in a checked message, or 0. `options` is what `ndpCheck` returned, `end` the offset
 * behind the message.
 */
export function ndpOption(view: DataView, options: number, end: number, type: number): number {
  for (let at = options; at < end; at += view.getUint8(at + 1) << 3) {
    if (view.getUint8(at) === type) return at;
  }
  return 0;
}

/** MAC in the link-layer address option at `option` (RFC 2464 §6). */
export const ndpOptionMacHi = (view: DataView, option: number): number => view.getUint16(option + 2);
export const ndpOptionMacLo = (view: DataView, option: number): number => view.getUint32(option + 4);

/**
 * Writes an IPv6 packet at `off` that advertises `target` at the MAC, from `target` itself to `dst`, with checksum; returns the
 * offset behind it. `flags` are ND_NA_* bits: ND_NA_OVERRIDE alone for an unsolicited one (RFC 4861 §7.2.6).
 */
export function ndpEmitAdvertisement(
  view: DataView,
  off: number,
  flags: number,
  target0: number,
  target1: number,
  target2: number,
  target3: number,
  dst0: number,
  dst1: number,
  dst2: number,
  dst3: number,
  macHi: number,
  macLo: number,
): number {
  const at = ipv6Emit(
    view,
    off,
    ND_ADVERTISEMENT_LEN,
    IPPROTO_ICMPV6,
    ND_HOP_LIMIT,
    target0,
    target1,
    target2,
    target3,
    dst0,
    dst1,
    dst2,
    dst3,
  );
  view.setUint16(at, ICMP6_NEIGHBOR_ADVERTISEMENT << 8);
  view.setUint32(at + 4, (flags << 24) >>> 0);
  view.setUint32(at + 8, target0);
  view.setUint32(at + 12, target1);
  view.setUint32(at + 16, target2);
  view.setUint32(at + 20, target3);
  view.setUint16(at + 24, (ND_OPT_TARGET_LINKADDR << 8) | 1);
  view.setUint16(at + 26, macHi);
  view.setUint32(at + 28, macLo);
  icmp6RefreshChecksum(view, off, at, ND_ADVERTISEMENT_LEN);
  return at + ND_ADVERTISEMENT_LEN;
}
