// Cutting a GSO frame, as a device with segmentation offload would: which bytes go into each segment, and its headers. The payload
// is left where it lies: whoever sends plain frames copies it behind the headers, or sends the two pieces together.
//
// hdr_len is a hint (virtio 1.2 §5.1.6.2), so lengths are taken from the packet's own headers.

import { type Batch, OFFLOAD_CSUM } from '../base/batch.ts';
import { fold16, pseudoSum4, pseudoSum6, sum16 } from '../base/checksum.ts';
import {
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HLEN,
  ipv4Dst,
  ipv4HeaderLen,
  ipv4Id,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4RefreshChecksum,
  ipv4SetId,
  ipv4SetTotalLen,
  ipv4Src,
  ipv4TotalLen,
} from './ipv4.ts';
import { IPV6_HLEN, ipv6PayloadLen } from './ipv6.ts';
import { TCP_CWR, TCP_FIN, TCP_HLEN, TCP_PSH, tcpFlags, tcpHeaderLen, tcpSeq } from './tcp.ts';
import { UDP_HLEN } from './udp.ts';
import {
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  vnetCsumStart,
  vnetGsoSize,
  vnetGsoType,
} from './virtio-net.ts';

/** How one GSO frame is cut. Allocated once and filled anew for each frame. */
export class SegmentPlan {
  ipv4 = false;
  tcp = false;
  /** Bytes from the frame's start to the network header. */
  l3 = 0;
  /** Bytes from the frame's start to the transport header. */
  l4 = 0;
  /** Bytes from the frame's start to the transport payload: what every segment repeats. */
  headerLen = 0;
  /** Bytes from the frame's start to the end of the packet: padding of a small frame is no payload. */
  end = 0;
  /** Transport payload bytes of each segment but the last. */
  size = 0;
  /** Segments. */
  count = 0;
}

/**
 * Reads how the GSO frame `i` is to be cut. Returns false when its headers do not fit its virtio header, its length, or
 * anything that can be cut: then it cannot be sent as plain frames.
 */
export function planSegments(batch: Batch, i: number, plan: SegmentPlan): boolean {
  const { view } = batch;
  const off = batch.off[i];
  let len = batch.len[i];
  const l3 = batch.l3[i];
  const type = vnetGsoType(view, off);
  const size = vnetGsoSize(view, off);
  if (size === 0 || l3 + IPV4_HLEN > len) return false;
  const version = view.getUint8(off + l3) >>> 4;
  const tcp = type === VNET_GSO_TCPV4 || type === VNET_GSO_TCPV6;
  if (!tcp && type !== VNET_GSO_UDP_L4) return false;
  if ((type === VNET_GSO_TCPV4 && version !== 4) || (type === VNET_GSO_TCPV6 && version !== 6)) return false;
  let l4: number;
  if (version === 4) {
    const hlen = ipv4HeaderLen(view, off + l3);
    const protocol = ipv4Protocol(view, off + l3);
    if (hlen < IPV4_HLEN || protocol !== (tcp ? IPPROTO_TCP : IPPROTO_UDP)) return false;
    if (ipv4IsFragment(view, off + l3)) return false;
    l4 = l3 + hlen;
    len = Math.min(len, l3 + ipv4TotalLen(view, off + l3));
  } else if (version === 6) {
    // csum_start finds the transport header behind whatever extension headers there are
    l4 = (batch.offload[i] & OFFLOAD_CSUM) !== 0 ? vnetCsumStart(view, off) : l3 + IPV6_HLEN;
    if (l4 < l3 + IPV6_HLEN || l3 + IPV6_HLEN > len) return false;
    len = Math.min(len, l3 + IPV6_HLEN + ipv6PayloadLen(view, off + l3));
  } else return false;
  if (l4 + (tcp ? TCP_HLEN : UDP_HLEN) > len) return false;
  const l4Len = tcp ? tcpHeaderLen(view, off + l4) : UDP_HLEN;
  if (l4Len < (tcp ? TCP_HLEN : UDP_HLEN) || l4 + l4Len > len) return false;
  plan.ipv4 = version === 4;
  plan.tcp = tcp;
  plan.l3 = l3;
  plan.l4 = l4;
  plan.headerLen = l4 + l4Len;
  plan.end = len;
  plan.size = size;
  plan.count = Math.max(1, Math.ceil((len - plan.headerLen) / size));
  return true;
}

/** Transport payload bytes of segment `k` (from 0). */
export function segmentPayload(plan: SegmentPlan, k: number): number {
  return Math.min(plan.size, plan.end - plan.headerLen - k * plan.size);
}

/**
 * Writes the headers of segment `k` (from 0) of the GSO frame at `from` to `to`, with all lengths and checksums right.
 * @param payloadSum sum of the segment's payload (RFC 1071)
 */
export function emitSegmentHeaders(
  u8: Uint8Array,
  view: DataView,
  from: number,
  plan: SegmentPlan,
  k: number,
  to: number,
  payloadSum: number,
): void {
  const { l3, l4, headerLen } = plan;
  const payload = segmentPayload(plan, k);
  u8.copyWithin(to, from, from + headerLen);
  const l4Len = headerLen - l4 + payload;
  let pseudo: number;
  const protocol = plan.tcp ? IPPROTO_TCP : IPPROTO_UDP;
  if (plan.ipv4) {
    ipv4SetTotalLen(view, to + l3, headerLen - l3 + payload);
    ipv4SetId(view, to + l3, (ipv4Id(view, to + l3) + k) & 0xffff);
    ipv4RefreshChecksum(view, to + l3);
    pseudo = pseudoSum4(ipv4Src(view, to + l3), ipv4Dst(view, to + l3), protocol, l4Len);
  } else {
    view.setUint16(to + l3 + 4, headerLen - l3 - IPV6_HLEN + payload); // payload length, RFC 8200 §3
    pseudo = pseudoSum6(view, to + l3, protocol, l4Len);
  }
  const field = to + l4 + (plan.tcp ? 16 : 6);
  if (plan.tcp) {
    view.setUint32(to + l4 + 4, (tcpSeq(view, to + l4) + k * plan.size) >>> 0);
    let flags = tcpFlags(view, to + l4);
    if (k > 0) flags &= ~TCP_CWR; // RFC 3168 §6.1.2: once a window
    if (k < plan.count - 1) flags &= ~(TCP_FIN | TCP_PSH);
    view.setUint8(to + l4 + 13, flags);
  } else view.setUint16(to + l4 + 4, l4Len);
  view.setUint16(field, 0);
  const sum = ~fold16(sum16(view, to + l4, headerLen - l4, pseudo + payloadSum)) & 0xffff;
  view.setUint16(field, sum === 0 ? 0xffff : sum); // zero means "none" in UDP; in TCP the two are equal
}
