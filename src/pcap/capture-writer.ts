// Writes captures: classic pcap, little-endian, nanoseconds.
//
// Nanoseconds, because replayed frames keep the times that came in; classic pcap, because every tool reads it and the same
// frames give the same bytes (pcapng invites host names and comments); little-endian, the order of nearly every host.
//
// Frames are copied to a buffer, which is written when it is full. Frames that lie one behind the other in the memory of a
// capture need no copy when the writer writes behind (CaptureQueue): a run of them is written from there.

import type { Batch } from '../base/batch.ts';
import { copyBytes } from '../base/bytes.ts';
import { assert, type NearhopError } from '../base/errors.ts';
import { openCaptureOutput } from './capture-file.ts';
import type { CaptureMemory } from './capture-memory.ts';
import { CaptureQueue } from './capture-queue.ts';
import { CAPLEN_MAX } from './capture-reader.ts';
import { LINKTYPE_ETHERNET } from './link-type.ts';
import { PCAP_HEADER_LEN, PCAP_MAGIC_NS, PCAP_RECORD_LEN } from './pcap-reader.ts';
import type { PendingIo } from './pending-io.ts';
import type { RecordLoops } from './record-loops.ts';

const BUFFER_BYTES = 1 << 20;
/** From here on one `set` of a view is faster than a copy word by word. */
const RUN_BYTES = 256;
/** From here on a run is written where it lies: a write costs as much as copying some KiB. */
const LONG_RUN_BYTES = 32 << 10;
/** A run is handed on at this length, so that its place is free again soon. */
const FULL_RUN_BYTES = 1 << 20;

/** What a writer needs to write behind: the memories whose frames stay where they are, and what waits for it. */
export interface WriteBehind {
  readonly memories: readonly CaptureMemory[];
  readonly io: PendingIo;
}

export class CaptureWriter {
  /** Frames written so far. */
  packets = 0;
  readonly #queue: CaptureQueue;
  readonly #memories: readonly CaptureMemory[];
  #u8: Uint8Array = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#u8.buffer);
  #used = 0;
  /** Frames of `writeInPlace` that are not copied yet: offsets in the caller's memory, where 0 is no frame. */
  #runStart = 0;
  #runEnd = 0;
  /** The memory that holds the run up to `#heldEnd`; undefined while the run is the caller's. */
  #memory: CaptureMemory | undefined;
  #heldEnd = 0;
  /** The last frame's whole ms, and what the record's header makes of it: most frames of a round share it. */
  #timeMs = 0;
  #seconds = 0;
  #msAsNs = 0;
  #open = true;

  /** Creates or empties the file, or takes standard output for `-`. Throws `capture-write-failed`. */
  constructor(path: string, behind?: WriteBehind, output = openCaptureOutput(path)) {
    this.#queue = new CaptureQueue(output, behind?.io);
    this.#memories = behind?.memories ?? [];
    const view = this.#view;
    view.setUint32(0, PCAP_MAGIC_NS, true);
    view.setUint16(4, 2, true);
    view.setUint16(6, 4, true);
    view.setUint32(16, CAPLEN_MAX, true);
    view.setUint32(20, LINKTYPE_ETHERNET, true);
    this.#used = PCAP_HEADER_LEN;
  }

  /** Whether there is no need to wait before more is written. */
  get ready(): boolean {
    return this.#queue.ready;
  }

  /** Whether a write is pending. */
  get writing(): boolean {
    return !this.#queue.idle;
  }

  /** What a write behind has come to. */
  get fault(): NearhopError | undefined {
    return this.#queue.fault;
  }

  /**
   * Adds a frame as `write` does, and writes its record's header into the 16 bytes in front of it. Frames that lie
   * one behind the other are taken as one piece: call `endRun` before any of them is changed or moved.
   */
  writeInPlace(
    u8: Uint8Array,
    view: DataView,
    off: number,
    len: number,
    timeMs: number,
    timeNs: number,
  ): void {
    assert(this.#open && len <= CAPLEN_MAX, 'a writer that is open, and a frame');
    const at = off - PCAP_RECORD_LEN;
    if (at !== this.#runEnd) {
      this.#takeRun(u8, view);
      this.#runStart = at;
    }
    this.#runEnd = off + len;
    this.#header(view, at, len, timeMs, timeNs);
    this.packets++;
  }

  /**
   * As `writeInPlace`, of the slots `idx[from..n-1]`, as long as each lies behind the one before it; those from `received` on have the
   * time that is now. Returns the position of the first that does not. `idx` lies in the slab.
   */
  writeRun(
    loops: RecordLoops,
    batch: Batch,
    idx: Uint16Array,
    from: number,
    n: number,
    received: number,
  ): number {
    if (this.#runEnd === 0) return from;
    const done = loops.write(batch, idx, from, n, received, this.#runEnd);
    this.#runEnd = loops.place;
    this.packets += done - from;
    return done;
  }

  /** Takes over the frames of `writeInPlace`; those in the memory of a capture stay there, held. Throws as `flush` does. */
  endRun(u8: Uint8Array, view: DataView): void {
    if (this.#runEnd === 0) return;
    const memory = this.#memory ?? this.#memories.find((m) => m.has(u8, this.#runStart));
    if (memory === undefined) {
      this.#takeRun(u8, view);
      return;
    }
    memory.hold(this.#runStart, this.#runEnd, this.#heldEnd);
    this.#memory = memory;
    this.#heldEnd = this.#runEnd;
    const len = this.#runEnd - this.#runStart;
    if (len >= FULL_RUN_BYTES || (len >= LONG_RUN_BYTES && this.#queue.idle)) this.#takeRun(u8, view);
  }

  /** Adds a frame of time `timeMs` (ms since the Unix epoch) + `timeNs` (0..999999). Throws as `flush` does. */
  write(u8: Uint8Array, view: DataView, off: number, len: number, timeMs: number, timeNs: number): void {
    assert(this.#open && len <= CAPLEN_MAX, 'a writer that is open, and a frame');
    this.#closeRun();
    if (this.#used + PCAP_RECORD_LEN + len > BUFFER_BYTES) this.#handOn();
    const at = this.#used;
    this.#header(this.#view, at, len, timeMs, timeNs);
    copyBytes(this.#u8, this.#view, at + PCAP_RECORD_LEN, u8, view, off, len);
    this.#used = at + PCAP_RECORD_LEN + len;
    this.packets++;
  }

  /**
   * Hands what is there to the system. Throws what that or an earlier write came to: `capture-write-failed`, or
   * `capture-output-closed` for a closed pipe.
   */
  flush(): void {
    this.#closeRun();
    this.#handOn();
  }

  /** Writes the rest and closes the file; idempotent, and only when no write is pending. Throws as `flush` does. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#queue.atOnce();
    try {
      this.flush();
    } finally {
      this.#queue.close();
    }
  }

  #closeRun(): void {
    if (this.#memory !== undefined) this.#takeRun(this.#memory.u8, this.#memory.view);
  }

  /** Ends the run: as a copy when it is short or the caller's, and to be written from where it lies when it is long and held. */
  #takeRun(u8: Uint8Array, view: DataView): void {
    const start = this.#runStart;
    const end = this.#runEnd;
    const memory = this.#memory;
    memory?.hold(start, end, this.#heldEnd);
    this.#runStart = 0;
    this.#runEnd = 0;
    this.#memory = undefined;
    this.#heldEnd = 0;
    try {
      if (memory !== undefined && end - start >= LONG_RUN_BYTES) {
        this.#handOn();
        this.#queue.writeHeld(memory, start, end - start);
      } else this.#copy(u8, view, start, end);
    } finally {
      memory?.release(start, end);
    }
  }

  #copy(u8: Uint8Array, view: DataView, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#used === BUFFER_BYTES) this.#handOn();
      const len = Math.min(end - at, BUFFER_BYTES - this.#used);
      if (len < RUN_BYTES) copyBytes(this.#u8, this.#view, this.#used, u8, view, at, len);
      else this.#u8.set(u8.subarray(at, at + len), this.#used);
      this.#used += len;
      at += len;
    }
  }

  #handOn(): void {
    const len = this.#used;
    if (len === 0) return;
    this.#used = 0;
    this.#u8 = this.#queue.writeBuffer(this.#u8, len);
    if (this.#view.buffer !== this.#u8.buffer) this.#view = new DataView(this.#u8.buffer);
  }

  #header(view: DataView, at: number, len: number, timeMs: number, timeNs: number): void {
    if (timeMs !== this.#timeMs) {
      this.#timeMs = timeMs;
      this.#seconds = Math.floor(timeMs / 1000);
      this.#msAsNs = (timeMs - this.#seconds * 1000) * 1e6;
    }
    view.setUint32(at, this.#seconds, true);
    view.setUint32(at + 4, this.#msAsNs + timeNs, true);
    view.setUint32(at + 8, len, true);
    view.setUint32(at + 12, len, true);
  }
}
