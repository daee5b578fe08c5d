// Routing tables for benchmarks: generated with the prefix lengths and the nesting of a real full table, or read from a file.
// Next hops are hashed onto 200 values, as a router with many peers has them.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parsePrefix4 } from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';
import { createPrng } from '../base/prng.ts';
import { RibTrie4 } from '../tables/rib-trie.ts';

export interface RouteTable {
  readonly prefix: Uint32Array;
  readonly len: Uint8Array;
  readonly nextHop: Uint16Array;
}

const NEXT_HOPS = 200;
const nextHopOf = (prefix: number, len: number): number =>
  (((Math.imul(prefix, 0x9e3779b1) ^ len) >>> 8) % NEXT_HOPS) + 1;

function tableOf(prefix: Uint32Array, len: Uint8Array): RouteTable {
  return { prefix, len, nextHop: Uint16Array.from(prefix, (p, i) => nextHopOf(p, len[i])) };
}

/**
 * A full table as measured at a route collector in 2026: of each length so many prefixes of 100,000, the share that lies inside a
 * shorter one, and the share whose other half is announced too. Lengths below 1 in 10,000 are left out.
 */
const FULL_TABLE: readonly (readonly [len: number, of100k: number, nested: number, paired: number])[] = [
  [11, 11, 0.04, 0.12],
  [12, 33, 0.1, 0.29],
  [13, 64, 0.17, 0.35],
  [14, 133, 0.15, 0.35],
  [15, 233, 0.22, 0.38],
  [16, 1496, 0.24, 0.64],
  [17, 913, 0.46, 0.6],
  [18, 1530, 0.5, 0.62],
  [19, 2758, 0.39, 0.61],
  [20, 4725, 0.54, 0.65],
  [21, 5627, 0.55, 0.59],
  [22, 12044, 0.45, 0.61],
  [23, 10701, 0.57, 0.55],
  [24, 59634, 0.51, 0.77],
  [32, 98, 0.99, 0.26],
];
const LOWEST = 0x0100_0000; // 1.0.0.0
const SPAN = 0xdf00_0000; // to 223.255.255.255
/** A nested prefix is at most so many bits longer than the one around it, as nine in ten are. */
const DEEPEST = 8;
const TRIES = 64;

/** About `count` distinct prefixes; the same seed gives the same table. */
export function generateTable(count: number, seed = 1): RouteTable {
  const random = createPrng(seed);
  const prefixes: number[] = [];
  const lens: number[] = [];
  const taken = new Set<number>();
  const covered = new Uint8Array(1 << 24); // by /24: whether a shorter prefix holds it
  const add = (prefix: number, len: number): void => {
    const key = prefix * 64 + len;
    if (taken.has(key)) return;
    taken.add(key);
    prefixes.push(prefix);
    lens.push(len);
  };
  for (const [len, of100k, nested, paired] of FULL_TABLE) {
    const goal = prefixes.length + Math.round((count * of100k) / 100_000);
    const shorter = prefixes.length;
    // Where a share `paired` of all prefixes stands in pairs, this share of the draws makes one.
    const pair = paired / (2 - paired);
    for (let tries = 0; prefixes.length < goal && tries < 4 * count; tries++) {
      const inside = shorter > 0 && random() < nested;
      const prefix = inside
        ? drawInside(random, prefixes, lens, shorter, len)
        : drawFree(random, covered, len);
      add(prefix, len);
      if (prefixes.length < goal && random() < pair) add((prefix ^ (1 << (32 - len))) >>> 0, len);
    }
    for (let i = shorter; i < prefixes.length && len < 24; i++) {
      covered.fill(1, prefixes[i] >>> 8, (prefixes[i] >>> 8) + (1 << (24 - len)));
    }
  }
  return tableOf(Uint32Array.from(prefixes), Uint8Array.from(lens));
}

const cut = (address: number, len: number): number => (address & (-1 << (32 - len))) >>> 0;

function drawInside(
  random: () => number,
  prefixes: readonly number[],
  lens: readonly number[],
  shorter: number,
  len: number,
): number {
  let i = 0;
  for (let tries = 0; tries < TRIES; tries++) {
    i = Math.floor(random() * shorter);
    if (lens[i] >= len - DEEPEST) break;
  }
  return cut(prefixes[i] + Math.floor(random() * 2 ** (32 - lens[i])), len);
}

function drawFree(random: () => number, covered: Uint8Array, len: number): number {
  let prefix = 0;
  for (let tries = 0; tries < TRIES; tries++) {
    prefix = cut(LOWEST + Math.floor(random() * SPAN), len);
    if (covered[prefix >>> 8] === 0) break;
  }
  return prefix;
}

/** The table as a tree of prefixes, by which answers can be checked. */
export function trieOf({ prefix, len, nextHop }: RouteTable): RibTrie4 {
  const trie = new RibTrie4();
  for (let i = 0; i < prefix.length; i++) trie.insert(prefix[i], len[i], nextHop[i]);
  return trie;
}

/** A default route and `count` host routes in four /16s, as proximity routing makes them. */
export function hostTable(count: number, seed = 1): RouteTable {
  const random = createPrng(seed);
  const prefix = Array.from({ length: count }, () => Math.floor(0x0a00_0000 + random() * 4 * 65536));
  return tableOf(
    Uint32Array.from([0, ...prefix]),
    Uint8Array.from({ length: count + 1 }, (_, i) => (i === 0 ? 0 : 32)),
  );
}

/** The IPv4 prefixes of a text file, one a line, gzip or plain; lines of IPv6 are passed over. Throws `table-invalid`. */
export function readTable(file: string): RouteTable {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes);
  } catch (cause) {
    throw new NearhopError('table-invalid', `cannot read the table ${file}`, { cause });
  }
  const prefixes: number[] = [];
  const lens: number[] = [];
  bytes
    .toString('latin1')
    .split('\n')
    .forEach((line, i) => {
      if (line.trim() === '' || line.includes(':')) return;
      try {
        const { prefix, len } = parsePrefix4(line.trim());
        prefixes.push(prefix);
        lens.push(len);
      } catch (cause) {
        throw new NearhopError('table-invalid', `${file}:${i + 1}: '${line.slice(0, 40)}' is no prefix`, {
          hint: 'a table has one prefix a line, such as 192.0.2.0/24',
          cause,
        });
      }
    });
  if (prefixes.length === 0) throw new NearhopError('table-invalid', `${file} has no IPv4 prefix`);
  return tableOf(Uint32Array.from(prefixes), Uint8Array.from(lens));
}
