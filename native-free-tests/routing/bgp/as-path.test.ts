import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AsPath,
  asPathFirst,
  asPathHas,
  asPathLength,
  decodeAsPath,
  encodeAsPath,
  formatAsPath,
  mergeAs4Path,
} from '../../../src/routing/bgp/as-path.ts';
import { hex } from './bytes.ts';

const seq = (...ases: number[]) => ({ type: 'sequence', ases }) as const;
const set = (...ases: number[]) => ({ type: 'set', ases }) as const;
const decode = (text: string, asBytes: 2 | 4) => {
  const bytes = hex(text);
  return decodeAsPath(new DataView(bytes.buffer), 0, bytes.length, asBytes);
};

describe('decodeAsPath', () => {
  it('reads both widths (RFC 4271 §4.3, RFC 6793 §3)', () => {
    expect(decode('0202 fde9 fdea 0101 fdeb', 2)).toEqual([seq(65001, 65002), set(65003)]);
    expect(decode('0202 0000fde9 fa56ea01', 4)).toEqual([seq(65001, 4_200_000_001)]);
    expect(decode('', 4)).toEqual([]);
  });

  it.each([
    ['an unknown segment type', '0501 fde9'],
    ['a confederation segment (RFC 5065 §5)', '0301 fde9'],
    ['an empty segment', '0200'],
    ['a segment that runs over the end', '0202 fde9'],
    ['one byte that is left over', '0201 fde9 02'],
  ])('finds %s malformed (RFC 7606 §7.2)', (_name, text) => {
    expect(decode(text, 2)).toBeUndefined();
  });

  it('gives back what encodeAsPath wrote, long sequences in segments of 255', () => {
    const segment = fc.record({
      type: fc.constantFrom('set' as const, 'sequence' as const),
      ases: fc.array(fc.integer({ min: 1, max: 0xffffffff }), { minLength: 1, maxLength: 600 }),
    });
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 4 }), (path) => {
        const bytes = Uint8Array.from(encodeAsPath(path, 4));
        const back = decodeAsPath(new DataView(bytes.buffer), 0, bytes.length, 4);
        expect(back?.flatMap((s) => s.ases)).toEqual(path.flatMap((s) => s.ases));
        expect(back?.every((s) => s.ases.length <= 255)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('encodeAsPath', () => {
  it('writes AS_TRANS for what two octets cannot hold (RFC 6793 §4.2.2)', () => {
    expect(encodeAsPath([seq(65001, 4_200_000_001)], 2)).toEqual([2, 2, 0xfd, 0xe9, 0x5b, 0xa0]);
  });
});

describe('AS paths', () => {
  const path: AsPath = [seq(65001, 65010), set(65020, 65021)];
  it('asPathLength counts a set once (RFC 4271 §9.1.2.2 a)', () => expect(asPathLength(path)).toBe(3));
  it('asPathHas looks into sets too', () => {
    expect(asPathHas(path, 65021)).toBe(true);
    expect(asPathHas(path, 65022)).toBe(false);
  });
  it('asPathFirst is the neighbor, if the path begins with a sequence', () => {
    expect(asPathFirst(path)).toBe(65001);
    expect(asPathFirst([set(1)])).toBeUndefined();
    expect(asPathFirst([])).toBeUndefined();
  });
  it('formatAsPath prints as routers do', () => expect(formatAsPath(path)).toBe('65001 65010 {65020,65021}'));
});

describe('mergeAs4Path', () => {
  it.each([
    ['takes AS4_PATH where both are as long', [seq(23456, 23456)], [seq(70000, 70001)], '70000 70001'],
    [
      'keeps what stands in front of it',
      [seq(65001, 23456, 23456)],
      [seq(70000, 70001)],
      '65001 70000 70001',
    ],
    ['ignores an AS4_PATH that is longer', [seq(65001)], [seq(70000, 70001)], '65001'],
    ['keeps a leading set as one', [set(1, 2), seq(23456)], [seq(70000)], '{1,2} 70000'],
  ])('%s (RFC 6793 §4.2.3)', (_name, path, as4Path, expected) => {
    expect(formatAsPath(mergeAs4Path(path, as4Path))).toBe(expected);
  });
});
