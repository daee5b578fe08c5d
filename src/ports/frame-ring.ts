// A ring of frames in shared memory with one producer and one consumer, which may be in different threads. Frames lie in one
// piece with HEADROOM before each, so the consumer can work on them in place; it gives room back with `release`.
//
// Record: 0 length i32 (-1: go on at the start) · 4 tag i32 · 8 headroom · 136 frame; rounded up to 64 bytes.
// Positions count bytes for ever, modulo 2^32; the place is the position modulo the ring's size.

import { assert } from '../base/errors.ts';
import { FRAME_MAX, HEADROOM } from '../base/slab.ts';

/** Words of the control block, a cache line apart: written by the producer, the consumer, and both. */
const HEAD = 0;
const TAIL = 16;
const ARMED = 32;
const CONTROL_BYTES = 192;
const FRAME_AT = 8 + HEADROOM;
const SKIP = -1;

const recordBytes = (len: number): number => (FRAME_AT + len + 63) & -64;

export class FrameRing {
  /** Length and tag of the frame that `take` returned last. */
  takenLen = 0;
  takenTag = 0;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  readonly #data: number;
  readonly #bytes: number;
  /** Producer: where the next record goes, and where the last one put started. */
  #head: number;
  #last = 0;
  #tagWord = 0;
  #unpublished = false;
  /** Consumer: where the next record is read. */
  #read: number;

  /** Bytes that a ring takes, with its control block. */
  static bytesFor(bytes: number): number {
    return CONTROL_BYTES + bytes;
  }

  /** @param at offset in `buffer`, a multiple of 64; zeroed memory is an empty ring. @param bytes a power of two. */
  constructor(buffer: SharedArrayBuffer, at: number, bytes: number) {
    assert((bytes & (bytes - 1)) === 0 && bytes >= 2 * recordBytes(FRAME_MAX), 'a ring holds two frames');
    this.#control = new Int32Array(buffer, at, CONTROL_BYTES / 4);
    this.#words = new Int32Array(buffer);
    this.#data = at + CONTROL_BYTES;
    this.#bytes = bytes;
    this.#head = Atomics.load(this.#control, HEAD);
    this.#read = Atomics.load(this.#control, TAIL);
  }

  /** Producer: makes room for a frame of `len` bytes with tag 0; returns where it goes, or -1 when there is none. */
  put(len: number): number {
    const size = recordBytes(len);
    const place = this.#head & (this.#bytes - 1);
    const toEnd = this.#bytes - place;
    const skipped = size > toEnd ? toEnd : 0;
    const used = (this.#head - Atomics.load(this.#control, TAIL)) | 0;
    if (used + skipped + size > this.#bytes) return -1;
    this.#last = this.#head;
    if (skipped > 0) this.#words[(this.#data + place) >>> 2] = SKIP;
    const record = this.#data + (skipped > 0 ? 0 : place);
    this.#words[record >>> 2] = len;
    this.#words[(record >>> 2) + 1] = 0;
    this.#tagWord = (record >>> 2) + 1;
    this.#head = (this.#head + skipped + size) | 0;
    this.#unpublished = true;
    return record + FRAME_AT;
  }

  /** Producer: where the last `put` ends; compared by `released`. */
  get position(): number {
    return this.#head;
  }

  /** Producer: up to here the consumer has given all places back. */
  get released(): number {
    return Atomics.load(this.#control, TAIL);
  }

  /** Producer: gives the last `put` a number to travel with it. */
  tag(tag: number): void {
    this.#words[this.#tagWord] = tag;
  }

  /** Producer: takes the last `put` back, which is not published yet. */
  unput(): void {
    this.#head = this.#last;
  }

  /** Producer: shows what was put to the consumer; returns whether the consumer has to be woken. */
  publish(): boolean {
    if (!this.#unpublished) return false;
    this.#unpublished = false;
    Atomics.store(this.#control, HEAD, this.#head);
    return Atomics.load(this.#control, ARMED) === 1 && Atomics.exchange(this.#control, ARMED, 0) === 1;
  }

  /** Consumer: offset of the next frame, -1 for none. It stays until `release`. */
  take(): number {
    for (;;) {
      if (this.empty) return -1;
      const place = this.#read & (this.#bytes - 1);
      const word = (this.#data + place) >>> 2;
      const len = this.#words[word];
      if (len !== SKIP) {
        this.takenLen = len;
        this.takenTag = this.#words[word + 1];
        this.#read = (this.#read + recordBytes(len)) | 0;
        return this.#data + place + FRAME_AT;
      }
      this.#read = (this.#read + this.#bytes - place) | 0;
    }
  }

  /** Consumer: gives all taken frames' places back. */
  release(): void {
    Atomics.store(this.#control, TAIL, this.#read);
  }

  /** Consumer: whether there is nothing to take. */
  get empty(): boolean {
    return this.#read === Atomics.load(this.#control, HEAD);
  }

  /** Consumer: whether a producer's next `publish` asks to wake it. */
  get armed(): boolean {
    return Atomics.load(this.#control, ARMED) === 1;
  }

  /** Consumer: wants to be woken; it has to look once more before it sleeps. */
  arm(): void {
    Atomics.store(this.#control, ARMED, 1);
  }

  disarm(): void {
    Atomics.store(this.#control, ARMED, 0);
  }

  /** Producer: wakes a consumer that sleeps in `wait`. */
  notify(): void {
    Atomics.notify(this.#control, ARMED);
  }

  /** Consumer: resolves when it is woken; undefined when it need not sleep. Does not keep the process alive. */
  wait(): Promise<unknown> | undefined {
    const waiting = Atomics.waitAsync(this.#control, ARMED, 1);
    return waiting.async ? waiting.value : undefined;
  }
}
