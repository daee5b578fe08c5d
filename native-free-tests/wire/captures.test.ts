// Real frames against the index of the captures, which other tools made.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { formatFrame, formatFrameVerbose } from '../../src/wire/format.ts';

const CAPTURES = fileURLToPath(new URL('../../../shared/data/captures/', import.meta.url));
const found = existsSync(`${CAPTURES}INDEX.tsv`);

/** The index names at most so many things of a capture; what is missing from a full list may be there all the same. */
const INDEX_ITEMS_MAX = 14;

interface Capture {
  readonly file: string;
  readonly packets: number;
  /** How often a thing stands in the capture, tunnelled ones included: `arp` → 2. */
  readonly holds: ReadonlyMap<string, number>;
}

const captures: Capture[] = (found ? readFileSync(`${CAPTURES}INDEX.tsv`, 'utf8') : '')
  .trim()
  .split('\n')
  .slice(1)
  .map((row) => row.split('\t'))
  .filter(([, , , encapsulation]) => encapsulation === 'ether')
  .map(([file, packets, , , , holds]) => ({
    file,
    packets: Number(packets),
    holds: new Map(
      holds.split(',').map((item): [string, number] => {
        const colon = item.lastIndexOf(':');
        return [item.slice(0, colon), Number(item.slice(colon + 1))];
      }),
    ),
  }));

function eachFrame(
  file: string,
  visit: (u8: Uint8Array, off: number, len: number, wireLen: number) => void,
): number {
  const reader = openCapture(CAPTURES + file);
  try {
    while (reader.next()) visit(reader.u8, reader.off, reader.len, reader.wireLen);
    return reader.packets;
  } finally {
    reader.close();
  }
}

// the captures are not part of the repository
describe.skipIf(!found)(
  'formatFrame over real captures (skipped where ../shared/data/captures is missing)',
  () => {
    test.each(captures)('$file: agrees with the index about $packets packets', ({ file, packets, holds }) => {
      const lines: string[] = [];
      const count = (pattern: RegExp): number =>
        lines.reduce((sum, line) => sum + (line.match(pattern)?.length ?? 0), 0);
      expect(eachFrame(file, (u8, off, len, wireLen) => lines.push(formatFrame(u8, off, len, wireLen)))).toBe(
        packets,
      );
      const listed = (item: string, seen: number): number =>
        holds.get(item) ?? (holds.size < INDEX_ITEMS_MAX ? 0 : seen);
      const seen = {
        'ipv4-badcsum': count(/bad ip cksum/g),
        arp: count(/\bARP, /g),
        vlan: count(/\bvlan \d+/g),
        vxlan: count(/VXLAN, vni/g),
        stp: count(/STP 802/g),
      };
      expect(seen).toEqual(
        Object.fromEntries(Object.entries(seen).map(([item, n]) => [item, listed(item, n)])),
      );
      expect({ cut: count(/\[\|/g), wrong: count(/wrong icmp6? cksum/g) }).toEqual({ cut: 0, wrong: 0 });
    });

    test.each(captures)('$file: every frame cut to any length formats', ({ file }) => {
      eachFrame(file, (u8, off, len, wireLen) => {
        for (let kept = 0; kept <= Math.min(len, 128); kept++) {
          const bytes = u8.slice(off, off + kept);
          expect(formatFrameVerbose(bytes, 0, kept, wireLen)).not.toMatch(/\n|undefined|NaN/);
        }
      });
    });
  },
);
