// VXLAN header (RFC 7348 §5): flags, 24 reserved bits, VNI, 8 reserved bits; an Ethernet frame without FCS follows.
// On the way out reserved bits are zero; on the way in they are ignored.

export const VXLAN_HLEN = 8;
/** Flag I: the VNI is valid. Stands in the first byte. */
export const VXLAN_FLAG_I = 0x08;
/** Largest VXLAN network identifier: 24 bits. */
export const VXLAN_VNI_MAX = 0xff_ffff;
/** Bytes that VXLAN over IPv4 puts in front of a frame: IPv4 20, UDP 8, VXLAN 8. The outer Ethernet header is another 14. */
export const VXLAN_OVERHEAD4 = 36;

export const VXLAN_TRUNCATED = -1;
/** Flag I is not set, so there is no VNI. */
export const VXLAN_BAD_FLAGS = -2;

/** Checks the header in `len` bytes. Returns the inner frame's offset, or VXLAN_TRUNCATED or VXLAN_BAD_FLAGS. */
export function vxlanCheck(view: DataView, off: number, len: number): number {
  if (len < VXLAN_HLEN) return VXLAN_TRUNCATED;
  return (view.getUint8(off) & VXLAN_FLAG_I) === 0 ? VXLAN_BAD_FLAGS : off + VXLAN_HLEN;
}

/** VXLAN network identifier, 0 to VXLAN_VNI_MAX. */
export const vxlanVni = (view: DataView, off: number): number => view.getUint32(off + 4) >>> 8;

/** Writes a header; returns the inner frame's offset. */
export function vxlanEmit(view: DataView, off: number, vni: number): number {
  view.setUint32(off, VXLAN_FLAG_I << 24);
  view.setUint32(off + 4, (vni << 8) >>> 0);
  return off + VXLAN_HLEN;
}
