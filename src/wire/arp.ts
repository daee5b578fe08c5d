// ARP for IPv4 over Ethernet (RFC 826) and RARP (RFC 903), which share one format. `off` is the first byte behind the Ethernet
// header. A MAC is (hi16, lo32), an address is a u32.

/** Bytes of a message for IPv4 over Ethernet, without padding. */
export const ARP_LEN = 28;
/** ar$op (RFC 826). */
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
/** RFC 903: a host asks for its own address; hypervisors announce a VM's MAC after a move with it. */
export const RARP_REQUEST = 3;
export const RARP_REPLY = 4;

/** Shorter than ARP_LEN. */
export const ARP_TRUNCATED = -1;
/** Hardware type, protocol type or their lengths are not those of IPv4 over Ethernet. */
export const ARP_BAD_FORMAT = -2;

/** Checks `len` bytes at `off`. Returns the offset behind the message, or ARP_TRUNCATED or ARP_BAD_FORMAT. */
export function arpCheck(view: DataView, off: number, len: number): number {
  if (len < ARP_LEN) return ARP_TRUNCATED;
  // ar$hrd 1 and ar$pro 0x0800, then ar$hln 6 and ar$pln 4
  if (view.getUint32(off) !== 0x0001_0800 || view.getUint16(off + 4) !== 0x0604) return ARP_BAD_FORMAT;
  return off + ARP_LEN;
}

/** ARP_REQUEST, ARP_REPLY, RARP_REQUEST, RARP_REPLY, or another number that the sender chose. */
export const arpOp = (view: DataView, off: number): number => view.getUint16(off + 6);
export const arpSenderMacHi = (view: DataView, off: number): number => view.getUint16(off + 8);
export const arpSenderMacLo = (view: DataView, off: number): number => view.getUint32(off + 10);
/** Sender's IPv4 address; 0 in a probe (RFC 5227 §1.1). */
export const arpSenderIp = (view: DataView, off: number): number => view.getUint32(off + 14);
export const arpTargetMacHi = (view: DataView, off: number): number => view.getUint16(off + 18);
export const arpTargetMacLo = (view: DataView, off: number): number => view.getUint32(off + 20);
/** Target's IPv4 address; equal to the sender's in a gratuitous ARP (RFC 5227 §1.1). */
export const arpTargetIp = (view: DataView, off: number): number => view.getUint32(off + 24);

/** Writes a message (ar$sha, ar$spa, ar$tha, ar$tpa in RFC 826's words); returns the offset behind it. */
export function arpEmit(
  view: DataView,
  off: number,
  op: number,
  shaHi: number,
  shaLo: number,
  spa: number,
  thaHi: number,
  thaLo: number,
  tpa: number,
): number {
  view.setUint32(off, 0x0001_0800);
  view.setUint16(off + 4, 0x0604);
  view.setUint16(off + 6, op);
  view.setUint16(off + 8, shaHi);
  view.setUint32(off + 10, shaLo);
  view.setUint32(off + 14, spa);
  view.setUint16(off + 18, thaHi);
  view.setUint32(off + 20, thaLo);
  view.setUint32(off + 24, tpa);
  return off + ARP_LEN;
}
