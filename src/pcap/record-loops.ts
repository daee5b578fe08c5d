// The loops over records of classic pcap in WebAssembly (assembly/records.ts), for captures that are read into the slab and written
// from there, and the memory that they share with their callers.

import type { Batch } from '../base/batch.ts';
import { BATCH_SLOTS } from '../base/batch-columns.ts';
import type { Slab } from '../base/slab.ts';
import { STATE_BYTES, STATE_LATEST, STATE_LEN, STATE_LIMIT, STATE_NOW, STATE_PLACE } from './record-state.ts';
import { RECORDS_WASM } from './records-wasm.ts';

interface Loops {
  readRecords(
    base: number,
    first: number,
    room: number,
    port: number,
    end: number,
    unitNs: number,
    longest: number,
    times: number,
    state: number,
  ): number;
  writeRecords(
    base: number,
    vector: number,
    from: number,
    n: number,
    received: number,
    times: number,
    state: number,
  ): number;
}

const MS_NS = 1e6;
const LAST_SECOND = 0xffffffff;

/** Times of a batch's slots, and the loops that fill and use them. */
export class RecordLoops {
  readonly slab: Slab;
  readonly #loops: Loops;
  readonly #state: number;
  readonly #words: Uint32Array;
  readonly #times: number;
  /** Nanoseconds, then seconds of each slot. */
  readonly #slots: Uint32Array;

  constructor(slab: Slab) {
    this.slab = slab;
    const module = new WebAssembly.Module(Buffer.from(RECORDS_WASM, 'base64'));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: slab.memory } });
    this.#loops = exports as Loops;
    this.#state = slab.reserve(STATE_LEN);
    this.#words = new Uint32Array(slab.buffer, this.#state, STATE_LEN / 4);
    this.#times = slab.reserve(BATCH_SLOTS * 8);
    this.#slots = new Uint32Array(slab.buffer, this.#times, BATCH_SLOTS * 2);
  }

  /** Bytes of the frames that the last call was about. */
  get bytes(): number {
    return this.#words[STATE_BYTES / 4];
  }

  /** Where the last call stopped: the next record, or the end of the last frame. */
  get place(): number {
    return this.#words[STATE_PLACE / 4];
  }

  /** Time of the latest frame that `read` came to: whole ms since the Unix epoch, and nanoseconds within that. */
  get latestMs(): number {
    return this.#msOf(this.#words, STATE_LATEST / 4);
  }
  get latestNs(): number {
    return this.#words[STATE_LATEST / 4] % MS_NS;
  }

  /** Time of a slot. */
  ms(slot: number): number {
    return this.#msOf(this.#slots, slot * 2);
  }
  ns(slot: number): number {
    return this.#slots[slot * 2] % MS_NS;
  }
  setTime(slot: number, ms: number, ns: number): void {
    this.#put(this.#slots, slot * 2, ms, ns);
  }

  /** Until when `read` hands over. */
  setLimit(ms: number, ns: number): void {
    this.#put(this.#words, STATE_LIMIT / 4, ms, ns);
  }
  /** Before what `read` hands over nothing. */
  setLatest(ms: number, ns: number): void {
    this.#put(this.#words, STATE_LATEST / 4, ms, ns);
  }
  /** Time of slots that were not received, for `write`. */
  setNow(ms: number, ns: number): void {
    this.#put(this.#words, STATE_NOW / 4, ms, ns);
  }

  /**
   * Adds up to `room` frames of records from `at` to before `end` to the batch, as long as nothing is unusual about them, and none is
   * earlier than the latest or after the limit; returns how many. `unitNs` is that of the fraction of a second.
   */
  read(
    batch: Batch,
    room: number,
    port: number,
    at: number,
    end: number,
    unitNs: number,
    longest: number,
  ): number {
    this.#words[STATE_PLACE / 4] = at;
    const first = batch.count;
    const n = this.#loops.readRecords(
      batch.columns,
      first,
      room,
      port,
      end,
      unitNs,
      longest,
      this.#times,
      this.#state,
    );
    batch.addWritten(n);
    return n;
  }

  /**
   * Writes the headers of the slots `idx[from..n-1]`, the first of which follows on a frame that ends at `end`, as long as they lie one
   * behind the other. Returns the position where it stopped.
   */
  write(batch: Batch, idx: Uint16Array, from: number, n: number, received: number, end: number): number {
    this.#words[STATE_PLACE / 4] = end;
    return this.#loops.writeRecords(
      batch.columns,
      idx.byteOffset,
      from,
      n,
      received,
      this.#times,
      this.#state,
    );
  }

  #msOf(words: Uint32Array, at: number): number {
    return words[at + 1] * 1000 + Math.floor(words[at] / MS_NS);
  }

  #put(words: Uint32Array, at: number, ms: number, ns: number): void {
    const seconds = Math.floor(ms / 1000);
    let nanoseconds = (ms - seconds * 1000) * MS_NS + ns;
    let whole = seconds;
    if (nanoseconds < 0) {
      whole--;
      nanoseconds += 1e9;
    }
    const fits = whole <= LAST_SECOND;
    words[at + 1] = fits ? Math.max(whole, 0) : LAST_SECOND;
    words[at] = fits ? nanoseconds : 999_999_999;
  }
}
