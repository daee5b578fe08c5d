// The XDP program of an AF_XDP port, as instructions (RFC 9669): which frames come to the gateway, and which go on into the
// kernel. It is written out here, so that neither a compiler nor libbpf is needed.
//
// Without `host` every frame comes to the gateway. With it the kernel has addresses on these VLANs too, and a frame goes to one
// of the two: unicast IPv4 to somebody else comes to the gateway; all the rest (ARP, the host's own addresses, broadcast,
// multicast, IPv6) is the kernel's. A frame of a queue without a socket is the kernel's as well.

import { DOT1Q_LEN, DOT1Q_TPID } from '../wire/dot1q.ts';
import { ETH_HLEN, ETHERTYPE_IPV4 } from '../wire/ethernet.ts';
import { IPV4_HLEN } from '../wire/ipv4.ts';

/** Which frames are the kernel's. */
export interface XdpHost {
  /** VLANs on which the kernel has addresses, at least one; 0 for untagged frames. */
  readonly vlans: readonly number[];
  /** IPv4 addresses of the host, u32. */
  readonly addresses: readonly number[];
}

// Opcodes (RFC 9669 §3): class, operation, and K for an immediate or X for a register.
const LOAD_U8 = 0x71;
const LOAD_U16 = 0x69;
const LOAD_U32 = 0x61;
const LOAD_IMM64 = 0x18;
const MOV64_K = 0xb7;
const MOV64_X = 0xbf;
const ADD64_K = 0x07;
const AND64_K = 0x57;
const TO_BE = 0xdc;
const JA = 0x05;
const JEQ32_K = 0x16;
const JNE32_K = 0x56;
const JGT64_X = 0x2d;
const CALL = 0x85;
const EXIT = 0x95;
/** Source register of LOAD_IMM64 that makes the immediate the descriptor of a map. */
const PSEUDO_MAP_FD = 1;
const REDIRECT_MAP = 51;
const XDP_PASS = 2;

// struct xdp_md
const MD_DATA = 0;
const MD_DATA_END = 4;
const MD_RX_QUEUE = 16;

const VID_MASK = 0x0fff;
const IPV4_DST_AT = 16;

const [R0, R1, R2, R3, R4, R5, R6, R7, R8] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Instructions of 8 bytes, with jumps to names. */
class Assembler {
  readonly #code: { op: number; regs: number; off: number; imm: number; to: string | undefined }[] = [];
  readonly #labels = new Map<string, number>();

  emit(op: number, dst = 0, src = 0, off = 0, imm = 0): void {
    this.#code.push({ op, regs: (src << 4) | dst, off, imm, to: undefined });
  }

  jump(to: string, op = JA, dst = 0, imm = 0, src = 0): void {
    this.#code.push({ op, regs: (src << 4) | dst, off: 0, imm, to });
  }

  label(name: string): void {
    this.#labels.set(name, this.#code.length);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#code.length * 8);
    const view = new DataView(bytes.buffer);
    this.#code.forEach(({ op, regs, off, imm, to }, i) => {
      const distance = to === undefined ? off : (this.#labels.get(to) ?? 0) - i - 1;
      view.setUint8(i * 8, op);
      view.setUint8(i * 8 + 1, regs);
      view.setInt16(i * 8 + 2, distance, true);
      view.setInt32(i * 8 + 4, imm | 0, true);
    });
    return bytes;
  }
}

/** The program's instructions, little-endian. @param mapFd the XSKMAP with the sockets, by queue. */
export function xdpProgram(mapFd: number, host: XdpHost | undefined): Uint8Array {
  const a = new Assembler();
  a.emit(MOV64_X, R6, R1); // R6 = struct xdp_md
  if (host !== undefined) judge(a, host);
  a.label('gateway');
  a.emit(LOAD_U32, R2, R6, MD_RX_QUEUE);
  a.emit(LOAD_IMM64, R1, PSEUDO_MAP_FD, 0, mapFd);
  a.emit(0);
  a.emit(MOV64_K, R3, 0, 0, XDP_PASS);
  a.emit(CALL, 0, 0, 0, REDIRECT_MAP);
  a.emit(EXIT);
  if (host !== undefined) {
    a.label('kernel');
    a.emit(MOV64_K, R0, 0, 0, XDP_PASS);
    a.emit(EXIT);
  }
  return a.bytes();
}

/** R2 = frame, R3 = its end, R5 = EtherType behind the tag, R8 = IPv4 destination. */
function judge(a: Assembler, { vlans, addresses }: XdpHost): void {
  const load16 = (register: number, at: number): void => {
    a.emit(LOAD_U16, register, R2, at);
    a.emit(TO_BE, register, 0, 0, 16);
  };
  const enough = (bytes: number): void => {
    a.emit(MOV64_X, R4, R2);
    a.emit(ADD64_K, R4, 0, 0, bytes);
    a.jump('gateway', JGT64_X, R4, 0, R3); // too short for either, and counted there
  };
  a.emit(LOAD_U32, R2, R6, MD_DATA);
  a.emit(LOAD_U32, R3, R6, MD_DATA_END);
  enough(ETH_HLEN + IPV4_HLEN);
  load16(R5, ETH_HLEN - 2);
  a.jump('tagged', JEQ32_K, R5, DOT1Q_TPID);
  // what cannot be reached may not be there: the verifier refuses it
  if (vlans.includes(0)) {
    a.emit(LOAD_U32, R8, R2, ETH_HLEN + IPV4_DST_AT);
    a.jump('addresses');
  } else a.jump('gateway');

  a.label('tagged');
  enough(ETH_HLEN + DOT1Q_LEN + IPV4_HLEN);
  load16(R7, ETH_HLEN);
  a.emit(AND64_K, R7, 0, 0, VID_MASK);
  for (const vlan of vlans) a.jump('inside', JEQ32_K, R7, vlan);
  a.jump('gateway');
  a.label('inside');
  load16(R5, ETH_HLEN + DOT1Q_LEN - 2);
  a.emit(LOAD_U32, R8, R2, ETH_HLEN + DOT1Q_LEN + IPV4_DST_AT);

  a.label('addresses');
  a.jump('kernel', JNE32_K, R5, ETHERTYPE_IPV4);
  a.emit(LOAD_U8, R7, R2, 0);
  a.emit(AND64_K, R7, 0, 0, 1); // group bit of the destination MAC
  a.jump('kernel', JNE32_K, R7, 0);
  a.emit(TO_BE, R8, 0, 0, 32);
  for (const address of addresses) a.jump('kernel', JEQ32_K, R8, address);
}
