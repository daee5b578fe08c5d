// The way out of a VXLAN port: which endpoints a frame goes to, and how a batch crosses into the kernel.
//
// Each datagram is two pieces. A plain frame: the VXLAN header, which is the same for all, and the frame where it lies. A frame
// to be cut (GSO): for each segment its headers behind a VXLAN header, and its payload where it lies; so 64 KB are read once,
// for their checksums, and copied only by the kernel.
//
// Datagrams of one length that follow each other to one endpoint, as the segments of a TCP stream do, become one message of up
// to 64 datagrams (UDP_SEGMENT, udp(7)), which goes through the host's stack once. A frame for several endpoints is sent to
// each.

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO } from '../base/batch.ts';
import { checksum, sumPayload } from '../base/checksum.ts';
import type { Slab } from '../base/slab.ts';
import type { Fdb } from '../tables/fdb.ts';
import { ETH_HLEN, ethernetDstHi, ethernetDstLo, ethernetIsGroup } from '../wire/ethernet.ts';
import { emitSegmentHeaders, planSegments, SegmentPlan, segmentPayload } from '../wire/segmentation.ts';
import { vnetCsumOffset, vnetCsumStart } from '../wire/virtio-net.ts';
import { VXLAN_HLEN, vxlanEmit } from '../wire/vxlan.ts';
import { MessageVector } from './message-vector.ts';
import { ERRNO, type Native } from './native.ts';
import type { PortStats } from './port.ts';
import { SentPrefix } from './sent-prefix.ts';
import { SOCKADDR_ADDRESS_AT, SOCKADDR_IN_LEN, writeSockaddrIn } from './vxlan-socket.ts';

const MESSAGES = 64;
/** Datagrams of one message: UDP_MAX_SEGMENTS of Linux up to 6.8. */
const RUN_MAX = 64;
/** Bytes of one message: what an IPv4 packet holds besides its own and the UDP header. */
const RUN_BYTES = 65_507;
/** Room for the headers of the prepared datagrams, and the longest headers of one: VLAN, IP and TCP with all options are 150. */
const HEADERS_BYTES = 128 << 10;
const HEADERS_MAX = 512;

export class VxlanSender {
  readonly #fd: number;
  readonly #vni: number;
  readonly #remotes: Uint32Array;
  readonly #learned: Fdb;
  readonly #stats: PortStats;
  readonly #slab: Slab;
  readonly #slabAddress: number;
  readonly #messages: MessageVector;
  readonly #prefix = new SentPrefix();
  /** The frame at hand: how it is cut, or bytes up to the end of its partial checksum. */
  readonly #plan = new SegmentPlan();
  #head = 0;
  /** Message m starts with (a part of) position first[m] of `idx`; so many frames end in it; 1 when its last one does not. */
  readonly #first = new Int32Array(MESSAGES);
  readonly #ends = new Int32Array(MESSAGES);
  readonly #open = new Uint8Array(MESSAGES);
  readonly #datagrams = new Int32Array(MESSAGES);
  readonly #flooded = new Uint8Array(MESSAGES);
  #prepared = 0;
  /** The VXLAN header of plain frames stands at #header; headers of others from there up to #top. */
  readonly #header: number;
  #top: number;
  /** The last message, while datagrams may still join it: its endpoint, datagram length and bytes. */
  #runRemote = -1;
  #runLen = 0;
  #runBytes = 0;
  /** Position whose copies are being settled, and whether one of them was taken. */
  #floodAt = -1;
  #floodTook = false;
  /** Position of a frame of which a part was refused. */
  #broken = -1;
  #mtu = 0;
  #stopped = false;
  #runs = true;
  /** Position to go on from when a run was refused as such, -1 for none. */
  #retryAt = -1;

  constructor(
    native: Native,
    fd: number,
    vni: number,
    remotes: Uint32Array,
    udpPort: number,
    learned: Fdb,
    slab: Slab,
    stats: PortStats,
  ) {
    this.#fd = fd;
    this.#vni = vni;
    this.#remotes = remotes;
    this.#learned = learned;
    this.#stats = stats;
    this.#slab = slab;
    this.#slabAddress = native.addressOf(slab.u8);
    this.#header = slab.reserve(HEADERS_BYTES);
    vxlanEmit(slab.view, this.#header, vni);
    this.#top = this.#header + VXLAN_HLEN;
    this.#messages = new MessageVector(native, MESSAGES, RUN_MAX * 2, true);
    for (let m = 0; m < MESSAGES; m++) {
      writeSockaddrIn(this.#messages.names, m * SOCKADDR_IN_LEN, 0, udpPort);
    }
  }

  /**
   * As `Port.tx`. A frame counts as sent when one of its copies was taken, a frame that is cut when all of it was.
   * `mtu`: largest L3 packet of a run.
   */
  tx(batch: Batch, idx: Uint16Array, n: number, mtu: number): number {
    this.#prefix.start();
    this.#stopped = false;
    this.#mtu = mtu;
    this.#clear();
    this.#floodAt = -1;
    this.#broken = -1;
    for (let k = 0; k < n && !this.#stopped; ) {
      const remote = this.#remoteFor(batch, idx[k]);
      let done = true;
      if (!this.#plans(batch, idx[k])) done = this.#refuse(batch, idx, k);
      else if (remote >= 0) done = this.#frame(batch, idx, k, remote, false);
      else {
        for (let r = 0; r < this.#remotes.length && done; r++) {
          this.#runRemote = -1; // what a flood's message holds is one frame
          done = this.#frame(batch, idx, k, r, true);
        }
        this.#runRemote = -1;
      }
      k = done ? k + 1 : this.#retryAt;
      if (k === n && !this.#flush(batch, idx)) k = this.#retryAt;
    }
    this.#settleFlood(batch, idx);
    const sent = this.#prefix.end(idx);
    this.#stats.txDropped += n - sent;
    return sent;
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

  /** Prepares a planned frame for one endpoint; false when a flush on the way has to be retried from `#retryAt`. */
  #frame(batch: Batch, idx: Uint16Array, k: number, remote: number, flooded: boolean): boolean {
    const i = idx[k];
    const off = batch.off[i];
    const len = batch.len[i];
    const bits = batch.offload[i];
    if ((bits & OFFLOAD_GSO) !== 0) return this.#segments(batch, idx, k, remote, flooded);
    if (!this.#room(batch, idx, remote, VXLAN_HLEN + len)) return false;
    if ((bits & OFFLOAD_CSUM) === 0) {
      this.#add(k, remote, flooded, this.#header, VXLAN_HLEN, off, len, true);
      return true;
    }
    // A partial checksum is finished in a copy of the frame's beginning.
    const { u8, view } = batch;
    const head = this.#head;
    const start = vnetCsumStart(view, off);
    const to = vxlanEmit(view, this.#top, this.#vni);
    u8.copyWithin(to, off, off + head);
    const sum = checksum(view, off + start, len - start);
    view.setUint16(to + head - 2, sum === 0 ? 0xffff : sum); // zero means "none" in UDP (RFC 768)
    this.#add(k, remote, flooded, this.#top, VXLAN_HLEN + head, off + head, len - head, true);
    this.#top = to + head;
    return true;
  }

  #segments(batch: Batch, idx: Uint16Array, k: number, remote: number, flooded: boolean): boolean {
    const { u8, view } = batch;
    const plan = this.#plan;
    const off = batch.off[idx[k]];
    const headLen = VXLAN_HLEN + plan.headerLen;
    for (let s = 0; s < plan.count; s++) {
      const payload = off + plan.headerLen + s * plan.size;
      const bytes = segmentPayload(plan, s);
      if (!this.#room(batch, idx, remote, headLen + bytes)) return false;
      const sum = sumPayload(view, this.#slab.i32, payload, bytes);
      emitSegmentHeaders(u8, view, off, plan, s, vxlanEmit(view, this.#top, this.#vni), sum);
      this.#add(k, remote, flooded, this.#top, headLen, payload, bytes, s + 1 === plan.count);
      this.#top += headLen;
    }
    return true;
  }

  /** Settles what stands before frame `k`, then `k` as refused; as `#flush`. */
  #refuse(batch: Batch, idx: Uint16Array, k: number): boolean {
    if (!this.#flush(batch, idx)) return false;
    if (this.#stopped) return true;
    this.#settleFlood(batch, idx);
    this.#prefix.refused(idx, k);
    return true;
  }

  /** Makes room for a datagram of `len` bytes; as `#flush`. */
  #room(batch: Batch, idx: Uint16Array, remote: number, len: number): boolean {
    const full = this.#prepared === MESSAGES && !this.#joins(remote, len);
    if (!full && this.#top + HEADERS_MAX + VXLAN_HLEN <= this.#header + HEADERS_BYTES) return true;
    return this.#flush(batch, idx);
  }

  /** Whether a datagram may join the last message: same endpoint, same length or, as the last one, shorter. */
  #joins(remote: number, len: number): boolean {
    return (
      remote === this.#runRemote &&
      len <= this.#runLen &&
      this.#datagrams[this.#prepared - 1] < RUN_MAX &&
      this.#runBytes + len <= RUN_BYTES
    );
  }

  /** Adds a datagram of position `k` to the last message, or as a new one; `last`: the frame ends with it. */
  #add(
    k: number,
    remote: number,
    flooded: boolean,
    head: number,
    headLen: number,
    body: number,
    bodyLen: number,
    last: boolean,
  ): void {
    const len = headLen + bodyLen;
    const joins = this.#joins(remote, len);
    const m = joins ? this.#prepared - 1 : this.#prepared++;
    if (!joins) {
      this.#first[m] = k;
      this.#ends[m] = 0;
      this.#datagrams[m] = 0;
      this.#flooded[m] = flooded ? 1 : 0;
      this.#messages.names.setUint32(m * SOCKADDR_IN_LEN + SOCKADDR_ADDRESS_AT, this.#remotes[remote]);
      this.#runRemote = !this.#runs || len > this.#mtu + ETH_HLEN + VXLAN_HLEN ? -1 : remote;
      this.#runLen = len;
      this.#runBytes = 0;
    }
    const d = this.#datagrams[m]++;
    this.#messages.set(m, d * 2, this.#slabAddress + head, headLen);
    this.#messages.set(m, d * 2 + 1, this.#slabAddress + body, bodyLen);
    this.#messages.shape(m, d * 2 + 2, d === 0 ? 0 : this.#runLen);
    this.#runBytes += len;
    if (len < this.#runLen) this.#runRemote = -1;
    this.#open[m] = last ? 0 : 1;
    if (last) this.#ends[m]++;
  }

  #clear(): void {
    this.#prepared = 0;
    this.#runRemote = -1;
    this.#top = this.#header + VXLAN_HLEN;
  }

  /** Sends the prepared messages; false when frames from `#retryAt` on have to be prepared again, without runs. */
  #flush(batch: Batch, idx: Uint16Array): boolean {
    const count = this.#prepared;
    this.#clear();
    let at = 0;
    while (at < count && !this.#stopped) {
      const result = this.#messages.send(this.#fd, at, count);
      if (result > 0) {
        for (let m = at; m < at + result; m++) this.#settle(batch, idx, m, true);
        at += result;
      } else if (result === -ERRNO.ENOBUFS || result === -ERRNO.EAGAIN) {
        this.#stopped = true;
      } else if (result === -ERRNO.EIO && this.#datagrams[at] > 1) {
        // towards a device that cannot sum (Linux before 6.11) or through IPsec there are no runs
        this.#runs = false;
        this.#retryAt = this.#first[at];
        return false;
      } else if (result !== -ERRNO.EINTR) {
        this.#settle(batch, idx, at++, false); // no route, or too long: the others go on
      }
    }
    return true;
  }

  #settle(batch: Batch, idx: Uint16Array, m: number, took: boolean): void {
    const first = this.#first[m];
    if (this.#floodAt !== first) this.#settleFlood(batch, idx);
    if (this.#flooded[m] === 1) {
      this.#floodTook = took || (this.#floodAt === first && this.#floodTook);
      this.#floodAt = first;
      return;
    }
    const end = first + this.#ends[m];
    for (let k = first; k < end; k++) this.#settleOne(batch, idx, k, took && k !== this.#broken);
    if (!took && this.#open[m] === 1) this.#broken = end;
  }

  #settleFlood(batch: Batch, idx: Uint16Array): void {
    if (this.#floodAt >= 0) this.#settleOne(batch, idx, this.#floodAt, this.#floodTook);
    this.#floodAt = -1;
  }

  #settleOne(batch: Batch, idx: Uint16Array, k: number, took: boolean): void {
    if (!took) {
      this.#prefix.refused(idx, k);
      return;
    }
    this.#stats.txPackets++;
    this.#stats.txBytes += batch.len[idx[k]];
    this.#prefix.took(idx, k);
  }
}
