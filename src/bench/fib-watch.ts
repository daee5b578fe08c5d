// The reader's side of the injection benchmark: looks up, as a data plane does, addresses whose host routes come and go, and
// others whose answers never change, and judges every answer.
//
// Of each address with a host route, main counts the changes it has begun and those it has finished. An address whose count
// was finished before a lookup and not begun again after it has one right answer: that of its host route when the count is
// odd, that of the route around it when it is even. While a change is under way both are right, and nothing else.

import type { Fib4Reader } from '../tables/fib4.ts';
import type { LookupRange } from '../tables/fib4-batch.ts';

export interface WatchData {
  /** First those with host routes, then the others. */
  readonly addresses: Uint32Array;
  /** Answers with the host route; for the first addresses only. */
  readonly injected: Uint16Array;
  /** Answers without it. */
  readonly around: Uint16Array;
  readonly begun: Int32Array;
  readonly finished: Int32Array;
  /** Word 0: 1 = stop. Word 1: rounds so far, by which main sees that it runs. */
  readonly control: Int32Array;
}

export interface WatchReport {
  readonly lookups: number;
  readonly wrong: number;
}

const BATCH = 256;
/** Rounds between two in which the reader is idle, as a data plane is when nothing arrives. */
const BUSY_ROUNDS = 64;

export function watch(
  reader: Fib4Reader,
  batch: LookupRange,
  dst: Uint32Array,
  nh: Uint16Array,
  { addresses, injected, around, begun, finished, control }: WatchData,
): WatchReport {
  const hosts = injected.length;
  const at = new Uint32Array(BATCH);
  const before = new Int32Array(BATCH);
  let random = 1;
  let lookups = 0;
  let wrong = 0;
  for (let round = 0; Atomics.load(control, 0) === 0; round++) {
    reader.beginRound();
    for (let k = 0; k < BATCH; k++) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      const i = (random >>> 8) % addresses.length;
      at[k] = i;
      dst[k] = addresses[i];
      if (i < hosts) before[k] = Atomics.load(finished, i);
    }
    batch(0, BATCH);
    for (let k = 0; k < BATCH; k++) {
      const i = at[k];
      const isAround = nh[k] === around[i];
      if (i >= hosts) {
        if (!isAround) wrong++;
        continue;
      }
      const isInjected = nh[k] === injected[i];
      const changing = Atomics.load(begun, i) !== before[k];
      const right = changing ? isAround || isInjected : before[k] % 2 === 1 ? isInjected : isAround;
      if (!right) wrong++;
    }
    lookups += BATCH;
    Atomics.store(control, 1, round + 1);
    if (round % BUSY_ROUNDS === 0) reader.idle();
  }
  reader.idle();
  return { lookups, wrong };
}
