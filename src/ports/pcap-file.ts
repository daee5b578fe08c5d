// A port whose outside is two captures: frames come in from one and what is sent goes to the other.
//
// In: the reader stands at the next frame; `rx` hands over frames until the batch is full or the time limit is reached: as
// copies in a region of the slab, HEADROOM before each, or in place, when the read window lies in the slab. `rxRelease` makes
// region and window free again. Without a limit frames come as fast as they are asked for.
// Out: `tx` writes each frame with the clock's time; frames that still lie as they were read are written as one piece.
// A fault of either file stops the port and stands in `failure`, as nothing may throw on the packet path.

import { BATCH_SLOTS, type Batch } from '../base/batch.ts';
import { copyBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import type { CaptureReader } from '../pcap/capture-reader.ts';
import { WINDOW_BYTES } from '../pcap/capture-source.ts';
import { CaptureWriter } from '../pcap/capture-writer.ts';
import { openCapture } from '../pcap/open-capture.ts';
import { createPortStats, type Port } from './port.ts';

/** Frames of one round: 256 of 1514 bytes with their headroom, or seven of the largest. */
const REGION_BYTES = 512 << 10;
/** What was sent is handed to the system at least this often, ms of the clock. */
const FLUSH_MS = 1000;

/**
 * Times of the frames of one round, for ports that write captures: a received frame leaves with the time it came, what the
 * gateway makes with the time of the round. Whole ms since the Unix epoch, and nanoseconds within that ms.
 */
export class RoundTimes {
  readonly #ms = new Float64Array(BATCH_SLOTS);
  readonly #ns = new Int32Array(BATCH_SLOTS);
  #received = 0;
  #nowMs = 0;
  #nowNs = 0;

  /** A new round begins. */
  begin(ms: number, ns: number): void {
    this.#received = 0;
    this.#nowMs = ms;
    this.#nowNs = ns;
  }

  /** Slot `slot` holds a frame of this time; the round is at least as late. */
  arrive(slot: number, ms: number, ns: number): void {
    this.#ms[slot] = ms;
    this.#ns[slot] = ns;
    this.#received = slot + 1;
    if (ms > this.#nowMs || (ms === this.#nowMs && ns > this.#nowNs)) {
      this.#nowMs = ms;
      this.#nowNs = ns;
    }
  }

  ms(slot: number): number {
    return slot < this.#received ? this.#ms[slot] : this.#nowMs;
  }

  ns(slot: number): number {
    return slot < this.#received ? this.#ns[slot] : this.#nowNs;
  }
}

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
   * Frames are handed over where they lie in the read window, with only RECORD_GAP bytes of headroom: for gateways that put
   * nothing in front of a frame, neither a tag nor a tunnel's header. Default: as copies with HEADROOM.
   */
  readonly inPlace?: boolean;
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
  /** From now on `rx` hands over frames up to this time, and this one included. */
  limit(ms: number, ns: number): void;
}

/** Opens both captures. Throws a NearhopError `capture-…`. */
export function createPcapFilePort(options: PcapFilePortOptions, slab: Slab): PcapFilePort {
  const memory =
    options.inPlace === true
      ? { u8: slab.u8, view: slab.view, start: slab.reserve(WINDOW_BYTES) }
      : undefined;
  const reader = options.in === undefined ? undefined : openCapture(options.in, memory);
  try {
    const writer = options.out === undefined ? undefined : new CaptureWriter(options.out);
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
  /** Where copies go. */
  readonly #region: number;
  #used = 0;
  /** The reader must move bytes to come to the next frame, and waits until the frames that were handed over are back. */
  #behind = false;
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
    this.#inPlace = options.inPlace === true;
    this.#region = this.#inPlace ? 0 : slab.reserve(REGION_BYTES);
    this.#nextFlushMs = this.#clock.nowMs() + FLUSH_MS;
    this.#advance(false);
  }

  get ended(): boolean {
    return !this.#waiting && !this.#behind;
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
      this.#advance(this.#inPlace);
    }
    this.stats.rxBytes += bytes;
    this.stats.rxPackets += n;
    return n;
  }

  rxRelease(): void {
    this.#used = 0;
    if (!this.#behind) return;
    this.#behind = false;
    this.#advance(false);
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
      try {
        for (; done < n; done++) {
          const i = idx[done];
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

  /**
   * Moves to the next whole frame; those that were cut short are counted and passed over. Frames that are `held` by the
   * gateway must stay where they are.
   */
  #advance(held: boolean): void {
    const reader = this.#reader;
    this.#waiting = false;
    if (reader === undefined) return;
    try {
      for (;;) {
        if (held && !reader.nextInPlace) {
          this.#behind = true;
          return;
        }
        if (!reader.next()) return;
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
    try {
      this.#writer?.flush();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof NearhopError)) throw error;
    this.failure ??= error;
  }
}
