// A device of the host, by an AF_XDP socket: an XDP program takes frames out of the device's way into the kernel, and frames
// leave by the socket.
//
// In: the program (xdp-program.ts) redirects a frame to the socket, the kernel copies it into a chunk of the UMEM, and `rx`
// hands the chunk to the batch. Out: a frame that another AF_XDP port received is sent from its chunk, any other from a copy.
// A frame comes as the device has it: a partial checksum of a sender on the same host is found and marked here.
//
// Where the kernel has addresses on the device too (`host`), it gets its own traffic, and ARP comes to both (arp-tap.ts).
//
// A device that vanishes leaves the port without frames; when a device of that name is there again, a new socket takes the
// place of the old one, under the same descriptor.

import { BATCH_SLOTS, type Batch } from '../base/batch.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import { XDP_MTU_MAX, type XdpUmem } from './af-xdp-umem.ts';
import { ArpTap } from './arp-tap.ts';
import { ERRNO, loadNative, type Native } from './native.ts';
import { awaitDevice, NetDevice, SOCK_CLOEXEC } from './net-device.ts';
import { createPortStats, type Port } from './port.ts';
import { SentPrefix } from './sent-prefix.ts';
import { check } from './system-error.ts';
import { XdpLink, type XdpMode } from './xdp-link.ts';
import type { XdpHost } from './xdp-program.ts';
import { TX_SLOTS, XdpSocket } from './xdp-socket.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_MR_PROMISC = 1;
const PACKET_MREQ_LEN = 16;
/** Bytes of an Ethernet header with a VLAN tag. */
const FRAME_OVERHEAD = 18;
const DEFAULT_RX_SLOTS = 2048;
/** Empty calls of `rx` between two looks at the clock, and milliseconds between two looks at the device. */
const IDLE_CALLS = 32;
const CHECK_MS = 500;
/** Calls of `rx` between two looks at the kernel's drops, and between two at the ARP tap, while frames arrive. */
const DROP_CALLS = 256;
const TAP_CALLS = 8;

export interface AfXdpOptions {
  readonly id: PortId;
  readonly name: string;
  /** Device in the namespace of the calling thread. */
  readonly device: string;
  /** Receive queue of the device; default 0. */
  readonly queue?: number;
  /** Default auto. */
  readonly mode?: XdpMode;
  /** Frames that wait for the gateway at most, rounded up to a power of two. Default 2048. */
  readonly rxSlots?: number;
  /** Which frames are the kernel's; default none. */
  readonly host?: XdpHost;
  /** The port's MAC; default the device's. */
  readonly mac?: { readonly hi: number; readonly lo: number };
  /** Largest L3 packet; default the device's MTU. */
  readonly mtu?: number;
  /** Blocks the thread up to so long for a device that is not there yet. Default 0. */
  readonly waitMs?: number;
  readonly clock?: Clock;
}

const ringSlots = (slots = DEFAULT_RX_SLOTS): number => 2 ** Math.ceil(Math.log2(slots));

/** Chunks of the UMEM that a port needs. */
export const afXdpChunks = (rxSlots?: number): number => ringSlots(rxSlots) + TX_SLOTS;

/**
 * Opens the device. `umem` has `afXdpChunks` chunks for each port that uses it.
 * Throws `device-missing`, `device-busy`, `mtu-too-large`, `permission-denied`, `native-unavailable` or `slab-full`.
 */
export function createAfXdpPort(options: AfXdpOptions, slab: Slab, umem: XdpUmem): Port {
  return new AfXdpPort(options, slab, umem);
}

class AfXdpPort implements Port {
  readonly id: PortId;
  readonly name: string;
  readonly kind = 'af-xdp';
  readonly offload = false;
  readonly l3Only = false;
  readonly stats = createPortStats();
  macHi = 0;
  macLo = 0;
  mtu = 0;
  linkUp = true;

  readonly #options: AfXdpOptions;
  readonly #native: Native;
  readonly #clock: Clock;
  readonly #device: NetDevice;
  readonly #socket: XdpSocket;
  readonly #prefix = new SentPrefix();
  #link: XdpLink | undefined;
  /** A packet socket: what it has joined makes the device promiscuous, and the tap reads from it. */
  #packetFd = -1;
  #tap: ArpTap | undefined;
  /** Readable when the socket or the tap is; -1 without a tap. */
  #epollFd = -1;
  /** Device index that the socket is bound to; 0 while the device is away. */
  #ifIndex = 0;
  #closed = false;
  #calls = 0;
  #idleCalls = 0;
  #nextCheckMs = 0;

  constructor(options: AfXdpOptions, slab: Slab, umem: XdpUmem) {
    const native = loadNative();
    this.#options = options;
    this.id = options.id;
    this.name = options.name;
    this.#native = native;
    this.#clock = options.clock ?? systemClock;
    this.#device = new NetDevice(native, options.device);
    this.#socket = new XdpSocket(native, slab, umem, ringSlots(options.rxSlots), BATCH_SLOTS, this.stats);
    try {
      awaitDevice(this.#device, options.name, options.waitMs ?? 0, this.#clock);
      this.#link = new XdpLink(native, options.host);
      this.#packetFd = check(
        native.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0),
        `open a packet socket for port '${options.name}'`,
      );
      if (options.host !== undefined) {
        this.#epollFd = check(native.epoll(), 'open an epoll descriptor');
        this.#tap = new ArpTap(native, slab, this.#packetFd);
        check(native.epollAdd(this.#epollFd, this.#packetFd), 'wait for ARP');
      }
      this.#attach(this.#link);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get pollFd(): number {
    return this.#epollFd >= 0 ? this.#epollFd : this.#socket.fd;
  }

  rx(batch: Batch, max: number): number {
    if (this.#closed) return 0;
    const limit = Math.min(max, batch.room);
    let n = this.#socket.rx(batch, limit, this.id);
    this.#calls++;
    if (this.#tap !== undefined && (n === 0 || this.#calls % TAP_CALLS === 0))
      n += this.#readTap(batch, limit - n);
    if ((n === 0 || this.#socket.down) && ++this.#idleCalls >= IDLE_CALLS) this.#checkDevice();
    if (n > 0 && this.#calls % DROP_CALLS === 0) this.#socket.readDrops();
    return n;
  }

  #readTap(batch: Batch, max: number): number {
    const first = batch.count;
    const n = this.#tap?.rx(batch, max, this.id) ?? 0;
    this.stats.rxPackets += n;
    for (let i = first; i < batch.count; i++) this.stats.rxBytes += batch.len[i];
    return n;
  }

  rxRelease(): void {
    if (this.#closed) return;
    this.#socket.release();
    this.#tap?.release();
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    if (!this.#closed) return this.#socket.tx(batch, idx, n, this.mtu + FRAME_OVERHEAD, this.#prefix);
    this.stats.txDropped += n;
    return 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#link?.close();
    this.#socket.close();
    for (const fd of [this.#packetFd, this.#epollFd]) if (fd >= 0) this.#native.close(fd);
    this.#device.close();
  }

  /** Opens the socket on the device, puts the program there, and takes the device's MAC and MTU over. */
  #attach(link: XdpLink): void {
    const { device, name, queue = 0, mode = 'auto' } = this.#options;
    const index = this.#device.index();
    if (index === 0) check(-ERRNO.ENODEV, `bind port '${name}' to device '${device}'`);
    const mtu = this.#device.mtu();
    if (mtu > XDP_MTU_MAX) {
      throw new NearhopError('mtu-too-large', `port '${name}': device '${device}' has MTU ${mtu}`, {
        hint: `af-xdp carries packets of up to ${XDP_MTU_MAX} bytes: set the device's MTU to that, or use kind: af-packet`,
      });
    }
    this.#socket.open(index, queue);
    if (this.#epollFd >= 0) check(this.#native.epollAdd(this.#epollFd, this.#socket.fd), 'wait for frames');
    const request = this.#native.alloc(PACKET_MREQ_LEN);
    request.u32[0] = index; // struct packet_mreq: frames to VMs' MACs come in too
    request.u16[2] = PACKET_MR_PROMISC;
    const { address } = request;
    check(
      this.#native.setsockopt(this.#packetFd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, address, PACKET_MREQ_LEN),
      `make device '${device}' promiscuous`,
    );
    if (this.#tap !== undefined) check(this.#tap.bind(index), `bind to device '${device}' for ARP`);
    link.attach(device, index, mode, queue, this.#socket.fd);
    this.#ifIndex = index;
    this.#refresh();
  }

  #refresh(): void {
    const mac = this.#options.mac ?? this.#device.mac();
    this.macHi = mac?.hi ?? 0;
    this.macLo = mac?.lo ?? 0;
    this.mtu = Math.min(XDP_MTU_MAX, this.#options.mtu ?? this.#device.mtu());
  }

  /** Twice a second while nothing arrives, or nothing can be sent: reads the kernel's drops and follows the device's fate. */
  #checkDevice(): void {
    this.#idleCalls = 0;
    const now = this.#clock.nowMs();
    if (now < this.#nextCheckMs) return;
    this.#nextCheckMs = now + CHECK_MS;
    this.#socket.readDrops();
    this.linkUp = this.#device.isRunning();
    const index = this.#device.index();
    if (index !== this.#ifIndex) {
      this.#ifIndex = 0;
      this.#socket.down = true;
    }
    if (this.#socket.down && this.#device.isUp()) this.#tryAttach();
    else if (this.#ifIndex !== 0) this.#refresh();
    this.linkUp &&= this.#ifIndex !== 0;
  }

  /** A device that is no good now (its MTU, a program of somebody else) may be so at the next look. */
  #tryAttach(): void {
    try {
      if (this.#link !== undefined) this.#attach(this.#link);
    } catch (error) {
      if (!(error instanceof NearhopError)) throw error;
    }
  }
}
