// Memory in which a capture is read, its frames are forwarded, and from which they are written: nothing is copied on the way.
// Who writes later holds the place of what it writes, and the source reads nothing there meanwhile.

/** Longest record or block that a reader may ask for at once. */
export const RECORD_MAX = 512 << 10;
/** What is held or free as one. */
const HOLD_BITS = 18;

export class CaptureMemory {
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly start: number;
  /** Where reads go: between `start` and here is room for the rest of a lap, at most RECORD_MAX. */
  readonly reads: number;
  readonly end: number;
  readonly #holds: Uint32Array;

  /** @param reads bytes for reads; the memory begins at `start` of `u8` and has `CaptureMemory.bytes(reads)` bytes. */
  constructor(u8: Uint8Array, view: DataView, start: number, reads: number) {
    this.u8 = u8;
    this.view = view;
    this.start = start;
    this.reads = start + RECORD_MAX;
    this.end = this.reads + reads;
    this.#holds = new Uint32Array(((this.end - start) >> HOLD_BITS) + 1);
  }

  static bytes(reads: number): number {
    return RECORD_MAX + reads;
  }

  /** Memory of its own. */
  static create(reads: number): CaptureMemory {
    const u8 = new Uint8Array(CaptureMemory.bytes(reads));
    return new CaptureMemory(u8, new DataView(u8.buffer), 0, reads);
  }

  /** Whether the byte at `off` of `u8` lies here. */
  has(u8: Uint8Array, off: number): boolean {
    return u8 === this.u8 && off >= this.start && off < this.end;
  }

  /**
   * Keeps the bytes `from..end-1` until `release` is called with the same. With `held`: those before it are kept already, as
   * the beginning of the same piece.
   */
  hold(from: number, end: number, held = from): void {
    const last = (end - 1 - this.start) >> HOLD_BITS;
    const first = held > from ? ((held - 1 - this.start) >> HOLD_BITS) + 1 : (from - this.start) >> HOLD_BITS;
    for (let at = first; at <= last; at++) this.#holds[at]++;
  }

  release(from: number, end: number): void {
    const last = (end - 1 - this.start) >> HOLD_BITS;
    for (let at = (from - this.start) >> HOLD_BITS; at <= last; at++) this.#holds[at]--;
  }

  /** Whether some of the bytes `from..end-1` may be held. */
  isHeld(from: number, end: number): boolean {
    const last = (end - 1 - this.start) >> HOLD_BITS;
    for (let at = (from - this.start) >> HOLD_BITS; at <= last; at++) if (this.#holds[at] > 0) return true;
    return false;
  }
}
