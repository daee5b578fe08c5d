// What a writer has handed on and the system has not written yet, in its order. One write at a time, so that a pipe gets the
// bytes in order; when it ends the next one begins. Without a PendingIo every write is done when the call returns.

import { assert, type NearhopError } from '../base/errors.ts';
import type { CaptureOutput } from './capture-file.ts';
import type { CaptureMemory } from './capture-memory.ts';
import type { PendingIo } from './pending-io.ts';

/** So much may wait to be written before more is made. */
const QUEUE_BYTES = 8 << 20;

interface Piece {
  readonly u8: Uint8Array;
  readonly off: number;
  readonly len: number;
  /** Memory in which the bytes are held; undefined for a buffer of the writer's. */
  readonly memory: CaptureMemory | undefined;
}

export class CaptureQueue {
  readonly #output: CaptureOutput;
  #io: PendingIo | undefined;
  readonly #pieces: Piece[] = [];
  /** Buffers that are written and may be filled again. */
  readonly #free: Uint8Array[] = [];
  #bytes = 0;
  #writing = false;
  #fault: NearhopError | undefined;

  constructor(output: CaptureOutput, io: PendingIo | undefined) {
    this.#output = output;
    this.#io = io;
  }

  /** Whether no more need wait before more is written. */
  get ready(): boolean {
    return this.#bytes <= QUEUE_BYTES;
  }

  /** Whether the system has nothing to do. */
  get idle(): boolean {
    return !this.#writing;
  }

  /** What a write came to; all after it is lost. */
  get fault(): NearhopError | undefined {
    return this.#fault;
  }

  /** Writes bytes where they lie in `memory`, and holds them as long. Throws the fault of this or an earlier write. */
  writeHeld(memory: CaptureMemory, off: number, len: number): void {
    memory.hold(off, off + len);
    this.#add({ u8: memory.u8, off, len, memory });
  }

  /** Writes the first `len` bytes of a buffer; returns one of the same size that is free. Throws as `writeHeld` does. */
  writeBuffer(u8: Uint8Array, len: number): Uint8Array {
    this.#add({ u8, off: 0, len, memory: undefined });
    return this.#free.pop() ?? new Uint8Array(u8.length);
  }

  /** From now on a write is done when the call returns. To be called when none is pending. */
  atOnce(): void {
    assert(!this.#writing, 'no write is pending');
    this.#io = undefined;
  }

  /** Writes what is left, at once, and closes the file. Throws as `writeHeld` does. */
  close(): void {
    try {
      if (this.#fault !== undefined) throw this.#fault;
      this.#drain();
    } finally {
      this.#output.close();
    }
  }

  #add(piece: Piece): void {
    this.#pieces.push(piece);
    this.#bytes += piece.len;
    if (this.#fault !== undefined) this.#drop(this.#fault);
    if (this.#io === undefined) this.#drain();
    else if (!this.#writing) this.#begin(this.#io);
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Writes all, at once. */
  #drain(): void {
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      try {
        for (let done = 0; done < piece.len; ) {
          done += this.#output.write(piece.u8, piece.off + done, piece.len - done);
        }
      } catch (error) {
        this.#drop(error as NearhopError);
        throw error;
      }
      this.#shift();
    }
  }

  #begin(io: PendingIo): void {
    const piece = this.#pieces[0];
    if (piece === undefined) return;
    this.#writing = true;
    io.begin();
    this.#go(piece, 0, io);
  }

  #go({ u8, off, len }: Piece, done: number, io: PendingIo): void {
    this.#output.writeLater(u8, off + done, len - done, (fault, bytes) => {
      if (fault === undefined && done + bytes < len) {
        this.#go(this.#pieces[0], done + bytes, io);
        return;
      }
      this.#writing = false;
      if (fault === undefined) {
        this.#shift();
        this.#begin(io);
      } else this.#drop(fault);
      io.end();
    });
  }

  #drop(fault: NearhopError): void {
    this.#fault = fault;
    while (this.#pieces.length > 0) this.#shift();
  }

  /** The first piece is done with. */
  #shift(): void {
    const piece = this.#pieces.shift();
    if (piece === undefined) return;
    this.#bytes -= piece.len;
    if (piece.memory === undefined) this.#free.push(piece.u8);
    else piece.memory.release(piece.off, piece.off + piece.len);
  }
}
