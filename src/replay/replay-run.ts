// The loop of a replay: packets, events and timers in the order of time, on a clock that jumps from one to the next.
//
//   the earliest of: next frame of any capture, next event → timers and held frames that are due before it → the event, or
//   a run of frames of that capture: up to the next frame of another one, the next event, the next timer, RUN_NS at most.
//
// Each run is one round of the data plane. The same input gives the same rounds, and so the same bytes.

import type { VirtualClock } from '../base/clock.ts';
import type { Dataplane } from '../dataplane/graph.ts';
import type { InlineGateway } from '../gateway/inline.ts';
import type { PcapFilePort } from '../ports/pcap-file.ts';
import { TOTAL } from '../stats/counters.ts';
import { applyReplayEvent } from './apply-event.ts';
import type { CapturePorts } from './capture-ports.ts';
import type { Decisions } from './decisions.ts';
import type { ReplayEvent } from './replay-events.ts';

/**
 * Longest run of frames that share one round, ns: the time for which the gateway's clock stands still. Of 1 Mpps, as many
 * frames as a round can have; a live gateway under load reads its clock as seldom.
 */
const RUN_NS = 250_000;
/** After so long without a frame nothing is asked any more, and ageing needs the timers only every COARSE_MS. */
const QUIET_MS = 60_000;
const COARSE_MS = 100;
/** After a gap of this length all timers of the data plane have run out, and the clock may jump. */
const GAP_MS = 600_000;
/** Time after the last frame in which waiting packets may still go out or be given up, ms. */
const SETTLE_MS = 10_000;
/**
 * The event loop gets its turn after so many bytes of frames, so that reads and writes that have ended are followed by others soon (with
 * a MiB the system was idle for half of the time, and a replay took a sixth longer), and after so many rounds, so that an interrupt is heard.
 */
const BYTES_PER_TURN = 64 << 10;
const ROUNDS_PER_TURN = 256;

/** An event with its time, ms since the Unix epoch. */
export interface TimedEvent {
  readonly atMs: number;
  readonly event: ReplayEvent;
}

export interface AppliedEvent {
  readonly atMs: number;
  readonly text: string;
  /** Packets that were replayed before it. */
  readonly packets: number;
}

/** What a run found besides counters. */
export interface RunResult {
  readonly applied: readonly AppliedEvent[];
  /** Gaps above ten minutes, through which the clock jumped. */
  readonly gaps: number;
  readonly interrupted: boolean;
}

/** Replays everything. Throws the failure of a capture, or what an event says. */
export async function runReplay(
  gateway: InlineGateway,
  captures: CapturePorts,
  events: readonly TimedEvent[],
  clock: VirtualClock,
  decisions: Decisions,
  signal: AbortSignal | undefined,
): Promise<RunResult> {
  return new ReplayRun(gateway, captures, events, clock, decisions).run(signal);
}

class ReplayRun {
  readonly #gateway: InlineGateway;
  readonly #dataplane: Dataplane;
  readonly #captures: CapturePorts;
  readonly #events: readonly TimedEvent[];
  readonly #clock: VirtualClock;
  readonly #decisions: Decisions;
  readonly #applied: AppliedEvent[] = [];
  #gaps = 0;
  /** Bytes of frames since the event loop had its turn. */
  #bytes = 0;

  constructor(
    gateway: InlineGateway,
    captures: CapturePorts,
    events: readonly TimedEvent[],
    clock: VirtualClock,
    decisions: Decisions,
  ) {
    this.#gateway = gateway;
    this.#dataplane = gateway.dataplane;
    this.#captures = captures;
    this.#events = events;
    this.#clock = clock;
    this.#decisions = decisions;
  }

  async run(signal: AbortSignal | undefined): Promise<RunResult> {
    const { io } = this.#captures;
    for (let round = 1; signal?.aborted !== true; round++) {
      while (!this.#ready()) await io.next();
      if (!this.#step()) break;
      if (this.#bytes < BYTES_PER_TURN && round % ROUNDS_PER_TURN !== 0) continue;
      this.#bytes = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const interrupted = signal?.aborted === true;
    if (!interrupted) {
      this.#passTime(Math.max(this.#clock.nowMs(), ...this.#captures.files.map((file) => file.latestMs)));
      this.#settle();
    }
    return { applied: this.#applied, gaps: this.#gaps, interrupted };
  }

  /** Whether every capture has its next frames and room for what is sent; if not, some read or write is pending. */
  #ready(): boolean {
    const { files } = this.#captures;
    if (areReady(files)) return true;
    for (const file of files) file.flush(); // what is not written yet may lie where the next read goes
    return areReady(files);
  }

  /** One event, or one run of frames; false when there is nothing left. */
  #step(): boolean {
    const { files } = this.#captures;
    let first = -1;
    for (let p = 0; p < files.length; p++) {
      if (files[p].failure !== undefined) throw files[p].failure;
      if (files[p].nextMs === Number.POSITIVE_INFINITY) continue;
      if (first < 0 || this.#isEarlier(p, first)) first = p;
    }
    const event = this.#events[this.#applied.length];
    if (first < 0 && event === undefined) return false;
    const frameMs = first < 0 ? Number.POSITIVE_INFINITY : files[first].nextMs + files[first].nextNs / 1e6;
    if (event !== undefined && event.atMs <= frameMs) {
      this.#passTime(event.atMs);
      this.#apply(event);
    } else {
      this.#passTime(frameMs);
      this.#deliver(first);
    }
    return true;
  }

  #isEarlier(p: number, other: number): boolean {
    const { files } = this.#captures;
    const ms = files[p].nextMs - files[other].nextMs;
    return ms < 0 || (ms === 0 && files[p].nextNs < files[other].nextNs);
  }

  /** A run of frames of capture `first`, which has the next one. */
  #deliver(first: number): void {
    const { files, times } = this.#captures;
    const file = files[first];
    const { nextMs, nextNs } = file;
    let limitMs = nextMs + Math.floor((nextNs + RUN_NS) / 1e6);
    let limitNs = (nextNs + RUN_NS) % 1e6;
    for (let p = 0; p < files.length; p++) {
      if (p === first) continue;
      const { nextMs: ms, nextNs: ns } = files[p];
      if (ms < limitMs || (ms === limitMs && ns < limitNs)) {
        limitMs = ms;
        limitNs = ns;
      }
    }
    // Events come before the frames of their time, timers too; both are doubles, and so good to a quarter of a microsecond.
    const stopMs = Math.min(this.#events[this.#applied.length]?.atMs ?? Infinity, this.#dataplane.nextTickMs);
    if (stopMs <= limitMs + limitNs / 1e6) {
      limitMs = Math.floor(stopMs);
      limitNs = Math.floor((stopMs - limitMs) * 1e6) - 1;
    }
    // The frame that is due goes in any case.
    if (limitMs < nextMs || (limitMs === nextMs && limitNs < nextNs)) {
      limitMs = nextMs;
      limitNs = nextNs;
    }
    times?.begin(nextMs, nextNs);
    file.limit(limitMs, limitNs);
    const before = file.stats.rxBytes;
    this.#dataplane.drain(first);
    this.#bytes += file.stats.rxBytes - before;
    this.#gateway.plane.shared.counters.totals[TOTAL.rounds]++;
    this.#decisions.ended(this.#dataplane.context.batch);
    file.limit(-1, 0);
  }

  #apply({ atMs, event }: TimedEvent): void {
    this.#beginRound();
    applyReplayEvent(this.#gateway, event);
    this.#decisions.inventoryChanged();
    const packets = this.#gateway.plane.shared.counters.totals[TOTAL.received];
    this.#applied.push({ atMs, text: event.text, packets });
  }

  /** Moves the clock to `ms`, and on the way does what is due: timers, and frames that faults hold back. */
  #passTime(ms: number): void {
    const from = this.#clock.nowMs();
    const jumps = ms - from > GAP_MS;
    const until = jumps ? from + GAP_MS : ms;
    for (;;) {
      const now = this.#clock.nowMs();
      const tickMs = Math.max(this.#dataplane.nextTickMs, now - from > QUIET_MS ? now + COARSE_MS : 0);
      const due = Math.min(tickMs, this.#heldMs());
      if (due > until) break;
      this.#clock.advanceTo(due);
      this.#tend();
    }
    this.#clock.advanceTo(ms);
    if (jumps) this.#gaps++;
    if (this.#dataplane.nextTickMs <= ms) this.#tend();
  }

  /** When the next frame that faults hold back is due. */
  #heldMs(): number {
    const { ports, times } = this.#captures;
    let due = Number.POSITIVE_INFINITY;
    if (times !== undefined) return due;
    for (let p = 0; p < ports.length; p++) due = Math.min(due, ports[p].nextDueMs ?? due);
    return due;
  }

  /** Timers, and held frames that are due. */
  #tend(): void {
    const { ports } = this.#captures;
    const batch = this.#dataplane.context.batch;
    this.#beginRound();
    if (this.#dataplane.tickIfDue() > 0) this.#decisions.ended(batch);
    if (this.#heldMs() > this.#clock.nowMs()) return;
    for (let p = 0; p < ports.length; p++) {
      if (this.#dataplane.drain(p) > 0) this.#decisions.ended(batch);
    }
  }

  #beginRound(): void {
    const now = this.#clock.nowMs();
    const ms = Math.floor(now);
    this.#captures.times?.begin(ms, Math.floor((now - ms) * 1e6));
  }

  /** After the last frame: until no packet waits any more. */
  #settle(): void {
    const { totals } = this.#gateway.plane.shared.counters;
    const endMs = this.#clock.nowMs() + SETTLE_MS;
    while (totals[TOTAL.queued] > 0 || this.#heldMs() < Number.POSITIVE_INFINITY) {
      const due = Math.min(this.#dataplane.nextTickMs, this.#heldMs());
      if (due > endMs) return;
      this.#passTime(due);
    }
  }
}

function areReady(files: readonly PcapFilePort[]): boolean {
  let ready = true;
  for (let p = 0; p < files.length; p++) if (!files[p].ready()) ready = false; // all of them: each begins its next read
  return ready;
}
