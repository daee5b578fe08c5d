import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PathAttributes } from '../../../src/routing/bgp/attributes.ts';
import { type Address, type Nlri, nlriKey, nlriOf } from '../../../src/routing/bgp/nlri.ts';
import { PathSets } from '../../../src/routing/bgp/path-sets.ts';
import { RibIn } from '../../../src/routing/bgp/rib-in.ts';
import { RibTrie4 } from '../../../src/tables/rib-trie.ts';

const LOCAL = 0x0a000001;
const CONTEXT = { as: 65000, routerId: 1, localAddress: LOCAL, peerAddress: 0x0a000002 };
const BASE: PathAttributes = {
  origin: 'igp',
  asPath: [{ type: 'sequence', ases: [65001] }],
  med: undefined,
  localPref: undefined,
  atomicAggregate: false,
  communities: [],
  originatorId: undefined,
  clusterList: [],
};

const attributes = fc
  .record({ med: fc.constantFrom(undefined, 0, 1), ases: fc.constantFrom([65001], [65001, 65000], []) })
  .map(({ med, ases }): PathAttributes => ({ ...BASE, med, asPath: [{ type: 'sequence', ases }] }));
const nlri = fc.oneof(
  fc.record({ n: fc.nat(7), len: fc.constantFrom(24, 32) }).map(({ n, len }) => nlriOf(0x14000000 + n, len)),
  fc.nat(3).map((n): Nlri => nlriOf([0x20010db8, 0, 0, n], 128)),
);
const nextHopOf = ({ family }: Nlri, n: number): Address => (family === 'ipv4' ? n : [0x20010db8, 0, 1, n]);

describe('RibIn', () => {
  it('agrees with a Map of prefixes after any announcements, refusals, withdrawals and resets', () => {
    const step = fc.record({
      op: fc.constantFrom('announce', 'announce', 'announce', 'withdraw', 'clear'),
      nlri: fc.uniqueArray(nlri, { minLength: 1, maxLength: 4, selector: nlriKey }),
      attributes,
      nextHop: fc.constantFrom(LOCAL, 0x0a000002, 0x0a000003),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const used = new Map<string, string>();
        const known = new Map<string, string>();
        const say = (n: Nlri, hop: Address, of: PathAttributes): string =>
          `${nlriKey(n)} ${hop} ${of.med} ${of.asPath[0].ases}`;
        const over = new RibTrie4();
        const sink = {
          accepted: (n: Nlri, set: { nextHop: Address; attributes: PathAttributes }) =>
            void used.set(String(nlriKey(n)), say(n, set.nextHop, set.attributes)),
          withdrawn: (n: Nlri) => expect(used.delete(String(nlriKey(n)))).toBe(true),
        };
        const ribIn = new RibIn(sink, over);
        for (const s of steps) {
          const none = { withdrawn: [], announced: [], attributes: BASE, endOfRib: undefined, faults: [] };
          if (s.op === 'clear') {
            ribIn.clear();
            known.clear();
          } else if (s.op === 'withdraw') {
            ribIn.apply({ ...none, withdrawn: s.nlri }, CONTEXT);
            for (const n of s.nlri) known.delete(String(nlriKey(n)));
          } else {
            for (const n of s.nlri) {
              const nextHop = nextHopOf(n, s.nextHop);
              const announced = [{ nextHop, nlri: [n] }];
              ribIn.apply({ ...none, announced, attributes: s.attributes }, CONTEXT);
              known.set(String(nlriKey(n)), say(n, nextHop, s.attributes));
            }
          }
          const entries = [...ribIn.entries()];
          const texts = entries.map((e) => say(e.nlri, e.nextHop, e.attributes));
          expect(texts.sort()).toEqual([...known.values()].sort());
          const isRefused = (text: string): boolean =>
            text.endsWith('65000') || text.split(' ')[1] === `${LOCAL}`;
          const accepted = [...known.values()].filter((text) => !isRefused(text));
          expect([...used.values()].sort()).toEqual(accepted.sort());
          expect(entries.filter((e) => e.refused === undefined).length).toBe(accepted.length);
          expect(ribIn.received('ipv4') + ribIn.received('ipv6')).toBe(known.size);
          expect(ribIn.accepted('ipv4') + ribIn.accepted('ipv6')).toBe(accepted.length);
        }
        ribIn.clear();
        expect(used.size).toBe(0);
        expect(over.tree.root).toBe(-1);
      }),
      { numRuns: 200 },
    );
  });

  it('tells nothing of an announcement that changes nothing, from another UPDATE too', () => {
    const told: string[] = [];
    const ribIn = new RibIn({ accepted: () => void told.push('accepted'), withdrawn() {} });
    const update = (of: PathAttributes) => ({
      withdrawn: [],
      announced: [{ nextHop: 0x0a000002, nlri: [nlriOf(0x14000000, 24)] }],
      attributes: of,
      endOfRib: undefined,
      faults: [],
    });
    ribIn.apply(update({ ...BASE }), CONTEXT);
    ribIn.apply(update({ ...BASE }), CONTEXT);
    expect(told).toEqual(['accepted']);
    ribIn.apply(update({ ...BASE, med: 1 }), CONTEXT);
    expect(told).toEqual(['accepted', 'accepted']);
  });
});

describe('PathSets', () => {
  it('keep what says the same once, and forget it with the last that has it', () => {
    const sets = new PathSets();
    const a = sets.acquire(1, { ...BASE });
    expect(sets.acquire(1, { ...BASE, asPath: [{ type: 'sequence', ases: [65001] }] })).toBe(a);
    const others = [
      sets.acquire(2, { ...BASE }),
      sets.acquire([0, 0, 0, 1], { ...BASE }),
      sets.acquire(1, { ...BASE, communities: [7] }),
      sets.acquire(1, { ...BASE, asPath: [{ type: 'set', ases: [65001] }] }),
      sets.acquire(1, { ...BASE, atomicAggregate: true }),
    ];
    expect(new Set([a, ...others]).size).toBe(6);
    expect(sets.size).toBe(6);
    for (const set of others) sets.release(set);
    sets.release(a);
    expect(sets.size).toBe(1);
    expect(sets.at(a.index)).toBe(a);
    sets.release(a);
    expect(sets.size).toBe(0);
    expect(sets.acquire(3, BASE).refs).toBe(1);
  });
});
