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

/** Bytes of the longer header that also says where a UDP tunnel's headers stand (struct virtio_net_hdr_v1_hash_tunnel, Linux 6.17). */
export const VNET_TUNNEL_LEN = 24;
/** `gso_type` bit: each segment is to be in a UDP tunnel over IPv4. */
export const VNET_GSO_UDP_TUNNEL_IPV4 = 0x20;

/**
 * Writes the longer header of a TCP packet in a UDP tunnel at `at`, before the outer frame: `shift` bytes stand from there to the
 * inner frame at `off`, whose own header says how it is to be cut.
 * @param outerL4 bytes to the outer transport header
 * @param innerL3 bytes to the inner network header
 */
export function vnetTunnelEmit(
  view: DataView,
  at: number,
  off: number,
  shift: number,
  outerL4: number,
  innerL3: number,
): void {
  const gsoType = view.getUint8(off - 9);
  const hdrLen = vnetHdrLen(view, off);
  const gsoSize = vnetGsoSize(view, off);
  const csumStart = vnetCsumStart(view, off);
  const csumOffset = vnetCsumOffset(view, off);
  view.setUint8(at, VNET_NEEDS_CSUM);
  view.setUint8(at + 1, gsoType | VNET_GSO_UDP_TUNNEL_IPV4);
  view.setUint16(at + 2, hdrLen + shift, true);
  view.setUint16(at + 4, gsoSize, true);
  view.setUint16(at + 6, csumStart + shift, true);
  view.setUint16(at + 8, csumOffset, true);
  view.setUint16(at + 10, 0); // number of buffers
  view.setUint32(at + 12, 0); // hash
  view.setUint32(at + 16, 0); // hash report
  view.setUint16(at + 20, outerL4, true);
  view.setUint16(at + 22, innerL3, true);
}

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
