// Two rings of frames between a data-plane worker and the main thread, for ports whose addon lives in the main thread alone
// (`cap`, `raw-ip`: they use the default event loop and crash in a worker). The worker sees an ordinary Port; main has a pump
// that owns the addon. All memory is in the worker's slab, so frames that come in are worked on where main wrote them.
//
//   in:   addon → pump.push → [ring to the port] → rx … rxRelease        the port sleeps on an eventfd
//   out:  tx → [ring to the host] → pump's handler → addon               the pump sleeps in Atomics.waitAsync
//
// Each ring has one producer and one consumer. A consumer that finds nothing says so in `ARMED` and looks once more; a producer
// that has published and finds the word set takes it back and wakes the consumer, so a busy ring costs no system call.

import type { Batch } from '../base/batch.ts';
import { assert } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, type Slab } from '../base/slab.ts';
import { FrameRing } from './frame-ring.ts';
import { loadNative, type Native, type NativeMemory } from './native.ts';
import { closeWakeFd, createWakeFd, createWaker } from './poll.ts';
import { createPortStats, type Port, type PortKind } from './port.ts';

const RING_BYTES = 2 << 20;
/** Frames that a pump handles before other events of the main thread get their turn. */
const PUMP_BURST = 256;

/** What main needs to reach the rings of a port: crosses to it as a message. */
export interface HostRingShared {
  readonly buffer: SharedArrayBuffer;
  /** Offsets of the two rings and of the pump's counters in `buffer`. */
  readonly toPortAt: number;
  readonly toHostAt: number;
  readonly countsAt: number;
  /** eventfd that the port's worker sleeps on. */
  readonly wakeFd: number;
}

/** Counts that the pump makes and the port reports. */
const COUNTS = ['rxDropped', 'rxTruncated', 'rxInvalid', 'txDropped'] as const;
export type HostCount = (typeof COUNTS)[number];

export interface HostRingOptions {
  readonly id: PortId;
  readonly name: string;
  readonly kind: PortKind;
  readonly mac?: { readonly hi: number; readonly lo: number };
  readonly mtu: number;
  readonly l3Only: boolean;
}

/** The worker's end. */
export interface HostRingPort extends Port {
  /** To be given to the pump in the main thread, which is closed before the port. */
  readonly shared: HostRingShared;
}

/** Makes the rings in the slab, and the worker's end of them. */
export function createHostRingPort(options: HostRingOptions, slab: Slab): HostRingPort {
  return new RingPort(options, slab);
}

class RingPort implements HostRingPort {
  readonly id: PortId;
  readonly name: string;
  readonly kind: PortKind;
  readonly macHi: number;
  readonly macLo: number;
  readonly mtu: number;
  readonly offload = false;
  readonly l3Only: boolean;
  readonly pollFd: number;
  readonly stats = createPortStats();
  readonly shared: HostRingShared;

  readonly #native: Native;
  readonly #eventCount: NativeMemory;
  readonly #in: FrameRing;
  readonly #out: FrameRing;
  readonly #counts: Int32Array;
  /** Frames that `tx` itself found no room for. */
  #txRefused = 0;
  #closed = false;

  constructor(options: HostRingOptions, slab: Slab) {
    this.id = options.id;
    this.name = options.name;
    this.kind = options.kind;
    this.macHi = options.mac?.hi ?? 0;
    this.macLo = options.mac?.lo ?? 0;
    this.mtu = options.mtu;
    this.l3Only = options.l3Only;
    this.#native = loadNative();
    this.#eventCount = this.#native.alloc(8);
    this.pollFd = createWakeFd();
    const toPortAt = slab.reserve(FrameRing.bytesFor(RING_BYTES));
    const toHostAt = slab.reserve(FrameRing.bytesFor(RING_BYTES));
    const countsAt = slab.reserve(COUNTS.length * 4);
    this.shared = { buffer: slab.buffer, toPortAt, toHostAt, countsAt, wakeFd: this.pollFd };
    this.#in = new FrameRing(slab.buffer, toPortAt, RING_BYTES);
    this.#out = new FrameRing(slab.buffer, toHostAt, RING_BYTES);
    this.#counts = new Int32Array(slab.buffer, countsAt, COUNTS.length);
  }

  rx(batch: Batch, max: number): number {
    const limit = Math.min(max, batch.room);
    let added = this.#take(batch, limit);
    if (added === 0 && limit > 0 && !this.#in.armed) {
      this.#native.read(this.pollFd, this.#eventCount.address, 8);
      this.#in.arm();
      added = this.#take(batch, limit);
    }
    this.#readCounts();
    return added;
  }

  #take(batch: Batch, limit: number): number {
    let added = 0;
    while (added < limit) {
      const off = this.#in.take();
      if (off < 0) break;
      batch.add(off, this.#in.takenLen, this.id, this.#in.takenTag);
      this.stats.rxPackets++;
      this.stats.rxBytes += this.#in.takenLen;
      added++;
    }
    return added;
  }

  rxRelease(): void {
    this.#in.release();
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    let sent = 0;
    for (; sent < n && !this.#closed; sent++) {
      const i = idx[sent];
      const skip = this.l3Only ? batch.l3[i] : 0;
      const len = batch.len[i] - skip;
      const to = this.#out.put(len);
      if (to < 0) break;
      batch.u8.copyWithin(to, batch.off[i] + skip, batch.off[i] + skip + len);
      this.stats.txPackets++;
      this.stats.txBytes += len;
    }
    if (this.#out.publish()) this.#out.notify();
    this.#txRefused += n - sent;
    this.#readCounts();
    return sent;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#in.disarm(); // from now on nobody writes to the eventfd, whose number another file may get
    closeWakeFd(this.pollFd);
  }

  #readCounts(): void {
    this.stats.rxDropped = this.#counts[0];
    this.stats.rxTruncated = this.#counts[1];
    this.stats.rxInvalid = this.#counts[2];
    this.stats.txDropped = this.#txRefused + this.#counts[3];
  }
}

/** Main's end. */
export class HostRingPump {
  /** The slab, in which frames and their headroom lie. */
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly #toPort: FrameRing;
  readonly #toHost: FrameRing;
  readonly #counts: Int32Array;
  readonly #wake: () => void;
  readonly #handle: (off: number, len: number) => void;
  #closed = false;

  /**
   * Starts to hand what the port sends to `handle`, frame by frame: `len` bytes at `off` of `u8`, valid during the call.
   */
  constructor(shared: HostRingShared, handle: (off: number, len: number) => void) {
    this.u8 = new Uint8Array(shared.buffer);
    this.view = new DataView(shared.buffer);
    this.#toPort = new FrameRing(shared.buffer, shared.toPortAt, RING_BYTES);
    this.#toHost = new FrameRing(shared.buffer, shared.toHostAt, RING_BYTES);
    this.#counts = new Int32Array(shared.buffer, shared.countsAt, COUNTS.length);
    this.#wake = createWaker(shared.wakeFd);
    this.#handle = handle;
    this.#drain();
  }

  /**
   * Place for a frame of `len` bytes with HEADROOM before it, or -1 when the ring is full (counted). The caller writes the
   * frame there and then calls `push`.
   */
  place(len: number): number {
    assert(len <= FRAME_MAX, 'a frame fits the ring');
    const off = this.#toPort.put(len);
    if (off < 0) this.count('rxDropped');
    return off;
  }

  /** Hands the placed frame over. `offload`: OFFLOAD_* bits, with the virtio header before the frame. */
  push(offload: number): void {
    this.#toPort.tag(offload);
    if (this.#toPort.publish()) this.#wake();
  }

  /** Takes the placed frame back. */
  drop(): void {
    this.#toPort.unput();
  }

  /** Adds one to a count of the port. */
  count(what: HostCount): void {
    this.#counts[COUNTS.indexOf(what)]++;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#toHost.disarm();
    this.#toHost.notify();
  }

  #drain(): void {
    if (this.#closed) return;
    for (let n = 0; n < PUMP_BURST; n++) {
      const off = this.#toHost.take();
      if (off < 0) {
        this.#sleep();
        return;
      }
      this.#handle(off, this.#toHost.takenLen);
      this.#toHost.release();
    }
    setImmediate(() => this.#drain());
  }

  #sleep(): void {
    this.#toHost.arm();
    const again = (): void => this.#drain();
    // looked at again after arming: what was published in between wakes nobody
    const waiting = this.#toHost.empty ? this.#toHost.wait() : undefined;
    if (waiting === undefined) setImmediate(again);
    else void waiting.then(again);
  }
}
