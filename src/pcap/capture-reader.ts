// What every capture reader hands out: one frame at a time, where it lies in the source's window.
//
// A time is two numbers: whole milliseconds since the epoch, and the nanoseconds within that millisecond. One double
// cannot hold nanoseconds since 1970 (61 bits), and a BigInt would be an object for each packet.

import type { Batch } from '../base/batch.ts';
import { NearhopError } from '../base/errors.ts';
import type { CaptureSource } from './capture-source.ts';
import { describeLinkType, LINKTYPE_ETHERNET } from './link-type.ts';
import type { RecordLoops } from './record-loops.ts';

/** Longest frame of a capture; what libpcap allows for Ethernet (MAXIMUM_SNAPLEN). Longer ones are corrupt lengths. */
export const CAPLEN_MAX = 262_144;

/** Fewest bytes between two frames of a capture: the header of a record of classic pcap. */
export const RECORD_GAP = 16;

/** What a step came to: a frame, the end of the capture, or the end of what the source has for now. */
export const STEP_FRAME = 1;
export const STEP_END = 0;
export const STEP_MORE = -1;

export abstract class CaptureReader {
  /** Where the frame lies: `u8[off .. off + len - 1]`, valid until the source begins another lap. */
  readonly u8: Uint8Array;
  readonly view: DataView;
  off = 0;
  /** Bytes that were captured, without FCS. */
  len = 0;
  /** Bytes that were on the wire; more than `len` when the frame was cut short. */
  wireLen = 0;
  /** Time of the frame: whole ms since the Unix epoch. */
  timeMs = 0;
  /** ... and nanoseconds within that millisecond, 0..999999. */
  timeNs = 0;
  /** Frames handed out so far, so also the number of this one, from 1. */
  packets = 0;
  protected readonly source: CaptureSource;

  constructor(source: CaptureSource) {
    this.source = source;
    this.u8 = source.u8;
    this.view = source.view;
  }

  /** Name of the capture, for messages. */
  get name(): string {
    return this.source.name;
  }

  /**
   * Moves to the next frame as far as the source has bytes, and moves none of them: one of STEP_. Bytes of the file are always
   * left between two frames, at least the RECORD_GAP in front of each. Throws a NearhopError `capture-…` that names packet
   * and byte offset.
   */
  abstract step(): number;

  /**
   * Hands over the frames behind the one that it stands at, to the slots of a batch behind those in use: as many as are like most, and
   * at most `room`. Returns how many; 0 also where only `step` knows the format. For captures in the slab of the batch.
   */
  readInto(_loops: RecordLoops, _batch: Batch, _room: number, _port: number): number {
    return 0;
  }

  /** As `step`, and reads what it lacks at once; false at the end. */
  next(): boolean {
    for (;;) {
      const step = this.step();
      if (step !== STEP_MORE) return step === STEP_FRAME;
      this.source.refill();
    }
  }

  /** Reads once, at once: before anything is read ahead. */
  refill(): void {
    this.source.refill();
  }

  /** Begins a round of steps; false when the source must be waited for (see CaptureSource). */
  open(): boolean {
    return this.source.open();
  }

  close(): void {
    this.source.close();
  }

  /** Takes a frame of `len` of `wireLen` bytes at `off`, and `fcs` bytes of check sequence at its end. */
  protected hand(off: number, len: number, wireLen: number, fcs: number): void {
    this.off = off;
    // A frame that was cut short has lost its FCS first.
    const trailer = len >= wireLen && len >= fcs ? fcs : 0;
    this.len = len - trailer;
    this.wireLen = wireLen - trailer;
    this.packets++;
  }

  /** Checks the captured length of packet `packets + 1`. */
  protected checkLength(len: number, snaplen: number): void {
    if (len > CAPLEN_MAX) {
      throw this.fault('capture-corrupt', `captured length ${len} is beyond any frame (${CAPLEN_MAX})`);
    }
    if (snaplen !== 0 && len > snaplen) {
      throw this.fault(
        'capture-snaplen-exceeded',
        `captured length ${len} is above the capture's own limit (snaplen ${snaplen})`,
      );
    }
  }

  protected checkLinkType(linkType: number): void {
    if (linkType === LINKTYPE_ETHERNET) return;
    const [name, hint] = describeLinkType(linkType);
    throw this.fault('capture-link-type', `not an Ethernet capture (${name})`, hint);
  }

  /** An error about the packet that is being read, with its place. */
  protected fault(code: string, what: string, hint = HINTS[code]): NearhopError {
    const place = `packet ${this.packets + 1} at byte ${this.source.offset}`;
    return new NearhopError(
      code,
      `${this.source.name}: ${place}: ${what}`,
      hint === undefined ? {} : { hint },
    );
  }
}

const HINTS: Readonly<Record<string, string>> = {
  'capture-truncated':
    'the capture was cut off, perhaps while it was written or copied; `editcap IN OUT` saves the whole packets',
  'capture-corrupt':
    'the file is damaged from here on; capture or copy it again, or cut it before this packet (`editcap -r IN OUT 1-N`)',
  'capture-snaplen-exceeded':
    'the file is damaged, or its header is wrong: `editcap -s LENGTH IN OUT` writes it anew',
};
