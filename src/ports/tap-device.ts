// Making a TAP device with virtio headers (Linux Documentation/networking/tuntap.rst).

import type { Native } from './native.ts';
import { IFNAMSIZ, IFREQ_LEN, writeIfName } from './net-device.ts';
import { check } from './system-error.ts';

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const TUNSETIFF = 0x400454ca;
const TUNSETVNETHDRSZ = 0x400454d8;
/** ioctl that says what frames the program takes and gives: TUN_F_* bits as the argument. */
export const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

/**
 * Makes the device in the namespace of the calling thread, or takes a free TAP of that name over; returns a descriptor that does
 * not block. `vnetLen`: bytes of the virtio header before each frame. `queues`: others may each open a queue
 * of the device. Throws `permission-denied` or `device-busy`.
 */
export function openTap(native: Native, device: string, vnetLen: number, queues: boolean): number {
  const fd = check(native.open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC), 'open /dev/net/tun');
  try {
    const ifreq = native.alloc(IFREQ_LEN);
    writeIfName(ifreq.u8, device);
    ifreq.u16[IFNAMSIZ / 2] = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues ? IFF_MULTI_QUEUE : 0);
    check(
      native.ioctl(fd, TUNSETIFF, ifreq.address),
      `make the TAP device '${device}'`,
      'EINVAL: a device of this name exists that is no TAP, or was made with other flags (ip -d link show)',
    );
    ifreq.u32[0] = vnetLen;
    check(native.ioctl(fd, TUNSETVNETHDRSZ, ifreq.address), `set the virtio header of '${device}'`);
    return fd;
  } catch (error) {
    native.close(fd);
    throw error;
  }
}
