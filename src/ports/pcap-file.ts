// A port whose outside is two captures: frames come in from one and what is sent goes to the other.
//
// In: the reader stands at the next frame; `rx` hands over frames until the batch is full, the time limit is reached, or a
// round has its bytes: as copies in a region of the slab, HEADROOM before each, or in place, when the capture is read into the
// slab. `rxRelease` ends the round. Without a limit frames come as fast as they are asked for.
// Out: `tx` writes each frame with the clock's time; frames that still lie as they were read are written as one piece.
// With `behind` the captures are read ahead and written behind, and `ready` says when the next round may be asked for.
// A fault of either file stops the port and stands in `failure`, as nothing may throw on the packet path.

import type { Batch } from '../base/batch.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import type { CaptureMemory } from '../pcap/capture-memory.ts';
import { type CaptureReader, STEP_FRAME, STEP_MORE } from '../pcap/capture-reader.ts';
import { CaptureWriter, type WriteBehind } from '../pcap/capture-writer.ts';
import { openCapture } from '../pcap/open-capture.ts';
import { createPortStats, type Port } from './port.ts';
import type { RoundTimes } from './round-times.ts';

/** Frames of one round: 256 of 1514 bytes with their headroom, or seven of the largest. */
const REGION_BYTES = 512 << 10;
/** What was sent is handed to the system at least this often, ms of the clock. */
const FLUSH_MS = 1000;

export interface PcapFilePortOptions {
  readonly id: PortId;
  readonly name: string;
  /** Capture to read, `-` for standard input; absent: nothing ever comes in. */
  readonly in?: string | undefined;
  /** Capture to write, `-` for standard output; absent: what is sent is counted and gone. */
  readonly out?: string | undefined;
  readonly macHi?: number;
  readonly macLo?: number;
  /** Largest L3 packet, bytes; default 1500. */
  readonly mtu?: number | undefined;
  readonly clock: Clock;
  /**
   * Memory of the slab for the capture to read: frames are handed over where they lie, with only RECORD_GAP bytes of headroom,
   * for gateways that put nothing in front of a frame, neither a tag nor a tunnel's header. Default: as copies with HEADROOM.
   */
  readonly memory?: CaptureMemory | undefined;
  /** For an owner that waits until `ready`: reads and writes go on meanwhile. Default: they are done when a call returns. */
  readonly behind?: WriteBehind;
  /** Times for what is sent, exact to the nanosecond; default: the clock's, to a quarter of a microsecond. */
  readonly times?: RoundTimes;
}

export interface PcapFilePort extends Port {
  readonly kind: 'pcap-file';
  /** Time of the next frame that `rx` would hand over: whole ms since the Unix epoch, infinity when there is none. */
  readonly nextMs: number;
  /** ... and nanoseconds within that ms. */
  readonly nextNs: number;
  /** Time of the latest frame so far, the next one included: ms since the Unix epoch, -infinity without any. */
  readonly latestMs: number;
  /** Frames so far that stand in the capture after a later one; they are handed over where they stand. */
  readonly outOfOrder: number;
  /** Whether the next round can be asked for at once; if not, when a read or write has ended. */
  ready(): boolean;
  /** Hands what was sent to the system. */
  flush(): void;
  /** Whether a write is pending: the port may not be closed then. */
  readonly writing: boolean;
  /** From now on `rx` hands over frames up to this time, and this one included. */
  limit(ms: number, ns: number): void;
}

/** Opens both captures. Throws a NearhopError `capture-…`. */
export function createPcapFilePort(options: PcapFilePortOptions, slab: Slab): PcapFilePort {
  const { memory, behind } = options;
  const reader = options.in === undefined ? undefined : openCapture(options.in, memory, behind?.io);
  try {
    const writer = options.out === undefined ? undefined : new CaptureWriter(options.out, behind);
    return new CapturePort(options, slab, reader, writer);
  } catch (error) {
    reader?.close();
    throw error;
  }
}

class CapturePort implements PcapFilePort {
  readonly kind = 'pcap-file';
  readonly offload = false;
  readonly l3Only = false;
  readonly pollFd = -1;
  readonly id: PortId;
  readonly name: string;
  readonly macHi: number;
  readonly macLo: number;
  readonly mtu: number;
  readonly stats = createPortStats();
  failure: NearhopError | undefined = undefined;
  outOfOrder = 0;

  readonly #slab: Slab;
  readonly #clock: Clock;
  readonly #times: RoundTimes | undefined;
  readonly #reader: CaptureReader | undefined;
  readonly #writer: CaptureWriter | undefined;
  readonly #inPlace: boolean;
  readonly #isBehind: boolean;
  /** Where copies go. */
  readonly #region: number;
  #used = 0;
  /** The next frame belongs to another round. */
  #atRoundEnd = false;
  /** Whether the reader stands at a frame that was not handed over yet. */
  #waiting = false;
  #latestMs = Number.NEGATIVE_INFINITY;
  #latestNs = 0;
  #limitMs = Number.POSITIVE_INFINITY;
  #limitNs = 0;
  #nextFlushMs: number;
  #closed = false;

  constructor(
    options: PcapFilePortOptions,
    slab: Slab,
    reader: CaptureReader | undefined,
    writer: CaptureWriter | undefined,
  ) {
    this.id = options.id;
    this.name = options.name;
    this.macHi = options.macHi ?? 0;
    this.macLo = options.macLo ?? 0;
    this.mtu = options.mtu ?? 1500;
    this.#slab = slab;
    this.#clock = options.clock;
    this.#times = options.times;
    this.#reader = reader;
    this.#writer = writer;
    this.#inPlace = options.memory !== undefined;
    this.#isBehind = options.behind !== undefined;
    this.#region = this.#inPlace || reader === undefined ? 0 : slab.reserve(REGION_BYTES);
    this.#nextFlushMs = this.#clock.nowMs() + FLUSH_MS;
    this.#standAtFirst();
  }

  get ended(): boolean {
    return !this.#waiting && !this.#atRoundEnd;
  }

  get nextMs(): number {
    return this.#waiting && this.#reader !== undefined ? this.#reader.timeMs : Number.POSITIVE_INFINITY;
  }

  get latestMs(): number {
    return this.#latestMs + this.#latestNs / 1e6;
  }

  get nextNs(): number {
    return this.#waiting && this.#reader !== undefined ? this.#reader.timeNs : 0;
  }

  limit(ms: number, ns: number): void {
    this.#limitMs = ms;
    this.#limitNs = ns;
  }

  rx(batch: Batch, max: number): number {
    this.#flushIfDue();
    const reader = this.#reader;
    if (reader === undefined) return 0;
    const most = Math.min(max, batch.room);
    let n = 0;
    let bytes = 0;
    for (; n < most && this.#waiting && this.#due(reader); n++) {
      const { off, len } = reader;
      const at = this.#inPlace ? off : this.#copy(reader);
      if (at < 0) break;
      const slot = batch.add(at, len, this.id, 0);
      this.#times?.arrive(slot, reader.timeMs, reader.timeNs);
      bytes += len;
      if (this.#inPlace && this.#times !== undefined && n + 1 < most) {
        const more = this.#readMore(reader, batch, most - n - 1, this.#times);
        if (more > 0) bytes += this.#times.loops.bytes;
        n += more;
      }
      this.#advance(reader);
    }
    this.stats.rxBytes += bytes;
    this.stats.rxPackets += n;
    return n;
  }

  rxRelease(): void {
    this.#used = 0;
    if (!this.#isBehind) this.ready();
  }

  ready(): boolean {
    const reader = this.#reader;
    const writer = this.#writer;
    if (writer?.fault !== undefined) this.#fail(writer.fault);
    if (this.failure !== undefined || this.#closed) return true;
    try {
      while (reader !== undefined) {
        if (!reader.open()) return false;
        if (!this.#atRoundEnd) break;
        this.#advance(reader);
      }
    } catch (error) {
      this.#fail(error);
    }
    return writer === undefined || writer.ready;
  }

  get writing(): boolean {
    return this.#writer?.writing === true;
  }

  flush(): void {
    try {
      this.#writer?.flush();
    } catch (error) {
      this.#fail(error);
    }
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    let done = 0;
    let bytes = 0;
    if (this.failure === undefined && !this.#closed) {
      const times = this.#times;
      const writer = this.#writer;
      const wallMs = this.#clock.wallMs();
      const ms = Math.floor(wallMs);
      const ns = Math.floor((wallMs - ms) * 1e6);
      const asRun = times !== undefined && idx.buffer === this.#slab.buffer;
      if (asRun) times.tellNow();
      try {
        while (done < n) {
          if (asRun && writer !== undefined) {
            const to = writer.writeRun(times.loops, batch, idx, done, n, times.received);
            if (to > done) bytes += times.loops.bytes;
            done = to;
            if (done === n) break;
          }
          const i = idx[done++];
          const off = batch.off[i];
          const len = batch.len[i];
          if (times === undefined) writer?.writeInPlace(batch.u8, batch.view, off, len, ms, ns);
          else writer?.writeInPlace(batch.u8, batch.view, off, len, times.ms(i), times.ns(i));
          bytes += len;
        }
        writer?.endRun(batch.u8, batch.view);
      } catch (error) {
        this.#fail(error);
      }
    }
    this.stats.txPackets += done;
    this.stats.txBytes += bytes;
    this.stats.txDropped += n - done;
    return done;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = false;
    this.#reader?.close();
    try {
      this.#writer?.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Adds frames that follow on the reader's and are like most, at most `room`. */
  #readMore(reader: CaptureReader, batch: Batch, room: number, times: RoundTimes): number {
    const { loops } = times;
    loops.setLimit(this.#limitMs, this.#limitNs);
    loops.setLatest(this.#latestMs, this.#latestNs);
    const n = reader.readInto(loops, batch, room, this.id);
    if (n === 0) return 0;
    this.#latestMs = loops.latestMs;
    this.#latestNs = loops.latestNs;
    times.arrived(batch.count, this.#latestMs, this.#latestNs);
    return n;
  }

  /** Copies the reader's frame into the region; returns its place, -1 when there is no room. */
  #copy({ u8, view, off, len }: CaptureReader): number {
    const at = this.#used + HEADROOM;
    if (at + len > REGION_BYTES) return -1;
    copyBytes(this.#slab.u8, this.#slab.view, this.#region + at, u8, view, off, len);
    this.#used = (at + len + 63) & -64;
    return this.#region + at;
  }

  #due(reader: CaptureReader): boolean {
    return (
      reader.timeMs < this.#limitMs || (reader.timeMs === this.#limitMs && reader.timeNs <= this.#limitNs)
    );
  }

  /** Before anything is read ahead. */
  #standAtFirst(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    try {
      for (;;) {
        this.#advance(reader);
        if (!this.#atRoundEnd) break;
        reader.refill();
      }
      if (!this.#isBehind) reader.open();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Moves to the next whole frame; those that were cut short are counted and passed over. */
  #advance(reader: CaptureReader): void {
    this.#waiting = false;
    this.#atRoundEnd = false;
    try {
      for (;;) {
        const step = reader.step();
        if (step !== STEP_FRAME) {
          this.#atRoundEnd = step === STEP_MORE;
          return;
        }
        if (reader.len >= reader.wireLen && reader.len <= FRAME_MAX) {
          this.#waiting = true;
          this.#checkOrder(reader);
          return;
        }
        this.stats.rxTruncated++;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #checkOrder({ timeMs, timeNs }: CaptureReader): void {
    if (timeMs < this.#latestMs || (timeMs === this.#latestMs && timeNs < this.#latestNs)) {
      this.outOfOrder++;
      return;
    }
    this.#latestMs = timeMs;
    this.#latestNs = timeNs;
  }

  #flushIfDue(): void {
    const now = this.#clock.nowMs();
    if (now < this.#nextFlushMs || this.failure !== undefined) return;
    this.#nextFlushMs = now + FLUSH_MS;
    this.flush();
  }

  #fail(error: unknown): void {
    if (!(error instanceof NearhopError)) throw error;
    this.failure ??= error;
  }
}
