// The way for whole GSO frames out of a VXLAN port: a TAP device of the port's own, whose packets the host forwards. The port
// writes the outer headers in front of a frame, and a virtio header that says where outer and inner ones stand; whoever needs
// plain packets on the way cuts them, the kernel or a device, and over a veth 64 KB arrive in one piece.
//
//   TAP ── host's forwarding rules ── route to the endpoint ── device
//
// A UDP socket cannot send such packets, and a packet socket refuses them. The host takes them from a device as from somebody
// else, though they carry its own address: so this device alone has `forwarding`, `accept_local` and no reverse path filter.

import { readFileSync, writeFileSync } from 'node:fs';
import { type Batch, OFFLOAD_CSUM } from '../base/batch.ts';
import { NearhopError } from '../base/errors.ts';
import type { Slab } from '../base/slab.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetEmit } from '../wire/ethernet.ts';
import { IPPROTO_UDP, IPV4_HLEN, ipv4Emit } from '../wire/ipv4.ts';
import type { SegmentPlan } from '../wire/segmentation.ts';
import { UDP_HLEN } from '../wire/udp.ts';
import { VNET_LEN, VNET_TUNNEL_LEN, vnetTunnelEmit } from '../wire/virtio-net.ts';
import { VXLAN_OVERHEAD4, vxlanEmit } from '../wire/vxlan.ts';
import { ERRNO, type Native } from './native.ts';
import { NetDevice } from './net-device.ts';
import { openTap, TUNSETOFFLOAD } from './tap-device.ts';

/** TUN_F_CSUM, TSO4, TSO6, TSO_ECN, UDP_TUNNEL_GSO, UDP_TUNNEL_GSO_CSUM. */
const OFFLOADS = 0x18f;
const IPV4_MAX = 65_535;
const IPV4_DF = 0x4000;
/** The host takes one off as it forwards. */
const TTL = 65;
const SYSCTLS = [
  ['forwarding', '1'],
  ['accept_local', '1'],
  ['rp_filter', '0'],
] as const;

export interface GsoDeviceOptions {
  /** Name of the device, which is made in the namespace of the calling thread and goes when the port closes. */
  readonly device: string;
  readonly port: string;
  readonly vni: number;
  /** Source address of the outer packets (IPv4 as u32), which the host has. */
  readonly local: number;
  readonly udpPort: number;
}

export class GsoDevice {
  readonly #options: GsoDeviceOptions;
  readonly #native: Native;
  readonly #slabAddress: number;
  readonly #device: NetDevice;
  readonly #fd: number;
  readonly #macHi: number;
  readonly #macLo: number;

  /** Throws `permission-denied`, `device-busy`, `gso-device-refused`. */
  constructor(options: GsoDeviceOptions, native: Native, slab: Slab) {
    const { device, port } = options;
    this.#options = options;
    this.#native = native;
    this.#slabAddress = native.addressOf(slab.u8);
    this.#device = new NetDevice(native, device);
    this.#fd = -1;
    try {
      this.#fd = openTap(native, device, VNET_TUNNEL_LEN, false);
      if (native.ioctl(this.#fd, TUNSETOFFLOAD, OFFLOADS) < 0) {
        throw new NearhopError('gso-device-refused', `port '${port}': this kernel takes no GSO in tunnels`, {
          hint: 'it needs Linux 6.17 or later; leave gsoDevice out',
        });
      }
      const all = conf('all', 'rp_filter');
      if (readFileSync(all, 'latin1').trim() !== '0') {
        throw new NearhopError(
          'gso-device-refused',
          `port '${port}': ${all} filters what '${device}' sends`,
          {
            hint: 'set it to 0 and each device by itself, or leave gsoDevice out',
          },
        );
      }
      this.#setUp();
      const mac = this.#device.mac();
      this.#macHi = mac?.hi ?? 0;
      this.#macLo = mac?.lo ?? 0;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #setUp(): void {
    const { device, port } = this.#options;
    try {
      for (const [key, value] of SYSCTLS) writeFileSync(conf(device, key), value);
    } catch (cause) {
      throw new NearhopError('gso-device-refused', `port '${port}': cannot set up '${device}'`, {
        hint: 'in a container /proc/sys has to be writable; or leave gsoDevice out',
        cause,
      });
    }
    this.#device.setUp();
  }

  /** Once a second: turns the filter off again that udev's rules may have turned on after the device was made. */
  watch(): void {
    const file = conf(this.#options.device, 'rp_filter');
    try {
      if (readFileSync(file, 'latin1').trim() !== '0') writeFileSync(file, '0');
    } catch {
      // somebody has removed the device: the port cuts by itself
    }
  }

  /** Whether GSO frame `i` can go this way: TCP over IPv4, and with its outer headers no longer than an IPv4 packet. */
  takes(batch: Batch, i: number, plan: SegmentPlan): boolean {
    const partial = (batch.offload[i] & OFFLOAD_CSUM) !== 0;
    return partial && plan.tcp && plan.ipv4 && batch.len[i] + VXLAN_OVERHEAD4 <= IPV4_MAX;
  }

  /** Sends GSO frame `i` to an endpoint; false when the system did not take it. Uses the headroom, and leaves it as it was. */
  send(batch: Batch, i: number, plan: SegmentPlan, remote: number): boolean {
    const { view } = batch;
    const { vni, local, udpPort } = this.#options;
    const off = batch.off[i];
    const total = VXLAN_OVERHEAD4 + batch.len[i];
    const ip = off - VXLAN_OVERHEAD4;
    const eth = ip - ETH_HLEN;
    const at = eth - VNET_TUNNEL_LEN;
    const vnet0 = view.getInt32(off - VNET_LEN);
    const vnet4 = view.getInt32(off - VNET_LEN + 4);
    const vnet8 = view.getUint16(off - VNET_LEN + 8);
    const shift = ETH_HLEN + VXLAN_OVERHEAD4;
    vnetTunnelEmit(view, at, off, shift, ETH_HLEN + IPV4_HLEN, shift + plan.l3);
    ethernetEmit(view, eth, this.#macHi, this.#macLo, this.#macHi, this.#macLo, ETHERTYPE_IPV4);
    const udp = ipv4Emit(view, ip, total, 0, IPV4_DF, TTL, IPPROTO_UDP, local, remote);
    view.setUint16(udp, udpPort);
    view.setUint16(udp + 2, udpPort);
    view.setUint16(udp + 4, total - IPV4_HLEN);
    view.setUint16(udp + 6, 0); // no checksum (RFC 7348 §5)
    vxlanEmit(view, udp + UDP_HLEN, vni);
    const address = this.#slabAddress + at;
    const bytes = VNET_TUNNEL_LEN + ETH_HLEN + total;
    let wrote = this.#native.write(this.#fd, address, bytes);
    while (wrote === -ERRNO.EINTR) wrote = this.#native.write(this.#fd, address, bytes);
    view.setInt32(off - VNET_LEN, vnet0);
    view.setInt32(off - VNET_LEN + 4, vnet4);
    view.setUint16(off - VNET_LEN + 8, vnet8);
    return wrote > 0;
  }

  close(): void {
    if (this.#fd >= 0) this.#native.close(this.#fd);
    this.#device.close();
  }
}

const conf = (device: string, key: string): string => `/proc/sys/net/ipv4/conf/${device}/${key}`;
