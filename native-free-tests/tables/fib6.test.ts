import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { createPrng } from '../../src/base/prng.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib6, Fib6Reader } from '../../src/tables/fib6.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';
import { LinearFib } from './linear-fib.ts';
import { ribTable6 } from './rib-data.ts';

type Words = readonly [number, number, number, number];

function create(nodes = 1 << 14) {
  const epoch = new Epoch();
  const fib = new Fib6({ nextHops: new NextHopTable(epoch), epoch, nodes });
  const reader = new Fib6Reader(fib.shared);
  return { fib, reader };
}

function trySet(fib: Fib6, words: Words, len: number, nh: number): boolean {
  try {
    fib.set(...words, len, nh);
    return true;
  } catch (error) {
    expect((error as NearhopError).code).toBe('fib6-full');
    expect(error).toBeInstanceOf(NearhopError);
    return false;
  }
}

// Few distinct bits, so that prefixes nest in every word.
const word = fc.constantFrom(0, 1, 0x80000000, 0x20010db8, 0x20010db9, 0xffffffff);
const words: fc.Arbitrary<Words> = fc.tuple(
  fc.constantFrom(0x20010db8, 0x20010000, 0xfe800000, 0),
  word,
  word,
  word,
);
const length = fc.oneof(
  fc.constantFrom(0, 3, 16, 17, 20, 32, 48, 64, 127, 128),
  fc.integer({ min: 0, max: 128 }),
);
const operations = fc.array(
  fc.record({ words, length, nh: fc.integer({ min: 1, max: 32767 }), remove: fc.boolean() }),
  { minLength: 5, maxLength: 50 },
);

/** The address with bit `i` (0 = the first) turned over. */
function flip(address: Words, i: number): Words {
  const out: [number, number, number, number] = [...address];
  out[i >>> 5] = (out[i >>> 5] ^ (0x80000000 >>> (i & 31))) >>> 0;
  return out;
}

describe('Fib6', () => {
  it.each([
    ['with room', 1 << 12],
    ['when nodes run short', 40],
  ])('lookup equals a linear scan after any sets and removals, %s', (_, nodes) => {
    let refused = 0;
    fc.assert(
      fc.property(operations, (ops) => {
        const { fib, reader } = create(nodes);
        const linear = new LinearFib();
        for (const op of ops) {
          if (op.remove) expect(fib.remove(...op.words, op.length)).toBe(linear.remove(op.words, op.length));
          else if (trySet(fib, op.words, op.length, op.nh)) linear.set(op.words, op.length, op.nh);
          else refused++;
          expect(reader.lookup(...op.words)).toBe(linear.lookup(op.words));
        }
        for (const op of ops) {
          for (const bit of [0, 2, 15, 16, 31, 32, op.length - 1, op.length, 127]) {
            if (bit < 0 || bit > 127) continue;
            const probe = flip(op.words, bit);
            expect(reader.lookup(...probe)).toBe(linear.lookup(probe));
          }
        }
        expect(fib.stats().prefixes).toBe(linear.size);
      }),
      { numRuns: 150, seed: 6 },
    );
    expect(refused > 100).toBe(nodes < 100);
  });

  it('set: does not reuse nodes that a reader in a round may still walk', () => {
    const { fib, reader } = create(3);
    const at = (hi: number): Words => [hi, 0, 0, 0];
    reader.beginRound();
    fib.set(...at(0x20010db0), 28, 5); // three nodes below the root
    expect(fib.remove(...at(0x20010db0), 28)).toBe(true);
    expect(trySet(fib, at(0x30010db0), 28, 6)).toBe(false);
    expect(reader.lookup(...at(0x30010db0))).toBe(0);
    reader.idle();
    expect(trySet(fib, at(0x30010db0), 28, 6)).toBe(true);
    expect(reader.lookup(...at(0x30010dbf))).toBe(6);
    expect(reader.lookup(...at(0x20010db0))).toBe(0);
  });

  it('uses emptied nodes again only when nodes run short', () => {
    const { fib, reader } = create(20);
    for (let i = 0; i < 100; i++) {
      const at: Words = [0x20000000 + i * 65536, 0, 0, 0];
      fib.set(...at, 48, 1 + i); // eight nodes
      expect(reader.lookup(...at)).toBe(1 + i);
      fib.remove(...at, 48);
      expect(reader.lookup(...at)).toBe(0);
      expect(fib.stats().nodes).toBeGreaterThanOrEqual(8);
    }
    expect(fib.stats()).toMatchObject({ prefixes: 0, nodeCapacity: 20 });
  });

  it('a full routing table: every sampled address gets what a table per prefix length says', () => {
    const table = ribTable6(4);
    const { fib, reader } = create(1 << 18);
    const byLen = Array.from({ length: 129 }, () => new Map<string, number>());
    const keyOf = (at: Words, len: number): string => LinearFib.bits(at).slice(0, len);
    const row = (i: number): Words => [...table.words.subarray(i * 4, i * 4 + 4)] as unknown as Words;
    for (let i = 0; i < table.len.length; i++) {
      fib.set(...row(i), table.len[i], table.nh[i]);
      byLen[table.len[i]].set(keyOf(row(i), table.len[i]), table.nh[i]);
    }
    const used = byLen
      .map((m, len) => (m.size > 0 ? len : -1))
      .filter((len) => len >= 0)
      .reverse();
    const expected = (at: Words): number => {
      const bits = LinearFib.bits(at);
      for (const len of used) {
        const nh = byLen[len].get(bits.slice(0, len));
        if (nh !== undefined) return nh;
      }
      return 0;
    };
    const random = createPrng(9);
    let wrong = 0;
    for (let i = 0; i < 20_000; i++) {
      const base = row(Math.floor(random() * table.len.length));
      const probe = flip(flip(base, Math.floor(random() * 128)), Math.floor(random() * 64));
      if (reader.lookup(...base) !== expected(base)) wrong++;
      if (reader.lookup(...probe) !== expected(probe)) wrong++;
    }
    expect(wrong).toBe(0);
    for (let i = 0; i < table.len.length; i++) fib.remove(...row(i), table.len[i]);
    expect(fib.stats().prefixes).toBe(0);
    for (let i = 0; i < 1000; i++) {
      if (reader.lookup(...row(Math.floor(random() * table.len.length))) !== 0) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
