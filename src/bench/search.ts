// Searching the highest rates with bounded losses, after RFC 2544 §26.1 and MLRsearch (RFC draft ietf-bmwg-mlrsearch): several
// bounds in one pass, where each trial that is done for one bound also narrows the others. PDR allows 0.5 % of loss, NDR none.
//
//   flood → its forwarding rate is the first guess
//   phase 1, short trials, wide gap:  for each bound: down in growing steps until a trial passes → halve the gap
//   phase 2, full trials, narrow gap: for each bound: the two ends of phase 1 again → halve what is left of the gap
//
// A short trial only says where to look: what is found has passed a full one. A rate that lies above a failed one counts as
// failed, whatever a trial there says: a device under test that passes at 500 and fails at 400 does not do 500.

/** What a trial at a rate showed. */
export interface Outcome {
  /** Frames a second that were really offered; less than asked for when the generator is the limit. */
  readonly offeredPps: number;
  /** Lost frames ÷ offered frames, after the device had time to send what it held. */
  readonly lossRatio: number;
  /** Frames not yet out when the last was offered ÷ offered frames: a growing queue is loss put off. */
  readonly backlogRatio: number;
}

export interface Bound {
  readonly name: string;
  /** Greatest loss ratio that passes. */
  readonly lossRatio: number;
}

/** Trials of one length. */
export interface Phase {
  /** Seconds of a trial. */
  readonly seconds: number;
  /** The phase ends when the failed rate is at most so much above the passed one; 0.02 is 2 %. */
  readonly precision: number;
}

/** The highest rate that passed, and how sure it is. */
export interface Found<T extends Outcome> {
  readonly name: string;
  /** The best trial that passed; undefined when none did down to the least rate. */
  readonly best: T | undefined;
  /** The generator offered no more: the device does at least this. */
  readonly limited: boolean;
  /** The least rate that failed, pps; undefined when none did. */
  readonly failedPps: number | undefined;
}

export interface SearchOptions<T extends Outcome> {
  /** Runs one trial at a rate, pps. */
  readonly trial: (pps: number, seconds: number) => Promise<T>;
  /** From the loosest to the strictest. */
  readonly bounds: readonly Bound[];
  /** From the shortest trials to the full ones. */
  readonly phases: readonly Phase[];
  /** A full flood that is done already. */
  readonly flood: T;
  /** Rate of the first trial, pps: the flood's forwarding rate. */
  readonly firstPps: number;
  /** Below this rate the search gives up, pps. */
  readonly leastPps: number;
}

/** A queue may hold so much more than the bound when the trial ends: rings are not empty in full flow. */
const BACKLOG_ALLOWED = 0.02;
/** A trial whose offer is below this share of what was asked for shows the generator's limit. */
export const OFFER_SHORT = 0.97;
const FIRST_STEP = 0.05;
const LARGEST_STEP = 0.5;

export const passes = (outcome: Outcome, bound: Bound): boolean =>
  outcome.lossRatio <= bound.lossRatio && outcome.backlogRatio <= bound.lossRatio + BACKLOG_ALLOWED;

interface Trial<T> {
  readonly pps: number;
  readonly seconds: number;
  readonly outcome: T;
}

/** The greatest rate that passed and the least that failed, pps. */
interface Gap {
  readonly passedPps: number | undefined;
  readonly failedPps: number | undefined;
}

/** Searches all bounds; the trials that were done come back too, in their order. */
export async function searchRates<T extends Outcome>(
  options: SearchOptions<T>,
): Promise<{ readonly found: readonly Found<T>[]; readonly trials: readonly T[] }> {
  const { bounds, phases, flood, firstPps } = options;
  const done: Trial<T>[] = [{ pps: flood.offeredPps, seconds: Number.POSITIVE_INFINITY, outcome: flood }];
  let found: Found<T>[] = [];
  let gaps: readonly Gap[] = bounds.map(() => ({ passedPps: firstPps, failedPps: undefined }));
  for (const phase of phases) {
    found = [];
    for (let i = 0; i < bounds.length; i++) {
      found.push(await searchOne(bounds[i], phase, gaps[i], done, options));
    }
    gaps = found.map(({ best, failedPps }) => ({ passedPps: best?.offeredPps, failedPps }));
  }
  return { found, trials: done.slice(1).map(({ outcome }) => outcome) };
}

/** @param guess where the gap was in the phase before */
async function searchOne<T extends Outcome>(
  bound: Bound,
  { seconds, precision }: Phase,
  guess: Gap,
  done: Trial<T>[],
  { trial, leastPps }: SearchOptions<T>,
): Promise<Found<T>> {
  let step = FIRST_STEP;
  let guesses = [guess.passedPps, guess.failedPps];
  for (;;) {
    const { passed, failed } = bracket(done, bound, seconds);
    const end = (limited: boolean): Found<T> => ({
      name: bound.name,
      best: passed?.outcome,
      limited,
      failedPps: failed?.pps,
    });
    // The flood is in `done`: when nothing failed, the generator offers no more than passed.
    if (failed === undefined) return end(true);
    if (passed !== undefined && failed.pps <= passed.pps * (1 + precision)) return end(false);
    const inGap = (pps: number | undefined): pps is number =>
      pps !== undefined && pps < failed.pps && pps > (passed?.pps ?? 0);
    const guessed = guesses.find(inGap);
    let pps: number;
    if (guessed !== undefined) {
      pps = guessed;
      guesses = guesses.filter((g) => g !== guessed);
    } else if (passed !== undefined) {
      pps = Math.sqrt(passed.pps * failed.pps);
    } else {
      pps = failed.pps * (1 - step);
      step = Math.min(LARGEST_STEP, step * 2);
    }
    if (pps < leastPps) return end(false);
    const outcome = await trial(pps, seconds);
    // A short offer counts for the rate that it was, else the gap would never close.
    const short = outcome.offeredPps < pps * OFFER_SHORT;
    done.push({ pps: short ? outcome.offeredPps : pps, seconds, outcome });
    if (short && passes(outcome, bound) && outcome.offeredPps <= (passed?.pps ?? 0)) return end(true);
  }
}

/** The least failed rate and the highest passed one below it, of trials that were long enough. */
function bracket<T extends Outcome>(
  done: readonly Trial<T>[],
  bound: Bound,
  seconds: number,
): { readonly passed: Trial<T> | undefined; readonly failed: Trial<T> | undefined } {
  const counted = done.filter((t) => t.seconds >= seconds);
  let failed: Trial<T> | undefined;
  for (const t of counted) {
    if (!passes(t.outcome, bound) && (failed === undefined || t.pps < failed.pps)) failed = t;
  }
  let passed: Trial<T> | undefined;
  for (const t of counted) {
    if (!passes(t.outcome, bound) || (failed !== undefined && t.pps >= failed.pps)) continue;
    if (passed === undefined || t.pps > passed.pps) passed = t;
  }
  return { passed, failed };
}
