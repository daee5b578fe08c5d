// ICMP (RFC 792): type, code, checksum, four bytes whose meaning the type gives, then data. Echo requests are answered in
// place; errors quote the packet that caused them, whose bytes the caller has put behind the header before it is written.

import { checksum, checksumUpdate16 } from '../base/checksum.ts';

/** Bytes of type, code, checksum and the rest of the header. */
export const ICMP4_HLEN = 8;

export const ICMP4_ECHO_REPLY = 0;
export const ICMP4_DEST_UNREACHABLE = 3;
export const ICMP4_SOURCE_QUENCH = 4;
export const ICMP4_REDIRECT = 5;
export const ICMP4_ECHO_REQUEST = 8;
/** Router discovery (RFC 1256 §3). */
export const ICMP4_ROUTER_ADVERTISEMENT = 9;
export const ICMP4_ROUTER_SOLICITATION = 10;
export const ICMP4_TIME_EXCEEDED = 11;
export const ICMP4_PARAMETER_PROBLEM = 12;
export const ICMP4_TIMESTAMP_REQUEST = 13;
export const ICMP4_TIMESTAMP_REPLY = 14;

/** Codes of ICMP4_DEST_UNREACHABLE (RFC 792, RFC 1812 §5.2.7.1). */
export const ICMP4_NET_UNREACHABLE = 0;
export const ICMP4_HOST_UNREACHABLE = 1;
export const ICMP4_PROTOCOL_UNREACHABLE = 2;
export const ICMP4_PORT_UNREACHABLE = 3;
/** With the next hop's MTU in the lower half of the rest of the header (RFC 1191 §4). */
export const ICMP4_FRAG_NEEDED = 4;
export const ICMP4_SOURCE_ROUTE_FAILED = 5;
export const ICMP4_ADMIN_PROHIBITED = 13;
/** Codes of ICMP4_TIME_EXCEEDED. */
export const ICMP4_TTL_EXCEEDED = 0;
export const ICMP4_REASSEMBLY_EXCEEDED = 1;

/** Longest error message as an IPv4 packet: it quotes as much as fits (RFC 1812 §4.3.2.3). */
export const ICMP4_ERROR_MAX = 576;

export const ICMP4_TRUNCATED = -1;
export const ICMP4_BAD_CHECKSUM = -2;

/** Checks a message of exactly `len` bytes. Returns the offset behind its header, or ICMP4_TRUNCATED or ICMP4_BAD_CHECKSUM. */
export function icmp4Check(view: DataView, off: number, len: number): number {
  if (len < ICMP4_HLEN) return ICMP4_TRUNCATED;
  if (checksum(view, off, len) !== 0) return ICMP4_BAD_CHECKSUM;
  return off + ICMP4_HLEN;
}

export const icmp4Type = (view: DataView, off: number): number => view.getUint8(off);
export const icmp4Code = (view: DataView, off: number): number => view.getUint8(off + 1);
/** The second four bytes as a u32: identifier and sequence number, a gateway's address, a next-hop MTU. */
export const icmp4Rest = (view: DataView, off: number): number => view.getUint32(off + 4);
export const icmp4EchoId = (view: DataView, off: number): number => view.getUint16(off + 4);
export const icmp4EchoSeq = (view: DataView, off: number): number => view.getUint16(off + 6);
/** Next-hop MTU of a frag-needed error; 0 from a router older than RFC 1191. */
export const icmp4NextHopMtu = (view: DataView, off: number): number => view.getUint16(off + 6);

/** Whether a type is an error, which must never cause another one (RFC 1812 §4.3.2.7). */
export const icmp4IsError = (type: number): boolean =>
  type === ICMP4_DEST_UNREACHABLE ||
  type === ICMP4_TIME_EXCEEDED ||
  type === ICMP4_REDIRECT ||
  type === ICMP4_PARAMETER_PROBLEM ||
  type === ICMP4_SOURCE_QUENCH;

/** Turns the checked echo request at `off` into its reply, in place: identifier, sequence number and data stay. */
export function icmp4EmitEchoReply(view: DataView, off: number): void {
  const word = view.getUint16(off); // type and code; the code is 0 in a request and stays what it was
  view.setUint8(off, ICMP4_ECHO_REPLY);
  view.setUint16(off + 2, checksumUpdate16(view.getUint16(off + 2), word, word & 0xff));
}

/** Writes the header of an echo request over `dataLen` bytes of data that stand at off + 8; returns the offset behind the data. */
export function icmp4EmitEchoRequest(
  view: DataView,
  off: number,
  id: number,
  seq: number,
  dataLen: number,
): number {
  return emit(view, off, ICMP4_ECHO_REQUEST, 0, ((id << 16) | seq) >>> 0, dataLen);
}

/**
 * Writes the header of an error over `quotedLen` bytes of the packet that caused it, from its IPv4 header on, which stand at
 * off + 8. `rest` is the second four bytes: 0, or the next-hop MTU for ICMP4_FRAG_NEEDED. Returns the offset behind the quote.
 */
export function icmp4EmitError(
  view: DataView,
  off: number,
  type: number,
  code: number,
  rest: number,
  quotedLen: number,
): number {
  return emit(view, off, type, code, rest, quotedLen);
}

function emit(
  view: DataView,
  off: number,
  type: number,
  code: number,
  rest: number,
  dataLen: number,
): number {
  view.setUint8(off, type);
  view.setUint8(off + 1, code);
  view.setUint16(off + 2, 0);
  view.setUint32(off + 4, rest);
  view.setUint16(off + 2, checksum(view, off, ICMP4_HLEN + dataLen));
  return off + ICMP4_HLEN + dataLen;
}
