// Puts an XDP program on a device, by bpf(2), and a socket into its map. The program hangs on a link, and the link on its
// descriptor: when the process ends, in whatever way, the program is off the device.

import { NearhopError } from '../base/errors.ts';
import { ERRNO, type Native } from './native.ts';
import { check } from './system-error.ts';
import { type XdpHost, xdpProgram } from './xdp-program.ts';

/** native = in the device's driver, generic = in the kernel's stack for any device, auto = native where the driver can. */
export type XdpMode = 'native' | 'generic' | 'auto';

const BPF_MAP_CREATE = 0;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_PROG_LOAD = 5;
const BPF_LINK_CREATE = 28;
const BPF_MAP_TYPE_XSKMAP = 17;
const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;
const XDP_FLAGS_SKB_MODE = 2;
const XDP_FLAGS_DRV_MODE = 4;
const MAX_QUEUES = 64;
/** Bytes of union bpf_attr up to the last field that is used, with room. */
const ATTR_LEN = 128;
const LICENSE = 'Dual MIT/GPL';
const NAME = 'nearhop';

/** What a process needs for all this, as a hint. */
const RIGHTS = 'run as root, or give the process CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF';

export class XdpLink {
  readonly #native: Native;
  readonly #map: number;
  readonly #program: number;
  #link = -1;

  /** Loads the program. Throws `permission-denied`. */
  constructor(native: Native, host: XdpHost | undefined) {
    this.#native = native;
    const attr = native.alloc(ATTR_LEN);
    attr.u32.set([BPF_MAP_TYPE_XSKMAP, 4, 4, MAX_QUEUES]);
    this.#map = this.#check(native.bpf(BPF_MAP_CREATE, attr.address, ATTR_LEN), 'make an XSKMAP');
    const code = xdpProgram(this.#map, host);
    const text = native.alloc(code.length + LICENSE.length + 1);
    text.u8.set(code);
    text.u8.set(new TextEncoder().encode(LICENSE), code.length);
    attr.u8.fill(0);
    attr.u32.set([BPF_PROG_TYPE_XDP, code.length / 8]);
    attr.view.setBigUint64(8, BigInt(text.address), true);
    attr.view.setBigUint64(16, BigInt(text.address + code.length), true);
    attr.u8.set(new TextEncoder().encode(NAME), 48);
    attr.u32[17] = BPF_XDP; // expected_attach_type
    try {
      this.#program = this.#check(native.bpf(BPF_PROG_LOAD, attr.address, ATTR_LEN), 'load the XDP program');
    } catch (error) {
      native.close(this.#map);
      throw error;
    }
  }

  /** Puts the program on a device and lets it give the frames of `queue` to socket `fd`. A link of before goes. */
  attach(device: string, index: number, mode: XdpMode, queue: number, fd: number): void {
    this.detach();
    const attr = this.#native.alloc(ATTR_LEN);
    attr.u32.set([this.#map, 0]);
    attr.u32.set([queue, fd], 8);
    attr.view.setBigUint64(8, BigInt(attr.address + 32), true); // key
    attr.view.setBigUint64(16, BigInt(attr.address + 36), true); // value
    this.#check(
      this.#native.bpf(BPF_MAP_UPDATE_ELEM, attr.address, 32),
      `put queue ${queue} of device '${device}' into the XSKMAP`,
    );
    const link = (flags: number): number => {
      attr.u8.fill(0);
      attr.u32.set([this.#program, index, BPF_XDP, flags]);
      return this.#native.bpf(BPF_LINK_CREATE, attr.address, ATTR_LEN);
    };
    let result = mode === 'generic' ? -ERRNO.EOPNOTSUPP : link(XDP_FLAGS_DRV_MODE);
    const other = result === -ERRNO.EBUSY || result === -ERRNO.EEXIST || result === -ERRNO.EPERM;
    if (result < 0 && mode !== 'native' && !other) result = link(XDP_FLAGS_SKB_MODE);
    if (result === -ERRNO.EBUSY || result === -ERRNO.EEXIST) {
      throw new NearhopError('device-busy', `device '${device}' has another XDP program`, {
        hint: `see: ip -d link show ${device}; take it off with: ip link set ${device} xdp off`,
      });
    }
    this.#link = this.#check(result, `put an XDP program on device '${device}' (mode ${mode})`);
  }

  /** Takes the program off its device. */
  detach(): void {
    if (this.#link >= 0) this.#native.close(this.#link);
    this.#link = -1;
  }

  close(): void {
    this.detach();
    this.#native.close(this.#program);
    this.#native.close(this.#map);
  }

  #check(result: number, what: string): number {
    if (result === -ERRNO.EPERM || result === -ERRNO.EACCES) {
      throw new NearhopError('permission-denied', `could not ${what}: the process may not`, { hint: RIGHTS });
    }
    return check(result, what, 'AF_XDP needs Linux 5.9 or later; use kind: af-packet where it cannot be had');
  }
}
