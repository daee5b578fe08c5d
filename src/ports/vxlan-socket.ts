// The UDP socket of a VXLAN port. Several ports, one for each VNI, may share an address and a UDP port: each has a socket of
// its own in one reuse-port group, and a classic BPF program on the group reads the VNI of a datagram and names the socket.
// So the kernel sorts by VNI, and every port waits for and receives its own datagrams alone.
//
// UDP checksums are sent, as the kernel's own VXLAN does: they cost nothing where the device or a veth sums, and without them
// the system takes no UDP_SEGMENT. A zero checksum is accepted (RFC 7348 §5).

import { loadNative, type Native } from './native.ts';
import { SOCK_CLOEXEC } from './net-device.ts';
import { check } from './system-error.ts';

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const SO_REUSEPORT = 15;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_DO = 2;
export const SOCKADDR_IN_LEN = 16;
/** Place of the address in it, in network order. */
export const SOCKADDR_ADDRESS_AT = 4;

/** Room for bursts; a 64 KiB datagram is charged with about twice its size. */
const BUFFER_BYTES = 16 << 20;

// linux/bpf_common.h
const BPF_LD_W_ABS = 0x20;
const BPF_RSH_K = 0x74;
const BPF_JEQ_K = 0x15;
const BPF_RET_K = 0x06;
/** Place of the VNI's word in a datagram (RFC 7348 §5); the program sees the UDP payload. */
const VNI_WORD_AT = 4;
const NO_SOCKET = 0xffff_ffff;

/** Sockets of this thread by "address:port", in the kernel's order of the group. */
const groups = new Map<string, { fd: number; vni: number }[]>();

/** Writes a struct sockaddr_in: address as u32, port in host order. */
export function writeSockaddrIn(view: DataView, at: number, address: number, port: number): void {
  view.setUint16(at, AF_INET, true);
  view.setUint16(at + 2, port);
  view.setUint32(at + 4, address);
}

/** Opens and binds a socket for one VNI. Throws `address-in-use`, `address-not-local` or `native-unavailable`. */
export function openVxlanSocket(local: number, udpPort: number, vni: number, what: string): number {
  const native = loadNative();
  const memory = native.alloc(SOCKADDR_IN_LEN);
  const open = (): number => check(native.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), `open ${what}`);
  const bind = (fd: number): void => {
    memory.u8.fill(0);
    writeSockaddrIn(memory.view, 0, local, udpPort);
    check(native.bind(fd, memory.address, SOCKADDR_IN_LEN), `bind ${what}`);
  };
  const key = `${local}:${udpPort}`;
  const group = groups.get(key) ?? [];
  if (group.length === 0) {
    // Reuse would let a second process in without a word and share out the datagrams, so the first bind is a plain one.
    const probe = open();
    try {
      bind(probe);
    } finally {
      native.close(probe);
    }
  }
  const fd = open();
  try {
    const setInt = (level: number, name: number, value: number, option: string): void => {
      memory.u32[0] = value;
      check(native.setsockopt(fd, level, name, memory.address, 4), `set ${option} of ${what}`);
    };
    setInt(SOL_SOCKET, SO_REUSEPORT, 1, 'SO_REUSEPORT');
    setInt(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES, 'the send buffer');
    setInt(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES, 'the receive buffer');
    setInt(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, 'DF'); // RFC 7348 §4.3: must not fragment
    bind(fd);
    group.push({ fd, vni });
    groups.set(key, group);
    attachFilter(native, group, what);
    return fd;
  } catch (error) {
    leaveGroup(native, key, fd, what);
    native.close(fd);
    throw error;
  }
}

export function closeVxlanSocket(local: number, udpPort: number, fd: number): void {
  const native = loadNative();
  native.close(fd);
  leaveGroup(native, `${local}:${udpPort}`, fd, 'a VXLAN group');
}

function leaveGroup(native: Native, key: string, fd: number, what: string): void {
  const group = groups.get(key) ?? [];
  const at = group.findIndex((socket) => socket.fd === fd);
  if (at < 0) return;
  const last = group.pop() as { fd: number; vni: number };
  if (at < group.length) group[at] = last; // the kernel fills the gap with the last one too
  if (group.length === 0) groups.delete(key);
  else attachFilter(native, group, what);
}

/** Gives the group the program: VNI i → socket i; anything else is left to the kernel's hash, and counted as invalid. */
function attachFilter(native: Native, group: readonly { fd: number; vni: number }[], what: string): void {
  const code: number[][] = [
    [BPF_LD_W_ABS, 0, 0, VNI_WORD_AT],
    [BPF_RSH_K, 0, 0, 8],
    ...group.flatMap(({ vni }, i) => [
      [BPF_JEQ_K, 0, 1, vni],
      [BPF_RET_K, 0, 0, i],
    ]),
    [BPF_RET_K, 0, 0, NO_SOCKET],
  ];
  const program = native.alloc(code.length * 8); // struct sock_filter: code u16, jt u8, jf u8, k u32
  code.forEach(([op, jt, jf, k], i) => {
    program.u16[i * 4] = op;
    program.u8[i * 8 + 2] = jt;
    program.u8[i * 8 + 3] = jf;
    program.u32[i * 2 + 1] = k;
  });
  const fprog = native.alloc(16); // struct sock_fprog: length u16, address u64
  fprog.u16[0] = code.length;
  fprog.u32[2] = program.address;
  fprog.u32[3] = program.address / 0x1_0000_0000;
  check(
    native.setsockopt(group[0].fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, fprog.address, 16),
    `sort VNIs for ${what}`,
  );
}
