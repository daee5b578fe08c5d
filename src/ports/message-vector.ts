// Arrays of struct mmsghdr for sendmmsg(2) and recvmmsg(2), made once. A message is one or more pieces of memory; a batch of
// them crosses into the kernel with one call, which is what the rate of a port hangs on (a call alone takes about 200 ns).
//
//   struct mmsghdr (64 bytes): 0 name u64 · 8 name length u32 · 16 iov u64 · 24 iov count u64 · 32 control u64
//                              40 control length u64 · 48 flags i32 · 56 length of the message u32
//   struct iovec (16 bytes):   0 base u64 · 8 length u64
//   struct cmsghdr (16 bytes): 0 length u64 · 8 level i32 · 12 type i32, then its data

import type { Native, NativeMemory } from './native.ts';

const MSG_WORDS = 16;
const IOV_WORDS = 4;
const NAME_BYTES = 16;
const CONTROL_BYTES = 24;
/** A cmsghdr with one u16 (udp(7)). */
const SEGMENT_LEN = 18;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const WORD = 0x1_0000_0000;

export class MessageVector {
  /** Number of messages. */
  readonly slots: number;
  /** A struct sockaddr_in for each message, 16 bytes apart; all zero unless `names` was asked for. */
  readonly names: DataView;
  readonly #native: Native;
  readonly #messages: NativeMemory;
  readonly #iovs: NativeMemory;
  readonly #names: NativeMemory;
  readonly #control: NativeMemory;
  readonly #parts: number;

  /**
   * @param parts most pieces of a message, and how many it has until `shape` says otherwise
   * @param names whether each message has an IPv4 address (destination, or on receipt the source)
   */
  constructor(native: Native, slots: number, parts: number, names: boolean) {
    this.#native = native;
    this.slots = slots;
    this.#parts = parts;
    this.#messages = native.alloc(slots * MSG_WORDS * 4);
    this.#iovs = native.alloc(slots * parts * IOV_WORDS * 4);
    this.#names = native.alloc(names ? slots * NAME_BYTES : NAME_BYTES);
    this.names = this.#names.view;
    this.#control = native.alloc(slots * CONTROL_BYTES);
    const m = this.#messages.u32;
    for (let i = 0; i < slots; i++) {
      if (names) {
        putAddress(m, i * MSG_WORDS, this.#names.address + i * NAME_BYTES);
        m[i * MSG_WORDS + 2] = NAME_BYTES;
      }
      putAddress(m, i * MSG_WORDS + 4, this.#iovs.address + i * parts * IOV_WORDS * 4);
      m[i * MSG_WORDS + 6] = parts;
      putAddress(m, i * MSG_WORDS + 8, this.#control.address + i * CONTROL_BYTES);
      const c = (i * CONTROL_BYTES) / 4;
      this.#control.u32[c] = SEGMENT_LEN;
      this.#control.u32[c + 2] = SOL_UDP;
      this.#control.u32[c + 3] = UDP_SEGMENT;
    }
  }

  /** Says where piece `part` of message `i` lies. */
  set(i: number, part: number, address: number, bytes: number): void {
    const at = (i * this.#parts + part) * IOV_WORDS;
    putAddress(this.#iovs.u32, at, address);
    this.#iovs.u32[at + 2] = bytes;
  }

  /** Says how many pieces message `i` has, and the bytes of each datagram that UDP shall cut it into; 0 for one message. */
  shape(i: number, parts: number, segmentBytes: number): void {
    this.#messages.u32[i * MSG_WORDS + 6] = parts;
    this.#messages.u32[i * MSG_WORDS + 10] = segmentBytes === 0 ? 0 : CONTROL_BYTES;
    this.#control.u16[(i * CONTROL_BYTES) / 2 + 8] = segmentBytes;
  }

  /** Sends messages `from` to `to - 1`; returns how many the system took, or a negative errno when it refused the first. */
  send(fd: number, from: number, to: number): number {
    return this.#native.sendmmsg(fd, this.#messages.address + from * MSG_WORDS * 4, to - from, MSG_DONTWAIT);
  }

  /** Receives into messages `from` to `to - 1`; returns how many, or a negative errno (EAGAIN when there is none). */
  receive(fd: number, from: number, to: number): number {
    return this.#native.recvmmsg(fd, this.#messages.address + from * MSG_WORDS * 4, to - from, MSG_DONTWAIT);
  }

  /** Bytes of received message `i`. */
  length(i: number): number {
    return this.#messages.u32[i * MSG_WORDS + 14];
  }

  /** Whether received message `i` did not fit. */
  truncated(i: number): boolean {
    return (this.#messages.u32[i * MSG_WORDS + 12] & MSG_TRUNC) !== 0;
  }
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address; // a typed array keeps the low 32 bits
  words[at + 1] = address / WORD;
}
