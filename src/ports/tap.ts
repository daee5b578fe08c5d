// A TAP device that the gateway makes (Linux Documentation/networking/tuntap.rst): what the host, a VM or a container sends
// into the device arrives here, and what the port sends comes out of the device.
//
// Several workers can each have a queue of the device; the kernel gives each frame to one of them, by flow.
//
// In: one read() a frame, to where the last frame ended, in a region of the slab; the virtio header comes in front of the
// frame, VLAN tags in place. Out: one write() a frame from where it lies. The system has no call for a batch of them.

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../base/batch.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import {
  VNET_GSO_NONE,
  VNET_LEN,
  VNET_NEEDS_CSUM,
  vnetClear,
  vnetFlags,
  vnetGsoType,
} from '../wire/virtio-net.ts';
import { ERRNO, loadNative, type Native } from './native.ts';
import { NetDevice } from './net-device.ts';
import { createPortStats, type Port } from './port.ts';
import { SentPrefix } from './sent-prefix.ts';
import { check } from './system-error.ts';
import { openTap, TUNSETOFFLOAD } from './tap-device.ts';
import { steerByFlow } from './tap-steering.ts';

const TUNSETPERSIST = 0x400454cb;
/** TUN_F_CSUM, TSO4, TSO6, TSO_ECN; and USO4 with USO6, which Linux has since 6.2 and takes only together. */
const OFFLOADS = 0x0f;
const OFFLOADS_USO = 0x6f;

/** Received frames are packed into this much of the slab: 60 GSO frames, or a whole batch of plain ones. */
const RX_BYTES = 4 << 20;
const CHECK_MS = 500;

export interface TapOptions {
  readonly id: PortId;
  readonly name: string;
  /** Name of the device, which is made in the namespace of the calling thread or taken over when it is a free TAP. */
  readonly device: string;
  /** The port's own MAC, which the device must not have. Default none. */
  readonly mac?: { readonly hi: number; readonly lo: number };
  /** MAC of the device, the host's side. Default: the kernel chooses. */
  readonly deviceMac?: { readonly hi: number; readonly lo: number };
  /** MTU of the device and of the port; default the device's, 1500. */
  readonly mtu?: number;
  /** Whether the device stays when the port closes. Default false. */
  readonly persistent?: boolean;
  /** Whether other ports, of other workers, open the same device: each gets a queue of its own. Default false. */
  readonly queues?: boolean;
  readonly clock?: Clock;
}

/** Makes the device and brings it up. Throws `permission-denied`, `device-busy`, `device-missing` or `native-unavailable`. */
export function createTapPort(options: TapOptions, slab: Slab): Port {
  return new TapPort(options, slab);
}

class TapPort implements Port {
  readonly id: PortId;
  readonly name: string;
  readonly kind = 'tap';
  readonly macHi: number;
  readonly macLo: number;
  readonly offload = true;
  readonly l3Only = false;
  readonly pollFd: number;
  readonly share?: number;
  readonly stats = createPortStats();
  mtu: number;

  readonly #options: TapOptions;
  readonly #native: Native;
  readonly #clock: Clock;
  readonly #device: NetDevice;
  readonly #slabAddress: number;
  readonly #region: number;
  readonly #regionEnd: number;
  /** Where the next frame's headroom starts. */
  #top: number;
  readonly #prefix = new SentPrefix();
  #closed = false;
  #nextCheckMs = 0;

  constructor(options: TapOptions, slab: Slab) {
    const native = loadNative();
    this.#options = options;
    this.#native = native;
    this.#clock = options.clock ?? systemClock;
    this.id = options.id;
    this.name = options.name;
    if (options.queues) this.share = 0; // there is no number: a device is opened by its name
    this.macHi = options.mac?.hi ?? 0;
    this.macLo = options.mac?.lo ?? 0;
    this.#slabAddress = native.addressOf(slab.u8);
    this.#region = slab.reserve(RX_BYTES);
    this.#regionEnd = this.#region + RX_BYTES;
    this.#top = this.#region;
    this.#device = new NetDevice(native, options.device);
    this.pollFd = -1;
    try {
      this.pollFd = this.#open();
      this.mtu = this.#setUp();
    } catch (error) {
      if (this.pollFd >= 0) native.close(this.pollFd);
      this.#device.close();
      throw error;
    }
  }

  rx(batch: Batch, max: number): number {
    const { view } = batch;
    const limit = Math.min(max, batch.room);
    let added = 0;
    while (added < limit) {
      const off = this.#top + HEADROOM;
      if (off + FRAME_MAX > this.#regionEnd) break;
      const read = this.#native.read(this.pollFd, this.#slabAddress + off - VNET_LEN, FRAME_MAX + VNET_LEN);
      if (read < 0) {
        if (read === -ERRNO.EINTR) continue;
        if (read !== -ERRNO.EAGAIN) this.#lost();
        break;
      }
      const len = read - VNET_LEN;
      if (len > FRAME_MAX - 1) {
        this.stats.rxTruncated++; // read() cuts without a word, so a frame that fills the place may be longer
        continue;
      }
      let bits = OFFLOAD_VNET;
      if ((vnetFlags(view, off) & VNET_NEEDS_CSUM) !== 0) bits |= OFFLOAD_CSUM;
      if (vnetGsoType(view, off) !== VNET_GSO_NONE) bits |= OFFLOAD_GSO;
      batch.add(off, len, this.id, bits);
      this.#top = (off + len + 63) & -64;
      this.stats.rxPackets++;
      this.stats.rxBytes += len;
      added++;
    }
    return added;
  }

  rxRelease(): void {
    this.#top = this.#region;
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    this.#prefix.start();
    for (let k = 0; k < n; k++) {
      const i = idx[k];
      const off = batch.off[i];
      if ((batch.offload[i] & OFFLOAD_VNET) === 0) vnetClear(batch.view, off);
      const wrote = this.#write(off, batch.len[i]);
      if (wrote > 0) {
        this.stats.txPackets++;
        this.stats.txBytes += batch.len[i];
        this.#prefix.took(idx, k);
      } else if (wrote === -ERRNO.EINVAL) {
        this.#prefix.refused(idx, k); // this frame alone is at fault; the others go on
      } else break; // EAGAIN: no memory now. EIO: the device is down. EBADFD: it is gone
    }
    const sent = this.#prefix.end(idx);
    this.stats.txDropped += n - sent;
    return sent;
  }

  #write(off: number, len: number): number {
    for (;;) {
      const wrote = this.#native.write(this.pollFd, this.#slabAddress + off - VNET_LEN, len + VNET_LEN);
      if (wrote !== -ERRNO.EINTR) return wrote;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close(this.pollFd);
    this.#device.close();
  }

  /** Makes the device, or takes a free TAP of that name; returns a descriptor of it. */
  #open(): number {
    const native = this.#native;
    const { device, persistent, queues = false } = this.#options;
    const fd = openTap(native, device, VNET_LEN, queues);
    try {
      if (native.ioctl(fd, TUNSETOFFLOAD, OFFLOADS_USO) < 0) {
        check(native.ioctl(fd, TUNSETOFFLOAD, OFFLOADS), `turn on the offloads of '${device}'`);
      }
      if (queues) steerByFlow(native, fd, device);
      check(native.ioctl(fd, TUNSETPERSIST, persistent === true ? 1 : 0), `set the life of '${device}'`);
      return fd;
    } catch (error) {
      native.close(fd);
      throw error;
    }
  }

  /** Gives the device its MAC and MTU and brings it up; returns the MTU. */
  #setUp(): number {
    const { deviceMac, mtu } = this.#options;
    if (deviceMac !== undefined) this.#device.setMac(deviceMac.hi, deviceMac.lo);
    if (mtu !== undefined) this.#device.setMtu(mtu);
    this.#device.setUp();
    return mtu ?? this.#device.mtu();
  }

  /** Somebody removed the device: makes it again, at most twice a second, under the same descriptor. */
  #lost(): void {
    const now = this.#clock.nowMs();
    if (now < this.#nextCheckMs || this.#closed) return;
    this.#nextCheckMs = now + CHECK_MS;
    let fd = -1;
    try {
      fd = this.#open();
      this.mtu = this.#setUp();
      check(this.#native.replaceFd(fd, this.pollFd), 'take the new device over');
    } catch (error) {
      if (!(error instanceof NearhopError)) throw error; // still away, or taken: tried again
    }
    if (fd >= 0) this.#native.close(fd);
  }
}
