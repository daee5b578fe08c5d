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

export class CaptureWriter {
  /** Name for messages: the path, or `standard output`. */
  readonly name: string;
  /** Frames written so far. */
  packets = 0;
  readonly #fd: number;
  readonly #u8 = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#u8.buffer);
  #used = 0;
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

  /** Adds a frame of time `timeMs` (ms since the Unix epoch) + `timeNs` (0..999999). Throws as `flush` does. */
  write(u8: Uint8Array, view: DataView, off: number, len: number, timeMs: number, timeNs: number): void {
    assert(this.#open && len <= CAPLEN_MAX, 'a writer that is open, and a frame');
    if (this.#used + PCAP_RECORD_LEN + len > BUFFER_BYTES) this.flush();
    const at = this.#used;
    const seconds = Math.floor(timeMs / 1000);
    this.#view.setUint32(at, seconds, true);
    this.#view.setUint32(at + 4, (timeMs - seconds * 1000) * 1e6 + timeNs, true);
    this.#view.setUint32(at + 8, len, true);
    this.#view.setUint32(at + 12, len, true);
    copyBytes(this.#u8, this.#view, at + PCAP_RECORD_LEN, u8, view, off, len);
    this.#used = at + PCAP_RECORD_LEN + len;
    this.packets++;
  }

  /** Hands what is buffered to the system. Throws `capture-write-failed`, or `capture-output-closed` for a closed pipe. */
  flush(): void {
    const end = this.#used;
    this.#used = 0;
    for (let done = 0; done < end; ) {
      try {
        done += writeSync(this.#fd, this.#u8, done, end - done);
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
