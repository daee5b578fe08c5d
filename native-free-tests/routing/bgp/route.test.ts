import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBgpPreference, type ReceivedPath } from '../../../src/routing/bgp/route.ts';

const BASE: ReceivedPath = {
  peer: 'a',
  peerAddress: '10.0.0.1',
  peerId: 1,
  origin: 'igp',
  asPath: [],
  asPathLength: 1,
  med: undefined,
  localPref: undefined,
  communities: [],
  ebgp: true,
};

describe('compareBgpPreference', () => {
  it.each<[string, Partial<ReceivedPath>, Partial<ReceivedPath>]>([
    [
      'the higher LOCAL_PREF, before the shorter path',
      { localPref: 200, asPathLength: 9 },
      { localPref: 150 },
    ],
    ['a LOCAL_PREF above 100 to none', { localPref: 101 }, {}],
    [
      'the shorter path, before the better origin',
      { asPathLength: 1, origin: 'incomplete' },
      { asPathLength: 2 },
    ],
    ['IGP to EGP, before the lower MED', { origin: 'igp', med: 9 }, { origin: 'egp' }],
    ['EGP to incomplete', { origin: 'egp' }, { origin: 'incomplete' }],
    ['the lower MED, before eBGP', { med: 1, ebgp: false }, { med: 2 }],
    ['no MED to any, as it counts as 0', {}, { med: 1 }],
    ['eBGP to iBGP', { ebgp: true }, { ebgp: false }],
  ])('prefers %s (RFC 4271 §9.1.2.2)', (_name, better, worse) => {
    const a = { ...BASE, ...better } as ReceivedPath;
    const b = { ...BASE, ...worse } as ReceivedPath;
    expect(compareBgpPreference(a, b)).toBeLessThan(0);
    expect(compareBgpPreference(b, a)).toBeGreaterThan(0);
  });

  it('orders without contradiction: no order of arrival changes who is best', () => {
    const route = fc
      .record({
        localPref: fc.constantFrom(undefined, 100, 200),
        asPathLength: fc.integer({ min: 1, max: 2 }),
        origin: fc.constantFrom('igp' as const, 'egp' as const),
        med: fc.constantFrom(undefined, 0, 5),
        ebgp: fc.boolean(),
        peerId: fc.integer({ min: 1, max: 2 }),
        peerAddress: fc.constantFrom('10.0.0.1', '10.0.0.2'),
      })
      .map((r) => ({ ...BASE, ...r }) as ReceivedPath);
    const sign = (a: ReceivedPath, b: ReceivedPath) => Math.sign(compareBgpPreference(a, b));
    fc.assert(
      fc.property(route, route, route, (a, b, c) => {
        expect(sign(a, b) + sign(b, a)).toBe(0);
        if (sign(a, b) < 0 && sign(b, c) < 0) expect(sign(a, c)).toBe(-1);
      }),
    );
  });

  it('is 0 for routes of two peers that are equally good: they may share the traffic', () => {
    const other = { ...BASE, peer: 'b', peerAddress: '10.0.0.2', peerId: 2 } as ReceivedPath;
    expect(compareBgpPreference(BASE, other)).toBe(0);
    expect(compareBgpPreference(BASE, { ...other, asPathLength: 2 } as ReceivedPath)).toBeLessThan(0);
  });
});
