import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RibTrie4, RibTrie6 } from '../../src/tables/rib-trie.ts';

// Few distinct bits, so that prefixes nest, and neighbors differ in the last bit.
const addr4 = fc.oneof(
  fc.constantFrom(0, 1, 0x0a000000, 0x0a000001, 0x0a0000ff, 0x7fffffff, 0x80000000, 0xffffffff),
  fc.nat(0xffff).map((n) => (0x0a000000 | n) >>> 0),
);
const len4 = fc.integer({ min: 0, max: 32 });
const host = (len: number): number => 2 ** (32 - len);
const net = (addr: number, len: number): number => Math.floor(addr / host(len)) * host(len);

describe('RibTrie4', () => {
  it('agrees with a map of prefixes after any inserts and removals', () => {
    const op = fc.record({ addr: addr4, len: len4, value: fc.nat(99), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 80 }), fc.array(addr4, { maxLength: 10 }), (ops, probes) => {
        const trie = new RibTrie4();
        const map = new Map<string, { prefix: number; len: number; value: number }>();
        for (const { addr, len, value, remove } of ops) {
          const id = `${net(addr, len)}/${len}`;
          const before = map.get(id)?.value ?? -1;
          expect(remove ? trie.remove(addr, len) : trie.insert(addr, len, value)).toBe(before);
          if (remove) map.delete(id);
          else map.set(id, { prefix: net(addr, len), len, value });
        }
        const sorted = [...map.values()].sort((a, b) => a.prefix - b.prefix || a.len - b.len);
        const walked = [...trie.nodes()].map((n) => ({
          prefix: trie.prefix(n),
          len: trie.len[n],
          value: trie.value[n],
        }));
        expect(walked).toEqual(sorted);
        expect(trie.size).toBe(map.size);
        for (const { addr, len } of [...ops, ...probes.map((a) => ({ addr: a, len: 32 }))]) {
          const inside = sorted.filter((r) => r.len >= len && net(r.prefix, len) === net(addr, len));
          const over = sorted.filter((r) => net(addr, r.len) === r.prefix);
          const longest = (max: number): number => over.filter((r) => r.len <= max).at(-1)?.value ?? -1;
          const valueAt = (node: number): number => (node < 0 ? -1 : trie.value[node]);
          over.sort((a, b) => a.len - b.len);
          expect(valueAt(trie.match(addr))).toBe(longest(32));
          expect(valueAt(trie.match(addr, len))).toBe(longest(len));
          expect(valueAt(trie.cover(addr, len))).toBe(longest(len - 1));
          expect(valueAt(trie.find(addr, len))).toBe(over.find((r) => r.len === len)?.value ?? -1);
          expect([...trie.covered(addr, len)].map(valueAt)).toEqual(inside.map((r) => r.value));
          expect(trie.hasLonger(addr, len)).toBe(inside.some((r) => r.len > len));
        }
      }),
    );
  });

  it('gaps: are the addresses of a prefix that no longer prefix covers, in ascending ranges', () => {
    const small = fc.record({ offset: fc.nat(255), len: fc.integer({ min: 24, max: 32 }) });
    fc.assert(
      fc.property(
        fc.array(small, { maxLength: 20 }),
        fc.constantFrom(0, 0x0a000000, 0xffffff00),
        fc.integer({ min: 24, max: 30 }),
        (prefixes, base, len) => {
          const trie = new RibTrie4();
          for (const p of prefixes) trie.insert(base + p.offset, p.len, 1);
          const covered = new Set<number>();
          for (const p of prefixes) {
            if (p.len <= len) continue;
            const first = net(base + p.offset, p.len);
            for (let a = first; a < first + host(p.len); a++) covered.add(a);
          }
          const expected: number[] = [];
          for (let a = base; a < base + host(len); a++) if (!covered.has(a)) expected.push(a);
          const painted: number[] = [];
          trie.gaps(base, len, (first, last) => {
            expect(last).toBeGreaterThanOrEqual(first);
            for (let a = first; a <= last; a++) painted.push(a);
          });
          expect(painted).toEqual(expected);
        },
      ),
    );
  });

  it('gaps: of an empty tree is the whole prefix, to the last address there is', () => {
    const ranges: number[][] = [];
    new RibTrie4().gaps(0, 0, (first, last) => ranges.push([first, last]));
    expect(ranges).toEqual([[0, 0xffffffff]]);
  });

  it('gives nodes back: as many prefixes again do not make it grow', () => {
    const trie = new RibTrie4();
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 1000; i++) trie.insert(Math.imul(i, 0x9e3779b1) >>> 0, 32, i);
      for (let i = 0; i < 1000; i++) expect(trie.remove(Math.imul(i, 0x9e3779b1) >>> 0, 32)).toBe(i);
      expect(trie.size).toBe(0);
    }
    expect(trie.len.length).toBe(4096);
  });
});

describe('RibTrie6', () => {
  it('finds the longest prefix in all four words', () => {
    const trie = new RibTrie6();
    trie.insert(0, 0, 0, 0, 0, 1);
    trie.insert(0x20010db8, 0, 0, 0, 32, 2);
    trie.insert(0x20010db8, 0x00010000, 0, 0, 48, 3);
    trie.insert(0x20010db8, 0x00010000, 0x80000000, 0, 65, 4);
    trie.insert(0x20010db8, 0x00010000, 0x80000000, 1, 128, 5);
    const at = (a: number, b: number, c: number, d: number): number => trie.value[trie.match(a, b, c, d)];
    expect(at(0xfe800000, 0, 0, 0)).toBe(1);
    expect(at(0x20010db8, 0x00020000, 0, 0)).toBe(2);
    expect(at(0x20010db8, 0x00010000, 0, 1)).toBe(3);
    expect(at(0x20010db8, 0x00010000, 0x80000000, 2)).toBe(4);
    expect(at(0x20010db8, 0x00010000, 0x80000000, 1)).toBe(5);
    expect(trie.len[trie.cover(0x20010db8, 0x00010000, 0x80000000, 1, 128)]).toBe(65);
    expect(trie.remove(0x20010db8, 0x00010000, 0x80000000, 0, 65)).toBe(4);
    expect(at(0x20010db8, 0x00010000, 0x80000000, 2)).toBe(3);
    const node = trie.find(0x20010db8, 0x00010000, 0x80000000, 1, 128);
    expect([0, 1, 2, 3].map((w) => trie.word(node, w))).toEqual([0x20010db8, 0x00010000, 0x80000000, 1]);
  });
});
