import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/base/clock.ts';
import { ifIndex } from '../../src/base/ids.ts';
import { Rib } from '../../src/control/rib.ts';
import type { RibNextHop, RibRow, RouteSource } from '../../src/control/rib-route.ts';
import { RibTrie4 } from '../../src/tables/rib-trie.ts';
import { lineOf, RibModel } from './rib-model.ts';

const PREFIXES = [
  [0, 0],
  [0x0a000000, 8],
  [0x0a000000, 24],
  [0x0a000001, 32],
  [0x0a000002, 32],
  [0x0b000000, 8],
] as const;
const hop = (ip: number): RibNextHop => ({ kind: 'via', iface: ifIndex(ip % 2), ip });

const step = fc.record({
  op: fc.constantFrom('add', 'add', 'add', 'remove', 'remove', 'link'),
  source: fc.constantFrom<RouteSource>('bgp', 'bgp', 'static', 'mobility', 'connected'),
  at: fc.nat(PREFIXES.length - 1),
  key: fc.constantFrom('a', 'b', 'c'),
  hops: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }),
  attributes: fc.nat(1),
  metric: fc.constantFrom(0, 0, 5),
  distance: fc.constantFrom(undefined, undefined, 200),
  up: fc.boolean(),
});

describe('Rib columns', () => {
  it('say what a Map of routes says after any adds, replacements, withdrawals and link changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, shared) => {
        const clock = new VirtualClock(0);
        const over = shared ? new RibTrie4() : undefined;
        const compareBgp = (a: { attributes?: unknown }, b: { attributes?: unknown }): number =>
          (a.attributes as number) - (b.attributes as number);
        const rib = new Rib({ clock, compareBgp, ...(over === undefined ? {} : { over }) });
        const model = new RibModel();
        const told = new Map<string, string>();
        rib.onBestChange(({ prefix, len, best, previous }) => {
          const name = `${prefix}/${len}`;
          expect(previous && `${previous.source} ${previous.key}`).toBe(told.get(name));
          if (best === undefined) told.delete(name);
          else told.set(name, `${best.source} ${best.key}`);
        });
        steps.forEach((s, i) => {
          clock.advanceTo(i * 1000);
          const [prefix, len] = PREFIXES[s.at];
          // A neighbor in the tree that is another trie's comes and goes between the RIB's own.
          if (s.up) over?.insert(prefix, len, i);
          else over?.remove(prefix, len);
          if (s.op === 'link') {
            rib.setInterface(ifIndex(1), s.up);
            model.setInterface(ifIndex(1), s.up);
          } else if (s.op === 'remove') {
            expect(rib.remove(s.source, prefix, len, s.key)).toBe(model.remove(s.source, prefix, len, s.key));
          } else {
            const { source, key, metric, distance } = s;
            const attributes = source === 'bgp' ? s.attributes : undefined;
            const nextHops = s.hops.map(hop);
            const more = distance === undefined ? {} : { distance };
            const route = { source, key, prefix, len, metric, attributes, nextHops, ...more };
            rib.add(route);
            model.add(route, i * 1000);
          }
          const rows = [...rib.snapshot()];
          expect(rib.routes).toBe(model.size);
          expect(rows.length).toBe(model.size);
          for (const [p, l] of PREFIXES) {
            const own = rows.filter((r) => r.prefix === p && r.len === l);
            const lines = (best: boolean): string[] => own.filter((r) => r.best === best).map(lineOf);
            expect(own.slice(0, lines(true).length).every((r: RibRow) => r.best)).toBe(true);
            expect([...lines(true), ...lines(false).sort()]).toEqual(model.lines(p, l));
            expect(told.get(`${p}/${l}`)).toBe(own[0]?.best ? `${own[0].source} ${own[0].key}` : undefined);
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  it('give rows, kinds and path lists back: the same table again and again takes no more of them', () => {
    const rib = new Rib({ clock: new VirtualClock(0) });
    const fill = (): void => {
      for (let i = 0; i < 2000; i++) {
        for (const key of ['a', 'b']) {
          const nextHops = [hop((i % 7) + (key === 'a' ? 1 : 20))];
          rib.add({ source: 'bgp', key, prefix: i * 256, len: 24, nextHops, attributes: { of: i % 5 } });
        }
      }
    };
    for (let round = 0; round < 3; round++) {
      fill();
      expect(rib.routes).toBe(4000);
      expect(rib.prefixes).toBe(2000);
      expect(rib.lookup(1999 * 256)!.best.map((c) => c.key)).toEqual(['a', 'b']);
      for (let i = 0; i < 2000; i++) {
        for (const key of ['a', 'b']) expect(rib.remove('bgp', i * 256, 24, key)).toBe(true);
      }
      expect(rib.routes).toBe(0);
      expect(rib.usage()).toEqual({ kinds: 0, lists: 0 });
    }
  });
});
