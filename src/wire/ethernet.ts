// Ethernet II header: destination, source, type (IEEE 802.3 §3.2). A MAC is two numbers: the high 16 and the low 32 bits.

export * from './ether-types.ts';

import { ETH_HLEN } from './ether-types.ts';

export const MAC_BROADCAST_HI = 0xffff;
export const MAC_BROADCAST_LO = 0xffffffff;
/** I/G bit in the upper 16 bits of a MAC: a group address (IEEE 802 §8.2). */
export const MAC_GROUP_BIT = 0x0100;

/** The frame is shorter than its header. */
export const ETHERNET_TRUNCATED = -1;

/** Checks that `len` bytes hold a header. Returns the payload's offset (of a tag, if there is one) or ETHERNET_TRUNCATED. */
export function ethernetCheck(_view: DataView, off: number, len: number): number {
  return len < ETH_HLEN ? ETHERNET_TRUNCATED : off + ETH_HLEN;
}

export const ethernetDstHi = (view: DataView, off: number): number => view.getUint16(off);
export const ethernetDstLo = (view: DataView, off: number): number => view.getUint32(off + 2);
export const ethernetSrcHi = (view: DataView, off: number): number => view.getUint16(off + 6);
export const ethernetSrcLo = (view: DataView, off: number): number => view.getUint32(off + 8);
/** EtherType, or the length of an 802.3 frame when below ETHERTYPE_MIN. */
export const ethernetType = (view: DataView, off: number): number => view.getUint16(off + 12);

/** Whether the destination is a group address: multicast or broadcast (I/G bit, IEEE 802 §8.4). */
export const ethernetIsGroup = (view: DataView, off: number): boolean => (view.getUint8(off) & 1) !== 0;

export function ethernetSetDst(view: DataView, off: number, hi: number, lo: number): void {
  view.setUint16(off, hi);
  view.setUint32(off + 2, lo);
}

export function ethernetSetSrc(view: DataView, off: number, hi: number, lo: number): void {
  view.setUint16(off + 6, hi);
  view.setUint32(off + 8, lo);
}

/** Writes a header; returns the offset behind it. */
export function ethernetEmit(
  view: DataView,
  off: number,
  dstHi: number,
  dstLo: number,
  srcHi: number,
  srcLo: number,
  type: number,
): number {
  view.setUint16(off, dstHi);
  view.setUint32(off + 2, dstLo);
  view.setUint16(off + 6, srcHi);
  view.setUint32(off + 8, srcLo);
  view.setUint16(off + 12, type);
  return off + ETH_HLEN;
}
