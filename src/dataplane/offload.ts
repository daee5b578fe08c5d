// What a sender left to the hardware, done in software: checksums that are partial, and frames that are to be cut into
// segments (GSO). A frame with OFFLOAD_VNET has a virtio_net_hdr before it (wire/virtio-net.ts). It goes through the gateway
// as it is, up to an egress port that takes plain frames only: there `completeChecksum` finishes a partial checksum, or
// `planSegments` and `emitSegment` cut.
// hdr_len is a hint (virtio 1.2 §5.1.6.2), so lengths are taken from the packet's own headers.

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../base/batch.ts';
import { checksum, fold16, pseudoSum4, pseudoSum6, sum16 } from '../base/checksum.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
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
} from '../wire/ipv4.ts';
import { IPV6_HLEN, ipv6PayloadLen } from '../wire/ipv6.ts';
import { TCP_CWR, TCP_FIN, TCP_HLEN, TCP_PSH, tcpFlags, tcpHeaderLen, tcpSeq } from '../wire/tcp.ts';
import { UDP_HLEN } from '../wire/udp.ts';
import {
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  VNET_LEN,
  vnetCsumOffset,
  vnetCsumStart,
  vnetGsoSize,
  vnetGsoType,
  vnetHdrLen,
  vnetSetCsumStart,
  vnetSetFlags,
  vnetSetHdrLen,
} from '../wire/virtio-net.ts';

/**
 * Takes the virtio header of packet `i` along when the frame that started at `oldOff` starts `delta` bytes later (+4: its tag
 * went) or earlier (-4: a tag comes), and counts hdr_len and csum_start from the new start. The header's new place and the
 * MACs' old one overlap: call it after a pop has moved them, and before a push does.
 */
export function moveVnetHeader(batch: Batch, i: number, oldOff: number, delta: number): void {
  if ((batch.offload[i] & OFFLOAD_VNET) === 0) return;
  const { u8, view } = batch;
  const off = oldOff + delta;
  u8.copyWithin(off - VNET_LEN, oldOff - VNET_LEN, oldOff);
  const hdrLen = vnetHdrLen(view, off);
  if (hdrLen >= ETH_HLEN) vnetSetHdrLen(view, off, hdrLen - delta);
  if ((batch.offload[i] & OFFLOAD_CSUM) !== 0) vnetSetCsumStart(view, off, vnetCsumStart(view, off) - delta);
}

/**
 * Finishes the partial checksum of packet `i` (OFFLOAD_CSUM): the field holds the pseudo-header's sum, and the sum of
 * everything from csum_start to the frame's end replaces it. Returns false, with nothing changed, when csum_start or
 * csum_offset point outside of the frame.
 */
export function completeChecksum(batch: Batch, i: number): boolean {
  const { view } = batch;
  const off = batch.off[i];
  const len = batch.len[i];
  const start = vnetCsumStart(view, off);
  const field = start + vnetCsumOffset(view, off);
  if (start < ETH_HLEN || field + 2 > len) return false;
  const sum = checksum(view, off + start, len - start);
  // zero means "none" in UDP; in TCP the two are equal (RFC 768, RFC 1071 §1)
  view.setUint16(off + field, sum === 0 ? 0xffff : sum);
  vnetSetFlags(view, off, 0);
  batch.offload[i] &= ~OFFLOAD_CSUM;
  return true;
}

/** How one GSO frame is cut. Allocated once and filled anew for each frame. */
export class SegmentPlan {
  ipv4 = false;
  tcp = false;
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
  plan.l4 = l4;
  plan.headerLen = l4 + l4Len;
  plan.end = len;
  plan.size = size;
  plan.count = Math.max(1, Math.ceil((len - plan.headerLen) / size));
  return true;
}

/**
 * Builds segment `k` (from 0) of the GSO frame `i` as a plain packet with all lengths and checksums right, and with the
 * frame's columns. Returns its slot, or -1 when the batch has no room.
 */
export function emitSegment(batch: Batch, i: number, plan: SegmentPlan, k: number): number {
  const { u8, view } = batch;
  const { l4, headerLen } = plan;
  const l3 = batch.l3[i];
  const from = batch.off[i];
  const start = headerLen + k * plan.size;
  const payload = Math.min(plan.size, plan.end - start);
  const j = batch.alloc(headerLen + payload);
  if (j < 0) return -1;
  batch.inherit(j, i);
  batch.trace[j] = batch.trace[i];
  const off = batch.off[j];
  u8.copyWithin(off, from, from + headerLen);
  u8.copyWithin(off + headerLen, from + start, from + start + payload);
  const l4Len = headerLen - l4 + payload;
  let pseudo: number;
  const protocol = plan.tcp ? IPPROTO_TCP : IPPROTO_UDP;
  if (plan.ipv4) {
    ipv4SetTotalLen(view, off + l3, headerLen - l3 + payload);
    ipv4SetId(view, off + l3, (ipv4Id(view, off + l3) + k) & 0xffff);
    ipv4RefreshChecksum(view, off + l3);
    pseudo = pseudoSum4(ipv4Src(view, off + l3), ipv4Dst(view, off + l3), protocol, l4Len);
  } else {
    view.setUint16(off + l3 + 4, headerLen - l3 - IPV6_HLEN + payload); // payload length, RFC 8200 §3
    pseudo = pseudoSum6(view, off + l3, protocol, l4Len);
  }
  const field = off + l4 + (plan.tcp ? 16 : 6);
  if (plan.tcp) {
    view.setUint32(off + l4 + 4, (tcpSeq(view, off + l4) + k * plan.size) >>> 0);
    let flags = tcpFlags(view, off + l4);
    if (k > 0) flags &= ~TCP_CWR; // RFC 3168 §6.1.2: once a window
    if (k < plan.count - 1) flags &= ~(TCP_FIN | TCP_PSH);
    view.setUint8(off + l4 + 13, flags);
  } else view.setUint16(off + l4 + 4, l4Len);
  view.setUint16(field, 0);
  const sum = ~fold16(sum16(view, off + l4, l4Len, pseudo)) & 0xffff;
  view.setUint16(field, sum === 0 ? 0xffff : sum);
  return j;
}

const scratchPlan = new SegmentPlan();

/**
 * Bytes of the largest L3 packet that packet `i` will be on a wire: of a segment for a GSO frame, of the packet otherwise.
 * A GSO frame that cannot be cut counts whole.
 */
export function wireL3Len(batch: Batch, i: number): number {
  const whole = batch.len[i] - batch.l3[i];
  if ((batch.offload[i] & OFFLOAD_GSO) === 0 || !planSegments(batch, i, scratchPlan)) return whole;
  return Math.min(whole, scratchPlan.headerLen - batch.l3[i] + scratchPlan.size);
}
