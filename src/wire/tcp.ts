// TCP header (RFC 9293 §3.1), as far as a router reads it: ports, sequence numbers, flags, and the MSS option of a SYN,
// which the extension's MTU may have to lower.

import { checksum, checksumUpdate16, pseudoSum4 } from '../base/checksum.ts';
import { IPPROTO_TCP } from './ipv4.ts';

/** Bytes of a header without options. */
export const TCP_HLEN = 20;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

/** Option kinds (RFC 9293 §3.1). */
export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;

export const TCP_PORT_BGP = 179;

/** Fewer bytes than a header or than the data offset says. */
export const TCP_TRUNCATED = -1;
/** The data offset is below 20 bytes. */
export const TCP_BAD_OFFSET = -2;

/** Checks the header in `len` bytes; not the checksum. Returns the payload's offset, or TCP_TRUNCATED or TCP_BAD_OFFSET. */
export function tcpCheck(view: DataView, off: number, len: number): number {
  if (len < TCP_HLEN) return TCP_TRUNCATED;
  const hlen = tcpHeaderLen(view, off);
  if (hlen < TCP_HLEN) return TCP_BAD_OFFSET;
  return hlen > len ? TCP_TRUNCATED : off + hlen;
}

export const tcpSrcPort = (view: DataView, off: number): number => view.getUint16(off);
export const tcpDstPort = (view: DataView, off: number): number => view.getUint16(off + 2);
export const tcpSeq = (view: DataView, off: number): number => view.getUint32(off + 4);
export const tcpAck = (view: DataView, off: number): number => view.getUint32(off + 8);
/** Bytes of the header with its options, from the data offset field. */
export const tcpHeaderLen = (view: DataView, off: number): number => (view.getUint8(off + 12) >>> 4) << 2;
/** TCP_* bits. */
export const tcpFlags = (view: DataView, off: number): number => view.getUint8(off + 13);
export const tcpWindow = (view: DataView, off: number): number => view.getUint16(off + 14);
export const tcpChecksumField = (view: DataView, off: number): number => view.getUint16(off + 16);

/** Whether the checksum of a whole segment of `len` bytes between two IPv4 addresses is right. */
export function tcpChecksumOk4(view: DataView, off: number, len: number, src: number, dst: number): boolean {
  return checksum(view, off, len, pseudoSum4(src, dst, IPPROTO_TCP, len)) === 0;
}

/** Computes and writes the checksum of a whole segment of `len` bytes between two IPv4 addresses. */
export function tcpRefreshChecksum4(
  view: DataView,
  off: number,
  len: number,
  src: number,
  dst: number,
): void {
  view.setUint16(off + 16, 0);
  view.setUint16(off + 16, checksum(view, off, len, pseudoSum4(src, dst, IPPROTO_TCP, len)));
}

/**
 * Offset of the 16-bit value of the MSS option of a SYN or SYN-ACK; 0 when the segment is none, has no such option, or is
 * malformed before it. `len` is the bytes from `off` on; anything may stand there.
 */
export function tcpMssOffset(view: DataView, off: number, len: number): number {
  if (tcpCheck(view, off, len) < 0 || (view.getUint8(off + 13) & TCP_SYN) === 0) return 0;
  const end = off + tcpHeaderLen(view, off);
  let at = off + TCP_HLEN;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === TCPOPT_EOL) return 0;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) return 0;
    const size = view.getUint8(at + 1);
    if (size < 2 || at + size > end) return 0;
    if (kind === TCPOPT_MSS) return size === 4 ? at + 2 : 0;
    at += size;
  }
  return 0;
}

/**
 * Lowers the MSS option of a SYN or SYN-ACK to `mss` and updates the checksum (RFC 1624). Returns whether it changed anything:
 * false when there is no such option or its value is not larger. Not for a segment whose checksum is still partial (offload):
 * there the field holds the pseudo-header's sum alone, so the value at `tcpMssOffset` is changed and the field stays.
 */
export function tcpClampMss(view: DataView, off: number, len: number, mss: number): boolean {
  const at = tcpMssOffset(view, off, len);
  if (at === 0) return false;
  const old = view.getUint16(at);
  if (old <= mss) return false;
  view.setUint16(at, mss);
  // Behind an odd number of NOPs the value straddles two words of the checksum: then its bytes count swapped (RFC 1071 §2).
  const odd = ((at - off) & 1) !== 0;
  view.setUint16(
    off + 16,
    checksumUpdate16(view.getUint16(off + 16), odd ? swap16(old) : old, odd ? swap16(mss) : mss),
  );
  return true;
}

const swap16 = (word: number): number => ((word & 0xff) << 8) | (word >>> 8);
