// UDP (RFC 768). A checksum of zero says "none"; a computed zero is sent as 0xffff.

import { checksum, pseudoSum4 } from '../base/checksum.ts';
import { IPPROTO_UDP } from './ipv4.ts';

export const UDP_HLEN = 8;

/** IANA service names that the gateway and its traces know. */
export const UDP_PORT_DNS = 53;
export const UDP_PORT_DHCP_SERVER = 67;
export const UDP_PORT_DHCP_CLIENT = 68;
/** HSRP (RFC 2281 §5). */
export const UDP_PORT_HSRP = 1985;
/** BFD single hop (RFC 5881 §4). */
export const UDP_PORT_BFD = 3784;
/** VXLAN (RFC 7348 §8). */
export const UDP_PORT_VXLAN = 4789;
export const UDP_PORT_MDNS = 5353;

/** Fewer bytes than a header or than the length field says, or a length field below 8. */
export const UDP_TRUNCATED = -1;

/** Checks the header in `len` bytes; not the checksum. Returns the payload's offset or UDP_TRUNCATED. */
export function udpCheck(view: DataView, off: number, len: number): number {
  if (len < UDP_HLEN) return UDP_TRUNCATED;
  const total = view.getUint16(off + 4);
  return total < UDP_HLEN || total > len ? UDP_TRUNCATED : off + UDP_HLEN;
}

export const udpSrcPort = (view: DataView, off: number): number => view.getUint16(off);
export const udpDstPort = (view: DataView, off: number): number => view.getUint16(off + 2);
/** Bytes of header and payload. */
export const udpLen = (view: DataView, off: number): number => view.getUint16(off + 4);
/** 0 = the sender computed none. */
export const udpChecksumField = (view: DataView, off: number): number => view.getUint16(off + 6);

/** Whether the checksum of a checked datagram between two IPv4 addresses is right or absent (RFC 1122 §4.1.3.4). */
export function udpChecksumOk4(view: DataView, off: number, src: number, dst: number): boolean {
  if (udpChecksumField(view, off) === 0) return true;
  const len = udpLen(view, off);
  return checksum(view, off, len, pseudoSum4(src, dst, IPPROTO_UDP, len)) === 0;
}

/**
 * Writes a header over a payload that makes the datagram `len` bytes long; returns the payload's offset.
 * The checksum is 0 (none) until `udpRefreshChecksum4` computes it.
 */
export function udpEmit(view: DataView, off: number, srcPort: number, dstPort: number, len: number): number {
  view.setUint16(off, srcPort);
  view.setUint16(off + 2, dstPort);
  view.setUint16(off + 4, len);
  view.setUint16(off + 6, 0);
  return off + UDP_HLEN;
}

/** Computes and writes the checksum of a whole datagram between two IPv4 addresses. */
export function udpRefreshChecksum4(view: DataView, off: number, src: number, dst: number): void {
  const len = udpLen(view, off);
  view.setUint16(off + 6, 0);
  const sum = checksum(view, off, len, pseudoSum4(src, dst, IPPROTO_UDP, len));
  view.setUint16(off + 6, sum === 0 ? 0xffff : sum);
}
