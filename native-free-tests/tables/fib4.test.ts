import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { adjIndex } from '../../src/base/ids.ts';
import { createPrng } from '../../src/base/prng.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fib4, Fib4Reader } from '../../src/tables/fib4.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';
import { LinearFib } from './linear-fib.ts';
import { ribTable4 } from './rib-data.ts';

function create(limits: { groups24?: number; groups16?: number } = {}) {
  const epoch = new Epoch();
  const nextHops = new NextHopTable(epoch);
  const fib = new Fib4({ nextHops, epoch, groups16: 8192, ...limits });
  const reader = new Fib4Reader(fib.shared);
  return { epoch, nextHops, fib, reader };
}

/** Calls `set`; returns whether there was room. */
function tryset(fib: Fib4, prefix: number, len: number, nh: number): boolean {
  try {
    fib.set(prefix, len, nh);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(NearhopError);
    expect((error as NearhopError).code).toBe('fib4-full');
    return false;
  }
}

// Few blocks, so that prefixes nest; the edges of /16s, /24s and of the address space are among them.
const address = fc
  .tuple(
    fc.constantFrom(0x0a000000, 0x0a0000ff, 0x0a00ff00, 0x0a010000, 0x7fffffff, 0x80000000, 0xffffff00),
    fc.oneof(fc.nat(3), fc.nat(0xff), fc.nat(0x1ffff)),
  )
  .map(([base, offset]) => (base + offset) >>> 0);
const length = fc.oneof(
  fc.constantFrom(0, 8, 15, 16, 17, 23, 24, 25, 31, 32),
  fc.integer({ min: 0, max: 32 }),
);
/** Without the prefixes that fill millions of slots, which make a layout slow to build and not harder to get right. */
const longer = fc.oneof(fc.constantFrom(8, 15, 16, 17, 23, 24, 25, 31, 32), fc.integer({ min: 8, max: 32 }));
const operations = (len: fc.Arbitrary<number>) =>
  fc.record({ address, length: len, nh: fc.integer({ min: 1, max: 32767 }), remove: fc.boolean() });

/** Runs the operations on the FIB and on a linear table, and compares around every prefix that was touched. */
function compare(
  limits: { groups24?: number; groups16?: number },
  ops: readonly { address: number; length: number; nh: number; remove: boolean }[],
): { switches: number; refused: number } {
  const { fib, reader } = create(limits);
  const linear = new LinearFib();
  const dst = new Uint32Array(2 + 5 * ops.length);
  const nh = new Uint16Array(dst.length);
  const batch = reader.batch(dst, nh);
  const probes = new Set<number>([0, 0xffffffff]);
  let refused = 0;
  for (const op of ops) {
    const span = 2 ** (32 - op.length);
    const first = Math.floor(op.address / span) * span;
    for (const a of [first - 1, first, op.address, first + span - 1, first + span]) probes.add(a >>> 0);
    if (op.remove) expect(fib.remove(op.address, op.length)).toBe(linear.remove([op.address], op.length));
    else if (tryset(fib, op.address, op.length, op.nh)) linear.set([op.address], op.length, op.nh);
    else refused++;
    reader.beginRound();
    for (const a of [first, op.address, first + span - 1]) expect(reader.lookup(a)).toBe(linear.lookup([a]));
    reader.idle();
  }
  for (const a of probes) expect(reader.lookup(a)).toBe(linear.lookup([a]));
  dst.set([...probes]);
  batch(0, probes.size);
  for (let i = 0; i < probes.size; i++) expect(nh[i]).toBe(linear.lookup([dst[i]]));
  expect(fib.stats().prefixes).toBe(linear.size);
  return { switches: fib.stats().switches, refused };
}

describe('Fib4Reader.batch', () => {
  it.each([
    ['dir-16-8-8', 0],
    ['dir-24-8', 20],
  ] as const)('answers the range it is asked for and nothing else, in %s', (layout, blocks) => {
    const { fib, reader } = create();
    fib.set(0, 0, 9);
    // Prefixes of 20 bits take a group of DIR-16-8-8 for each /16, so many make DIR-24-8 the better layout.
    for (let i = 0; i < blocks * 256; i++) fib.set(i << 16, 20, 1 + i);
    fib.set(0x0a000001, 32, 7);
    expect(fib.stats().layout).toBe(layout);
    const dst = Uint32Array.from({ length: 16 }, (_, i) => 0x0a000000 + i);
    const nh = new Uint16Array(16).fill(0xffff);
    const batch = reader.batch(dst, nh);
    for (const [from, to] of [
      [1, 2],
      [5, 11],
      [16, 16],
    ]) {
      batch(from, to);
    }
    for (let i = 0; i < 16; i++) {
      const asked = i === 1 || (i >= 5 && i < 11);
      expect(nh[i]).toBe(asked ? reader.lookup(dst[i]) : 0xffff);
    }
    expect(nh[1]).toBe(7);
  });
});

describe('Fib4', () => {
  it('lookup equals a linear scan after any sets and removals', () => {
    fc.assert(
      fc.property(fc.array(operations(length), { maxLength: 40 }), (ops) => {
        expect(compare({}, ops).refused).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('lookup equals a linear scan while the layout is forced to and fro, and when neither has room', () => {
    let switches = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(operations(longer), { minLength: 30, maxLength: 60 }), (ops) => {
        const outcome = compare({ groups24: 3, groups16: 5 }, ops);
        switches += outcome.switches;
        refused += outcome.refused;
      }),
      { numRuns: 60, seed: 1 },
    );
    expect(switches).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(30);
  });

  it('goes to DIR-24-8 for a large table, and back when it has become small', () => {
    const { fib, reader } = create();
    fib.set(0, 0, 9);
    for (let i = 0; i < 4200; i++) fib.set(0x0a000000 + i * 65536, 24, 1 + (i % 7));
    expect(fib.stats()).toMatchObject({ layout: 'dir-24-8', prefixes: 4201, switches: 1 });
    for (let i = 0; i < 4200; i++) {
      expect(reader.lookup(0x0a000001 + i * 65536)).toBe(1 + (i % 7));
      expect(reader.lookup(0x0a000100 + i * 65536)).toBe(9);
    }
    for (let i = 0; i < 4000; i++) fib.remove(0x0a000000 + i * 65536, 24);
    expect(fib.stats()).toMatchObject({ layout: 'dir-16-8-8', prefixes: 201, switches: 2 });
    expect(reader.lookup(0x0a000001)).toBe(9);
    expect(reader.lookup(0x0a000001 + 4100 * 65536)).toBe(1 + (4100 % 7));
  });

  it('stays in DIR-16-8-8 when scattered host routes dominate, beyond what DIR-24-8 could hold', () => {
    const { fib, reader } = create({ groups16: 1 << 17 });
    const random = createPrng(3);
    const hosts = Array.from({ length: 40_000 }, () => Math.floor(random() * 0xe0000000));
    for (const [i, host] of hosts.entries()) fib.set(host, 32, 1 + (i % 1000));
    expect(fib.stats()).toMatchObject({ layout: 'dir-16-8-8', switches: 0 });
    for (const [i, host] of hosts.entries()) {
      if (hosts.lastIndexOf(host) === i) expect(reader.lookup(host)).toBe(1 + (i % 1000));
      expect(fib.get(host ^ 1, 32) >= 0 || reader.lookup(host ^ 1) === 0).toBe(true);
      if (i > 2000) break;
    }
  });

  it('leaves DIR-24-8 by itself when its groups are used up', () => {
    const { fib, reader } = create({ groups24: 64, groups16: 1 << 14 });
    for (let i = 0; i < 4200; i++) fib.set(0x0a000000 + i * 65536, 24, 1);
    expect(fib.stats().layout).toBe('dir-24-8');
    for (let i = 0; i < 65; i++) fib.set(0x0b000007 + i * 65536, 32, 2);
    expect(fib.stats()).toMatchObject({ layout: 'dir-16-8-8', switches: 2 });
    for (let i = 0; i < 65; i++) {
      expect(reader.lookup(0x0b000007 + i * 65536)).toBe(2);
      expect(reader.lookup(0x0b000008 + i * 65536)).toBe(1);
    }
  });

  it('set: is refused, and changes nothing, while a reader stays in a round that may still read what must be reused', () => {
    const { fib, reader } = create({ groups24: 2, groups16: 4 });
    reader.beginRound();
    fib.set(0x0a000001, 32, 1); // each takes a group for its /16 and one for its /24
    fib.set(0x0b000001, 32, 2);
    fib.set(0x0c000000, 24, 3); // a /16 more: only DIR-24-8 has room
    expect(fib.stats().layout).toBe('dir-24-8');
    fib.remove(0x0b000001, 32);
    fib.remove(0x0c000000, 24);
    // Both the group that was emptied and the layout that was left may still be read.
    expect(fib.stats()).toMatchObject({ layout: 'dir-24-8', groups: 2 });
    expect(tryset(fib, 0x0a000101, 32, 4)).toBe(false);
    expect(fib.get(0x0a000101, 32)).toBe(-1);
    expect([0x0a000001, 0x0a000101, 0x0b000001].map((a) => reader.lookup(a))).toEqual([1, 0, 0]);
    reader.idle();
    expect(tryset(fib, 0x0a000101, 32, 4)).toBe(true);
    expect([0x0a000001, 0x0a000101, 0x0b000001].map((a) => reader.lookup(a))).toEqual([1, 4, 0]);
  });

  it('uses emptied groups again only under pressure', () => {
    const { fib, reader } = create({ groups24: 1, groups16: 4 });
    for (let i = 0; i < 100; i++) {
      fib.set(0x0a000000 + i * 256, 25, 1 + i);
      expect(reader.lookup(0x0a000001 + i * 256)).toBe(1 + i);
      expect(reader.lookup(0x0a000081 + i * 256)).toBe(0);
      fib.remove(0x0a000000 + i * 256, 25);
      expect(reader.lookup(0x0a000001 + i * 256)).toBe(0);
      expect(fib.stats().groups).toBeGreaterThanOrEqual(Math.min(i + 2, 2));
    }
    expect(fib.stats()).toMatchObject({ switches: 0, prefixes: 0 });
  });

  it('resolve: goes through the next-hop table, which moves a default route by one store', () => {
    const { fib, nextHops, reader } = create();
    const nh = nextHops.add([adjIndex(5)]);
    fib.set(0, 0, nh);
    expect(reader.resolve(reader.lookup(0x08080808), 0)).toBe(5);
    nextHops.replace(nh, [adjIndex(6), adjIndex(7)]);
    expect(reader.isGroup(reader.lookup(0x08080808))).toBe(true);
    const random = createPrng(1);
    const seen = new Set(Array.from({ length: 64 }, () => reader.resolve(nh, random() * 2 ** 32)));
    expect([...seen].sort()).toEqual([6, 7]);
    fib.remove(0, 0);
    expect(reader.resolve(reader.lookup(0x08080808), 0)).toBe(0);
  });

  it('entries: lists prefixes in order with their next-hop index', () => {
    const { fib } = create();
    fib.set(0x0a000100, 24, 3);
    fib.set(0x0a0000ff, 24, 2);
    fib.set(0x0affffff, 8, 1);
    expect([...fib.entries()]).toEqual([
      { prefix: 0x0a000000, len: 8, nh: 1 },
      { prefix: 0x0a000000, len: 24, nh: 2 },
      { prefix: 0x0a000100, len: 24, nh: 3 },
    ]);
  });

  it('a full routing table: every sampled address gets what a table per prefix length says', () => {
    const table = ribTable4();
    const { fib, reader } = create();
    const byLen = Array.from({ length: 33 }, () => new Map<number, number>());
    for (let i = 0; i < table.prefix.length; i++) {
      fib.set(table.prefix[i], table.len[i], table.nh[i]);
      byLen[table.len[i]].set(table.prefix[i], table.nh[i]);
    }
    const expected = (addr: number): number => {
      for (let len = 32; len >= 0; len--) {
        const nh = byLen[len].get(len === 0 ? 0 : (addr & (-1 << (32 - len))) >>> 0);
        if (nh !== undefined) return nh;
      }
      return 0;
    };
    const random = createPrng(5);
    let wrong = 0;
    for (let i = 0; i < 100_000; i++) {
      const at = Math.floor(random() * table.prefix.length);
      const inside = (table.prefix[at] + Math.floor(random() * 2 ** (32 - table.len[at]))) >>> 0;
      const anywhere = Math.floor(random() * 2 ** 32);
      if (reader.lookup(inside) !== expected(inside)) wrong++;
      if (reader.lookup(anywhere) !== expected(anywhere)) wrong++;
    }
    expect(wrong).toBe(0);
    // Withdraw every second prefix and look again.
    for (let i = 0; i < table.prefix.length; i += 2) {
      fib.remove(table.prefix[i], table.len[i]);
      byLen[table.len[i]].delete(table.prefix[i]);
    }
    for (let i = 0; i < 50_000; i++) {
      const anywhere = Math.floor(random() * 2 ** 32);
      if (reader.lookup(anywhere) !== expected(anywhere)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
