// When the frames of a round came, for captures that are written: kept where the loops over records put them (pcap/record-loops.ts).

import type { Slab } from '../base/slab.ts';
import { RecordLoops } from '../pcap/record-loops.ts';

/**
 * Times of the frames of one round, for ports that write captures: a received frame leaves with the time it came, what the
 * gateway makes with the time of the round. Whole ms since the Unix epoch, and nanoseconds within that ms.
 */
export class RoundTimes {
  readonly loops: RecordLoops;
  /** Slots below have a time of their own. */
  received = 0;
  #nowMs = 0;
  #nowNs = 0;

  constructor(slab: Slab) {
    this.loops = new RecordLoops(slab);
  }

  /** A new round begins. */
  begin(ms: number, ns: number): void {
    this.received = 0;
    this.#nowMs = ms;
    this.#nowNs = ns;
  }

  /** Slot `slot` holds a frame of this time; the round is at least as late. */
  arrive(slot: number, ms: number, ns: number): void {
    this.loops.setTime(slot, ms, ns);
    this.arrived(slot + 1, ms, ns);
  }

  /** All slots before `end` hold frames with their times, the last of which is this one. */
  arrived(end: number, ms: number, ns: number): void {
    this.received = end;
    if (ms > this.#nowMs || (ms === this.#nowMs && ns > this.#nowNs)) {
      this.#nowMs = ms;
      this.#nowNs = ns;
    }
  }

  /** Tells the loops what time it is. */
  tellNow(): void {
    this.loops.setNow(this.#nowMs, this.#nowNs);
  }

  ms(slot: number): number {
    return slot < this.received ? this.loops.ms(slot) : this.#nowMs;
  }

  ns(slot: number): number {
    return slot < this.received ? this.loops.ns(slot) : this.#nowNs;
  }
}
