// Which queue of a TAP device with several queues a frame goes to, as a BPF program (RFC 9669, TUNSETSTEERINGEBPF): by a hash of
// addresses and, where a packet has them and is no fragment, ports. Frames that are not IPv4, or tagged, go to the first queue.
//
// Without it the kernel moves a flow to whichever queue its other direction was last sent by, and packets in two queues
// overtake each other.

import { ETH_HLEN, ETHERTYPE_IPV4 } from '../wire/ethernet.ts';
import { IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN } from '../wire/ipv4.ts';
import type { Native } from './native.ts';
import { check } from './system-error.ts';

const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_SOCKET_FILTER = 1;
const TUNSETSTEERINGEBPF = 0x800454e0;
/** Bytes of union bpf_attr up to the last field that is used, with room. */
const ATTR_LEN = 128;
const LICENSE = 'Dual MIT/GPL';

// Opcodes (RFC 9669 §3). Loads from the packet are big-endian; one beyond its end makes the program answer 0.
const LOAD_U32 = 0x20;
const LOAD_U16 = 0x28;
const LOAD_U8 = 0x30;
const MOV_X = 0xbf;
const MOV_K = 0xb7;
const XOR_X = 0xaf;
const AND_K = 0x57;
const MUL32_K = 0x24;
const RSH32_K = 0x74;
const JEQ_K = 0x15;
const JNE_K = 0x55;
const EXIT = 0x95;
/** The answer and what was loaded; the frame; the hash. */
const [R0, R1, R6, R7] = [0, 1, 6, 7];

type Instruction = readonly [op: number, dst: number, src: number, skip: number, imm: number];

const IP = ETH_HLEN;
const PROGRAM: readonly Instruction[] = [
  [MOV_X, R6, R1, 0, 0],
  [MOV_K, R7, 0, 0, 0],
  [LOAD_U16, 0, 0, 0, 12],
  [JNE_K, R0, 0, 16, ETHERTYPE_IPV4], // to the end
  [LOAD_U32, 0, 0, 0, IP + 12],
  [MOV_X, R7, R0, 0, 0],
  [LOAD_U32, 0, 0, 0, IP + 16],
  [XOR_X, R7, R0, 0, 0],
  [LOAD_U16, 0, 0, 0, IP + 6],
  [AND_K, R0, 0, 0, 0x3fff], // more fragments, offset
  [JNE_K, R0, 0, 7, 0], // to the hash
  [LOAD_U8, 0, 0, 0, IP],
  [JNE_K, R0, 0, 5, 0x45], // no options
  [LOAD_U8, 0, 0, 0, IP + 9],
  [JEQ_K, R0, 0, 1, IPPROTO_TCP],
  [JNE_K, R0, 0, 2, IPPROTO_UDP],
  [LOAD_U32, 0, 0, 0, IP + IPV4_HLEN],
  [XOR_X, R7, R0, 0, 0],
  [MUL32_K, R7, 0, 0, 0x9e3779b1 | 0],
  [RSH32_K, R7, 0, 0, 16],
  [MOV_X, R0, R7, 0, 0],
  [EXIT, 0, 0, 0, 0],
];

/** Has the device of `fd` choose its queues by flow. Throws `permission-denied`. */
export function steerByFlow(native: Native, fd: number, device: string): void {
  const code = native.alloc(PROGRAM.length * 8);
  PROGRAM.forEach(([op, dst, src, skip, imm], i) => {
    code.u8.set([op, (src << 4) | dst], i * 8);
    code.view.setInt16(i * 8 + 2, skip, true);
    code.view.setInt32(i * 8 + 4, imm, true);
  });
  const license = native.alloc(LICENSE.length + 1);
  license.u8.set(new TextEncoder().encode(LICENSE));
  const attr = native.alloc(ATTR_LEN);
  attr.u32.set([BPF_PROG_TYPE_SOCKET_FILTER, PROGRAM.length]);
  attr.view.setBigUint64(8, BigInt(code.address), true);
  attr.view.setBigUint64(16, BigInt(license.address), true);
  const program = check(
    native.bpf(BPF_PROG_LOAD, attr.address, ATTR_LEN),
    `load the program that chooses the queues of '${device}'`,
  );
  attr.u32[0] = program;
  const set = native.ioctl(fd, TUNSETSTEERINGEBPF, attr.address);
  native.close(program);
  check(set, `have a program choose the queues of '${device}'`);
}
