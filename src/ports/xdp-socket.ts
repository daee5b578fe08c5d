// One AF_XDP socket in copy mode (Linux Documentation/networking/af_xdp.rst): its four rings, and what the kernel has of the
// UMEM through them.
//
// In: chunks into the fill ring, frames out of the RX ring; `release` puts the chunks back, or others for those that were sent.
// Out: frames into the TX ring, from where they lie if that is the UMEM, else from a copy; a `send` makes the kernel take them;
// the completion ring gives the chunks back.
//
// In copy mode the kernel looks at the TX ring during that call alone, so what it did not take is known when the call returns.
// What a device that is down did not take is told as dropped; the ring cannot be taken back, so another socket follows this one.

import type { Batch } from '../base/batch.ts';
import type { PortId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import { XDP_RING, XdpRing } from './af-xdp-ring.ts';
import {
  CHUNK_BYTES,
  CHUNK_HEADROOM,
  CHUNK_ROOM,
  CHUNK_SENT,
  CHUNK_SHIFT,
  SOL_XDP,
  type XdpUmem,
} from './af-xdp-umem.ts';
import { ERRNO, type Native, type NativeMemory } from './native.ts';
import { SOCK_CLOEXEC } from './net-device.ts';
import { markPartialChecksum } from './partial-checksum.ts';
import type { PortStats } from './port.ts';
import type { SentPrefix } from './sent-prefix.ts';
import { check } from './system-error.ts';

const AF_XDP = 44;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const MSG_DONTWAIT = 0x40;
const XDP_COPY = 2;
const XDP_STATISTICS = 7;
const XDP_MAX_TX_SKB_BUDGET = 9;
const SOCKADDR_XDP_LEN = 16;
const STATISTICS_LEN = 48;
const BIND_TRIES = 40;
const BIND_STEP_MS = 5;

/** Frames in the TX ring at most; so many chunks more than those for reception each port needs. */
export const TX_SLOTS = 1024;
/** Frames on their way through a driver are charged with about 1 KiB each. */
const SEND_BUFFER_BYTES = 4 << 20;

export class XdpSocket {
  /** The socket; the same number also after it was opened again. -1 before the first time. */
  fd = -1;
  /** Whether the device takes nothing, as it is down or away: until the socket is opened again. */
  down = true;
  /** Whether the rings are those of the socket. */
  #open = false;
  readonly #native: Native;
  readonly #umem: XdpUmem;
  readonly #stats: PortStats;
  readonly #fill: XdpRing;
  readonly #completion: XdpRing;
  readonly #rx: XdpRing;
  readonly #tx: XdpRing;
  readonly #memory: NativeMemory;
  /** Owners of chunks in the UMEM: the batch by us, the kernel by us. */
  readonly #given: number;
  readonly #kernel: number;
  /** Chunks whose frames the batch has. */
  readonly #held: Int32Array;
  #heldCount = 0;
  /** Chunks that are missing in the fill ring. */
  #missing = 0;
  #rxNext = 0;
  #fillNext = 0;
  #txNext = 0;
  #completionNext = 0;
  /** The first TX entry that the kernel has not dealt with. It may be ahead of the ring's `consumer`, see `#lost`. */
  #txDone = 0;
  /** The first TX entry of this call of `tx`; those before it were told as sent by an earlier one. */
  #txFirst = 0;
  /** For each TX entry, which position of `idx` it is, and for each of these whether it was taken. */
  readonly #positions = new Uint16Array(TX_SLOTS);
  readonly #taken: Uint8Array;
  /** rx_dropped and rx_ring_full of this socket, as last read. */
  #dropped = 0;

  constructor(
    native: Native,
    slab: Slab,
    umem: XdpUmem,
    rxSlots: number,
    batchSlots: number,
    stats: PortStats,
  ) {
    this.#native = native;
    this.#umem = umem;
    this.#stats = stats;
    this.#fill = new XdpRing(native, slab, XDP_RING.fill, rxSlots);
    this.#rx = new XdpRing(native, slab, XDP_RING.rx, rxSlots);
    this.#tx = new XdpRing(native, slab, XDP_RING.tx, TX_SLOTS);
    this.#completion = new XdpRing(native, slab, XDP_RING.completion, TX_SLOTS);
    this.#memory = native.alloc(STATISTICS_LEN + 8);
    this.#given = umem.join();
    this.#kernel = this.#given + 1;
    this.#held = new Int32Array(rxSlots);
    this.#taken = new Uint8Array(batchSlots);
  }

  /** Makes a socket on a queue of a device, in place of the one that was. Throws what the system says. */
  open(index: number, queue: number): void {
    const native = this.#native;
    const made = check(native.socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), 'open an AF_XDP socket');
    if (this.fd < 0) this.fd = made;
    else {
      native.replaceFd(made, this.fd);
      native.close(made);
    }
    // The kernel has nothing of the old socket any more; what the batch has comes back by `release`.
    this.#open = false;
    this.down = true;
    this.#umem.reclaim(this.#kernel);
    this.#rxNext = this.#fillNext = this.#txNext = this.#txFirst = this.#txDone = 0;
    this.#completionNext = this.#dropped = 0;
    this.#missing = this.#fill.entries - this.#heldCount;
    this.#umem.register(this.fd);
    this.#set(SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
    for (const ring of this.#rings()) ring.open(this.fd);
    this.#set(SOL_XDP, XDP_MAX_TX_SKB_BUDGET, TX_SLOTS); // Linux 6.17; 32 frames a call without it
    check(this.#bind(index, queue), `bind an AF_XDP socket to queue ${queue}`);
    this.#open = true;
    this.down = false;
    this.#refill();
  }

  /** Adds up to `limit` received frames to the batch. */
  rx(batch: Batch, limit: number, port: PortId): number {
    if (!this.#open) return 0;
    if (this.#txDone !== this.#txNext) this.#kick();
    const n = Math.min(limit, (this.#rx.producer - this.#rxNext) | 0);
    if (n <= 0) return 0;
    const { words } = this.#rx;
    const { off: base, owner, inBatch } = this.#umem;
    let bytes = 0;
    for (let k = 0; k < n; k++) {
      const word = this.#rx.wordOf(this.#rxNext + k);
      const at = words[word];
      const len = words[word + 2];
      const chunk = at >>> CHUNK_SHIFT;
      owner[chunk] = this.#given;
      inBatch[chunk] = 1;
      this.#held[this.#heldCount++] = chunk;
      bytes += len;
      batch.add(base + at, len, port, markPartialChecksum(batch.view, base + at, len, CHUNK_ROOM));
    }
    this.#rxNext = (this.#rxNext + n) | 0;
    this.#rx.consumer = this.#rxNext;
    this.#stats.rxPackets += n;
    this.#stats.rxBytes += bytes;
    return n;
  }

  /** Takes the chunks of the batch back, and fills the fill ring up. */
  release(): void {
    const { owner, inBatch } = this.#umem;
    for (let h = 0; h < this.#heldCount; h++) {
      const chunk = this.#held[h];
      inBatch[chunk] = 0;
      this.#missing++;
      // one that is still being sent is given back when that is done, and another one takes its place
      if (owner[chunk] === this.#given || owner[chunk] === CHUNK_SENT) this.#umem.give(chunk);
    }
    this.#heldCount = 0;
    if (this.#open) this.#refill();
  }

  /** Sends packets as `Port.tx` has it. `maxLen`: largest frame, bytes. */
  tx(batch: Batch, idx: Uint16Array, n: number, maxLen: number, prefix: SentPrefix): number {
    const taken = this.#taken;
    this.#txFirst = this.#txNext;
    let next = 0;
    while (next < n && !this.down) {
      // what is not completed is a chunk of ours, and an entry of the completion ring
      if (((this.#txNext - this.#completionNext) | 0) === TX_SLOTS) {
        this.#kick();
        if (((this.#txNext - this.#completionNext) | 0) === TX_SLOTS) break;
      }
      const room = TX_SLOTS - ((this.#txNext - this.#completionNext) | 0);
      const end = Math.min(n, next + room);
      for (; next < end; next++) taken[next] = this.#put(batch, idx[next], next, maxLen) ? 1 : 0;
      this.#tx.producer = this.#txNext;
      this.#kick();
    }
    prefix.start();
    let bytes = 0;
    for (let k = 0; k < next; k++) {
      if (taken[k] === 0) prefix.refused(idx, k);
      else {
        bytes += batch.len[idx[k]];
        prefix.took(idx, k);
      }
    }
    const sent = prefix.end(idx);
    this.#txFirst = this.#txNext;
    this.#stats.txPackets += sent;
    this.#stats.txBytes += bytes;
    this.#stats.txDropped += n - sent;
    return sent;
  }

  /** Reads what the kernel dropped at the socket: no chunk was free, or the frame was larger than one. */
  readDrops(): void {
    const { view, u32, address } = this.#memory;
    u32[STATISTICS_LEN / 4] = STATISTICS_LEN;
    const length = address + STATISTICS_LEN;
    if (this.#native.getsockopt(this.fd, SOL_XDP, XDP_STATISTICS, address, length) < 0) return;
    // struct xdp_statistics, u64 each: rx_dropped, rx_invalid_descs, tx_invalid_descs, rx_ring_full, …
    const dropped = Number(view.getBigUint64(0, true) + view.getBigUint64(24, true));
    this.#stats.rxDropped += dropped - this.#dropped;
    this.#dropped = dropped;
  }

  close(): void {
    if (this.fd < 0) return;
    this.#native.close(this.fd);
    for (const ring of this.#rings()) ring.unmap();
    this.#open = false;
    this.release();
    this.#umem.reclaim(this.#kernel);
  }

  #rings(): XdpRing[] {
    return [this.#fill, this.#completion, this.#rx, this.#tx];
  }

  #bind(index: number, queue: number): number {
    const { u8, u16, u32, address } = this.#memory;
    u8.fill(0); // struct sockaddr_xdp
    u16[0] = AF_XDP;
    u16[1] = XDP_COPY;
    u32[1] = index;
    u32[2] = queue;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 1; ; tries++) {
      const result = this.#native.bind(this.fd, address, SOCKADDR_XDP_LEN);
      // the kernel gives the queue of a closed socket free a moment later
      if (result !== -ERRNO.EBUSY || tries === BIND_TRIES) return result;
      Atomics.wait(pause, 0, 0, BIND_STEP_MS);
    }
  }

  /** Sets what makes things better and need not work. */
  #set(level: number, name: number, value: number): void {
    this.#memory.u32[0] = value;
    this.#native.setsockopt(this.fd, level, name, this.#memory.address, 4);
  }

  /** Puts free chunks where the fill ring misses some, and shows the ring to the kernel. */
  #refill(): void {
    const { words } = this.#fill;
    for (; this.#missing > 0; this.#missing--) {
      const chunk = this.#umem.take(this.#kernel);
      if (chunk < 0) break;
      words[this.#fill.wordOf(this.#fillNext++)] = chunk << CHUNK_SHIFT;
    }
    this.#fillNext |= 0;
    this.#fill.producer = this.#fillNext;
  }

  /** Puts one frame into the TX ring, which has room; false when it is too large, or there is no chunk for a copy. */
  #put(batch: Batch, i: number, position: number, maxLen: number): boolean {
    const len = batch.len[i];
    if (len > maxLen) return false;
    const umem = this.#umem;
    let at = batch.off[i] - umem.off;
    let chunk = umem.chunkOf(batch.off[i], len);
    if (chunk >= 0) umem.owner[chunk] = this.#kernel;
    else {
      chunk = umem.take(this.#kernel);
      if (chunk < 0) return false;
      at = chunk * CHUNK_BYTES + CHUNK_HEADROOM;
      batch.u8.copyWithin(umem.off + at, batch.off[i], batch.off[i] + len);
    }
    const { words } = this.#tx;
    const word = this.#tx.wordOf(this.#txNext);
    words[word] = at;
    words[word + 1] = 0;
    words[word + 2] = len;
    words[word + 3] = 0;
    this.#positions[this.#txNext & (TX_SLOTS - 1)] = position;
    this.#txNext = (this.#txNext + 1) | 0;
    return true;
  }

  /** Makes the kernel send what is in the TX ring. What it has no room for now stays there, for the next kick. */
  #kick(): void {
    for (let stuck = 0; stuck < 2; ) {
      const result = this.#native.send(this.fd, 0, 0, MSG_DONTWAIT);
      const consumer = this.#tx.consumer;
      const moved = ((consumer - this.#txDone) | 0) > 0;
      if (moved) this.#txDone = consumer;
      const freed = this.#reap();
      if (result >= 0) return;
      if (result === -ERRNO.EBUSY) this.#lost(moved);
      else if (result === -ERRNO.EAGAIN || result === -ERRNO.ENOBUFS || result === -ERRNO.EINTR) {
        // its budget of frames a call, or no room in the driver, the send buffer or the completion ring
        stuck = moved || freed ? 0 : stuck + 1;
      } else {
        this.#abandon(); // ENETDOWN, ENXIO: the device is down or away
        return;
      }
      if (this.#txDone === this.#txNext) return;
    }
  }

  /**
   * EBUSY: the device dropped the frame that the kernel took last. If that was the first of the call, the kernel has not
   * moved `consumer` over it yet.
   */
  #lost(moved: boolean): void {
    if (!moved) this.#txDone = (this.#txDone + 1) | 0;
    this.#refuse(this.#txDone - 1);
  }

  /** Gives up what is in the TX ring: it must not be sent when the device is back. */
  #abandon(): void {
    this.down = true;
    for (; this.#txDone !== this.#txNext; this.#txDone = (this.#txDone + 1) | 0) this.#refuse(this.#txDone);
  }

  /** A TX entry was not sent. */
  #refuse(entry: number): void {
    if (((entry - this.#txFirst) | 0) >= 0) this.#taken[this.#positions[entry & (TX_SLOTS - 1)]] = 0;
    else this.#stats.txDropped++;
  }

  /** Takes back the chunks of frames that are sent; whether there were any. */
  #reap(): boolean {
    const end = this.#completion.producer;
    if (this.#completionNext === end) return false;
    const { words } = this.#completion;
    for (; this.#completionNext !== end; this.#completionNext = (this.#completionNext + 1) | 0) {
      const chunk = words[this.#completion.wordOf(this.#completionNext)] >>> CHUNK_SHIFT;
      this.#umem.give(chunk);
    }
    this.#completion.consumer = end;
    return true;
  }
}
