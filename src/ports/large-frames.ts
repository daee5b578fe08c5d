// Frames that a slot of the packet ring is too small for: GSO frames of up to 64 KiB, jumbo frames. With PACKET_COPY_THRESH on
// (packet(7)) the kernel puts the start of such a frame into its slot and the whole of it into the socket's queue, in the same
// order. Here the queue is read into a few buffers of the slab, as many frames with one call as there are.
//
// Few buffers, used from the first one on in every round: what recvmmsg wrote is still in the cache when sendmmsg reads it.

import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import { VNET_LEN } from '../wire/virtio-net.ts';
import { MessageVector } from './message-vector.ts';
import { ERRNO, type Native } from './native.ts';

const BUFFERS = 64;
const BUFFER_BYTES = (((HEADROOM + FRAME_MAX + 63) >>> 6) | 1) << 6;

export class LargeFrames {
  readonly #messages: MessageVector;
  readonly #fd: number;
  readonly #base: number;
  /** Buffers from #next to #end - 1 hold frames that nobody has taken yet. */
  #next = 0;
  #end = 0;

  constructor(native: Native, fd: number, slab: Slab) {
    this.#fd = fd;
    this.#base = slab.reserve(BUFFERS * BUFFER_BYTES);
    this.#messages = new MessageVector(native, BUFFERS, 1, false);
    const address = native.addressOf(slab.u8);
    for (let i = 0; i < BUFFERS; i++) {
      this.#messages.set(i, 0, address + this.#at(i) - VNET_LEN, FRAME_MAX + VNET_LEN);
    }
  }

  /** Whether no buffer is left until `release`. */
  get full(): boolean {
    return this.#next === BUFFERS;
  }

  /**
   * Takes the next frame of the queue, whose slot says that it has `len` bytes. Returns its offset in the slab, with HEADROOM
   * and its virtio header before it, or -1 when the system does not hand it out whole.
   */
  take(len: number): number {
    if (this.#next === this.#end && !this.#receive()) return -1;
    const i = this.#next++;
    return this.#messages.length(i) === len + VNET_LEN ? this.#at(i) : -1;
  }

  /** Gives back the buffers of all frames that were taken. */
  release(): void {
    if (this.#next !== this.#end) return; // those that wait stay where they are
    this.#next = 0;
    this.#end = 0;
  }

  #receive(): boolean {
    let got = this.#messages.receive(this.#fd, this.#next, BUFFERS);
    // A device that went down leaves an error, which the first call takes away.
    if (got < 0 && got !== -ERRNO.EAGAIN) got = this.#messages.receive(this.#fd, this.#next, BUFFERS);
    if (got <= 0) return false;
    this.#end = this.#next + got;
    return true;
  }

  #at(i: number): number {
    return this.#base + i * BUFFER_BYTES + HEADROOM;
  }
}
