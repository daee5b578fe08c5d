import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grown, grownRows } from '../../src/tables/columns.ts';
import { RibTrie4 } from '../../src/tables/rib-trie.ts';

const addr = fc.nat(0x3f).map((n) => (0x0a000000 | (n << 2)) >>> 0);
const len = fc.integer({ min: 22, max: 32 });
const net = (address: number, bits: number): number =>
  Math.floor(address / 2 ** (32 - bits)) * 2 ** (32 - bits);

describe('RibTree', () => {
  it('shared by three tries: each says what it says over a tree of its own', () => {
    const op = fc.record({
      which: fc.nat(2),
      addr,
      len,
      value: fc.nat(9),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 80 }), (ops) => {
        const first = new RibTrie4();
        const shared = [first, new RibTrie4(first), new RibTrie4(first)];
        const alone = [new RibTrie4(), new RibTrie4(), new RibTrie4()];
        for (const { which, addr, len, value, remove } of ops) {
          const [s, a] = [shared[which], alone[which]];
          const kept = s.find(addr, len);
          expect(remove ? s.remove(addr, len) : s.insert(addr, len, value)).toBe(
            remove ? a.remove(addr, len) : a.insert(addr, len, value),
          );
          if (kept >= 0 && !remove) expect(s.find(addr, len)).toBe(kept);
        }
        const rows = (trie: RibTrie4): number[][] =>
          Array.from(trie.nodes(), (n) => [trie.prefix(n), trie.len[n], trie.value[n]]);
        const valueAt = (trie: RibTrie4, node: number): number => (node < 0 ? -1 : trie.value[node]);
        const gaps = (trie: RibTrie4, prefix: number, bits: number): number[][] => {
          const found: number[][] = [];
          trie.gaps(prefix, bits, (from, to) => found.push([from, to]));
          return found;
        };
        shared.forEach((s, i) => {
          const a = alone[i];
          expect(rows(s)).toEqual(rows(a));
          expect(s.size).toBe(a.size);
          for (const { addr, len } of ops) {
            expect(valueAt(s, s.match(addr, len))).toBe(valueAt(a, a.match(addr, len)));
            expect(valueAt(s, s.find(addr, len))).toBe(valueAt(a, a.find(addr, len)));
            expect(s.hasLonger(addr, len)).toBe(a.hasLonger(addr, len));
            expect(gaps(s, net(addr, len), len)).toEqual(gaps(a, net(addr, len), len));
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a node while any trie has a value in it, and gives it back with the last', () => {
    const first = new RibTrie4();
    const second = new RibTrie4(first);
    for (let i = 0; i < 1000; i++) {
      first.insert(i * 256, 24, i);
      second.insert(i * 256, 24, i + 1);
    }
    const rows = first.tree.len.length;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 1000; i++) first.remove(i * 256, 24);
      expect(first.size).toBe(0);
      expect(first.hasLonger(0, 0)).toBe(false);
      expect(second.value[second.match(999 * 256)]).toBe(1000);
      for (let i = 0; i < 1000; i++) second.remove(i * 256, 24);
      for (let i = 0; i < 2000; i++) {
        second.insert(0x80000000 + i * 256, 24, 7);
        second.remove(0x80000000 + i * 256, 24);
      }
      expect(first.tree.root).toBe(-1);
      for (let i = 0; i < 1000; i++) {
        first.insert(i * 256, 24, i);
        second.insert(i * 256, 24, i + 1);
      }
    }
    expect(first.tree.len.length).toBe(rows);
  });
});

describe('grown', () => {
  it('keeps what the column has, with zeros behind it, in the same type', () => {
    const column = Int32Array.of(5, -1, 7);
    const larger = grown(column, grownRows(column.length));
    expect(larger).toBeInstanceOf(Int32Array);
    expect([...larger]).toEqual([5, -1, 7, ...Array.from({ length: 21 }, () => 0)]);
  });
});
