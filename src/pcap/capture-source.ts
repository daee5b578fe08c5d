// The bytes of a capture, from a file or a pipe, through a memory of fixed size, which does not grow with the capture.
//
// Reads go one behind the other to the end of the memory and begin again at its front (a lap); what is left of a lap is moved
// in front of the next one, so that a record lies in one piece. A reader looks at the bytes where they lie (`u8`, `view`, from
// `pos` on) and moves `pos`; nothing that it has passed is moved or read over, but by a later lap.
//
// Read at once: `refill` reads what a reader lacks. Read ahead (with a PendingIo): `open` says whether the bytes of a round
// are there; reads go on in the system meanwhile.

import { assert, type NearhopError } from '../base/errors.ts';
import { type CaptureInput, openCaptureInput } from './capture-file.ts';
import { CaptureMemory, RECORD_MAX } from './capture-memory.ts';
import type { PendingIo } from './pending-io.ts';

/** Bytes of a read, and of a lap, when a capture is read at once. */
const READ_BYTES = 256 << 10;
const LAP_BYTES = 1 << 20;
/**
 * The same when it is read ahead. Each read and write wakes a thread and then this one: with reads, runs and turns of a quarter
 * of the size a replay took a tenth longer.
 */
const AHEAD_READ_BYTES = 1 << 20;
export const AHEAD_LAP_BYTES = 8 << 20;
/**
 * Most bytes of one round of a port. A round ends where the next record would lie beyond, so the rounds of a replay depend on
 * the capture alone, and not on how it came to be read.
 */
export const ROUND_BYTES = RECORD_MAX;

/** Above every place of a packet memory, and a number that V8 keeps in a register. */
const NO_HORIZON = 0x7fffffff;

export class CaptureSource {
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Place of the next byte in `u8`. */
  pos: number;
  readonly #input: CaptureInput;
  readonly #memory: CaptureMemory;
  readonly #io: PendingIo | undefined;
  /** End of what was read, in this lap. */
  #end: number;
  /** End of what was read of the next lap; 0 for nothing. */
  #nextEnd = 0;
  /** A reader sees the bytes before this place only. */
  #horizon = NO_HORIZON;
  /** Bytes of the capture before place 0 of `u8`, in this lap. */
  #before: number;
  #reading = false;
  #atEnd = false;
  #closed = false;
  #fault: NearhopError | undefined;

  /** @param memory has AHEAD_LAP_BYTES for reads when the capture is read ahead. */
  constructor(
    input: CaptureInput,
    memory = CaptureMemory.create(LAP_BYTES),
    io: PendingIo | undefined = undefined,
  ) {
    this.#input = input;
    this.#memory = memory;
    this.#io = io;
    this.u8 = memory.u8;
    this.view = memory.view;
    this.pos = memory.reads;
    this.#end = memory.reads;
    this.#before = -memory.reads;
  }

  /** Name for messages: the path, or `standard input`. */
  get name(): string {
    return this.#input.name;
  }

  /** Bytes of the capture before `pos`. */
  get offset(): number {
    return this.#before + this.pos;
  }

  /** Bytes that a reader may look at from `pos` on. */
  get available(): number {
    return (this.#horizon < this.#end ? this.#horizon : this.#end) - this.pos;
  }

  /** Whether `available` is all that the capture still has. Throws when more could not be read. */
  get ended(): boolean {
    if (this.#horizon < this.#end || this.#nextEnd > 0) return false;
    if (this.#fault !== undefined) throw this.#fault;
    return this.#atEnd;
  }

  /** Makes `n` bytes (at most RECORD_MAX) available, reading at once; false when the capture ends before that. */
  fill(n: number): boolean {
    while (this.available < n && !this.ended) this.refill();
    return this.available >= n;
  }

  /** Reads once, at once. */
  refill(): void {
    assert(!this.#reading && this.#nextEnd === 0, 'nothing is read ahead');
    this.#horizon = NO_HORIZON;
    if (this.#end + READ_BYTES > this.#memory.end) {
      this.#end = this.#moveRest();
    }
    const got = this.#input.read(this.u8, this.#end, READ_BYTES);
    if (got === 0) this.#atEnd = true;
    this.#end += got;
  }

  /**
   * Begins a round: the next ROUND_BYTES are available, or all that is left. False when they have to be waited for, as a
   * read or the writing of what lies in their place is pending; a source that is not read ahead waits here.
   */
  open(): boolean {
    this.#horizon = NO_HORIZON;
    if (this.#io === undefined) this.fill(ROUND_BYTES);
    else {
      this.#readAhead(this.#io);
      if (!this.#isReady() && this.#nextEnd > 0 && !this.#nextLap()) return false;
      if (!this.#isReady()) return false;
    }
    this.#horizon = this.pos + ROUND_BYTES;
    return true;
  }

  /** Idempotent. The file is closed when no read of it is pending any more. */
  close(): void {
    this.#atEnd = true;
    this.#closed = true;
    if (!this.#reading) this.#input.close();
  }

  #isReady(): boolean {
    if (this.#end - this.pos >= ROUND_BYTES) return true;
    return (this.#atEnd || this.#fault !== undefined) && this.#nextEnd === 0;
  }

  /** Moves what is left of this lap in front of the next one; returns the place behind it. */
  #moveRest(): number {
    const rest = this.#end - this.pos;
    assert(rest <= RECORD_MAX, 'less than a record is left');
    const to = this.#memory.reads - rest;
    this.u8.copyWithin(to, this.pos, this.#end);
    this.#before += this.pos - to;
    this.pos = to;
    return this.#memory.reads;
  }

  #nextLap(): boolean {
    const { reads } = this.#memory;
    if (this.#memory.isHeld(reads - (this.#end - this.pos), reads)) return false;
    this.#moveRest();
    this.#end = this.#nextEnd;
    this.#nextEnd = 0;
    return true;
  }

  /** Half of the memory may be ahead of the reader; the other half is behind it, still to be written from. */
  #readAhead(io: PendingIo): void {
    if (this.#reading || this.#atEnd || this.#fault !== undefined) return;
    const { reads, end } = this.#memory;
    const isNext = this.#nextEnd > 0 || this.#end + AHEAD_READ_BYTES > end;
    const at = !isNext ? this.#end : this.#nextEnd > 0 ? this.#nextEnd : reads;
    const ahead = this.#end - this.pos + (isNext ? at - reads : 0);
    if (ahead + AHEAD_READ_BYTES > (end - reads) / 2 || this.#memory.isHeld(at, at + AHEAD_READ_BYTES))
      return;
    this.#reading = true;
    io.begin();
    this.#input.readLater(this.u8, at, AHEAD_READ_BYTES, (fault, got) => {
      this.#reading = false;
      if (fault !== undefined) this.#fault = fault;
      else if (got === 0) this.#atEnd = true;
      else if (at === this.#end)
        this.#end += got; // also when the next lap has begun meanwhile
      else this.#nextEnd = at + got;
      if (this.#closed) this.#input.close();
      else if (!this.#isReady()) this.#readAhead(io);
      io.end();
    });
  }
}

/** Opens a file, or standard input for `-`. Throws `capture-open-failed`, later `capture-read-failed`. */
export function openCaptureSource(path: string, memory?: CaptureMemory, io?: PendingIo): CaptureSource {
  const bytes = io === undefined ? LAP_BYTES : AHEAD_LAP_BYTES;
  return new CaptureSource(openCaptureInput(path), memory ?? CaptureMemory.create(bytes), io);
}
