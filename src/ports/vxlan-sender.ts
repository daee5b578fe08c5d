// The way out of a VXLAN port: which endpoints a frame goes to, and how a batch crosses into the kernel.
//
// Each datagram is two pieces. A plain frame: the VXLAN header, which is the same for all, and the frame where it lies. A frame
// to be cut (GSO): for each segment its headers behind a VXLAN header, and its payload where it lies; so 64 KB are read once,
// for their checksums, and copied only by the kernel.
//
// With a `gsoDevice` a frame to be cut goes into the host's stack whole (gso-device.ts).
//
// Datagrams of one length that follow each other are sent together (vxlan-runs.ts). A frame for several endpoints is sent to each.

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO } from '../base/batch.ts';
import { checksum, sumPayload } from '../base/checksum.ts';
import type { Slab } from '../base/slab.ts';
import type { Fdb } from '../tables/fdb.ts';
import { ETH_HLEN, ethernetDstHi, ethernetDstLo, ethernetIsGroup } from '../wire/ethernet.ts';
import { emitSegmentHeaders, planSegments, SegmentPlan, segmentPayload } from '../wire/segmentation.ts';
import { vnetCsumOffset, vnetCsumStart } from '../wire/virtio-net.ts';
import { VXLAN_HLEN, vxlanEmit } from '../wire/vxlan.ts';
import type { GsoDevice } from './gso-device.ts';
import type { Native } from './native.ts';
import type { PortStats } from './port.ts';
import { Datagram, DatagramRuns } from './vxlan-runs.ts';

/** Room for the headers of the prepared datagrams, and the longest headers of one: VLAN, IP and TCP with all options are 150. */
const HEADERS_BYTES = 128 << 10;
const HEADERS_MAX = 512;

export class VxlanSender {
  readonly #vni: number;
  readonly #remotes: Uint32Array;
  readonly #learned: Fdb;
  readonly #slab: Slab;
  readonly #gso: GsoDevice | undefined;
  readonly #runs: DatagramRuns;
  readonly #datagram = new Datagram();
  /** The frame at hand: how it is cut, or bytes up to the end of its partial checksum. */
  readonly #plan = new SegmentPlan();
  #head = 0;
  /** The VXLAN header of plain frames stands at #header; headers of others from there up to #top. */
  readonly #header: number;
  #top: number;

  constructor(
    native: Native,
    fd: number,
    vni: number,
    remotes: Uint32Array,
    udpPort: number,
    learned: Fdb,
    slab: Slab,
    stats: PortStats,
    gso: GsoDevice | undefined,
  ) {
    this.#vni = vni;
    this.#remotes = remotes;
    this.#learned = learned;
    this.#slab = slab;
    this.#gso = gso;
    this.#header = slab.reserve(HEADERS_BYTES);
    vxlanEmit(slab.view, this.#header, vni);
    this.#top = this.#header + VXLAN_HLEN;
    this.#runs = new DatagramRuns(native, fd, native.addressOf(slab.u8), remotes, udpPort, stats);
  }

  /**
   * As `Port.tx`. A frame counts as sent when one of its copies was taken, a frame that is cut when all of it was.
   * `mtu`: largest L3 packet of a run.
   */
  tx(batch: Batch, idx: Uint16Array, n: number, mtu: number): number {
    const runs = this.#runs;
    runs.start(VXLAN_HLEN + ETH_HLEN + mtu);
    this.#top = this.#header + VXLAN_HLEN;
    for (let k = 0; k < n && !runs.stopped; ) {
      k = this.#frame(batch, idx, k) ? k + 1 : runs.retryAt;
      if (k === n && !this.#flush(batch, idx)) k = runs.retryAt;
    }
    return runs.finish(batch, idx, n);
  }

  /** Prepares the frame at position `k` for whom it is for; as `DatagramRuns.flush`. */
  #frame(batch: Batch, idx: Uint16Array, k: number): boolean {
    if (!this.#plans(batch, idx[k])) return this.#refuse(batch, idx, k);
    const remote = this.#remoteFor(batch, idx[k]);
    this.#datagram.flooded = remote < 0;
    if (remote >= 0) return this.#copy(batch, idx, k, remote);
    this.#runs.endRun();
    for (let r = 0; r < this.#remotes.length; r++) if (!this.#copy(batch, idx, k, r)) return false;
    return true;
  }

  /** Index of the endpoint that has the frame's destination, -1 for all of them. */
  #remoteFor(batch: Batch, i: number): number {
    if (this.#remotes.length === 1) return 0;
    const { view } = batch;
    const off = batch.off[i];
    if (batch.len[i] < ETH_HLEN || ethernetIsGroup(view, off)) return -1;
    const row = this.#learned.find(0, ethernetDstHi(view, off), ethernetDstLo(view, off) | 0);
    return row < 0 ? -1 : this.#learned.iface[row];
  }

  /** Reads how a frame is to be cut or completed; false when its virtio header does not fit it. */
  #plans(batch: Batch, i: number): boolean {
    const bits = batch.offload[i];
    if ((bits & OFFLOAD_GSO) !== 0) {
      return planSegments(batch, i, this.#plan) && this.#plan.headerLen <= HEADERS_MAX;
    }
    if ((bits & OFFLOAD_CSUM) === 0) return true;
    const start = vnetCsumStart(batch.view, batch.off[i]);
    this.#head = start + vnetCsumOffset(batch.view, batch.off[i]) + 2;
    return start >= ETH_HLEN && this.#head <= batch.len[i] && this.#head <= HEADERS_MAX;
  }

  /** Prepares a planned frame for one endpoint; as `DatagramRuns.flush`. */
  #copy(batch: Batch, idx: Uint16Array, k: number, remote: number): boolean {
    const i = idx[k];
    const off = batch.off[i];
    const len = batch.len[i];
    const bits = batch.offload[i];
    const d = this.#datagram;
    d.remote = remote;
    d.last = true;
    if ((bits & OFFLOAD_GSO) !== 0) {
      const whole = this.#gso?.takes(batch, i, this.#plan) === true;
      return whole ? this.#whole(batch, idx, k, remote) : this.#segments(batch, idx, k, remote);
    }
    if (!this.#room(batch, idx, remote, VXLAN_HLEN + len)) return false;
    const head = (bits & OFFLOAD_CSUM) === 0 ? 0 : this.#head;
    d.head = head === 0 ? this.#header : this.#complete(batch, i, head);
    d.headLen = VXLAN_HLEN + head;
    d.body = off + head;
    d.bodyLen = len - head;
    this.#runs.add(k, d);
    return true;
  }

  /** Finishes a partial checksum in a copy of the frame's first `head` bytes behind a VXLAN header; returns where that is. */
  #complete(batch: Batch, i: number, head: number): number {
    const { u8, view } = batch;
    const off = batch.off[i];
    const start = vnetCsumStart(view, off);
    const at = this.#top;
    const to = vxlanEmit(view, at, this.#vni);
    u8.copyWithin(to, off, off + head);
    const sum = checksum(view, off + start, batch.len[i] - start);
    view.setUint16(to + head - 2, sum === 0 ? 0xffff : sum); // zero means "none" in UDP (RFC 768)
    this.#top = to + head;
    return at;
  }

  #segments(batch: Batch, idx: Uint16Array, k: number, remote: number): boolean {
    const { u8, view } = batch;
    const plan = this.#plan;
    const off = batch.off[idx[k]];
    const d = this.#datagram;
    for (let s = 0; s < plan.count; s++) {
      const body = off + plan.headerLen + s * plan.size;
      const bodyLen = segmentPayload(plan, s);
      if (!this.#room(batch, idx, remote, VXLAN_HLEN + plan.headerLen + bodyLen)) return false;
      const sum = sumPayload(view, this.#slab.i32, body, bodyLen);
      emitSegmentHeaders(u8, view, off, plan, s, vxlanEmit(view, this.#top, this.#vni), sum);
      d.head = this.#top;
      d.headLen = VXLAN_HLEN + plan.headerLen;
      d.body = body;
      d.bodyLen = bodyLen;
      d.last = s + 1 === plan.count;
      this.#runs.add(k, d);
      this.#top += d.headLen;
    }
    return true;
  }

  /** Sends a GSO frame whole, behind what stands before it; cuts it when that fails: the device may be gone. */
  #whole(batch: Batch, idx: Uint16Array, k: number, remote: number): boolean {
    if (!this.#flush(batch, idx)) return false;
    if (this.#runs.stopped) return true;
    if (this.#gso?.send(batch, idx[k], this.#plan, this.#remotes[remote]) !== true) {
      return this.#segments(batch, idx, k, remote);
    }
    this.#runs.settle(batch, idx, k, true, this.#datagram.flooded);
    return true;
  }

  /** Notes position `k` as refused, behind what stands before it. */
  #refuse(batch: Batch, idx: Uint16Array, k: number): boolean {
    if (!this.#flush(batch, idx)) return false;
    if (!this.#runs.stopped) this.#runs.settle(batch, idx, k, false, false);
    return true;
  }

  /** Makes room for a datagram of `len` bytes and its headers. */
  #room(batch: Batch, idx: Uint16Array, remote: number, len: number): boolean {
    const headers = this.#top + VXLAN_HLEN + HEADERS_MAX <= this.#header + HEADERS_BYTES;
    return (headers && this.#runs.hasRoom(remote, len)) || this.#flush(batch, idx);
  }

  #flush(batch: Batch, idx: Uint16Array): boolean {
    this.#top = this.#header + VXLAN_HLEN;
    return this.#runs.flush(batch, idx);
  }
}
