// Ethernet II header: destination, source, type (IEEE 802.3 §3.2). A MAC is two numbers: the high 16 and the low 32 bits.

/** Bytes of destination, source and type. */
export const ETH_HLEN = 14;
/** Smallest frame without FCS; shorter ones are padded by the sender (IEEE 802.3 §4.2.3.3). */
export const ETH_ZLEN = 60;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_RARP = 0x8035;
/** Tag protocol identifier of a C-tag (IEEE 802.1Q §9.5). */
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
/** Slow protocols: LACP, marker (IEEE 802.3 annex 57A). */
export const ETHERTYPE_SLOW = 0x8809;
export const ETHERTYPE_MPLS = 0x8847;
export const ETHERTYPE_PPPOE_DISCOVERY = 0x8863;
export const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** Tag protocol identifier of an S-tag (IEEE 802.1Q §9.5, formerly 802.1ad). */
export const ETHERTYPE_QINQ = 0x88a8;
export const ETHERTYPE_LLDP = 0x88cc;
/** From here on the field is a type; up to 1500 it is the length of an 802.3 frame with LLC (IEEE 802.3 §3.2.6). */
export const ETHERTYPE_MIN = 0x0600;

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
