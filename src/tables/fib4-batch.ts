// Lookups by the batch: a column of addresses in, a column of next-hop indices out, in one plain loop for each layout.
//
// A lookup is a few instructions around one or two loads that often miss the cache. A loop over nothing but lookups has many
// of them in flight at a time; one that does the rest of a packet's work in between has few.
//
// The loops are made once for given tables and columns, as closures over them: V8 then writes the arrays' addresses and
// lengths into the code. As arguments they are checked and loaded again for each access, which made the code twice as long
// and left half as many loads in flight (full table: 23 Mlps as arguments, 84 as closures). It does so for the first closure
// of a kind in a thread; further ones are as correct, and as slow as arguments.

import { DIR16_GROUP } from './fib4-dir16.ts';
import { DIR24_GROUP } from './fib4-dir24.ts';

/** Looks up the addresses from `from` to before `to` of the address column. */
export type LookupRange = (from: number, to: number) => void;

/**
 * Two passes, the second only where an address has a group, which few of a full table have: the first then is loads and
 * nothing that waits for them, four at a time to spare the loop's own work, and more of them are in flight.
 */
export function dir24Range(
  first: Uint16Array,
  second: Uint16Array,
  dst: Uint32Array,
  nh: Uint16Array,
): LookupRange {
  return (from, to) => {
    const fours = from + ((to - from) & -4);
    let all = 0;
    let i = from;
    for (; i < fours; i += 4) {
      const a = first[dst[i] >>> 8];
      const b = first[dst[i + 1] >>> 8];
      const c = first[dst[i + 2] >>> 8];
      const d = first[dst[i + 3] >>> 8];
      nh[i] = a;
      nh[i + 1] = b;
      nh[i + 2] = c;
      nh[i + 3] = d;
      all |= a | b | c | d;
    }
    for (; i < to; i++) {
      nh[i] = first[dst[i] >>> 8];
      all |= nh[i];
    }
    if (all < DIR24_GROUP) return;
    for (i = from; i < to; i++) {
      const e = nh[i];
      if (e >= DIR24_GROUP) nh[i] = second[((e - DIR24_GROUP) << 8) | (dst[i] & 255)];
    }
  };
}

/** Four at a time: whether an address has a group is a coin toss, and the next three do not wait for how it falls. */
export function dir16Range(
  first: Int32Array,
  second: Int32Array,
  dst: Uint32Array,
  nh: Uint16Array,
): LookupRange {
  const below = (entry: number, i: number): number => second[((entry - DIR16_GROUP) << 8) | i];
  const one = (a: number, entry: number): number => {
    if (entry < DIR16_GROUP) return entry;
    const e = below(entry, (a >>> 8) & 255);
    return e < DIR16_GROUP ? e : below(e, a & 255);
  };
  return (from, to) => {
    let i = from;
    for (; i + 4 <= to; i += 4) {
      const a = dst[i];
      const b = dst[i + 1];
      const c = dst[i + 2];
      const d = dst[i + 3];
      const ea = first[a >>> 16];
      const eb = first[b >>> 16];
      const ec = first[c >>> 16];
      const ed = first[d >>> 16];
      nh[i] = one(a, ea);
      nh[i + 1] = one(b, eb);
      nh[i + 2] = one(c, ec);
      nh[i + 3] = one(d, ed);
    }
    for (; i < to; i++) nh[i] = one(dst[i], first[dst[i] >>> 16]);
  };
}
