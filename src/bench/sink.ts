// The sink of `bench wire`: keeps the frames that carry their time of sending, to check their contents and their way's length.
//
// The kernel writes them into a ring together with the time when they arrived, so the sink takes no CPU during a trial and its
// own scheduling does not show in a latency; it reads the ring when the trial is over. All other frames are counted by the
// tc filter that drops them (wire-topology.ts), which costs the device under test least: one look at the frame.

import { loadNative } from '../ports/native.ts';
import { SOL_PACKET, TP_STATUS_KERNEL, TP_STATUS_USER, tpMac, tpSnapLen } from '../ports/packet-ring.ts';
import { check } from '../ports/system-error.ts';
import { bindTo, openPacketSocket, programOf, setPacketOption } from './packet-socket.ts';
import { percentile } from './spread.ts';
import {
  type FrameFault,
  frameFault,
  STAMP_AT,
  stampedFrameFilter,
  ttlUnchanged,
  type WireMode,
} from './wire-frame.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const PACKET_RX_RING = 5;
const PACKET_VERSION = 10;
const PACKET_IGNORE_OUTGOING = 23;
const TPACKET_V2 = 1;
/** Header, address and the first 190 bytes of the frame. */
const SLOT_BYTES = 256;
const BLOCK_BYTES = 1 << 16;
const BLOCKS = 64;
const RING_BYTES = BLOCKS * BLOCK_BYTES;
export const SINK_SLOTS = RING_BYTES / SLOT_BYTES;
const PAGE = 4096;

/** What the sampled frames of one trial say. */
export interface Samples {
  readonly frames: number;
  /** How many were wrong, by what was wrong. */
  readonly faults: Readonly<Partial<Record<FrameFault, number>>>;
  /** How many of the right ones still had the TTL that they were sent with: always all of a bridge's. */
  readonly ttlUnchanged: number;
  /** One-way latency of the right ones, µs; NaN of none. */
  readonly latencyUs: {
    readonly lowest: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly highest: number;
  };
}

export class Sink {
  readonly #view: DataView;
  readonly #status: Int32Array;
  readonly #base: number;
  readonly #mode: WireMode;
  readonly #latency = new Float64Array(SINK_SLOTS);
  #head = 0;

  /** Opens `device` in the namespace of this process. */
  constructor(device: string, mode: WireMode) {
    const native = loadNative();
    this.#mode = mode;
    const fd = openPacketSocket(native);
    const program = programOf(native, stampedFrameFilter());
    check(
      native.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program.address, 16),
      'attach the filter of the sink',
    );
    setPacketOption(native, fd, PACKET_IGNORE_OUTGOING, 1);
    setPacketOption(native, fd, PACKET_VERSION, TPACKET_V2);
    const request = native.alloc(16);
    request.u32.set([BLOCK_BYTES, BLOCKS, SLOT_BYTES, SINK_SLOTS]);
    check(
      native.setsockopt(fd, SOL_PACKET, PACKET_RX_RING, request.address, 16),
      'make the ring of the sink',
    );
    const memory = native.alloc(RING_BYTES + PAGE);
    this.#base = (PAGE - (memory.address % PAGE)) % PAGE;
    check(native.mapFixed(memory.address + this.#base, RING_BYTES, fd), 'map the ring of the sink');
    this.#view = memory.view;
    this.#status = new Int32Array(memory.u8.buffer);
    bindTo(native, fd, device, true);
  }

  /** Takes all frames that arrived since the last call. */
  take(): Samples {
    const faults: Partial<Record<FrameFault, number>> = {};
    let frames = 0;
    let right = 0;
    let unchanged = 0;
    for (; frames < SINK_SLOTS; frames++) {
      const slot = this.#base + this.#head * SLOT_BYTES;
      if ((Atomics.load(this.#status, slot >>> 2) & TP_STATUS_USER) === 0) break;
      const off = slot + tpMac(this.#view, slot);
      const fault =
        tpSnapLen(this.#view, slot) < STAMP_AT + 8 ? 'ether-type' : frameFault(this.#view, off, this.#mode);
      if (fault === undefined) {
        this.#latency[right++] = this.#latencyUs(slot, off);
        if (ttlUnchanged(this.#view, off)) unchanged++;
      } else faults[fault] = (faults[fault] ?? 0) + 1;
      Atomics.store(this.#status, slot >>> 2, TP_STATUS_KERNEL);
      this.#head = this.#head + 1 === SINK_SLOTS ? 0 : this.#head + 1;
    }
    const sorted = this.#latency.subarray(0, right).sort();
    return {
      frames,
      faults,
      ttlUnchanged: unchanged,
      latencyUs: {
        lowest: percentile(sorted, 0),
        p50: percentile(sorted, 0.5),
        p90: percentile(sorted, 0.9),
        p99: percentile(sorted, 0.99),
        highest: percentile(sorted, 1),
      },
    };
  }

  /** From the time in the frame to the kernel's time of arrival (struct tpacket2_hdr: tp_sec, tp_nsec). */
  #latencyUs(slot: number, off: number): number {
    const view = this.#view;
    const seconds = view.getUint32(slot + 16, true) - view.getUint32(off + STAMP_AT, true);
    const ns = view.getUint32(slot + 20, true) - view.getUint32(off + STAMP_AT + 4, true);
    return seconds * 1e6 + ns / 1000;
  }
}
