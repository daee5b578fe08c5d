// Numbers of several trials as one figure that never stands without its spread.

/** Several measurements of one thing. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** In the order in which they were measured. */
  readonly all: readonly number[];
}

/** The spread of at least one number; an even count takes the lower of the two in the middle, which was measured. */
export function spreadOf(all: readonly number[]): Spread {
  const sorted = [...all].sort((a, b) => a - b);
  return {
    median: sorted[(sorted.length - 1) >> 1],
    lowest: sorted[0],
    highest: sorted[sorted.length - 1],
    all,
  };
}

/** The value that the share `q` (0 to 1) of sorted values does not exceed (nearest rank); NaN of none. */
export function percentile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** As on an Ethernet wire: FCS, preamble and the gap between frames come to each frame. */
const WIRE_OVERHEAD = 24;

/** Gbit/s on an Ethernet wire for a frame a second of so many bytes, without FCS. */
export const gbpsPerPps = (bytes: number): number => ((bytes + WIRE_OVERHEAD) * 8) / 1e9;
