// The ARP messages that an XDP program leaves to the kernel, once more for the gateway: the two have a neighbor table each, and
// a reply must reach both. A packet socket sees what the program passes; its filter lets through ARP alone.
//
// ARP comes seldom, so a frame is read with a call of its own, and only `TAP_SLOTS` between two releases.

import type { Batch } from '../base/batch.ts';
import type { PortId } from '../base/ids.ts';
import { HEADROOM, type Slab } from '../base/slab.ts';
import { DOT1Q_LEN, DOT1Q_TPID, dot1qPush } from '../wire/dot1q.ts';
import { ETH_HLEN, ETHERTYPE_ARP } from '../wire/ethernet.ts';
import type { Native, NativeMemory } from './native.ts';
import { check } from './system-error.ts';

const AF_PACKET = 17;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const PACKET_IGNORE_OUTGOING = 23;
const MSG_DONTWAIT = 0x40;
const TP_STATUS_VLAN_VALID = 16;
const SOCKADDR_LL_LEN = 20;

export const TAP_SLOTS = 16;
/** Largest ARP frame that is read: an ARP message over Ethernet has 28 bytes, and frames are padded to 60. */
const FRAME_BYTES = 128;
const SLOT_BYTES = 512;
const FRAME_AT = 256;

// One struct mmsghdr (64 bytes, message-vector.ts), one struct iovec (16), and a control message with struct tpacket_auxdata.
const IOV_AT = 64;
const CONTROL_AT = 80;
const CONTROL_BYTES = 64;
const AUX_AT = CONTROL_AT + 16;

// Classic BPF (struct sock_filter: code u16, jump if true u8, if false u8, k u32): ARP is kept, the rest is not.
const FILTER = [
  [0x28, 0, 0, ETH_HLEN - 2], // half-word at 12
  [0x15, 0, 1, ETHERTYPE_ARP],
  [0x06, 0, 0, 0xffff],
  [0x06, 0, 0, 0],
];

export class ArpTap {
  readonly #native: Native;
  readonly #fd: number;
  readonly #slots: number;
  readonly #slabAddress: number;
  readonly #memory: NativeMemory;
  #used = 0;

  /** @param fd a packet socket without a protocol; it stays the caller's. */
  constructor(native: Native, slab: Slab, fd: number) {
    this.#native = native;
    this.#fd = fd;
    this.#slots = slab.reserve(TAP_SLOTS * SLOT_BYTES);
    this.#slabAddress = native.addressOf(slab.u8);
    this.#memory = native.alloc(CONTROL_AT + CONTROL_BYTES);
    const { view, address } = this.#memory;
    const program = native.alloc(16 + FILTER.length * 8);
    program.u16[0] = FILTER.length; // struct sock_fprog: count u16, address of the filter u64
    program.view.setBigUint64(8, BigInt(program.address + 16), true);
    FILTER.forEach(([code, yes, no, k], i) => {
      program.view.setUint16(16 + i * 8, code, true);
      program.u8.set([yes, no], 18 + i * 8);
      program.view.setUint32(20 + i * 8, k, true);
    });
    check(
      native.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program.address, 16),
      'filter ARP from a packet socket',
    );
    program.u32[0] = 1;
    for (const option of [PACKET_AUXDATA, PACKET_IGNORE_OUTGOING]) {
      check(native.setsockopt(fd, SOL_PACKET, option, program.address, 4), `set packet option ${option}`);
    }
    view.setBigUint64(16, BigInt(address + IOV_AT), true);
    view.setBigUint64(24, 1n, true);
    view.setBigUint64(32, BigInt(address + CONTROL_AT), true);
    view.setBigUint64(IOV_AT + 8, BigInt(FRAME_BYTES), true);
  }

  /** Binds to a device; returns a negative errno when it is gone. */
  bind(index: number): number {
    const { u16, view, u32, address, u8 } = this.#native.alloc(SOCKADDR_LL_LEN);
    u8.fill(0);
    u16[0] = AF_PACKET;
    view.setUint16(2, ETH_P_ALL);
    u32[1] = index;
    return this.#native.bind(this.#fd, address, SOCKADDR_LL_LEN);
  }

  /** Adds the ARP frames that are there to the batch, `max` at most. */
  rx(batch: Batch, max: number, port: PortId): number {
    let added = 0;
    while (added < max && this.#used < TAP_SLOTS) {
      const len = this.#read(this.#slots + this.#used * SLOT_BYTES + FRAME_AT);
      if (len < 0) break;
      let off = this.#slots + this.#used++ * SLOT_BYTES + FRAME_AT;
      const tag = this.#tag();
      if (tag >= 0) off = dot1qPush(batch.u8, batch.view, off, tag, DOT1Q_TPID);
      batch.add(off, tag >= 0 ? len + DOT1Q_LEN : len, port, 0);
      added++;
    }
    return added;
  }

  /** All frames' places are free again. */
  release(): void {
    this.#used = 0;
  }

  /** Bytes of the next frame, which goes to slab offset `off`; negative for none. */
  #read(off: number): number {
    const { view, u32, address } = this.#memory;
    view.setBigUint64(IOV_AT, BigInt(this.#slabAddress + off), true);
    view.setBigUint64(40, BigInt(CONTROL_BYTES), true);
    u32[AUX_AT / 4] = 0;
    const result = this.#native.recvmmsg(this.#fd, address, 1, MSG_DONTWAIT);
    return result === 1 ? u32[14] : -1;
  }

  /** VLAN tag (TCI) that the kernel took out of the frame read last, -1 for none. */
  #tag(): number {
    const { u32, u16 } = this.#memory;
    return (u32[AUX_AT / 4] & TP_STATUS_VLAN_VALID) === 0 ? -1 : u16[AUX_AT / 2 + 8];
  }
}

if (FRAME_AT < HEADROOM + DOT1Q_LEN) throw new Error('a slot has no room for HEADROOM');
