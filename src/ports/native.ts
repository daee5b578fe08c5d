// The system calls of the native ports, by koffi: the only file that uses it, since a wrong pointer here is a segfault.
// It is loaded when the first native port or poller is made, so replay and simulation need nothing native.
//
// Calls never throw: they return what the system returned, and a negative errno on failure, so that the packet path may use
// them. Set-up code wraps them in `check` (system-error.ts), which makes a NearhopError. Addresses are plain numbers (user space ends at 2^47).

import { createRequire } from 'node:module';
import { constants, endianness } from 'node:os';
import { NearhopError } from '../base/errors.ts';

/** errno values by name, positive. */
export const ERRNO = constants.errno;

/** Memory that never moves, for structures that the kernel reads and writes. */
export interface NativeMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  /** Address of the first byte. */
  readonly address: number;
}

export interface Native {
  /** Zeroed memory of at least `bytes` bytes. */
  alloc(bytes: number): NativeMemory;
  /** Address of the first byte of a view over shared memory. */
  addressOf(shared: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, sockaddr: number, bytes: number): number;
  connect(fd: number, sockaddr: number, bytes: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, bytes: number): number;
  /** `bytes` is the address of a socklen_t: in the room, out the length. */
  getsockopt(fd: number, level: number, name: number, value: number, bytes: number): number;
  ioctl(fd: number, request: number, argument: number): number;
  open(path: string, flags: number): number;
  read(fd: number, buffer: number, bytes: number): number;
  write(fd: number, buffer: number, bytes: number): number;
  /** Gives the number `to` the meaning of `from`; closes what `to` was. `from` stays open. */
  replaceFd(from: number, to: number): number;
  close(fd: number): number;
  /** Index of a network device in the namespace of this thread, 0 for none. */
  ifNameToIndex(name: string): number;
  /** A counter to wait on: a write of 8 bytes adds, a read of 8 bytes takes all, neither blocks (eventfd(2)). */
  eventfd(): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number): number;
  /** send(2); without bytes it is what makes an AF_XDP socket look at its TX ring. */
  send(fd: number, buffer: number, bytes: number, flags: number): number;
  /** bpf(2), with the address of its union bpf_attr. */
  bpf(command: number, attributes: number, bytes: number): number;
  /** A descriptor that is readable when one of those added to it is (epoll(7)). */
  epoll(): number;
  epollAdd(epoll: number, fd: number): number;
  /** Puts the file's memory from `offset` on at `address` (MAP_SHARED | MAP_FIXED), over whatever is there. Page-aligned. */
  mapFixed(address: number, bytes: number, fd: number, offset?: number): number;
  /** Puts fresh zeroed pages at `address`, so that what `mapFixed` put there goes and the range stays usable. */
  mapZeroed(address: number, bytes: number): number;
  /** Writes the time of a clock as a struct timespec: seconds i64, nanoseconds i64 (clock_gettime(2)). */
  clockGettime(clock: number, timespec: number): number;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const EFD_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const SYS_BPF = process.arch === 'arm64' ? 280 : 321;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;

let loaded: Native | undefined;

/** The system calls. Throws `native-unavailable` where they cannot be had. */
export function loadNative(): Native {
  loaded ??= bindAll();
  return loaded;
}

type Call = (...args: readonly (number | string)[]) => number;

function bindAll(): Native {
  // Structure layouts and ioctl numbers below are those of 64-bit little-endian Linux.
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    throw new NearhopError(
      'native-unavailable',
      `native ports need Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`,
      { hint: 'use ports of the kinds memory and pcap-file, or run the gateway in a Linux container' },
    );
  }
  let koffi: typeof import('koffi');
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  } catch (cause) {
    throw new NearhopError('native-unavailable', 'the package koffi cannot be loaded', {
      hint: 'run npm install in the project; koffi brings prebuilt binaries for glibc and musl',
      cause,
    });
  }
  const lib = koffi.load(null);
  const libc = (prototype: string): Call => lib.func(prototype) as Call;
  const or = (result: number): number => (result < 0 ? -koffi.errno() : result);
  const addressOf = (shared: Uint8Array): number => Number(koffi.address(shared));
  const socket = libc('int socket(int, int, int)');
  const bind = libc('int bind(int, uintptr_t, unsigned int)');
  const connect = libc('int connect(int, uintptr_t, unsigned int)');
  const setsockopt = libc('int setsockopt(int, int, int, uintptr_t, unsigned int)');
  const getsockopt = libc('int getsockopt(int, int, int, uintptr_t, uintptr_t)');
  const ioctl = libc('int ioctl(int, unsigned long, uintptr_t)');
  const open = libc('int open(const char *, int)');
  const read = libc('intptr_t read(int, uintptr_t, size_t)');
  const write = libc('intptr_t write(int, uintptr_t, size_t)');
  const dup3 = libc('int dup3(int, int, int)');
  const close = libc('int close(int)');
  const ifNameToIndex = libc('unsigned int if_nametoindex(const char *)');
  const eventfd = libc('int eventfd(unsigned int, int)');
  const poll = libc('int poll(uintptr_t, unsigned long, int)');
  const sendmmsg = libc('int sendmmsg(int, uintptr_t, unsigned int, int)');
  const recvmmsg = libc('int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)');
  const send = libc('intptr_t send(int, uintptr_t, size_t, int)');
  const bpf = libc('long syscall(long, int, uintptr_t, unsigned int)'); // it has no function of its own in glibc and musl
  const epollCreate = libc('int epoll_create1(int)');
  const epollCtl = libc('int epoll_ctl(int, int, int, uintptr_t)');
  const clockGettime = libc('int clock_gettime(int, uintptr_t)');
  const mmap = libc('intptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)');
  const alloc = (bytes: number): NativeMemory => {
    // Shared memory is never moved and never detached; a small plain typed array lives in V8's heap, which moves.
    const shared = new SharedArrayBuffer((bytes + 7) & ~7);
    const u8 = new Uint8Array(shared);
    return {
      u8,
      u16: new Uint16Array(shared),
      u32: new Uint32Array(shared),
      view: new DataView(shared),
      address: addressOf(u8),
    };
  };
  return {
    alloc,
    addressOf,
    socket: (domain, type, protocol) => or(socket(domain, type, protocol)),
    bind: (fd, sockaddr, bytes) => or(bind(fd, sockaddr, bytes)),
    connect: (fd, sockaddr, bytes) => or(connect(fd, sockaddr, bytes)),
    setsockopt: (fd, level, name, value, bytes) => or(setsockopt(fd, level, name, value, bytes)),
    getsockopt: (fd, level, name, value, bytes) => or(getsockopt(fd, level, name, value, bytes)),
    ioctl: (fd, request, argument) => or(ioctl(fd, request, argument)),
    open: (path, flags) => or(open(path, flags)),
    read: (fd, buffer, bytes) => or(read(fd, buffer, bytes)),
    write: (fd, buffer, bytes) => or(write(fd, buffer, bytes)),
    replaceFd: (from, to) => or(dup3(from, to, O_CLOEXEC)),
    close: (fd) => or(close(fd)),
    ifNameToIndex: (name) => ifNameToIndex(name),
    eventfd: () => or(eventfd(0, EFD_NONBLOCK | O_CLOEXEC)),
    poll: (fds, count, timeoutMs) => or(poll(fds, count, timeoutMs)),
    sendmmsg: (fd, messages, count, flags) => or(sendmmsg(fd, messages, count, flags)),
    recvmmsg: (fd, messages, count, flags) => or(recvmmsg(fd, messages, count, flags, 0)),
    send: (fd, buffer, bytes, flags) => or(send(fd, buffer, bytes, flags)),
    bpf: (command, attributes, bytes) => or(bpf(SYS_BPF, command, attributes, bytes)),
    epoll: () => or(epollCreate(O_CLOEXEC)),
    epollAdd(epoll, fd) {
      const event = alloc(16); // struct epoll_event: events u32, then the caller's own data
      event.u32[0] = EPOLLIN;
      return or(epollCtl(epoll, EPOLL_CTL_ADD, fd, event.address));
    },
    mapFixed: (address, bytes, fd, offset = 0) =>
      or(mmap(address, bytes, PROT_READ_WRITE, MAP_SHARED | MAP_FIXED, fd, offset)),
    mapZeroed: (address, bytes) =>
      or(mmap(address, bytes, PROT_READ_WRITE, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0)),
    clockGettime: (clock, timespec) => or(clockGettime(clock, timespec)),
  };
}
