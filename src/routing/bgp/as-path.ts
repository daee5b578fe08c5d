// AS_PATH (RFC 4271 §4.3 b, §5.1.2) in its 2-octet and 4-octet forms, and how the two are merged (RFC 6793 §4.2.3).

import { AS_TRANS } from './open.ts';

export interface AsSegment {
  /** A sequence counts each AS, a set counts once (RFC 4271 §9.1.2.2 a). */
  readonly type: 'set' | 'sequence';
  readonly ases: readonly number[];
}
export type AsPath = readonly AsSegment[];

const AS_SET = 1;
const AS_SEQUENCE = 2;
/** ASes that one segment holds: its count is a byte. */
const MAX_SEGMENT = 255;

/**
 * Reads the path in `view[off..end-1]`; undefined when it is malformed as RFC 7606 §7.2 has it: an unknown segment type
 * (confederation segments are one, RFC 5065 §5: nobody sends them over the border of a confederation), an empty segment,
 * or one that runs over the end.
 */
export const decodeAsPath = (
  view: DataView,
  off: number,
  end: number,
  asBytes: 2 | 4,
): AsSegment[] | undefined => {
  const path: AsSegment[] = [];
  while (off < end) {
    if (off + 2 > end) return undefined;
    const type = view.getUint8(off);
    const count = view.getUint8(off + 1);
    off += 2;
    if ((type !== AS_SET && type !== AS_SEQUENCE) || count === 0 || off + count * asBytes > end)
      return undefined;
    const ases: number[] = [];
    for (let i = 0; i < count; i++, off += asBytes) {
      ases.push(asBytes === 4 ? view.getUint32(off) : view.getUint16(off));
    }
    path.push({ type: type === AS_SET ? 'set' : 'sequence', ases });
  }
  return path;
};

/** The path as attribute bytes. A 2-octet path has AS_TRANS for every AS that does not fit. */
export const encodeAsPath = (path: AsPath, asBytes: 2 | 4): number[] => {
  const bytes: number[] = [];
  for (const segment of path) {
    for (let from = 0; from < segment.ases.length; from += MAX_SEGMENT) {
      const part = segment.ases.slice(from, from + MAX_SEGMENT);
      bytes.push(segment.type === 'set' ? AS_SET : AS_SEQUENCE, part.length);
      for (const as of part) {
        if (asBytes === 4) bytes.push(as >>> 24, (as >>> 16) & 0xff, (as >>> 8) & 0xff, as & 0xff);
        else {
          const short = as > 0xffff ? AS_TRANS : as;
          bytes.push(short >>> 8, short & 0xff);
        }
      }
    }
  }
  return bytes;
};

/** Length for the choice of a path: a set counts as one AS. */
export const asPathLength = (path: AsPath): number => {
  let length = 0;
  for (const segment of path) length += segment.type === 'set' ? 1 : segment.ases.length;
  return length;
};

export const asPathHas = (path: AsPath, as: number): boolean => path.some((s) => s.ases.includes(as));

/** The AS that sent us the route: the first of a leading sequence. Undefined for an empty path or a leading set. */
export const asPathFirst = (path: AsPath): number | undefined =>
  path[0]?.type === 'sequence' ? path[0].ases[0] : undefined;

/** "65001 65010 {65020,65021}", as every router prints it. */
export const formatAsPath = (path: AsPath): string =>
  path.map((s) => (s.type === 'set' ? `{${s.ases.join(',')}}` : s.ases.join(' '))).join(' ');

/**
 * The true path of a route that passed a 2-octet speaker: what AS_PATH has more than AS4_PATH in front, then AS4_PATH.
 * An AS4_PATH that is longer than AS_PATH says nothing and is ignored (RFC 6793 §4.2.3).
 */
export const mergeAs4Path = (path: AsPath, as4Path: AsPath): AsPath => {
  let keep = asPathLength(path) - asPathLength(as4Path);
  if (keep < 0) return path;
  const merged: AsSegment[] = [];
  for (const segment of path) {
    if (keep === 0) break;
    const ases = segment.type === 'set' ? segment.ases : segment.ases.slice(0, keep);
    keep -= segment.type === 'set' ? 1 : ases.length;
    merged.push({ type: segment.type, ases });
  }
  return [...merged, ...as4Path];
};
