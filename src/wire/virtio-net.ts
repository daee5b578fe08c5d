// The virtio_net_hdr (virtio 1.2 §5.1.6, little-endian), by which a frame says what its sender left to the hardware: a partial
// checksum, and segmentation. It stands in the 10 bytes before the frame:
//
//   0 flags u8 · 1 gso_type u8 · 2 hdr_len u16 · 4 gso_size u16 · 6 csum_start u16 · 8 csum_offset u16
//
// csum_start counts from the frame's first byte. `off` is always the frame's first byte.

/** Bytes of the header; it starts at `off - VNET_LEN`. */
export const VNET_LEN = 10;
/** `flags`: the checksum at csum_start + csum_offset is partial (VIRTIO_NET_HDR_F_NEEDS_CSUM). */
export const VNET_NEEDS_CSUM = 1;
/** `gso_type` (VIRTIO_NET_HDR_GSO_*). UFO (3) and tunnels are none that a port may hand over: they are never negotiated. */
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
export const VNET_GSO_UDP_L4 = 5;
/** `gso_type` bit: TCP with ECN; the first segment alone keeps CWR (RFC 3168 §6.1.2). */
export const VNET_GSO_ECN = 0x80;

export const vnetFlags = (view: DataView, off: number): number => view.getUint8(off - 10);
/** gso_type without the ECN bit. */
export const vnetGsoType = (view: DataView, off: number): number => view.getUint8(off - 9) & ~VNET_GSO_ECN;
/** A hint: bytes up to the payload. */
export const vnetHdrLen = (view: DataView, off: number): number => view.getUint16(off - 8, true);
/** Payload bytes of each segment but the last. */
export const vnetGsoSize = (view: DataView, off: number): number => view.getUint16(off - 6, true);
/** Bytes from `off` to where summing starts. */
export const vnetCsumStart = (view: DataView, off: number): number => view.getUint16(off - 4, true);
/** Bytes from csum_start to the checksum field. */
export const vnetCsumOffset = (view: DataView, off: number): number => view.getUint16(off - 2, true);

/** Writes a header that asks for nothing. */
export function vnetClear(view: DataView, off: number): void {
  view.setUint32(off - 10, 0);
  view.setUint32(off - 6, 0);
  view.setUint16(off - 2, 0);
}

export const vnetSetFlags = (view: DataView, off: number, flags: number): void =>
  view.setUint8(off - 10, flags);
export const vnetSetHdrLen = (view: DataView, off: number, len: number): void =>
  view.setUint16(off - 8, len, true);
export const vnetSetCsumStart = (view: DataView, off: number, start: number): void =>
  view.setUint16(off - 4, start, true);

/** Writes a whole header, for whoever makes such frames. */
export function vnetEmit(
  view: DataView,
  off: number,
  flags: number,
  gsoType: number,
  hdrLen: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  view.setUint8(off - 10, flags);
  view.setUint8(off - 9, gsoType);
  view.setUint16(off - 8, hdrLen, true);
  view.setUint16(off - 6, gsoSize, true);
  view.setUint16(off - 4, csumStart, true);
  view.setUint16(off - 2, csumOffset, true);
}
