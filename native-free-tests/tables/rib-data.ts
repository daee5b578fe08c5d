// A routing table for tests and benchmarks: the recorded one beside the repository where it exists, otherwise a generated
// one with about the same mix of prefix lengths. Next hops are hashed onto 200 values, as the recorded table has none.

import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseIpv6 } from '../../src/addr/ipv6.ts';
import { parsePrefix4 } from '../../src/addr/prefix.ts';
import { createPrng } from '../../src/base/prng.ts';

const RECORDED = new URL('../../../shared/data/rib/prefixes.txt.gz', import.meta.url);

export interface RibTable4 {
  readonly recorded: boolean;
  readonly prefix: Uint32Array;
  readonly len: Uint8Array;
  readonly nh: Uint16Array;
}

/** Each row of `words` is four u32. */
export interface RibTable6 {
  readonly recorded: boolean;
  readonly words: Uint32Array;
  readonly len: Uint8Array;
  readonly nh: Uint16Array;
}

const nextHop = (a: number, b: number): number => (((Math.imul(a, 0x9e3779b1) ^ b) >>> 8) % 200) + 1;

function recordedLines(): string[] | undefined {
  if (!existsSync(RECORDED)) return undefined;
  return gunzipSync(readFileSync(RECORDED)).toString('latin1').split('\n');
}

/** The IPv4 table; `generated` is how many prefixes are made up where there is no recorded table. */
export function ribTable4(generated = 200_000): RibTable4 {
  const lines = recordedLines()?.filter((l) => l.includes('.'));
  const n = lines?.length ?? generated;
  const table = {
    recorded: lines !== undefined,
    prefix: new Uint32Array(n),
    len: new Uint8Array(n),
    nh: new Uint16Array(n),
  };
  const random = createPrng(4);
  for (let i = 0; i < n; i++) {
    if (lines !== undefined) ({ prefix: table.prefix[i], len: table.len[i] } = quickPrefix4(lines[i]));
    else {
      // Six in ten are a /24, three in ten a /20 to /23, few are host routes; spread over 1.0.0.0 to 223.255.255.255.
      const dice = random();
      const len =
        dice < 0.6
          ? 24
          : dice < 0.9
            ? 20 + Math.floor(random() * 4)
            : dice < 0.99
              ? 8 + Math.floor(random() * 12)
              : 32;
      table.len[i] = len;
      table.prefix[i] = (0x01000000 + Math.floor(random() * 0xdf000000)) & (-1 << (32 - len));
    }
    table.nh[i] = nextHop(table.prefix[i], table.len[i]);
  }
  return table;
}

/** Ten times as fast as `parsePrefix4`, for a file of a million lines that is known to be right. */
function quickPrefix4(line: string): { prefix: number; len: number } {
  let prefix = 0;
  let byte = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (c === 0x2e) {
      prefix = prefix * 256 + byte;
      byte = 0;
    } else if (c === 0x2f) return { prefix: prefix * 256 + byte, len: Number(line.slice(i + 1)) };
    else byte = byte * 10 + c - 0x30;
  }
  return parsePrefix4(line);
}

/** The IPv6 table, every `step`th prefix of the recorded one. */
export function ribTable6(step = 1, generated = 40_000): RibTable6 {
  const lines = recordedLines()
    ?.filter((l) => l.includes(':'))
    .filter((_, i) => i % step === 0);
  const n = lines?.length ?? generated;
  const table = {
    recorded: lines !== undefined,
    words: new Uint32Array(n * 4),
    len: new Uint8Array(n),
    nh: new Uint16Array(n),
  };
  const random = createPrng(6);
  for (let i = 0; i < n; i++) {
    if (lines !== undefined) {
      const [address, len] = lines[i].split('/');
      table.words.set(parseIpv6(address), i * 4);
      table.len[i] = Number(len);
    } else {
      const len = random() < 0.5 ? 48 : random() < 0.3 ? 32 : 20 + Math.floor(random() * 29);
      table.len[i] = len;
      table.words[i * 4] = (0x20000000 + random() * 0x1000000) & (len < 32 ? -1 << (32 - len) : -1);
      table.words[i * 4 + 1] = len <= 32 ? 0 : (random() * 2 ** 32) & (-1 << (64 - len));
    }
    table.nh[i] = nextHop(table.words[i * 4] ^ table.words[i * 4 + 1], table.len[i]);
  }
  return table;
}
