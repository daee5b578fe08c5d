// The memory of the AF_XDP ports of one data plane (UMEM, Linux Documentation/networking/af_xdp.rst): a piece of the slab in
// chunks of 2 KiB, which belongs to all of them, so that a frame which one of them received is sent by another where it lies.
//
// A chunk goes round: free → a port's fill ring → the kernel writes a frame → the batch → the fill ring again. A frame that is
// sent from its chunk meanwhile goes through some port's TX and completion ring, and its bytes stay until the batch lets it go.
// `owner` and `inBatch` say where each chunk is.
//
//   chunk:  0 the kernel's headroom (256), of which HEADROOM is ours to use · 256 frame, up to 1792 bytes
//
// Every socket registers this memory as its own. XDP_SHARED_UMEM would tie them all to one bound socket, which a vanished
// device unbinds, and would allow no two devices of which the driver of one alone could do without copies.

import { HEADROOM, type Slab } from '../base/slab.ts';
import { loadNative, type Native } from './native.ts';
import { reservePages, type SlabPages } from './slab-pages.ts';
import { check } from './system-error.ts';

export const SOL_XDP = 283;
const XDP_UMEM_REG = 4;
/** Bytes of struct xdp_umem_reg as every kernel knows it: address, bytes, chunk size, headroom. */
const UMEM_REG_LEN = 24;

export const CHUNK_SHIFT = 11;
export const CHUNK_BYTES = 1 << CHUNK_SHIFT;
/** Bytes that the kernel leaves before each frame that it receives (XDP_PACKET_HEADROOM). */
export const CHUNK_HEADROOM = 256;
/** Largest frame of a chunk, and with it the largest L3 packet, given 14 bytes of Ethernet and a VLAN tag. */
export const CHUNK_ROOM = CHUNK_BYTES - CHUNK_HEADROOM;
export const XDP_MTU_MAX = CHUNK_ROOM - 18;

/**
 * `owner` of a chunk that nobody has, and of one that was sent and is still in the batch. Each port has two more values: even
 * for what the batch has of it, and odd for what the kernel has.
 */
const FREE = 0;
export const CHUNK_SENT = 2;

export class XdpUmem {
  /** Offset of the first chunk in the slab; addresses in rings count from here. */
  readonly off: number;
  readonly bytes: number;
  readonly owner: Uint16Array;
  /** 1 for a chunk whose frame is in the batch. */
  readonly inBatch: Uint8Array;
  readonly #native: Native;
  readonly #pages: SlabPages;
  readonly #free: Int32Array;
  #freeCount = 0;
  #ports = 1;

  /** @param chunks for all ports together; see `afXdpChunks`. */
  constructor(slab: Slab, chunks: number) {
    this.#native = loadNative();
    this.#pages = reservePages(this.#native, slab, chunks * CHUNK_BYTES);
    this.off = this.#pages.off;
    this.bytes = this.#pages.bytes;
    const count = this.bytes >>> CHUNK_SHIFT;
    this.owner = new Uint16Array(count);
    this.inBatch = new Uint8Array(count);
    this.#free = new Int32Array(count);
    for (let chunk = count - 1; chunk >= 0; chunk--) this.#free[this.#freeCount++] = chunk;
  }

  /** Chunks that nobody has. */
  get free(): number {
    return this.#freeCount;
  }

  /** A number for a port: chunks of the batch are owned by it, those that the kernel has by the number plus 1. */
  join(): number {
    return ++this.#ports * 2;
  }

  /** Makes this memory the UMEM of a socket. */
  register(fd: number): void {
    const request = this.#native.alloc(UMEM_REG_LEN);
    request.view.setBigUint64(0, BigInt(this.#pages.address), true);
    request.view.setBigUint64(8, BigInt(this.bytes), true);
    request.u32[4] = CHUNK_BYTES;
    check(
      this.#native.setsockopt(fd, SOL_XDP, XDP_UMEM_REG, request.address, UMEM_REG_LEN),
      `register ${this.bytes >> 10} KiB of packet memory for AF_XDP`,
      'the memory is pinned: raise the limit of locked memory (ulimit -l), or give the process CAP_IPC_LOCK',
    );
  }

  /** Takes a free chunk, the one that was used last, for `owner`; -1 when there is none. */
  take(owner: number): number {
    if (this.#freeCount === 0) return -1;
    const chunk = this.#free[--this.#freeCount];
    this.owner[chunk] = owner;
    return chunk;
  }

  /** Gives a chunk back that was sent, or whose socket is gone. It is free unless its frame is in the batch. */
  give(chunk: number): void {
    this.owner[chunk] = this.inBatch[chunk] === 0 ? FREE : CHUNK_SENT;
    if (this.inBatch[chunk] === 0) this.#free[this.#freeCount++] = chunk;
  }

  /** Gives back all that `owner` has: its socket is closed. */
  reclaim(owner: number): void {
    for (let chunk = 0; chunk < this.owner.length; chunk++) {
      if (this.owner[chunk] === owner) this.give(chunk);
    }
  }

  /** The chunk in which the frame at slab offset `off` lies, if it can be sent from there: nobody is sending it; else -1. */
  chunkOf(off: number, len: number): number {
    const at = off - this.off;
    if (at < 0 || at >= this.bytes || (at & (CHUNK_BYTES - 1)) + len > CHUNK_BYTES) return -1;
    const chunk = at >>> CHUNK_SHIFT;
    const owner = this.owner[chunk];
    return owner !== FREE && (owner & 1) === 0 ? chunk : -1;
  }
}

if (CHUNK_HEADROOM < HEADROOM) throw new Error('a chunk has no room for HEADROOM');
