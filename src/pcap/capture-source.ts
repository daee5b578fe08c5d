// The bytes of a capture, from a file or a pipe, through one window of fixed size: memory does not grow with the capture.
//
// A reader asks `fill(n)` for the next n bytes, looks at them where they lie (`u8`, `view`, from `pos` on) and moves `pos`.
// Only `fill` and `skip` move bytes, so what a reader looks at stands still until it asks for more.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { NearhopError } from '../base/errors.ts';

/** Bytes of the window, so also of a read. A 60-byte packet takes 17 ns by reads of 1 MiB, 19 by 64 KiB, 18 by 4 MiB. */
export const WINDOW_BYTES = 1 << 20;
/** Longest record or block that a reader may ask for at once. */
export const RECORD_MAX = WINDOW_BYTES / 2;

/** Where a window of WINDOW_BYTES is: its first byte in a larger piece of memory. */
export interface WindowMemory {
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly start: number;
}

function ownMemory(): WindowMemory {
  const u8 = new Uint8Array(WINDOW_BYTES);
  return { u8, view: new DataView(u8.buffer), start: 0 };
}

/** Reads up to `len` bytes to `buf[off..]`; 0 at the end. */
export type ReadBytes = (buf: Uint8Array, off: number, len: number) => number;

export class CaptureSource {
  /** Name for messages: the path, or `standard input`. */
  readonly name: string;
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Place of the next byte in `u8`. */
  pos: number;
  readonly #start: number;
  #end: number;
  /** Bytes of the capture before the window. */
  #before = 0;
  #atEnd = false;
  readonly #read: ReadBytes;
  readonly #close: () => void;

  constructor(name: string, read: ReadBytes, close: () => void = () => {}, memory = ownMemory()) {
    this.name = name;
    this.#read = read;
    this.#close = close;
    this.u8 = memory.u8;
    this.view = memory.view;
    this.#start = memory.start;
    this.pos = memory.start;
    this.#end = memory.start;
  }

  /** Bytes of the capture before `pos`. */
  get offset(): number {
    return this.#before + this.pos - this.#start;
  }

  /** Bytes that are in the window from `pos` on: after a failed `fill`, all that the capture still has. */
  get available(): number {
    return this.#end - this.pos;
  }

  /** Makes `n` bytes (at most RECORD_MAX) available from `pos` on; false when the capture ends before that. */
  fill(n: number): boolean {
    return this.#end - this.pos >= n || this.#refill(n);
  }

  /** Moves on by `n` bytes, however many; false when the capture ends before that. */
  skip(n: number): boolean {
    let left = n;
    while (left > this.available) {
      left -= this.available;
      this.pos = this.#end;
      if (!this.fill(1)) return false;
    }
    this.pos += left;
    return true;
  }

  close(): void {
    this.#atEnd = true;
    this.#close();
  }

  #refill(n: number): boolean {
    this.u8.copyWithin(this.#start, this.pos, this.#end);
    this.#before += this.pos - this.#start;
    this.#end -= this.pos - this.#start;
    this.pos = this.#start;
    // Until the window is full, however little a pipe gives at once: where windows end depends on the capture alone, and so
    // do the rounds of a replay.
    const windowEnd = this.#start + WINDOW_BYTES;
    while (this.#end < windowEnd && !this.#atEnd) {
      const got = this.#read(this.u8, this.#end, windowEnd - this.#end);
      if (got === 0) this.#atEnd = true;
      this.#end += got;
    }
    return this.available >= n;
  }
}

/** Opens a file, or standard input for `-`. Throws `capture-open-failed`, later `capture-read-failed`. */
export function openCaptureSource(path: string, memory?: WindowMemory): CaptureSource {
  if (path === '-') {
    const read: ReadBytes = (buf, off, len) => readInput(0, path, buf, off, len);
    return new CaptureSource('standard input', read, undefined, memory);
  }
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw openFailed(path, cause);
  }
  if (fstatSync(fd).isDirectory()) {
    closeSync(fd);
    throw new NearhopError('capture-open-failed', `${path}: is a directory`, {
      hint: 'name one capture file',
    });
  }
  let open = true;
  return new CaptureSource(
    path,
    (buf, off, len) => readInput(fd, path, buf, off, len),
    () => {
      if (open) closeSync(fd);
      open = false;
    },
    memory,
  );
}

function openFailed(path: string, cause: unknown): NearhopError {
  const code = (cause as NodeJS.ErrnoException).code;
  const [what, hint] =
    code === 'ENOENT'
      ? ['no such file', 'check the path; `-` reads standard input']
      : code === 'EACCES'
        ? ['permission denied', 'make the file readable for this user']
        : [String((cause as Error).message), 'check the path'];
  return new NearhopError('capture-open-failed', `${path}: ${what}`, { hint, cause });
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps this thread: a pipe that another program made non-blocking says EAGAIN where it should have waited. */
export function waitForPipe(): void {
  Atomics.wait(sleeper, 0, 0, 2);
}

function readInput(fd: number, path: string, buf: Uint8Array, off: number, len: number): number {
  for (;;) {
    try {
      return readSync(fd, buf, off, len, null);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') waitForPipe();
      else if (code === 'EOF') return 0;
      else {
        throw new NearhopError('capture-read-failed', `${path}: ${(cause as Error).message}`, {
          hint: 'the file or its disk cannot be read; copy it elsewhere and try again',
          cause,
        });
      }
    }
  }
}
