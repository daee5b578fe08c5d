// The files of captures, to be read and written at once or while other work goes on, and what the system says of them as faults.

import { closeSync, fstatSync, openSync, read, readSync, write, writeSync } from 'node:fs';
import { NearhopError } from '../base/errors.ts';

/** Called when a read or write has ended, with the bytes that it moved. */
export type Moved = (fault: NearhopError | undefined, bytes: number) => void;

export interface CaptureInput {
  /** Name for messages: the path, or `standard input`. */
  readonly name: string;
  /** Reads up to `len` bytes to `buf[off..]`; 0 at the end. Throws `capture-read-failed`. */
  read(buf: Uint8Array, off: number, len: number): number;
  /** As `read`, while the caller goes on; one at a time. */
  readLater(buf: Uint8Array, off: number, len: number, done: Moved): void;
  /** Idempotent. */
  close(): void;
}

export interface CaptureOutput {
  /** Name for messages: the path, or `standard output`. */
  readonly name: string;
  /** Writes up to `len` bytes of `buf[off..]`; returns how many. Throws `capture-write-failed`, `capture-output-closed`. */
  write(buf: Uint8Array, off: number, len: number): number;
  /** As `write`, while the caller goes on; one at a time. */
  writeLater(buf: Uint8Array, off: number, len: number, done: Moved): void;
  close(): void;
}

/** How long to wait where a pipe that another program made non-blocking says EAGAIN, ms. */
const AGAIN_MS = 2;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Opens a file, or standard input for `-`. Throws `capture-open-failed`. */
export function openCaptureInput(path: string): CaptureInput {
  if (path === '-') return input(0, 'standard input', path);
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
  return input(fd, path, path);
}

function input(fd: number, name: string, path: string): CaptureInput {
  let open = fd !== 0;
  return {
    name,
    read: (buf, off, len) => atOnce(() => readSync(fd, buf, off, len, null), readFailed(path)),
    readLater(buf, off, len, done) {
      later((moved) => read(fd, buf, off, len, null, moved), readFailed(path), done);
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Creates or empties a file, or takes standard output for `-`. Throws `capture-write-failed`. */
export function openCaptureOutput(path: string): CaptureOutput {
  const name = path === '-' ? 'standard output' : path;
  let fd = 1;
  try {
    if (path !== '-') fd = openSync(path, 'w');
  } catch (cause) {
    throw writeFailed(name)(cause as NodeJS.ErrnoException);
  }
  return {
    name,
    write: (buf, off, len) => atOnce(() => writeSync(fd, buf, off, len), writeFailed(name)),
    writeLater(buf, off, len, done) {
      later((moved) => write(fd, buf, off, len, null, moved), writeFailed(name), done);
    },
    close() {
      if (fd !== 1) closeSync(fd);
    },
  };
}

type Fault = (cause: NodeJS.ErrnoException) => NearhopError;

function atOnce(move: () => number, fault: Fault): number {
  for (;;) {
    try {
      return move();
    } catch (cause) {
      const error = cause as NodeJS.ErrnoException;
      if (error.code === 'EOF') return 0;
      if (error.code !== 'EAGAIN') throw fault(error);
      Atomics.wait(sleeper, 0, 0, AGAIN_MS);
    }
  }
}

function later(
  move: (moved: (error: NodeJS.ErrnoException | null, bytes: number) => void) => void,
  fault: Fault,
  done: Moved,
): void {
  move((error, bytes) => {
    if (error === null) done(undefined, bytes);
    else if (error.code === 'EOF') done(undefined, 0);
    else if (error.code === 'EAGAIN') setTimeout(() => later(move, fault, done), AGAIN_MS);
    else done(fault(error), 0);
  });
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

const readFailed =
  (path: string): Fault =>
  (cause) =>
    new NearhopError('capture-read-failed', `${path}: ${cause.message}`, {
      hint: 'the file or its disk cannot be read; copy it elsewhere and try again',
      cause,
    });

const writeFailed =
  (name: string): Fault =>
  (cause) =>
    cause.code === 'EPIPE'
      ? new NearhopError('capture-output-closed', `${name}: the reader of the pipe has gone`, { cause })
      : new NearhopError('capture-write-failed', `${name}: ${cause.message}`, {
          hint: 'check that the directory exists, is writable and has room',
          cause,
        });
