// Faults on purpose: wraps any port and loses, corrupts, doubles, reorders and delays frames in both directions. Seeded and
// driven by the clock, so the same seed and the same frames give the same faults.
//
// A frame's way: a draw for each fault; a lost frame ends (counted as faultLost); a corrupted one has one bit flipped; of a
// doubled one a copy follows; a reordered one waits until a later frame has passed, at most OVERTAKE_MS; all others go on
// at once, or after `delayMs`. Frames that wait are copies in bounded queues; what those have no room for is lost.

import { Batch } from '../base/batch.ts';
import type { Clock } from '../base/clock.ts';
import { createPrng } from '../base/prng.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import { HoldQueue } from './hold-queue.ts';
import type { Port, PortKind } from './port.ts';

/** Longest wait of a reordered frame for a later one to pass it, ms. */
const OVERTAKE_MS = 10;
const QUEUE_SLOTS = 16_384;
const DELAY_BYTES = 8 << 20;
const LATE_BYTES = 512 << 10;

export interface FaultSettings {
  /** Shares of the frames, 0 to 1, each drawn on its own. */
  readonly loss?: number;
  readonly corrupt?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** Delay of every frame in each direction, ms. */
  readonly delayMs?: number;
  readonly seed?: number;
}

/** What was done to the frames of one direction. */
export interface FaultCounts {
  lost: number;
  corrupted: number;
  duplicated: number;
  reordered: number;
  /** Lost because a queue of waiting frames was full; also in `lost`. */
  overflowed: number;
}

export interface FaultPort extends Port {
  /** The port that is wrapped. */
  readonly inner: Port;
  readonly faults: { readonly rx: Readonly<FaultCounts>; readonly tx: Readonly<FaultCounts> };
}

const LOSE = 1;
const CORRUPT = 2;
const DUPLICATE = 4;
const REORDER = 8;

/** One direction: the draws, the queues and the counts. */
class Lane {
  readonly counts: FaultCounts = { lost: 0, corrupted: 0, duplicated: 0, reordered: 0, overflowed: 0 };
  readonly delayMs: number;
  /** Frames that are due in order: delayed ones and second copies. */
  readonly delayed: HoldQueue;
  /** Reordered frames, which wait to be overtaken. */
  readonly late: HoldQueue;
  readonly #settings: Required<FaultSettings>;
  readonly #random: () => number;
  readonly #slab: Slab;
  readonly #lost: () => void;

  constructor(settings: Required<FaultSettings>, seed: number, slab: Slab, lost: () => void) {
    this.#settings = settings;
    this.#random = createPrng(seed);
    this.#slab = slab;
    this.#lost = lost;
    this.delayMs = settings.delayMs;
    this.delayed = new HoldQueue(slab, settings.delayMs > 0 ? DELAY_BYTES : LATE_BYTES, QUEUE_SLOTS);
    this.late = new HoldQueue(slab, LATE_BYTES, QUEUE_SLOTS);
  }

  /** What shall happen to the next frame. Draws the same number of times for each frame, so that lanes stay comparable. */
  draw(): number {
    const { loss, corrupt, duplicate, reorder } = this.#settings;
    const lose = this.#random() < loss;
    let verdict = this.#random() < corrupt ? CORRUPT : 0;
    if (this.#random() < duplicate) verdict |= DUPLICATE;
    if (this.#random() < reorder) verdict |= REORDER;
    return lose ? LOSE : verdict;
  }

  lose(): void {
    this.counts.lost++;
    this.#lost();
  }

  /** Flips one bit of the frame, wherever it is. */
  flip(off: number, len: number): void {
    const bit = Math.floor(this.#random() * len * 8);
    if (len > 0) this.#slab.u8[off + (bit >>> 3)] ^= 1 << (bit & 7);
  }

  /** Takes a copy into a queue; a full one loses the frame. */
  hold(queue: HoldQueue, off: number, len: number, offload: number, l3: number, dueMs: number): void {
    if (queue.push(off, len, offload, l3, dueMs)) return;
    this.counts.overflowed++;
    this.lose();
  }

  /** Counts what was drawn, and holds what has to wait; returns whether the frame itself goes on at once. */
  settle(verdict: number, off: number, len: number, offload: number, l3: number, now: number): boolean {
    if (verdict === LOSE) {
      this.lose();
      return false;
    }
    if ((verdict & CORRUPT) !== 0) this.counts.corrupted++;
    const due = now + this.delayMs;
    if ((verdict & REORDER) !== 0) {
      this.counts.reordered++;
      this.hold(this.late, off, len, offload, l3, due + OVERTAKE_MS);
    } else {
      this.late.hasten(due); // these are overtaken now
      if (this.delayMs > 0) this.hold(this.delayed, off, len, offload, l3, due);
    }
    if ((verdict & DUPLICATE) !== 0) {
      this.counts.duplicated++;
      this.hold(this.delayed, off, len, offload, l3, due);
    }
    return this.goesOn(verdict);
  }

  /** Whether a frame with this verdict goes on at once. */
  goesOn(verdict: number): boolean {
    return this.delayMs === 0 && (verdict & (LOSE | REORDER)) === 0;
  }

  get dueMs(): number {
    return Math.min(this.delayed.dueMs, this.late.dueMs);
  }

  /** Adds frames that are due to `batch`, as long as there is room and at most `max`; returns how many. */
  emit(batch: Batch, max: number, port: number, now: number): number {
    const n = this.#emitFrom(this.delayed, batch, max, port, now);
    return n + this.#emitFrom(this.late, batch, max - n, port, now);
  }

  #emitFrom(queue: HoldQueue, batch: Batch, max: number, port: number, now: number): number {
    let n = 0;
    for (; n < max && batch.room > 0 && queue.dueMs <= now; n++) {
      const entry = queue.pop();
      const slot = batch.add(queue.off(entry), queue.len(entry), port, queue.offload(entry));
      batch.l3[slot] = queue.l3(entry);
    }
    return n;
  }

  release(): void {
    this.delayed.release();
    this.late.release();
  }
}

/** Wraps `inner`; the wrapper takes its place everywhere, `close` included. */
export function createFaultPort(inner: Port, settings: FaultSettings, clock: Clock, slab: Slab): FaultPort {
  return new Faulty(inner, settings, clock, slab);
}

class Faulty implements FaultPort {
  readonly faults: { readonly rx: FaultCounts; readonly tx: FaultCounts };
  readonly inner: Port;
  readonly #clock: Clock;
  readonly #in: Lane;
  readonly #out: Lane;
  /** What goes to the inner port's `tx`: the caller's frames where they lie, corrupted copies, frames that were held. */
  readonly #batch: Batch;
  /** 0, 1, 2, ...: all slots of `#batch`. */
  readonly #all: Uint16Array;
  /** For each of the caller's frames: what was drawn, and its slot in `#batch`. */
  readonly #verdict: Uint8Array;
  readonly #slot: Uint16Array;
  /** Slots that go on at once, and which of the caller's frames each stands for. */
  readonly #send: Uint16Array;
  readonly #origin: Uint16Array;

  constructor(inner: Port, settings: FaultSettings, clock: Clock, slab: Slab) {
    const all = { loss: 0, corrupt: 0, duplicate: 0, reorder: 0, delayMs: 0, seed: 1, ...settings };
    const lost = (): void => {
      inner.stats.faultLost++;
    };
    this.inner = inner;
    this.#clock = clock;
    this.#in = new Lane(all, all.seed, slab, lost);
    this.#out = new Lane(all, all.seed ^ 0x9e3779b9, slab, lost);
    this.faults = { rx: this.#in.counts, tx: this.#out.counts };
    this.#batch = new Batch(slab, 2 * (FRAME_MAX + HEADROOM) + (1 << 20));
    this.#all = Uint16Array.from(this.#batch.off, (_, i) => i);
    this.#verdict = new Uint8Array(this.#all.length);
    this.#slot = new Uint16Array(this.#all.length);
    this.#send = new Uint16Array(this.#all.length);
    this.#origin = new Uint16Array(this.#all.length);
  }

  get id(): Port['id'] {
    return this.inner.id;
  }
  get name(): string {
    return this.inner.name;
  }
  get kind(): PortKind {
    return this.inner.kind;
  }
  get macHi(): number {
    return this.inner.macHi;
  }
  get macLo(): number {
    return this.inner.macLo;
  }
  get mtu(): number {
    return this.inner.mtu;
  }
  /** Only frames of the wire: each is lost for itself, and a corrupted one fails its checksum. */
  readonly offload = false;
  get l3Only(): boolean {
    return this.inner.l3Only;
  }
  get pollFd(): number {
    return this.inner.pollFd;
  }
  get stats(): Port['stats'] {
    return this.inner.stats;
  }
  get failure(): Port['failure'] {
    return this.inner.failure;
  }
  get linkUp(): boolean {
    return this.inner.linkUp ?? true;
  }
  get ended(): boolean {
    return this.inner.ended === true && this.nextDueMs === Number.POSITIVE_INFINITY;
  }
  get nextDueMs(): number {
    return Math.min(this.#in.dueMs, this.#out.dueMs, this.inner.nextDueMs ?? Number.POSITIVE_INFINITY);
  }

  rx(batch: Batch, max: number): number {
    const now = this.#clock.nowMs();
    this.#sendDue(now);
    const lane = this.#in;
    const most = Math.min(max, batch.room);
    let n = lane.emit(batch, most, this.id, now);
    if (n < most) {
      n += this.#receive(batch, most - n, now);
      n += lane.emit(batch, most - n, this.id, now);
    }
    return n;
  }

  /** Receives up to `max` frames and leaves those in the batch that go on at once. */
  #receive(batch: Batch, max: number, now: number): number {
    const lane = this.#in;
    const first = batch.count;
    const got = this.inner.rx(batch, max);
    let kept = first;
    for (let i = first; i < first + got; i++) {
      const off = batch.off[i];
      const len = batch.len[i];
      const verdict = lane.draw();
      if ((verdict & CORRUPT) !== 0) lane.flip(off, len);
      if (!lane.settle(verdict, off, len, batch.offload[i], batch.l3[i], now)) continue;
      batch.off[kept] = off;
      batch.len[kept] = len;
      batch.offload[kept] = batch.offload[i];
      kept++;
    }
    batch.count = kept;
    return kept - first;
  }

  rxRelease(): void {
    this.#in.release();
    this.inner.rxRelease();
  }

  tx(batch: Batch, idx: Uint16Array, n: number): number {
    const now = this.#clock.nowMs();
    const lane = this.#out;
    const out = this.#batch;
    out.reset();
    // First the draws and what goes on at once; then the rest, for those frames only that the inner port did not refuse.
    let m = 0;
    for (let k = 0; k < n; k++) {
      this.#verdict[k] = lane.draw();
      this.#slot[k] = this.#carry(batch, idx[k], k);
      if (!lane.goesOn(this.#verdict[k])) continue;
      this.#send[m] = this.#slot[k];
      this.#origin[m++] = k;
    }
    const sent = this.inner.tx(out, this.#send, m);
    const taken = sent < m ? this.#origin[sent] : n;
    // The inner port has counted what it refused; the frames behind the first of those are refused by us.
    this.stats.txDropped += n - taken - (m - sent);
    for (let k = 0; k < taken; k++) {
      const slot = this.#slot[k];
      lane.settle(this.#verdict[k], out.off[slot], out.len[slot], out.offload[slot], out.l3[slot], now);
    }
    this.#sendDue(now);
    return taken;
  }

  /** A slot of the inner batch for the caller's frame `i`, where it lies or, to be corrupted, as a copy. */
  #carry(batch: Batch, i: number, k: number): number {
    const out = this.#batch;
    let slot = -1;
    if ((this.#verdict[k] & CORRUPT) !== 0) {
      slot = out.alloc(batch.len[i]);
      if (slot < 0) this.#verdict[k] ^= CORRUPT; // no room for a copy: it goes on unharmed
    }
    if (slot < 0) {
      slot = out.add(batch.off[i], batch.len[i], batch.port[i], batch.offload[i]);
    } else {
      out.u8.copyWithin(out.off[slot] - 10, batch.off[i] - 10, batch.off[i] + batch.len[i]);
      out.offload[slot] = batch.offload[i];
      this.#out.flip(out.off[slot], out.len[slot]);
    }
    out.l3[slot] = batch.l3[i];
    return slot;
  }

  /** Sends what was held back and is due. */
  #sendDue(now: number): void {
    const lane = this.#out;
    while (lane.dueMs <= now) {
      this.#batch.reset();
      const n = lane.emit(this.#batch, this.#all.length, this.id, now);
      this.inner.tx(this.#batch, this.#all, n);
      lane.release();
    }
  }

  close(): void {
    this.inner.close();
  }
}
