// The receive ring of an AF_PACKET socket (TPACKET_V2, packet(7), Linux Documentation/networking/packet_mmap.rst), mapped over
// pages of the slab: a frame is read, rewritten and sent where the kernel wrote it.
//
// One slot:  0 struct tpacket2_hdr (32) and sockaddr_ll (20) · 52 free · 178 virtio_net_hdr · 188 Ethernet frame
//
// Version 2, not 3: it wakes for each frame, where V3 hands over blocks after a timeout of 1 ms at least. Measured on two
// cores: ping through 35 µs with V2, 653 µs with V3; 64-byte frames 830 and 800 kpps.
//
// A slot holds a frame of an Ethernet MTU, so that many fit into little memory: a burst, or a few milliseconds of another
// program on the core, must not overflow the ring. What is larger comes by the socket's queue (large-frames.ts).

import { HEADROOM, type Slab } from '../base/slab.ts';
import { VNET_LEN } from '../wire/virtio-net.ts';
import type { Native, NativeMemory } from './native.ts';
import { check } from './system-error.ts';

export const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_COPY_THRESH = 7;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const TPACKET_V2 = 1;

/** Bytes of tpacket2_hdr and sockaddr_ll, which stay the kernel's. */
const HEADER_LEN = 52;
/** The kernel puts the network header at align16(52 + 16) + reserve + 10, so the frame's start 14 bytes before that. */
const RESERVE = 112;
const FRAME_AT = 80 + RESERVE + VNET_LEN - 14;
/** Bytes of the largest frame that fits: MTU 1500, Ethernet header and a tag that is not the outermost one. */
const SLOT_FRAME = 1518;
/** An odd multiple of 64: slots that all start at the same place of their page would share one set of the first-level cache. */
const SLOT_BYTES = (((FRAME_AT + SLOT_FRAME + 63) >>> 6) | 1) << 6;
const BLOCK_BYTES = 64 << 10;
const SLOTS_PER_BLOCK = Math.floor(BLOCK_BYTES / SLOT_BYTES);
const PAGE = 4096;

export class PacketRing {
  /** Slots: what was asked for, rounded up to whole blocks of 64 KiB. */
  readonly slots: number;
  /** Offset of each slot in the slab. */
  readonly offsets: Int32Array;
  readonly #native: Native;
  readonly #fd: number;
  readonly #address: number;
  readonly #bytes: number;
  readonly #counts: NativeMemory;

  /** Makes the ring of `fd`, whose PACKET_VNET_HDR is on already, and maps it into the slab. */
  constructor(native: Native, fd: number, slab: Slab, slots: number) {
    const blocks = Math.ceil(slots / SLOTS_PER_BLOCK);
    this.#native = native;
    this.#fd = fd;
    this.slots = blocks * SLOTS_PER_BLOCK;
    this.#bytes = blocks * BLOCK_BYTES;
    this.#counts = native.alloc(16);
    const request = native.alloc(16);
    const setInt = (name: number, value: number, what: string): void => {
      request.u32[0] = value;
      check(native.setsockopt(fd, SOL_PACKET, name, request.address, 4), what);
    };
    setInt(PACKET_VERSION, TPACKET_V2, 'choose packet ring version 2');
    setInt(PACKET_RESERVE, RESERVE, 'reserve headroom in the packet ring');
    setInt(PACKET_COPY_THRESH, 1, 'queue what is larger than a slot of the packet ring');
    request.u32.set([BLOCK_BYTES, blocks, SLOT_BYTES, this.slots]);
    check(
      native.setsockopt(fd, SOL_PACKET, PACKET_RX_RING, request.address, 16),
      `make a packet ring of ${this.slots} slots`,
    );
    // The slab itself need not start at a page: malloc puts it 16 bytes behind one.
    const base = native.addressOf(slab.u8);
    const reserved = slab.reserve(this.#bytes + PAGE);
    const off = reserved + ((PAGE - ((base + reserved) % PAGE)) % PAGE);
    this.#address = base + off;
    check(native.mapFixed(this.#address, this.#bytes, fd), 'map the packet ring');
    this.offsets = Int32Array.from(
      { length: this.slots },
      (_, i) => off + Math.floor(i / SLOTS_PER_BLOCK) * BLOCK_BYTES + (i % SLOTS_PER_BLOCK) * SLOT_BYTES,
    );
  }

  /** Frames that the kernel had no slot for since the last call. */
  takeDrops(): number {
    this.#counts.u32[2] = 8;
    const { address } = this.#counts;
    const result = this.#native.getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, address, address + 8);
    return result < 0 ? 0 : this.#counts.u32[1];
  }

  /** Takes the ring out of the slab, which gets plain pages in its place. The slots must not be used any more. */
  unmap(): void {
    check(this.#native.mapZeroed(this.#address, this.#bytes), 'unmap the packet ring');
  }
}

// struct tpacket2_hdr, in host byte order: little-endian here.
export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 1;
/** The slot holds the start of the frame; the whole of it is in the socket's queue. */
export const TP_STATUS_COPY = 2;
/** Frames were dropped since the statistics were last read. */
export const TP_STATUS_LOSING = 4;
/** The kernel took a VLAN tag out of the frame; tp_vlan_tci has it. */
export const TP_STATUS_VLAN_VALID = 16;
export const TP_STATUS_VLAN_TPID_VALID = 64;

/** Bytes of the frame on the wire, less a tag that was taken out. */
export const tpLen = (view: DataView, slot: number): number => view.getUint32(slot + 4, true);
/** Bytes of the frame that the slot holds. */
export const tpSnapLen = (view: DataView, slot: number): number => view.getUint32(slot + 8, true);
/** Bytes from the slot to the frame. */
export const tpMac = (view: DataView, slot: number): number => view.getUint16(slot + 12, true);
export const tpVlanTci = (view: DataView, slot: number): number => view.getUint16(slot + 24, true);
export const tpVlanTpid = (view: DataView, slot: number): number => view.getUint16(slot + 26, true);
/** Least tp_mac that leaves HEADROOM before the frame, also when a VLAN tag is put back. */
export const TP_MAC_MIN = HEADER_LEN + HEADROOM + 4;
