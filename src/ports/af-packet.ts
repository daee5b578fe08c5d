// A device of the host, by an AF_PACKET socket: every frame that the device receives, and frames out of it.
//
// In: the kernel writes a frame and its virtio header into a slot of the ring, which is part of the slab, or a large one into the
// socket's queue, from where `rx` reads it into the slab. `rx` puts a VLAN tag that the kernel took out back in place, and hands
// the place to the batch. `rxRelease` gives the slots back to the kernel.
// Out: `tx` points one message at (virtio header, frame) where they lie, and sends the batch with one sendmmsg.
//
// A device that vanishes (a container restarts, a veth moves to another namespace) leaves the port without frames; when a
// device of that name is there again, the port binds to it by itself.

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../base/batch.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import { DOT1Q_LEN, DOT1Q_TPID, dot1qPush } from '../wire/dot1q.ts';
import {
  VNET_GSO_NONE,
  VNET_LEN,
  VNET_NEEDS_CSUM,
  vnetClear,
  vnetCsumStart,
  vnetFlags,
  vnetGsoType,
  vnetHdrLen,
  vnetSetCsumStart,
  vnetSetHdrLen,
} from '../wire/virtio-net.ts';
import { KernelDrop } from './kernel-drop.ts';
import { LargeFrames } from './large-frames.ts';
import { MessageVector } from './message-vector.ts';
import { ERRNO, loadNative, type Native, type NativeMemory } from './native.ts';
import { awaitDevice, NetDevice, SOCK_CLOEXEC } from './net-device.ts';
import { shareFrames } from './packet-fanout.ts';
import {
  PacketRing,
  SOL_PACKET,
  TP_MAC_MIN,
  TP_STATUS_COPY,
  TP_STATUS_KERNEL,
  TP_STATUS_LOSING,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
  tpLen,
  tpMac,
  tpSnapLen,
  tpVlanTci,
  tpVlanTpid,
} from './packet-ring.ts';
import { createPortStats, type Port } from './port.ts';
import { SentPrefix } from './sent-prefix.ts';
import { check } from './system-error.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_PROMISC = 1;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const SOCKADDR_LL_LEN = 20;
const PACKET_MREQ_LEN = 16;

/** Each 64 KiB frame in flight is charged with about twice its size; the default of 212 KB holds one. */
const SEND_BUFFER_BYTES = 32 << 20;
/** For frames that are larger than a slot, 64 KiB and as much again for the kernel's own. */
const RECEIVE_BUFFER_BYTES = 16 << 20;
const DEFAULT_RX_SLOTS = 4096;
const TX_CHUNK = 256;
/** Empty calls of `rx` between two looks at the clock, and milliseconds between two looks at the device. */
const IDLE_CALLS = 256;
const CHECK_MS = 500;

export interface AfPacketOptions {
  readonly id: PortId;
  readonly name: string;
  /** Device in the namespace of the calling thread. */
  readonly device: string;
  /** Frames that the ring holds, rounded up; each takes about 2 KiB of packet memory. Default 4096. */
  readonly rxSlots?: number;
  /** Whether the host's stack shall not see the device's frames. Default false. */
  readonly kernelDrop?: boolean;
  /** The port's MAC; default the device's. */
  readonly mac?: { readonly hi: number; readonly lo: number };
  /** Largest L3 packet; default the device's MTU. */
  readonly mtu?: number;
  /** Blocks the thread up to so long for a device that is not there yet. Default 0. */
  readonly waitMs?: number;
  /** Shares the device's frames, by flow, with other ports of this process: -1 makes a group (`share` of the port), a number joins it. */
  readonly fanout?: number;
  readonly clock?: Clock;
}

/**
 * Opens the device. Throws `device-missing`, `permission-denied`, `native-unavailable`, `memory-short`, or with `kernelDrop` also
 * `program-missing` and `kernel-drop-failed`.
 */
export function createAfPacketPort(options: AfPacketOptions, slab: Slab): Port {
  return new AfPacketPort(options, slab);
}

class AfPacketPort implements Port {
  readonly id: PortId;
  readonly name: string;
  readonly kind = 'af-packet';
  readonly offload = true;
  readonly l3Only = false;
  readonly pollFd: number;
  readonly share?: number;
  readonly stats = createPortStats();
  macHi = 0;
  macLo = 0;
  mtu = 0;
  linkUp = true;
  failure?: NearhopError;

  readonly #options: AfPacketOptions;
  readonly #native: Native;
  readonly #clock: Clock;
  readonly #device: NetDevice;
  readonly #kernelDrop: KernelDrop | undefined;
  readonly #ring: PacketRing;
  readonly #large: LargeFrames;
  readonly #scratch: NativeMemory;
  readonly #status: Int32Array;
  readonly #messages: MessageVector;
  readonly #slabAddress: number;
  /** Device index that the socket is bound to; 0 while the device is away. */
  #ifIndex = 0;
  #bypass = true;
  /** Whether the system takes nothing at all for the rest of this `tx`. */
  #stopped = false;
  readonly #prefix = new SentPrefix();
  #closed = false;
  /** Slots from #tail on (#held of them) are handed out; #head is where the kernel writes next. */
  #head = 0;
  #tail = 0;
  #held = 0;
  /** Of the held slots, those whose frame is in a batch. */
  #given = 0;
  #idleCalls = 0;
  #nextCheckMs = 0;

  constructor(options: AfPacketOptions, slab: Slab) {
    const native = loadNative();
    this.#options = options;
    this.id = options.id;
    this.name = options.name;
    this.#native = native;
    this.#clock = options.clock ?? systemClock;
    this.#scratch = native.alloc(32);
    this.#status = new Int32Array(slab.buffer);
    this.#messages = new MessageVector(native, TX_CHUNK, 1, false);
    this.#slabAddress = native.addressOf(slab.u8);
    this.#device = new NetDevice(native, options.device);
    if (options.kernelDrop === true) this.#kernelDrop = new KernelDrop(options.device, options.name);
    this.pollFd = -1;
    let ring: PacketRing | undefined;
    try {
      awaitDevice(this.#device, options.name, options.waitMs ?? 0, this.#clock);
      // Protocol 0: no frame arrives before the ring is there and the socket is bound.
      this.pollFd = check(
        native.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0),
        `open a packet socket for port '${options.name}'`,
      );
      this.#setInt(SOL_PACKET, PACKET_VNET_HDR, 1, 'turn virtio headers on');
      this.#setInt(SOL_PACKET, PACKET_QDISC_BYPASS, 1, 'bypass the queueing discipline');
      this.#setInt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, 'ignore outgoing frames');
      this.#setInt(SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES, 'enlarge the send buffer');
      ring = new PacketRing(native, this.pollFd, slab, options.rxSlots ?? DEFAULT_RX_SLOTS);
      this.#ring = ring;
      this.#setInt(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES, 'enlarge the receive buffer');
      this.#large = new LargeFrames(native, this.pollFd, slab);
      check(this.#attach(), `bind port '${options.name}' to device '${options.device}'`);
      if (options.fanout !== undefined) {
        this.share = shareFrames(native, this.pollFd, options.fanout, options.name);
      }
      this.#kernelDrop?.install();
    } catch (error) {
      ring?.unmap();
      this.#device.close();
      if (this.pollFd >= 0) native.close(this.pollFd);
      throw error;
    }
  }

  rx(batch: Batch, max: number): number {
    const { offsets, slots } = this.#ring;
    const limit = Math.min(max, batch.room);
    let added = 0;
    let losing = 0;
    while (added < limit && this.#held < slots) {
      const slot = offsets[this.#head];
      // The load orders what follows behind it, also on arm64: the frame is complete when the status says so.
      const status = Atomics.load(this.#status, slot >>> 2);
      if ((status & TP_STATUS_USER) === 0) break;
      if ((status & TP_STATUS_COPY) !== 0 && this.#large.full) break;
      losing |= status;
      this.#head = this.#head + 1 === slots ? 0 : this.#head + 1;
      this.#held++;
      if (this.#take(batch, slot, status)) added++;
    }
    if ((losing & TP_STATUS_LOSING) !== 0) this.stats.rxDropped += this.#ring.takeDrops();
    this.#given += added;
    if (added > 0) {
      this.linkUp = true;
      return added;
    }
    // Nobody releases a round without frames, so slots that held only bad ones go back here.
    if (this.#given === 0) this.rxRelease();
    if (++this.#idleCalls >= IDLE_CALLS) this.#checkDevice();
    return 0;
  }

  /** Adds the frame of one slot; false when it is not there whole or lies where it cannot be used. */
  #take(batch: Batch, slot: number, status: number): boolean {
    const { view, u8 } = batch;
    const mac = tpMac(view, slot);
    let off = slot + mac;
    let len = tpLen(view, slot);
    if ((status & TP_STATUS_COPY) !== 0) {
      off = this.#large.take(len);
      if (off < 0) {
        this.stats.rxTruncated++;
        return false;
      }
    } else if (tpSnapLen(view, slot) < len) {
      this.stats.rxDropped++; // the socket's queue had no room for it
      return false;
    } else if (mac < TP_MAC_MIN) {
      this.stats.rxInvalid++;
      return false;
    }
    let bits = OFFLOAD_VNET;
    if ((vnetFlags(view, off) & VNET_NEEDS_CSUM) !== 0) bits |= OFFLOAD_CSUM;
    if (vnetGsoType(view, off) !== VNET_GSO_NONE) bits |= OFFLOAD_GSO;
    if ((status & TP_STATUS_VLAN_VALID) !== 0) {
      const tpid = (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? DOT1Q_TPID : tpVlanTpid(view, slot);
      if ((bits & OFFLOAD_CSUM) !== 0) vnetSetCsumStart(view, off, vnetCsumStart(view, off) + DOT1Q_LEN);
      if ((bits & OFFLOAD_GSO) !== 0) vnetSetHdrLen(view, off, vnetHdrLen(view, off) + DOT1Q_LEN);
      u8.copyWithin(off - VNET_LEN - DOT1Q_LEN, off - VNET_LEN, off);
      off = dot1qPush(u8, view, off, tpVlanTci(view, slot), tpid);
      len += DOT1Q_LEN;
    }
    batch.add(off, len, this.id, bits);
    this.stats.rxPackets++;
    this.stats.rxBytes += len;
    return true;
  }

  rxRelease(): void {
    const { offsets, slots } = this.#ring;
    if (this.#closed) return;
    this.#given = 0;
    this.#large.release();
    for (; this.#held > 0; this.#held--) {
      Atomics.store(this.#status, offsets[this.#tail] >>> 2, TP_STATUS_KERNEL);
      this.#tail = this.#tail + 1 === slots ? 0 : this.#tail + 1;
    }
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    this.#prefix.start();
    this.#stopped = this.#ifIndex === 0;
    for (let first = 0; first < n && !this.#stopped; first += TX_CHUNK) {
      const count = Math.min(TX_CHUNK, n - first);
      for (let m = 0; m < count; m++) {
        const i = idx[first + m];
        const off = batch.off[i];
        if ((batch.offload[i] & OFFLOAD_VNET) === 0) vnetClear(batch.view, off);
        this.#messages.set(m, 0, this.#slabAddress + off - VNET_LEN, batch.len[i] + VNET_LEN);
      }
      this.#send(batch, idx, first, count);
    }
    const sent = this.#prefix.end(idx);
    this.stats.txDropped += n - sent;
    return sent;
  }

  /** Sends the `count` prepared messages, which are packets idx[first...]. */
  #send(batch: Batch, idx: Uint16Array, first: number, count: number): void {
    let at = 0;
    while (at < count && !this.#stopped) {
      const result = this.#messages.send(this.pollFd, at, count);
      if (result > 0) {
        for (const end = at + result; at < end; at++) {
          this.stats.txPackets++;
          this.stats.txBytes += batch.len[idx[first + at]];
          this.#prefix.took(idx, first + at);
        }
      } else if (
        result === -ERRNO.ENOBUFS &&
        this.#bypass &&
        (batch.offload[idx[first + at]] & OFFLOAD_GSO) !== 0
      ) {
        // Past the qdisc a frame cannot be segmented for a device without TSO, and the kernel answers like this.
        this.#bypass = false;
        this.#setInt(SOL_PACKET, PACKET_QDISC_BYPASS, 0, 'use the queueing discipline');
      } else if (result === -ERRNO.EINVAL || result === -ERRNO.EMSGSIZE) {
        // this frame alone is at fault (its virtio header, its size); the others go on
        this.#prefix.refused(idx, first + at++);
      } else if (result !== -ERRNO.EINTR) {
        this.#stopped = true; // ENOBUFS, EAGAIN: queue full. ENETDOWN, ENXIO: device down or away
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kernelDrop?.remove();
    this.#ring.unmap();
    this.#native.close(this.pollFd);
    this.#device.close();
  }

  /** Binds to the device and takes its MAC and MTU over; returns a negative errno when it is gone. */
  #attach(): number {
    const { view, u8, u16, u32, address } = this.#scratch;
    const index = this.#device.index();
    if (index === 0) return -ERRNO.ENODEV;
    u8.fill(0);
    u16[0] = AF_PACKET; // struct sockaddr_ll
    view.setUint16(2, ETH_P_ALL);
    u32[1] = index;
    const bound = this.#native.bind(this.pollFd, address, SOCKADDR_LL_LEN);
    if (bound < 0) return bound;
    u8.fill(0);
    u32[0] = index; // struct packet_mreq: frames to VMs' MACs come in too
    u16[2] = PACKET_MR_PROMISC;
    const member = this.#native.setsockopt(
      this.pollFd,
      SOL_PACKET,
      PACKET_ADD_MEMBERSHIP,
      address,
      PACKET_MREQ_LEN,
    );
    if (member < 0) return member;
    this.#ifIndex = index;
    this.#refresh();
    return 0;
  }

  #refresh(): void {
    const mac = this.#options.mac ?? this.#device.mac();
    this.macHi = mac?.hi ?? 0;
    this.macLo = mac?.lo ?? 0;
    this.mtu = this.#options.mtu ?? this.#device.mtu();
  }

  /** Twice a second while nothing arrives: clears a pending socket error and follows the device's fate. */
  #checkDevice(): void {
    this.#idleCalls = 0;
    const now = this.#clock.nowMs();
    if (now < this.#nextCheckMs || this.#closed) return;
    this.#nextCheckMs = now + CHECK_MS;
    const { address, u32 } = this.#scratch;
    u32[1] = 4;
    this.#native.getsockopt(this.pollFd, SOL_SOCKET, SO_ERROR, address, address + 4);
    this.linkUp = this.#device.isRunning();
    const index = this.#device.index();
    if (index === this.#ifIndex) {
      if (index !== 0) this.#refresh();
      return;
    }
    this.#ifIndex = 0;
    if (this.share === undefined) {
      if (this.#attach() >= 0) this.#kernelDrop?.install();
    } else {
      // the kernel binds no socket of a group again
      this.failure ??= new NearhopError(
        'device-lost',
        `device '${this.#options.device}' went away while several workers shared it`,
        { hint: 'restart the gateway when it is there again' },
      );
    }
  }

  #setInt(level: number, name: number, value: number, what: string): void {
    this.#scratch.u32[0] = value;
    check(
      this.#native.setsockopt(this.pollFd, level, name, this.#scratch.address, 4),
      `${what} for port '${this.#options.name}'`,
    );
  }
}
