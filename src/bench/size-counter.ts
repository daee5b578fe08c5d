// Counts the frames of a capture that come out of the device under test, by their size (SIZE_CLASSES), in the sink's namespace.
//
// A fanout group of packet sockets (packet(7), PACKET_FANOUT_CBPF): one classic BPF program looks at a frame once and says whose it
// is, and that socket counts it. Nobody reads them, and with the least of buffers they soon hold no more; what the kernel then
// only counts as dropped is the cheapest count by size there is without eBPF.

import { loadNative, type Native, type NativeMemory } from '../ports/native.ts';
import { SOL_PACKET } from '../ports/packet-ring.ts';
import { check } from '../ports/system-error.ts';
import { bindTo, openPacketSocket, programOf, setOption, setPacketOption } from './packet-socket.ts';
import { SIZE_CLASSES } from './traffic.ts';
import { sizeProgram, type WireMode } from './wire-frame.ts';

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const PACKET_STATISTICS = 6;
const PACKET_FANOUT = 18;
const PACKET_FANOUT_DATA = 22;
const FANOUT_CBPF = 6;
/** Fanout groups are numbered for each namespace, and this is the sink's only one. */
const GROUP = 1;

export class SizeCounter {
  readonly #native: Native;
  readonly #fds: readonly number[];
  readonly #memory: NativeMemory;

  /** Opens `device` in the namespace of this process. What that sends itself has other MACs and is not counted. */
  constructor(device: string, mode: WireMode) {
    const native = loadNative();
    this.#native = native;
    this.#memory = native.alloc(16);
    // The last socket gets all other frames.
    this.#fds = Array.from({ length: SIZE_CLASSES.length + 1 }, () => {
      const fd = openPacketSocket(native);
      setOption(native, fd, SOL_SOCKET, SO_RCVBUF, 0);
      bindTo(native, fd, device, true);
      setPacketOption(native, fd, PACKET_FANOUT, GROUP | (FANOUT_CBPF << 16));
      return fd;
    });
    const program = programOf(native, sizeProgram(mode, SIZE_CLASSES));
    check(
      native.setsockopt(this.#fds[0], SOL_PACKET, PACKET_FANOUT_DATA, program.address, 16),
      'tell sizes apart',
    );
    this.take();
  }

  /** Frames of each of SIZE_CLASSES since the last call (struct tpacket_stats, which a look resets). */
  take(): number[] {
    const { u32, address } = this.#memory;
    return this.#fds.slice(0, SIZE_CLASSES.length).map((fd) => {
      u32[2] = 8;
      check(
        this.#native.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, address, address + 8),
        'count frames by size',
      );
      return u32[0];
    });
  }
}
