// Datagrams on their way into the kernel, and what became of the frames that they carry.
//
// Datagrams of one length that follow each other to one endpoint, as the segments of a TCP stream do, become one message of up
// to 64 (UDP_SEGMENT, udp(7)), which goes through the host's stack once. A datagram is two pieces of the slab. A frame may be
// several datagrams, in one message or in two, and several copies; what is told of it at the end is one thing.

import type { Batch } from '../base/batch.ts';
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

/** A datagram: where its two pieces lie in the slab, and whom it is for. Filled anew for each. */
export class Datagram {
  /** Index of the endpoint. */
  remote = 0;
  head = 0;
  headLen = 0;
  body = 0;
  bodyLen = 0;
  /** The frame ends with it. */
  last = true;
  /** It is a copy of a frame that goes to all endpoints. */
  flooded = false;
}

export class DatagramRuns {
  /** Position of `idx` to go on from when `flush` returned false. */
  retryAt = -1;
  /** Whether the system takes nothing at all for the rest of this `tx`. */
  stopped = false;
  readonly #fd: number;
  readonly #slabAddress: number;
  readonly #remotes: Uint32Array;
  readonly #stats: PortStats;
  readonly #messages: MessageVector;
  readonly #prefix = new SentPrefix();
  /** Message m starts with (a part of) position first[m] of `idx`; so many frames end in it; 1 when its last one does not. */
  readonly #first = new Int32Array(MESSAGES);
  readonly #ends = new Int32Array(MESSAGES);
  readonly #open = new Uint8Array(MESSAGES);
  readonly #datagrams = new Int32Array(MESSAGES);
  readonly #flooded = new Uint8Array(MESSAGES);
  #prepared = 0;
  /** The last message, while datagrams may still join it: its endpoint, datagram length and bytes. */
  #runRemote = -1;
  #runLen = 0;
  #runBytes = 0;
  #runLenMax = 0;
  #runs = true;
  /** Position whose copies are being settled, and whether one of them was taken. */
  #floodAt = -1;
  #floodTook = false;
  /** Position of a frame of which a part was refused. */
  #broken = -1;

  constructor(
    native: Native,
    fd: number,
    slabAddress: number,
    remotes: Uint32Array,
    udpPort: number,
    stats: PortStats,
  ) {
    this.#fd = fd;
    this.#slabAddress = slabAddress;
    this.#remotes = remotes;
    this.#stats = stats;
    this.#messages = new MessageVector(native, MESSAGES, RUN_MAX * 2, true);
    for (let m = 0; m < MESSAGES; m++) {
      writeSockaddrIn(this.#messages.names, m * SOCKADDR_IN_LEN, 0, udpPort);
    }
  }

  /** Starts a `tx`. Datagrams longer than `runLenMax` bytes form no runs: the system would refuse all of them. */
  start(runLenMax: number): void {
    this.#prefix.start();
    this.stopped = false;
    this.#prepared = 0;
    this.#runRemote = -1;
    this.#runLenMax = runLenMax;
    this.#floodAt = -1;
    this.#broken = -1;
  }

  /** Whether a datagram of `len` bytes finds room without a flush. */
  hasRoom(remote: number, len: number): boolean {
    return this.#prepared < MESSAGES || this.#joins(remote, len);
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

  /** Adds a datagram of position `k`, for which there is room. */
  add(k: number, { remote, head, headLen, body, bodyLen, last, flooded }: Datagram): void {
    const len = headLen + bodyLen;
    const joins = this.#joins(remote, len);
    const m = joins ? this.#prepared - 1 : this.#prepared++;
    if (!joins) {
      this.#first[m] = k;
      this.#ends[m] = 0;
      this.#datagrams[m] = 0;
      this.#flooded[m] = flooded ? 1 : 0;
      this.#messages.names.setUint32(m * SOCKADDR_IN_LEN + SOCKADDR_ADDRESS_AT, this.#remotes[remote]);
      this.#runRemote = !this.#runs || len > this.#runLenMax ? -1 : remote;
      this.#runLen = len;
      this.#runBytes = 0;
    }
    const d = this.#datagrams[m]++;
    this.#messages.set(m, d * 2, this.#slabAddress + head, headLen);
    this.#messages.set(m, d * 2 + 1, this.#slabAddress + body, bodyLen);
    this.#messages.shape(m, d * 2 + 2, d === 0 ? 0 : this.#runLen);
    this.#runBytes += len;
    this.#open[m] = last ? 0 : 1;
    if (last) this.#ends[m]++;
    // A flooded frame has its messages for itself.
    if (len < this.#runLen || (last && flooded)) this.#runRemote = -1;
  }

  /** Lets no datagram join what is prepared. */
  endRun(): void {
    this.#runRemote = -1;
  }

  /** Sends what is prepared; false when frames from `retryAt` on have to be prepared again, without runs. */
  flush(batch: Batch, idx: Uint16Array): boolean {
    const count = this.#prepared;
    this.#prepared = 0;
    this.#runRemote = -1;
    let at = 0;
    while (at < count && !this.stopped) {
      const result = this.#messages.send(this.#fd, at, count);
      if (result > 0) {
        for (let m = at; m < at + result; m++) this.#settle(batch, idx, m, true);
        at += result;
      } else if (result === -ERRNO.ENOBUFS || result === -ERRNO.EAGAIN) {
        this.stopped = true;
      } else if (result === -ERRNO.EIO && this.#datagrams[at] > 1) {
        // towards a device that cannot sum (Linux before 6.11) or through IPsec there are no runs
        this.#runs = false;
        this.retryAt = this.#first[at];
        return false;
      } else if (result !== -ERRNO.EINTR) {
        this.#settle(batch, idx, at++, false); // no route, or too long: the others go on
      }
    }
    return true;
  }

  #settle(batch: Batch, idx: Uint16Array, m: number, took: boolean): void {
    const first = this.#first[m];
    const end = first + this.#ends[m];
    if (this.#flooded[m] === 1) this.settle(batch, idx, first, took, true);
    else for (let k = first; k < end; k++) this.settle(batch, idx, k, took && k !== this.#broken, false);
    if (!took && this.#open[m] === 1) this.#broken = end;
  }

  /** Notes what became of position `k`, or of a copy of it. Positions are told in order. */
  settle(batch: Batch, idx: Uint16Array, k: number, took: boolean, flooded: boolean): void {
    if (this.#floodAt !== k) this.#settleFlood(batch, idx);
    if (flooded) {
      this.#floodTook = took || (this.#floodAt === k && this.#floodTook);
      this.#floodAt = k;
    } else this.#settleOne(batch, idx, k, took);
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

  /** Ends a `tx` of `n` positions; returns how many were taken, which stand first in `idx` now. */
  finish(batch: Batch, idx: Uint16Array, n: number): number {
    this.#settleFlood(batch, idx);
    const sent = this.#prefix.end(idx);
    this.#stats.txDropped += n - sent;
    return sent;
  }
}
