// Network devices of the host: their MAC, MTU and state, by ioctl with struct ifreq (netdevice(7)).

import type { Clock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { Native, NativeMemory } from './native.ts';
import { check } from './system-error.ts';

const AF_INET = 2;
const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCSIFHWADDR = 0x8924;
const SIOCGIFHWADDR = 0x8927;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const ARPHRD_ETHER = 1;
const WAIT_STEP_MS = 50;

/** Bytes of a device's name in struct ifreq, with the terminating zero (IFNAMSIZ). */
export const IFNAMSIZ = 16;
/** Bytes of struct ifreq on 64-bit systems. */
export const IFREQ_LEN = 40;

/** Writes the name into the first 16 bytes of a struct ifreq. */
export function writeIfName(ifreq: Uint8Array, name: string): void {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) {
    throw new NearhopError('device-name-invalid', `'${name}' is no device name`, {
      hint: `a device name has 1 to ${IFNAMSIZ - 1} bytes`,
    });
  }
  ifreq.fill(0, 0, IFNAMSIZ);
  ifreq.set(bytes);
}

/** Questions and orders about one device. Cold: for start-up and for checks twice a second. */
export class NetDevice {
  readonly name: string;
  readonly #native: Native;
  readonly #fd: number;
  readonly #ifreq: NativeMemory;

  constructor(native: Native, name: string) {
    this.#native = native;
    this.name = name;
    this.#ifreq = native.alloc(IFREQ_LEN);
    writeIfName(this.#ifreq.u8, name);
    this.#fd = check(
      native.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
      'open a socket for device queries',
    );
  }

  /** Interface index, 0 when there is no such device now. */
  index(): number {
    return this.#native.ifNameToIndex(this.name);
  }

  /** Largest L3 packet in bytes; 0 when the device is gone. */
  mtu(): number {
    return this.#ask(SIOCGIFMTU) < 0 ? 0 : this.#ifreq.u32[4];
  }

  /** MAC; undefined when the device is gone or is not Ethernet. */
  mac(): { hi: number; lo: number } | undefined {
    if (this.#ask(SIOCGIFHWADDR) < 0 || this.#ifreq.u16[8] !== ARPHRD_ETHER) return undefined;
    return { hi: this.#ifreq.view.getUint16(18), lo: this.#ifreq.view.getUint32(20) };
  }

  setMac(hi: number, lo: number): void {
    this.#clear();
    this.#ifreq.u16[8] = ARPHRD_ETHER;
    this.#ifreq.view.setUint16(18, hi);
    this.#ifreq.view.setUint32(20, lo);
    check(this.#ioctl(SIOCSIFHWADDR), `set the MAC of device '${this.name}'`);
  }

  setMtu(bytes: number): void {
    this.#clear();
    this.#ifreq.u32[4] = bytes;
    check(this.#ioctl(SIOCSIFMTU), `set the MTU of device '${this.name}' to ${bytes}`);
  }

  /** Whether it is administratively up; false when it is gone. */
  isUp(): boolean {
    return this.#ask(SIOCGIFFLAGS) >= 0 && (this.#ifreq.u16[8] & IFF_UP) !== 0;
  }

  /** Whether it is up and has a carrier (RFC 2863 operational state); false when it is gone. */
  isRunning(): boolean {
    const wanted = IFF_UP | IFF_RUNNING;
    return this.#ask(SIOCGIFFLAGS) >= 0 && (this.#ifreq.u16[8] & wanted) === wanted;
  }

  setUp(): void {
    check(this.#ask(SIOCGIFFLAGS), `read the flags of device '${this.name}'`);
    this.#ifreq.u16[8] |= IFF_UP;
    check(this.#ioctl(SIOCSIFFLAGS), `bring device '${this.name}' up`);
  }

  close(): void {
    this.#native.close(this.#fd);
  }

  #clear(): void {
    this.#ifreq.u8.fill(0, IFNAMSIZ);
  }

  #ask(request: number): number {
    this.#clear();
    return this.#ioctl(request);
  }

  #ioctl(request: number): number {
    return this.#native.ioctl(this.#fd, request, this.#ifreq.address);
  }
}

/**
 * Blocks the thread until the device is there, `waitMs` at most; then throws `device-missing`. Containers get their devices
 * after their processes have started.
 */
export function awaitDevice(device: NetDevice, portName: string, waitMs: number, clock: Clock): void {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  const end = clock.nowMs() + waitMs;
  while (device.index() === 0) {
    if (clock.nowMs() >= end) {
      const waited = waitMs > 0 ? ` after ${waitMs / 1000} s` : '';
      throw new NearhopError(
        'device-missing',
        `port '${portName}': there is no device '${device.name}'${waited}`,
        { hint: 'list the devices with: ip -br link; or let the port wait for it (waitSeconds)' },
      );
    }
    Atomics.wait(sleep, 0, 0, WAIT_STEP_MS);
  }
}
