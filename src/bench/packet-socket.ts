// A plain AF_PACKET socket (packet(7)) for the generator and the sink of `bench wire`. They do not use the port of the gateway,
// so a fault there cannot cancel itself out.

import type { Native, NativeMemory } from '../ports/native.ts';
import { SOCK_CLOEXEC } from '../ports/net-device.ts';
import { SOL_PACKET } from '../ports/packet-ring.ts';
import { check } from '../ports/system-error.ts';
import type { BpfLine } from './wire-frame.ts';

const BPF_LINE_BYTES = 8;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCKADDR_LL_LEN = 20;
const ETH_P_ALL = 3;

/** Opens a socket that receives nothing until it is bound. Throws `permission-denied`. */
export const openPacketSocket = (native: Native): number =>
  check(native.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), 'open a packet socket');

export function setOption(native: Native, fd: number, level: number, name: number, value: number): void {
  const memory = native.alloc(4);
  memory.u32[0] = value;
  check(native.setsockopt(fd, level, name, memory.address, 4), `set socket option ${level}/${name}`);
}

/** Sets an option of the packet socket itself. */
export const setPacketOption = (native: Native, fd: number, name: number, value: number): void =>
  setOption(native, fd, SOL_PACKET, name, value);

/** Binds the socket to a device; with `receive` it gets every frame from then on. */
export function bindTo(native: Native, fd: number, device: string, receive: boolean): void {
  const address = native.alloc(SOCKADDR_LL_LEN);
  address.u16[0] = AF_PACKET;
  if (receive) address.view.setUint16(2, ETH_P_ALL);
  address.u32[1] = native.ifNameToIndex(device);
  check(native.bind(fd, address.address, SOCKADDR_LL_LEN), `bind a packet socket to ${device}`);
}

/** A program as the kernel takes it (struct sock_fprog, 16 bytes); it lives as long as the memory does. */
export function programOf(native: Native, lines: readonly BpfLine[]): NativeMemory {
  const memory = native.alloc(16 + lines.length * BPF_LINE_BYTES);
  memory.u16[0] = lines.length;
  memory.u32[2] = memory.address + 16;
  memory.u32[3] = (memory.address + 16) / 2 ** 32;
  lines.forEach(([code, jt, jf, k], i) => {
    const at = 16 + i * BPF_LINE_BYTES;
    memory.u16[at / 2] = code;
    memory.u8[at + 2] = jt;
    memory.u8[at + 3] = jf;
    memory.u32[at / 4 + 1] = k;
  });
  return memory;
}
