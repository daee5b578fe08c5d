// Segments of the simulated TCP: header without options, contents that the receiver can check.

import { IPPROTO_TCP, IPV4_HLEN, ipv4Dst, ipv4HeaderLen, ipv4Src, ipv4TotalLen } from '../wire/ipv4.ts';
import {
  TCP_HLEN,
  tcpAck,
  tcpCheck,
  tcpChecksumOk4,
  tcpFlags,
  tcpRefreshChecksum4,
  tcpSeq,
} from '../wire/tcp.ts';
import { type Ipv4Fields, ipv4Packet, L3, viewOf } from './frames.ts';

export interface SegmentFields {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  /** TCP_* bits. */
  readonly flags: number;
  readonly window: number;
}

/** A segment that carries bytes `from` to `from + len` of the stream. */
export function segment(ip: Ipv4Fields, tcp: SegmentFields, from: number, len: number): Uint8Array {
  const packet = ipv4Packet(ip, IPPROTO_TCP, TCP_HLEN + len);
  const view = viewOf(packet);
  const at = L3 + IPV4_HLEN;
  view.setUint16(at, tcp.srcPort);
  view.setUint16(at + 2, tcp.dstPort);
  view.setUint32(at + 4, tcp.seq);
  view.setUint32(at + 8, tcp.ack);
  view.setUint16(at + 12, ((TCP_HLEN / 4) << 12) | tcp.flags);
  view.setUint16(at + 14, tcp.window);
  for (let i = 0; i < len; i++) packet[at + TCP_HLEN + i] = streamByte(from + i);
  tcpRefreshChecksum4(view, at, TCP_HLEN + len, ip.src, ip.dst);
  return packet;
}

export interface ReadSegment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Reads the segment of a checked IPv4 packet; undefined when it is damaged. */
export function readSegment(packet: Uint8Array): ReadSegment | undefined {
  const view = viewOf(packet);
  const at = L3 + ipv4HeaderLen(view, L3);
  const end = L3 + ipv4TotalLen(view, L3);
  const payload = tcpCheck(view, at, end - at);
  if (payload < 0 || !tcpChecksumOk4(view, at, end - at, ipv4Src(view, L3), ipv4Dst(view, L3)))
    return undefined;
  return {
    seq: tcpSeq(view, at),
    ack: tcpAck(view, at),
    flags: tcpFlags(view, at),
    payload: packet.subarray(payload, end),
  };
}

/** Byte at a place of the stream: with a period that no segment size divides. */
const streamByte = (at: number): number => at % 251;

/** Whether `payload` is what the stream has from `from` on. */
export const isStream = (payload: Uint8Array, from: number): boolean =>
  payload.every((byte, i) => byte === streamByte(from + i));
