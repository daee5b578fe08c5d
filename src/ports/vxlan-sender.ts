// The way out of a VXLAN port: which endpoints a frame goes to, and how a batch crosses into the kernel.
//
// Each frame leaves as two pieces, the header (the same for all) and the frame where it lies. Frames of one length that follow
// each other to one endpoint, as the segments of a TCP stream do, become one message of up to 64 datagrams (UDP_SEGMENT,
// udp(7)), which goes through the host's stack once. A frame for several endpoints is one message for each.

import type { Batch } from '../base/batch.ts';
import type { Fdb } from '../tables/fdb.ts';
import { ETH_HLEN, ethernetDstHi, ethernetDstLo, ethernetIsGroup } from '../wire/ethernet.ts';
import { VXLAN_HLEN, vxlanEmit } from '../wire/vxlan.ts';
import { MessageVector } from './message-vector.ts';
import { ERRNO, type Native, type NativeMemory } from './native.ts';
import type { PortStats } from './port.ts';
import { SentPrefix } from './sent-prefix.ts';
import { SOCKADDR_ADDRESS_AT, SOCKADDR_IN_LEN, writeSockaddrIn } from './vxlan-socket.ts';

const MESSAGES = 64;
/** Datagrams of one message: UDP_MAX_SEGMENTS of Linux up to 6.8. */
const RUN_MAX = 64;
/** Bytes of one message: what an IPv4 packet holds besides its own and the UDP header. */
const RUN_BYTES = 65_507;

export class VxlanSender {
  readonly #fd: number;
  readonly #remotes: Uint32Array;
  readonly #learned: Fdb;
  readonly #stats: PortStats;
  readonly #slabAddress: number;
  readonly #header: NativeMemory;
  readonly #messages: MessageVector;
  readonly #prefix = new SentPrefix();
  /** Message m carries positions first[m] to first[m] + frames[m] - 1 of `idx`. */
  readonly #first = new Int32Array(MESSAGES);
  readonly #frames = new Int32Array(MESSAGES);
  readonly #flooded = new Uint8Array(MESSAGES);
  #prepared = 0;
  /** The last message, while frames may still join it: its endpoint, frame length and bytes. */
  #runRemote = -1;
  #runLen = 0;
  #runBytes = 0;
  /** Position whose copies are being settled, and whether one of them was taken. */
  #floodAt = -1;
  #floodTook = false;
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
    slabAddress: number,
    stats: PortStats,
  ) {
    this.#fd = fd;
    this.#remotes = remotes;
    this.#learned = learned;
    this.#stats = stats;
    this.#slabAddress = slabAddress;
    this.#header = native.alloc(VXLAN_HLEN);
    vxlanEmit(this.#header.view, 0, vni);
    this.#messages = new MessageVector(native, MESSAGES, RUN_MAX * 2, true);
    for (let m = 0; m < MESSAGES; m++) {
      writeSockaddrIn(this.#messages.names, m * SOCKADDR_IN_LEN, 0, udpPort);
      for (let f = 0; f < RUN_MAX; f++) this.#messages.set(m, f * 2, this.#header.address, VXLAN_HLEN);
    }
  }

  /** As `Port.tx`. A frame counts as sent when one of its copies was taken. `mtu`: largest L3 packet of a run. */
  tx(batch: Batch, idx: Uint16Array, n: number, mtu: number): number {
    this.#prefix.start();
    this.#stopped = false;
    this.#prepared = 0;
    this.#runRemote = -1;
    this.#floodAt = -1;
    for (let k = 0; k < n && !this.#stopped; ) {
      const remote = this.#remoteFor(batch, idx[k]);
      let done = true;
      if (remote >= 0)
        done = this.#join(batch, idx, k, remote) || this.#open(batch, idx, k, remote, false, mtu);
      else {
        for (let r = 0; r < this.#remotes.length && done; r++) done = this.#open(batch, idx, k, r, true, mtu);
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

  /** Adds a frame to the last message when it may join: same endpoint, same length or, as the last one, shorter. */
  #join(batch: Batch, idx: Uint16Array, k: number, remote: number): boolean {
    const m = this.#prepared - 1;
    const len = batch.len[idx[k]];
    const frames = m < 0 ? RUN_MAX : this.#frames[m];
    const bytes = this.#runBytes + len + VXLAN_HLEN;
    if (remote !== this.#runRemote || len > this.#runLen || frames === RUN_MAX || bytes > RUN_BYTES)
      return false;
    this.#messages.set(m, frames * 2 + 1, this.#slabAddress + batch.off[idx[k]], len);
    this.#frames[m] = frames + 1;
    this.#runBytes = bytes;
    this.#messages.shape(m, (frames + 1) * 2, this.#runLen + VXLAN_HLEN);
    if (len < this.#runLen) this.#runRemote = -1;
    return true;
  }

  /** Starts a message with one frame; false when a flush before it has to be retried from `#retryAt`. */
  #open(batch: Batch, idx: Uint16Array, k: number, remote: number, flooded: boolean, mtu: number): boolean {
    if (this.#prepared === MESSAGES && !this.#flush(batch, idx)) return false;
    const m = this.#prepared++;
    const len = batch.len[idx[k]];
    this.#first[m] = k;
    this.#frames[m] = 1;
    this.#flooded[m] = flooded ? 1 : 0;
    this.#messages.names.setUint32(m * SOCKADDR_IN_LEN + SOCKADDR_ADDRESS_AT, this.#remotes[remote]);
    this.#messages.set(m, 1, this.#slabAddress + batch.off[idx[k]], len);
    this.#messages.shape(m, 2, 0);
    this.#runRemote = flooded || !this.#runs || len > mtu + ETH_HLEN ? -1 : remote;
    this.#runLen = len;
    this.#runBytes = len + VXLAN_HLEN;
    return true;
  }

  /** Sends the prepared messages; false when frames from `#retryAt` on have to be prepared again, without runs. */
  #flush(batch: Batch, idx: Uint16Array): boolean {
    const count = this.#prepared;
    this.#prepared = 0;
    this.#runRemote = -1;
    let at = 0;
    while (at < count && !this.#stopped) {
      const result = this.#messages.send(this.#fd, at, count);
      if (result > 0) {
        for (let m = at; m < at + result; m++) this.#settle(batch, idx, m, true);
        at += result;
      } else if (result === -ERRNO.ENOBUFS || result === -ERRNO.EAGAIN) {
        this.#stopped = true;
      } else if (result === -ERRNO.EIO && this.#frames[at] > 1) {
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
    for (let k = first; k < first + this.#frames[m]; k++) this.#settleOne(batch, idx, k, took);
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
