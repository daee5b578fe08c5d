// Writes captures: classic pcap, little-endian, nanoseconds.
//
// Nanoseconds, because replayed frames keep the times that came in; classic pcap, because every tool reads it and the same
// frames give the same bytes (pcapng invites host names and comments); little-endian, the order of nearly every host.

import { closeSync, openSync, writeSync } from 'node:fs';
import { copyBytes } from '../base/bytes.ts';
import { assert, NearhopError } from '../base/errors.ts';
import { CAPLEN_MAX } from './capture-reader.ts';
import { waitForPipe } from './capture-source.ts';
import { LINKTYPE_ETHERNET } from './link-type.ts';
import { PCAP_HEADER_LEN, PCAP_MAGIC_NS, PCAP_RECORD_LEN } from './pcap-reader.ts';

const BUFFER_BYTES = 1 << 20;
/** From here on one `set` of a view is faster than a copy word by word. */
const RUN_BYTES = 256;

export class CaptureWriter {
  /** Name for messages: the path, or `standard output`. */
  readonly name: string;
  /** Frames written so far. */
  packets = 0;
  readonly #fd: number;
  readonly #u8 = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#u8.buffer);
  #used = 0;
  /** Frames of `writeInPlace` that are not copied yet: offsets in the caller's memory, where 0 is no frame. */
  #runStart = 0;
  #runEnd = 0;
  /** The last frame's whole ms, and what the record's header makes of it: most frames of a round share it. */
  #timeMs = 0;
  #seconds = 0;
  #msAsNs = 0;
  #open = true;

  /** Creates or empties the file, or takes standard output for `-`. Throws `capture-write-failed`. */
  constructor(path: string) {
    this.name = path === '-' ? 'standard output' : path;
    try {
      this.#fd = path === '-' ? 1 : openSync(path, 'w');
    } catch (cause) {
      throw this.#fault(cause);
    }
    const view = this.#view;
    view.setUint32(0, PCAP_MAGIC_NS, true);
    view.setUint16(4, 2, true);
    view.setUint16(6, 4, true);
    view.setUint32(16, CAPLEN_MAX, true);
    view.setUint32(20, LINKTYPE_ETHERNET, true);
    this.#used = PCAP_HEADER_LEN;
  }

  /**
   * Adds a frame as `write` does, and writes its record's header into the 16 bytes in front of it. Frames that lie
   * one behind the other are copied as one piece: call `endRun` before any of them is changed or moved.
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
      this.endRun(u8, view);
      this.#runStart = at;
    }
    this.#runEnd = off + len;
    this.#header(view, at, len, timeMs, timeNs);
    this.packets++;
  }

  /** Takes over the frames of `writeInPlace`. Throws as `flush` does. */
  endRun(u8: Uint8Array, view: DataView): void {
    const start = this.#runStart;
    const len = this.#runEnd - start;
    this.#runStart = 0;
    this.#runEnd = 0;
    if (this.#used + len > BUFFER_BYTES) this.flush();
    if (len > BUFFER_BYTES) this.#writeOut(u8, start, start + len);
    else {
      if (len < RUN_BYTES) copyBytes(this.#u8, this.#view, this.#used, u8, view, start, len);
      else this.#u8.set(u8.subarray(start, start + len), this.#used);
      this.#used += len;
    }
  }

  /** Adds a frame of time `timeMs` (ms since the Unix epoch) + `timeNs` (0..999999). Throws as `flush` does. */
  write(u8: Uint8Array, view: DataView, off: number, len: number, timeMs: number, timeNs: number): void {
    assert(this.#open && len <= CAPLEN_MAX, 'a writer that is open, and a frame');
    if (this.#used + PCAP_RECORD_LEN + len > BUFFER_BYTES) this.flush();
    const at = this.#used;
    this.#header(this.#view, at, len, timeMs, timeNs);
    copyBytes(this.#u8, this.#view, at + PCAP_RECORD_LEN, u8, view, off, len);
    this.#used = at + PCAP_RECORD_LEN + len;
    this.packets++;
  }

  /** Hands what is buffered to the system. Throws `capture-write-failed`, or `capture-output-closed` for a closed pipe. */
  flush(): void {
    const end = this.#used;
    this.#used = 0;
    this.#writeOut(this.#u8, 0, end);
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

  #writeOut(u8: Uint8Array, from: number, end: number): void {
    for (let done = from; done < end; ) {
      try {
        done += writeSync(this.#fd, u8, done, end - done);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') throw this.#fault(cause);
        waitForPipe();
      }
    }
  }

  /** Writes the rest and closes the file; idempotent. Throws as `flush` does, with the file closed. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.flush();
    } finally {
      if (this.#fd !== 1) closeSync(this.#fd);
    }
  }

  #fault(cause: unknown): NearhopError {
    if ((cause as NodeJS.ErrnoException).code === 'EPIPE') {
      return new NearhopError('capture-output-closed', `${this.name}: the reader of the pipe has gone`, {
        cause,
      });
    }
    return new NearhopError('capture-write-failed', `${this.name}: ${(cause as Error).message}`, {
      hint: 'check that the directory exists, is writable and has room',
      cause,
    });
  }
}
