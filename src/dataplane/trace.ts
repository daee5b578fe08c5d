// The trace: what happened to chosen packets, node by node, in a ring of shared memory. Always there; while it is inactive
// it costs one test a batch, and one a push for the packets.
//
// A packet's way: `consider` opens a row when the filter matches (batch.trace[i] is then the row), the context and the
// nodes add steps (`step`, `entry`, `rule`, `note`, `end`, `sent`), and `commit` at the end of the round hands all rows to
// readers. Copies, fragments and replies keep the row of the packet that caused them; a step says which slot it is about.
// Main sets the filter (trace-filter.ts) and reads the rows (trace-format.ts).

import type { Batch } from '../base/batch.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { traceFilterMatches } from './trace-filter.ts';

export const TRACE_ROWS = 1024;
/** Bytes of the frame that a row keeps. */
export const TRACE_FRAME_BYTES = 128;
/** Steps that a row keeps; further ones are counted. */
export const TRACE_STEPS = 53;

// Layout of the memory: control words, filter words, rows of ROW_BYTES. A row: header, frame, steps.
const CONTROL_WORDS = 8;
const FILTER_WORDS = 24;
const ROWS_AT = (CONTROL_WORDS + FILTER_WORDS) * 4;
const ROW_BYTES = 1024;
const HEADER_BYTES = 48;
const STEPS_AT = HEADER_BYTES + TRACE_FRAME_BYTES;
const STEP_BYTES = 16;

/** Control words: 1 while packets are considered; rows handed to readers; packets that may still be traced. */
const ACTIVE = 0;
const COMMITTED = 1;
const REMAINING = 2;

/** Kinds of a step. */
export const STEP_NODE = 1; // a = node that gets the packet
export const STEP_NOTE = 2; // a = reason
export const STEP_END = 3; // a = reason
export const STEP_SENT = 4; // a = IfIndex, b = bytes
export const STEP_RULE = 5; // a = rule
export const STEP_MADE = 6; // the slot's packet was made from that of slot a; b = MADE_*
export const STEP_ENTRY = 16; // STEP_ENTRY + ENTRY_*: a = row of the table, b and c as the kind says

/** Tables that a lookup step can name. */
export const ENTRY_FIB = 0; // a = next-hop index, b = destination as u32
export const ENTRY_ADJACENCY = 1; // a = AdjIndex, b = IfIndex, c = next hop as u32
export const ENTRY_NEIGHBOR = 2; // a = row, b = IfIndex, c = address as u32
export const ENTRY_REWRITE = 3; // a = AdjIndex, b = new destination MAC's upper 16 bits, c = its lower 32
export const ENTRY_FDB = 4; // a = row, b = IfIndex
export const ENTRY_VM = 5; // a = row, b = SIDE_*

/** Why a packet was made. */
export const MADE_COPY = 0;
export const MADE_FRAGMENT = 1;
export const MADE_REPLY = 2;
export const MADE_ARP = 3;

/** Offsets in a row's header. */
export const ROW = {
  /** u32, little-endian as all of the row: id of the trace, counts from 1; 0 = the row was never used. */
  id: 0,
  /** u32: id of the trace that this one goes on from (the packet waited for a neighbor), 0 = none. */
  from: 4,
  /** f64: ms since the Unix epoch. */
  wallMs: 8,
  /** u32: length of the frame. */
  lenBytes: 16,
  /** u16: PortId. */
  port: 20,
  /** u16: slot of the first packet. */
  slot: 22,
  /** u32: bytes between the frame's start and its network header. */
  l3: 24,
  /** u16: steps in the row. */
  steps: 28,
  /** u16: steps that had no room. */
  stepsLost: 30,
} as const;

export class Trace {
  readonly buffer: SharedArrayBuffer;
  readonly #control: Int32Array;
  /** What the filter wants, as numbers; see trace-filter.ts. */
  readonly filter: Uint32Array;
  readonly #view: DataView;
  readonly #u8: Uint8Array;
  readonly #clock: Clock;
  /** Id of the newest row; the writer's own count. */
  #last = 0;

  /** @param options.shared memory of another thread's `Trace`. @param options.clock for the time of day of a packet. */
  constructor(options: { shared?: SharedArrayBuffer; clock?: Clock } = {}) {
    this.buffer = options.shared ?? new SharedArrayBuffer(ROWS_AT + TRACE_ROWS * ROW_BYTES);
    this.#control = new Int32Array(this.buffer, 0, CONTROL_WORDS);
    this.filter = new Uint32Array(this.buffer, CONTROL_WORDS * 4, FILTER_WORDS);
    this.#view = new DataView(this.buffer, ROWS_AT);
    this.#u8 = new Uint8Array(this.buffer, ROWS_AT);
    this.#clock = options.clock ?? systemClock;
    this.#last = this.#control[COMMITTED];
  }

  // ── the data plane's side ──

  /** Whether packets are considered at all. */
  get active(): boolean {
    return this.#control[ACTIVE] !== 0;
  }

  /** Opens a row for slot `i` when the filter matches and the count is not used up. */
  consider(batch: Batch, i: number): void {
    if (!traceFilterMatches(this.filter, batch, i)) return;
    const left = this.#control[REMAINING];
    if (left === 0) return;
    if (Atomics.sub(this.#control, REMAINING, 1) === 1) Atomics.store(this.#control, ACTIVE, 0);
    this.#open(batch, i, 0);
  }

  /** Slot `i` goes on with the trace `id`, whose packet has left a neighbor's queue: a row of its own that names the first. */
  resume(batch: Batch, i: number, id: number): void {
    this.#open(batch, i, id);
  }

  /** Id of the trace that slot `i` belongs to, to `resume` it later; -1 for none. */
  idOf(batch: Batch, i: number): number {
    const row = batch.trace[i];
    return row < 0 ? -1 : this.#view.getUint32(row * ROW_BYTES + ROW.id, true);
  }

  /** Slot `i` goes to `toNode`. */
  step(batch: Batch, i: number, fromNode: number, toNode: number): void {
    this.#add(batch, i, STEP_NODE, fromNode, toNode, 0, 0);
  }

  /** A lookup of slot `i` found a row of a table: ENTRY_*. */
  entry(batch: Batch, i: number, kind: number, row: number, b = 0, c = 0): void {
    this.#add(batch, i, STEP_ENTRY + kind, 0xff, row, b, c);
  }

  /** Slot `i` goes its way because of this rule: an index of RULES. */
  rule(batch: Batch, i: number, rule: number): void {
    this.#add(batch, i, STEP_RULE, 0xff, rule, 0, 0);
  }

  /** Something about slot `i` was counted; it goes on. */
  note(batch: Batch, i: number, node: number, reason: number): void {
    this.#add(batch, i, STEP_NOTE, node, reason, 0, 0);
  }

  /** Slot `i` was made because of slot `cause`, and is traced with it. MADE_* says what it is. */
  made(batch: Batch, i: number, cause: number, what: number): void {
    batch.trace[i] = batch.trace[cause];
    this.#add(batch, i, STEP_MADE, 0xff, cause, what, 0);
  }

  /** Slot `i` ended in `node`. */
  end(batch: Batch, i: number, node: number, reason: number): void {
    this.#add(batch, i, STEP_END, node, reason, 0, 0);
  }

  /** Slot `i` was taken by the port of its egress interface. */
  sent(batch: Batch, i: number): void {
    this.#add(batch, i, STEP_SENT, 0xff, batch.outIface[i], batch.len[i], 0);
  }

  /** The round is over: readers may have its rows. */
  commit(): void {
    if (this.#control[COMMITTED] !== this.#last) Atomics.store(this.#control, COMMITTED, this.#last);
  }

  #open(batch: Batch, i: number, from: number): void {
    this.#last = (this.#last + 1) & 0x7fffffff;
    const row = this.#last & (TRACE_ROWS - 1);
    const at = row * ROW_BYTES;
    const v = this.#view;
    const kept = Math.min(batch.len[i], TRACE_FRAME_BYTES);
    const off = batch.off[i];
    v.setUint32(at + ROW.id, this.#last, true);
    v.setUint32(at + ROW.from, from, true);
    v.setFloat64(at + ROW.wallMs, this.#clock.wallMs(), true);
    v.setUint32(at + ROW.lenBytes, batch.len[i], true);
    v.setUint16(at + ROW.port, batch.port[i], true);
    v.setUint16(at + ROW.slot, i, true);
    v.setUint32(at + ROW.l3, batch.l3[i], true);
    v.setUint16(at + ROW.steps, 0, true);
    v.setUint16(at + ROW.stepsLost, 0, true);
    for (let b = 0; b < kept; b++) this.#u8[at + HEADER_BYTES + b] = batch.u8[off + b];
    batch.trace[i] = row;
    batch.marked = true;
  }

  #add(batch: Batch, i: number, kind: number, node: number, a: number, b: number, c: number): void {
    const at = batch.trace[i] * ROW_BYTES;
    const v = this.#view;
    const n = v.getUint16(at + ROW.steps, true);
    if (n >= TRACE_STEPS) {
      v.setUint16(at + ROW.stepsLost, v.getUint16(at + ROW.stepsLost, true) + 1, true);
      return;
    }
    const s = at + STEPS_AT + n * STEP_BYTES;
    v.setUint16(s, i, true);
    v.setUint8(s + 2, kind);
    v.setUint8(s + 3, node & 0xff);
    v.setUint32(s + 4, a, true);
    v.setUint32(s + 8, b, true);
    v.setUint32(s + 12, c, true);
    v.setUint16(at + ROW.steps, n + 1, true);
  }

  // ── the reader's side ──

  /** Starts: at most `count` packets, of those that `filter` (written before) matches. */
  start(count: number): void {
    Atomics.store(this.#control, REMAINING, count);
    Atomics.store(this.#control, ACTIVE, 1);
  }

  /** No further packets; those in flight are finished. */
  stop(): void {
    Atomics.store(this.#control, ACTIVE, 0);
  }

  /** Id of the newest row that may be read, 0 = none. */
  get committed(): number {
    return Atomics.load(this.#control, COMMITTED);
  }

  /**
   * Copies row `id` out: its header, frame and steps, for trace-format.ts. Null when it was never written or is overwritten
   * already. Cold.
   */
  read(id: number): DataView | null {
    const at = (id & (TRACE_ROWS - 1)) * ROW_BYTES;
    const copy = new Uint8Array(ROW_BYTES);
    copy.set(this.#u8.subarray(at, at + ROW_BYTES));
    const view = new DataView(copy.buffer);
    // the writer sets the id first, so an id that still stands says that the copy is whole
    return view.getUint32(ROW.id, true) === id && this.#view.getUint32(at + ROW.id, true) === id
      ? view
      : null;
  }
}

/** One step of a row that `Trace.read` gave. */
export interface TraceStep {
  readonly slot: number;
  readonly kind: number;
  /** Node in which it happened, 0xff = the node that had the packet. */
  readonly node: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** The steps of a row, in order. Cold. */
export function traceSteps(row: DataView): TraceStep[] {
  const steps: TraceStep[] = [];
  const n = row.getUint16(ROW.steps, true);
  for (let k = 0; k < n; k++) {
    const s = STEPS_AT + k * STEP_BYTES;
    steps.push({
      slot: row.getUint16(s, true),
      kind: row.getUint8(s + 2),
      node: row.getUint8(s + 3),
      a: row.getUint32(s + 4, true),
      b: row.getUint32(s + 8, true),
      c: row.getUint32(s + 12, true),
    });
  }
  return steps;
}

/** The kept bytes of a row's frame. Cold. */
export function traceFrame(row: DataView): Uint8Array {
  const len = Math.min(row.getUint32(ROW.lenBytes, true), TRACE_FRAME_BYTES);
  return new Uint8Array(row.buffer, row.byteOffset + HEADER_BYTES, len);
}
