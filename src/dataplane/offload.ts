// What a sender left to the hardware, done in software: checksums that are partial, and frames that are to be cut into
// segments (GSO). A frame with OFFLOAD_VNET has a virtio_net_hdr before it (wire/virtio-net.ts). It goes through the gateway
// as it is, up to an egress port that takes plain frames only: there `completeChecksum` finishes a partial checksum, or
// `planSegments` and `emitSegment` cut (wire/segmentation.ts).

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../base/batch.ts';
import { checksum, sum16 } from '../base/checksum.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { emitSegmentHeaders, planSegments, SegmentPlan, segmentPayload } from '../wire/segmentation.ts';
import {
  VNET_LEN,
  vnetCsumOffset,
  vnetCsumStart,
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

/**
 * Builds segment `k` (from 0) of the GSO frame `i` as a plain packet with all lengths and checksums right, and with the
 * frame's columns. Returns its slot, or -1 when the batch has no room.
 */
export function emitSegment(batch: Batch, i: number, plan: SegmentPlan, k: number): number {
  const { u8, view } = batch;
  const { headerLen } = plan;
  const from = batch.off[i];
  const start = headerLen + k * plan.size;
  const payload = segmentPayload(plan, k);
  const j = batch.alloc(headerLen + payload);
  if (j < 0) return -1;
  batch.inherit(j, i);
  batch.trace[j] = batch.trace[i];
  const off = batch.off[j];
  u8.copyWithin(off + headerLen, from + start, from + start + payload);
  emitSegmentHeaders(u8, view, from, plan, k, off, sum16(view, off + headerLen, payload));
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
