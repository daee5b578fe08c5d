// Sharing a device's frames between packet sockets of several workers (packet(7), PACKET_FANOUT).

import type { Native } from './native.ts';
import { SOL_PACKET } from './packet-ring.ts';
import { check } from './system-error.ts';

const PACKET_FANOUT = 18;
/** By the hash of addresses and ports, which is the same in both directions; of fragments, by addresses alone. */
const FANOUT_HASH = 0;
const FANOUT_FLAG_UNIQUEID = 0x2000;
const FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;

/**
 * Makes a fanout group (`group` -1) or joins one with the bound socket `fd`; each frame goes to one of its sockets, by flow.
 * Returns the group's number. Throws what the system says, naming `port`.
 */
export function shareFrames(native: Native, fd: number, group: number, port: string): number {
  const unique = group < 0 ? FANOUT_FLAG_UNIQUEID : 0; // the kernel starts with 0
  const mode = FANOUT_HASH | FANOUT_FLAG_IGNORE_OUTGOING | unique;
  const { address, u32, u16 } = native.alloc(8);
  u32[0] = ((mode << 16) | Math.max(0, group)) >>> 0;
  check(
    native.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, address, 4),
    `share the frames of its device for port '${port}'`,
  );
  u32[1] = 4;
  check(
    native.getsockopt(fd, SOL_PACKET, PACKET_FANOUT, address, address + 4),
    `ask for the fanout group of port '${port}'`,
  );
  return u16[0];
}
