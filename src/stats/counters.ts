// Counters of one data-plane worker: doubles in shared memory, written by that worker alone and read by anyone at any time.
// What several workers counted is added up by whoever asks (`sumCounters`).
//
// Three groups: one count for each reason, a few totals, and a row for each interface. The conservation law ties them:
//   received + originated + replicated = sent + dropped + consumed + queued

import { REASONS } from './reasons.ts';

/** Totals of the data plane. A row: name, the operator's sentence. */
export const TOTALS = {
  received: 'packets that ports handed over',
  originated: 'packets that the gateway made: replies, ARP requests, ICMP errors, announcements',
  replicated: 'copies made for flooding, fragments and segments, each counted beyond the packet it came from',
  sent: 'packets that ports took',
  dropped: 'packets that ended here and reached nobody',
  consumed: 'packets that ended here because they were for the gateway',
  queued: 'packets that wait for a neighbor, or between two workers, now (a gauge)',
  rounds: 'rounds of the data plane that moved a packet',
} as const;
export type TotalName = keyof typeof TOTALS;
export const TOTAL_NAMES = Object.keys(TOTALS) as TotalName[];
export const TOTAL = Object.freeze(
  Object.fromEntries(TOTAL_NAMES.map((n, i) => [n, i])) as Record<TotalName, number>,
);

/** Counters of an interface. */
export const IF_COUNTERS = {
  rxPackets: 'packets received',
  rxBytes: 'bytes received',
  txPackets: 'packets sent',
  txBytes: 'bytes sent',
  rxDrops: 'received packets that were dropped here',
  txDrops: 'packets that the port could not send',
} as const;
export type IfCounterName = keyof typeof IF_COUNTERS;
export const IF_COUNTER_NAMES = Object.keys(IF_COUNTERS) as IfCounterName[];
export const IF_COUNTER = Object.freeze(
  Object.fromEntries(IF_COUNTER_NAMES.map((n, i) => [n, i])) as Record<IfCounterName, number>,
);
/** Columns of an interface's row. */
export const IF_COUNTER_STRIDE = 8;

export class Counters {
  readonly buffer: SharedArrayBuffer;
  /** Packets by reason; index as in REASONS. */
  readonly reasons: Float64Array;
  /** Totals; index as in TOTAL. */
  readonly totals: Float64Array;
  /** Interface counters: `ifaces[IfIndex * IF_COUNTER_STRIDE + IF_COUNTER.x]`. */
  readonly ifaces: Float64Array;

  /** @param shared memory of a `Counters` of another thread, to read or write the same counts. */
  constructor(maxInterfaces = 256, shared?: SharedArrayBuffer) {
    const reasonRoom = 128;
    const totalRoom = 16;
    this.buffer =
      shared ?? new SharedArrayBuffer((reasonRoom + totalRoom + maxInterfaces * IF_COUNTER_STRIDE) * 8);
    this.reasons = new Float64Array(this.buffer, 0, REASONS.length);
    this.totals = new Float64Array(this.buffer, reasonRoom * 8, TOTAL_NAMES.length);
    this.ifaces = new Float64Array(this.buffer, (reasonRoom + totalRoom) * 8);
  }

  /** What the conservation law lacks: 0 between two rounds, always. Holds for each worker, and for the sum of all. */
  imbalance(): number {
    const t = this.totals;
    return (
      t[TOTAL.received] +
      t[TOTAL.originated] +
      t[TOTAL.replicated] -
      (t[TOTAL.sent] + t[TOTAL.dropped] + t[TOTAL.consumed] + t[TOTAL.queued])
    );
  }
}

/** The counts of all workers together: a copy as of now, or the only worker's own. */
export function sumCounters(workers: readonly Counters[]): Counters {
  if (workers.length === 1) return workers[0];
  const sum = new Counters();
  for (const { reasons, totals, ifaces } of workers) {
    reasons.forEach((n, i) => {
      sum.reasons[i] += n;
    });
    totals.forEach((n, i) => {
      sum.totals[i] += n;
    });
    ifaces.forEach((n, i) => {
      sum.ifaces[i] += n;
    });
  }
  return sum;
}
