// A VXLAN segment (RFC 7348) over UDP of the host's stack, which routes the outer packets: one VNI, one or more remote tunnel
// endpoints.
//
// In: recvmmsg takes datagrams into slots of the slab; flags, VNI and sender are checked, the inner source MAC is learned to
// be behind that sender, and the inner frame is handed on where it lies. Out: a frame to a known MAC goes to its endpoint,
// any other one to all (head-end replication), see vxlan-sender.ts.

import type { Batch } from '../base/batch.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import { Fdb } from '../tables/fdb.ts';
import { ETH_HLEN, ethernetSrcHi, ethernetSrcLo } from '../wire/ethernet.ts';
import { VXLAN_HLEN, VXLAN_OVERHEAD4, VXLAN_VNI_MAX, vxlanCheck, vxlanVni } from '../wire/vxlan.ts';
import { GsoDevice } from './gso-device.ts';
import { MessageVector } from './message-vector.ts';
import { loadNative, type Native, type NativeMemory } from './native.ts';
import { SOCK_CLOEXEC } from './net-device.ts';
import { markPartialChecksum } from './partial-checksum.ts';
import { createPortStats, type Port } from './port.ts';
import { check } from './system-error.ts';
import { VxlanSender } from './vxlan-sender.ts';
import {
  closeVxlanSocket,
  openVxlanSocket,
  SOCKADDR_ADDRESS_AT,
  SOCKADDR_IN_LEN,
  writeSockaddrIn,
} from './vxlan-socket.ts';

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const SK_MEMINFO_WORDS = 9;
const IPPROTO_IP = 0;
const IP_MTU = 14;

const RX_SLOTS = 128;
/** An odd number of cache lines, so that the slots' first bytes spread over the cache. */
const SLOT_BYTES = (((HEADROOM + FRAME_MAX + 63) >>> 6) | 1) << 6;
/** MACs that are remembered to be behind a remote; a frame to any other goes to all of them. */
const LEARNED_MAX = 4096;
const CHECK_MS = 1000;
const MTU_UNKNOWN = 1500;
const MTU_MIN = 576;

export interface VxlanOptions {
  readonly id: PortId;
  readonly name: string;
  /** VXLAN network identifier, 0 to 2^24 - 1. */
  readonly vni: number;
  /** Own address (IPv4 as u32), which the host has. */
  readonly local: number;
  /** Addresses of the remote endpoints; datagrams from others are counted as invalid. At most 64. */
  readonly remotes: readonly number[];
  /** UDP port on both sides. Default 4789. */
  readonly udpPort?: number;
  readonly mac?: { readonly hi: number; readonly lo: number };
  /** Largest inner L3 packet; default what the routes to the remotes allow. */
  readonly mtu?: number;
  /** Name of a TAP device to make, through which GSO frames go out whole. Default: the port cuts them. */
  readonly gsoDevice?: string;
  readonly clock?: Clock;
}

/**
 * Opens the socket. Throws `address-in-use`, `address-not-local`, `vxlan-invalid` or `native-unavailable`; with a `gsoDevice`
 * also `permission-denied`, `device-busy` or `gso-device-refused`.
 */
export function createVxlanPort(options: VxlanOptions, slab: Slab): Port {
  return new VxlanPort(options, slab);
}

class VxlanPort implements Port {
  readonly id: PortId;
  readonly name: string;
  readonly kind = 'vxlan';
  readonly macHi: number;
  readonly macLo: number;
  readonly offload = true;
  readonly l3Only = false;
  readonly pollFd: number;
  readonly stats = createPortStats();
  mtu: number;

  readonly #options: VxlanOptions;
  readonly #udpPort: number;
  readonly #remotes: Uint32Array;
  readonly #native: Native;
  readonly #clock: Clock;
  readonly #slabAddress: number;
  readonly #learned: Fdb;
  /** A socket that is connected to each remote in turn, to ask for the MTU of the route. */
  readonly #probeFd: number;
  readonly #scratch: NativeMemory;
  readonly #received: MessageVector;
  readonly #slots: number;
  /** Slots in use since the last release, and those of them that hold a frame of a batch. */
  #used = 0;
  #given = 0;
  readonly #sender: VxlanSender;
  readonly #gso: GsoDevice | undefined;
  #drops = 0;
  #nextCheckMs = 0;
  #closed = false;

  constructor(options: VxlanOptions, slab: Slab) {
    const { vni, remotes } = options;
    if (vni < 0 || vni > VXLAN_VNI_MAX || remotes.length === 0 || remotes.length > 64) {
      throw new NearhopError(
        'vxlan-invalid',
        `port '${options.name}': VNI ${vni}, ${remotes.length} remotes`,
        {
          hint: `a VNI is 0 to ${VXLAN_VNI_MAX}, with 1 to 64 remotes`,
        },
      );
    }
    const native = loadNative();
    this.#options = options;
    this.#native = native;
    this.#clock = options.clock ?? systemClock;
    this.id = options.id;
    this.name = options.name;
    this.macHi = options.mac?.hi ?? 0;
    this.macLo = options.mac?.lo ?? 0;
    this.#udpPort = options.udpPort ?? 4789;
    this.#remotes = Uint32Array.from(remotes);
    this.#learned = new Fdb(LEARNED_MAX);
    this.#scratch = native.alloc(64);
    this.#slabAddress = native.addressOf(slab.u8);
    this.#slots = slab.reserve(RX_SLOTS * SLOT_BYTES);
    this.#received = new MessageVector(native, RX_SLOTS, 1, true);
    for (let i = 0; i < RX_SLOTS; i++) {
      // the inner frame starts HEADROOM into the slot, its VXLAN header before it
      const at = this.#slots + i * SLOT_BYTES + HEADROOM - VXLAN_HLEN;
      this.#received.set(i, 0, this.#slabAddress + at, FRAME_MAX + VXLAN_HLEN);
    }
    this.pollFd = openVxlanSocket(options.local, this.#udpPort, vni, `VXLAN port '${options.name}'`);
    try {
      this.#gso = this.#openGso(native, slab);
    } catch (error) {
      closeVxlanSocket(options.local, this.#udpPort, this.pollFd);
      throw error;
    }
    this.#sender = new VxlanSender(
      native,
      this.pollFd,
      vni,
      this.#remotes,
      this.#udpPort,
      this.#learned,
      slab,
      this.stats,
      this.#gso,
    );
    this.#probeFd = check(native.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'open a socket for the MTU');
    this.mtu = options.mtu ?? this.#routeMtu();
  }

  #openGso(native: Native, slab: Slab): GsoDevice | undefined {
    const { gsoDevice: device, name: port, vni, local } = this.#options;
    if (device === undefined) return undefined;
    return new GsoDevice({ device, port, vni, local, udpPort: this.#udpPort }, native, slab);
  }

  rx(batch: Batch, max: number): number {
    const limit = Math.min(max, batch.room, RX_SLOTS - this.#used);
    const now = this.#clock.nowMs();
    if (now >= this.#nextCheckMs) this.#check(now);
    if (limit <= 0) return 0;
    const from = this.#used;
    const count = this.#received.receive(this.pollFd, from, from + limit);
    if (count <= 0) return 0;
    this.#used += count;
    this.#learned.nowMs = now;
    let added = 0;
    for (let i = from; i < from + count; i++) if (this.#take(batch, i)) added++;
    this.#given += added;
    if (this.#given === 0) this.#used = 0; // nobody releases a round without frames
    return added;
  }

  /** Adds the inner frame of datagram `i`; false when it is none for us. */
  #take(batch: Batch, i: number): boolean {
    const { view } = batch;
    const off = this.#slots + i * SLOT_BYTES + HEADROOM;
    const len = this.#received.length(i) - VXLAN_HLEN;
    const header = off - VXLAN_HLEN;
    if (this.#received.truncated(i)) {
      this.stats.rxTruncated++;
      return false;
    }
    const remote = this.#remoteOf(this.#received.names.getUint32(i * SOCKADDR_IN_LEN + SOCKADDR_ADDRESS_AT));
    if (
      remote < 0 ||
      len < ETH_HLEN ||
      vxlanCheck(view, header, len + VXLAN_HLEN) < 0 ||
      vxlanVni(view, header) !== this.#options.vni
    ) {
      this.stats.rxInvalid++;
      return false;
    }
    const bits = markPartialChecksum(view, off, len, this.mtu);
    if (bits < 0) {
      this.stats.rxInvalid++;
      return false;
    }
    if (this.#remotes.length > 1 && (view.getUint8(off + 6) & 1) === 0) {
      this.#learned.learn(0, ethernetSrcHi(view, off), ethernetSrcLo(view, off) | 0, remote);
    }
    batch.add(off, len, this.id, bits);
    this.stats.rxPackets++;
    this.stats.rxBytes += len;
    return true;
  }

  #remoteOf(address: number): number {
    for (let r = 0; r < this.#remotes.length; r++) if (this.#remotes[r] === address) return r;
    return -1;
  }

  rxRelease(): void {
    this.#used = 0;
    this.#given = 0;
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    return this.#sender.tx(batch, idx, n, this.mtu);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeVxlanSocket(this.#options.local, this.#udpPort, this.pollFd);
    this.#native.close(this.#probeFd);
    this.#gso?.close();
  }

  /** Once a second: forgets old MACs, follows the routes' MTU, reads the socket's drops. */
  #check(now: number): void {
    this.#nextCheckMs = now + CHECK_MS;
    this.#learned.age(now);
    if (this.#closed) return;
    this.mtu = this.#options.mtu ?? this.#routeMtu();
    this.#gso?.watch();
    const { address, u32 } = this.#scratch;
    const words = SK_MEMINFO_WORDS;
    u32[words] = words * 4;
    if (this.#native.getsockopt(this.pollFd, SOL_SOCKET, SO_MEMINFO, address, address + words * 4) === 0) {
      this.stats.rxDropped += (u32[SK_MEMINFO_DROPS] - this.#drops) >>> 0;
      this.#drops = u32[SK_MEMINFO_DROPS];
    }
  }

  /** Smallest MTU of the routes to the remotes, less outer headers and the inner Ethernet header. */
  #routeMtu(): number {
    const { address, u32, u8, view } = this.#scratch;
    let smallest = 0;
    for (const remote of this.#remotes) {
      u8.fill(0, 0, SOCKADDR_IN_LEN);
      writeSockaddrIn(view, 0, remote, this.#udpPort);
      if (this.#native.connect(this.#probeFd, address, SOCKADDR_IN_LEN) < 0) continue; // no route now
      u32[4] = 0;
      u32[5] = 4;
      if (this.#native.getsockopt(this.#probeFd, IPPROTO_IP, IP_MTU, address + 16, address + 20) < 0)
        continue;
      smallest = smallest === 0 ? u32[4] : Math.min(smallest, u32[4]);
    }
    return Math.max((smallest === 0 ? MTU_UNKNOWN : smallest) - VXLAN_OVERHEAD4 - ETH_HLEN, MTU_MIN);
  }
}
