// From a carrier to the owner: frames that need more than the fast path cross a ring in the owner's slab, and enter the owner's
// graph as if they had come by their port there. The virtio header and the offload bits travel along.
//
//   carrier: give → publish, when what the carrier itself sends of the batch has left → [ring] → owner: rx … rxRelease
//
// Nobody overtakes: all packets of a flow come to one carrier, and have one bucket there. As long as the owner has not finished
// the round of a bucket's last packet (it releases the ring after that), later packets of the bucket go the same way.

import { type Batch, OFFLOAD_VNET } from '../base/batch.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Slab } from '../base/slab.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetType } from '../wire/ethernet.ts';
import { IPV4_HLEN } from '../wire/ipv4.ts';
import { VNET_LEN } from '../wire/virtio-net.ts';
import { FrameRing } from './frame-ring.ts';
import type { Inlet } from './port.ts';

/**
 * GSO frames are the owner's, so a TCP transfer that comes to a carrier crosses here whole, 15 frames of 64 KiB to a MiB, and TCP
 * sends again what a full ring drops. Measured with 16 connections and two workers, segments sent again in 2 s: with 4 MiB 17,000
 * to 22,000, with 8 100 to 3400, with 16 none. A socket queue of af-packet has 16 as well.
 */
const RING_MOST_BYTES = 16 << 20;
/** 16,000 small frames. */
const RING_LEAST_BYTES = 4 << 20;
/** Part of the owner's slab that all rings may take together when they are larger than the least. */
const RINGS_SHARE = 1 / 8;
const BUCKETS = 1024;
const OFFLOAD_BITS = 3;

/** Where a carrier finds its ring: crosses to its thread as a message. */
export interface HandoverShared {
  /** The owner's slab. */
  readonly buffer: SharedArrayBuffer;
  readonly at: number;
  readonly bytes: number;
}

/** Makes the owner's ends, one for each carrier. Throws `slab-full`. */
export function createHandovers(slab: Slab, carriers: number): HandoverInlet[] {
  let bytes = RING_MOST_BYTES;
  while (bytes > RING_LEAST_BYTES && bytes * carriers > slab.u8.length * RINGS_SHARE) bytes /= 2;
  return Array.from({ length: carriers }, () => new HandoverInlet(slab, bytes));
}

/** The owner's end. */
export class HandoverInlet implements Inlet {
  readonly shared: HandoverShared;
  readonly #ring: FrameRing;

  /** @param bytes of the ring, a power of two */
  constructor(slab: Slab, bytes: number) {
    const at = slab.reserve(FrameRing.bytesFor(bytes));
    this.shared = { buffer: slab.buffer, at, bytes };
    this.#ring = new FrameRing(slab.buffer, at, bytes);
  }

  rx(batch: Batch, max: number): number {
    const limit = Math.min(max, batch.room);
    let added = 0;
    for (; added < limit; added++) {
      const off = this.#ring.take();
      if (off < 0) break;
      const { takenLen, takenTag } = this.#ring;
      batch.add(off, takenLen, takenTag >>> OFFLOAD_BITS, takenTag & ((1 << OFFLOAD_BITS) - 1));
    }
    return added;
  }

  rxRelease(): void {
    this.#ring.release();
  }

  /** Wants a wake for the next frame; returns whether there is none yet, so that the owner may sleep. */
  arm(): boolean {
    this.#ring.arm();
    return this.#ring.empty;
  }
}

/** The carrier's end. */
export class Handover {
  readonly #ring: FrameRing;
  readonly #u8: Uint8Array;
  readonly #view: DataView;
  readonly #wake: () => void;
  /** Position behind each bucket's last packet. */
  readonly #last = new Int32Array(BUCKETS);
  #released = 0;

  /** @param wake wakes the owner when it sleeps. */
  constructor(shared: HandoverShared, wake: () => void) {
    this.#ring = new FrameRing(shared.buffer, shared.at, shared.bytes);
    this.#u8 = new Uint8Array(shared.buffer);
    this.#view = new DataView(shared.buffer);
    this.#wake = wake;
  }

  /**
   * Looks how far the owner is; returns whether packets may have to follow others. An atomic load: what is read after it, by
   * plain loads too, is at least as new as what the owner had written by then.
   */
  look(): boolean {
    this.#released = this.#ring.released;
    return this.#released !== this.#ring.position;
  }

  /** Whether packet `i` has to go to the owner because one of its flow is still there, as of the last `look`. */
  mustFollow(batch: Batch, i: number): boolean {
    return ((this.#last[flowBucket(batch, i)] - this.#released) | 0) > 0;
  }

  /** Copies packet `i` into the ring; false when that is full. */
  give(batch: Batch, i: number): boolean {
    const len = batch.len[i];
    const to = this.#ring.put(len);
    if (to < 0) return false;
    const offload = batch.offload[i];
    const header = (offload & OFFLOAD_VNET) === 0 ? 0 : VNET_LEN;
    const { u8, view } = batch;
    copyBytes(this.#u8, this.#view, to - header, u8, view, batch.off[i] - header, header + len);
    this.#ring.tag((batch.port[i] << OFFLOAD_BITS) | offload);
    this.#last[flowBucket(batch, i)] = this.#ring.position;
    return true;
  }

  /** Shows the owner what was given. */
  publish(): void {
    if (this.#ring.publish()) this.#wake();
  }
}

/** Bucket of a packet's flow: by the two IPv4 addresses, since not all fragments have ports, or by the two MACs. */
function flowBucket(batch: Batch, i: number): number {
  const { view } = batch;
  const off = batch.off[i];
  if (batch.len[i] < ETH_HLEN) return 0;
  const ip = ethernetType(view, off) === ETHERTYPE_IPV4 && batch.len[i] >= ETH_HLEN + IPV4_HLEN;
  const a = view.getInt32(off + (ip ? ETH_HLEN + 12 : 2));
  const b = view.getInt32(off + (ip ? ETH_HLEN + 16 : 8));
  const h = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0x9e3779b1);
  return (h ^ (h >>> 15)) & (BUCKETS - 1);
}
