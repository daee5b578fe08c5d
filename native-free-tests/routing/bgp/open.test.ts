import { describe, expect, it } from 'vitest';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { decodeOpen, encodeOpen, type LocalOpen, negotiate } from '../../../src/routing/bgp/open.ts';
import { bodyOf, hex, toHex } from './bytes.ts';

const faultOf = (run: () => unknown): [number, number, string] => {
  try {
    run();
  } catch (error) {
    if (error instanceof BgpError) return [error.code, error.subcode, toHex(error.data)];
    throw error;
  }
  return [0, 0, ''];
};

const OURS = {
  as: 65002,
  routerId: 0x0a000002,
  holdSeconds: 90,
  families: ['ipv4', 'ipv6'],
  routeRefresh: true,
  extendedMessage: true,
} as const;

/** version, AS, hold time, router id, then `parameters` with their length. */
const open = (parameters: string, { version = '04', as = 'fdea', hold = '005a', id = '0a000001' } = {}) => {
  const bytes = hex(parameters);
  return hex(`${version}${as}${hold}${id}${bytes.length.toString(16).padStart(2, '0')}${parameters}`);
};

describe('encodeOpen', () => {
  it('announces its capabilities (RFC 4271 §4.2, RFC 4760 §8, RFC 2918 §2, RFC 8654 §3, RFC 6793 §3)', () => {
    expect(toHex(bodyOf(encodeOpen(OURS)))).toBe(
      toHex(hex('04 fdea 005a 0a000002 18 02 16 010400010001 010400020001 0200 0600 41040000fdea')),
    );
  });

  it('puts AS_TRANS into the 2-octet field of a large AS (RFC 6793 §9)', () => {
    const bytes = bodyOf(encodeOpen({ ...OURS, as: 4_200_000_001 }));
    expect(toHex(bytes.subarray(1, 3))).toBe('5ba0');
    expect(decodeOpen(bytes).as).toBe(4_200_000_001);
  });
});

describe('decodeOpen', () => {
  it('gives back what encodeOpen wrote', () => {
    expect(decodeOpen(bodyOf(encodeOpen(OURS)))).toEqual({
      ...OURS,
      fourOctetAs: true,
      gracefulRestart: false,
    });
  });

  it('takes an OPEN without parameters for IPv4 with 2-octet AS numbers (RFC 4760 §8)', () => {
    expect(decodeOpen(open(''))).toEqual({
      as: 65002,
      holdSeconds: 90,
      routerId: 0x0a000001,
      families: ['ipv4'],
      fourOctetAs: false,
      routeRefresh: false,
      extendedMessage: false,
      gracefulRestart: false,
    });
  });

  it('reads capabilities over several parameters and passes those that it does not know (RFC 5492 §4)', () => {
    const got = decodeOpen(open('0206 010400010001 0202 8000 0208 4502ffff 46004000 0206 41040001 0000'));
    expect(got).toMatchObject({ as: 65536, families: ['ipv4'], fourOctetAs: true, gracefulRestart: true });
  });

  it('reads extended optional parameters (RFC 9072 §2)', () => {
    expect(decodeOpen(open('ff 0009 02 0006 010400020001').fill(0xff, 9, 10)).families).toEqual(['ipv6']);
  });

  it.each([
    ['version 3', open('', { version: '03' }), [2, 1, '0004']],
    ['a hold time of 1 s', open('', { hold: '0001' }), [2, 6, '']],
    ['a hold time of 2 s', open('', { hold: '0002' }), [2, 6, '']],
    ['BGP Identifier 0.0.0.0', open('', { id: '00000000' }), [2, 3, '']],
    ['AS 0', open('', { as: '0000' }), [2, 2, '']],
    ['parameter 1, authentication', open('01020000'), [2, 4, '']],
    ['a parameter that runs over the end', open('0205 0200'), [2, 0, '']],
    ['a capability that runs over the end', open('0202 0204'), [2, 0, '']],
    ['half a capability', open('0201 02'), [2, 0, '']],
    ['a wrong parameter length', hex('04 fdea 005a 0a000001 09 0202 0200'), [2, 0, '']],
  ])('refuses %s (RFC 4271 §6.2)', (_name, body, expected) => {
    expect(faultOf(() => decodeOpen(body))).toEqual(expected);
  });

  it('takes a hold time of 0 and of 3 s', () => {
    expect(decodeOpen(open('', { hold: '0000' })).holdSeconds).toBe(0);
    expect(decodeOpen(open('', { hold: '0003' })).holdSeconds).toBe(3);
  });
});

describe('negotiate', () => {
  const local: LocalOpen = { ...OURS, peerAs: 65001, keepaliveSeconds: 30 };
  const peer = { ...decodeOpen(open('')), as: 65001 };

  it('takes the lower hold time and a third of it for keepalives (RFC 4271 §4.2, §4.4)', () => {
    expect(negotiate(local, { ...peer, holdSeconds: 9 })).toMatchObject({ holdMs: 9000, keepaliveMs: 3000 });
    expect(negotiate(local, { ...peer, holdSeconds: 180 })).toMatchObject({
      holdMs: 90_000,
      keepaliveMs: 30_000,
    });
    expect(negotiate(local, { ...peer, holdSeconds: 0 })).toMatchObject({ holdMs: 0, keepaliveMs: 0 });
  });

  it('carries the families of both', () => {
    expect(negotiate(local, { ...peer, families: ['ipv6'] }).families).toEqual(['ipv6']);
  });

  it('refuses a peer without a common family and lists ours (RFC 5492 §5)', () => {
    expect(faultOf(() => negotiate(local, { ...peer, families: [] }))).toEqual([
      2,
      7,
      '010400010001010400020001',
    ]);
  });

  it('refuses another AS than the configured (RFC 4271 §6.2)', () => {
    expect(faultOf(() => negotiate(local, { ...peer, as: 65003 }))).toEqual([2, 2, '']);
  });

  it('refuses our own BGP Identifier inside the AS, and takes it from another one (RFC 6286 §2.1)', () => {
    const same = { ...peer, routerId: OURS.routerId };
    expect(faultOf(() => negotiate({ ...local, peerAs: 65002 }, { ...same, as: 65002 }))).toEqual([2, 3, '']);
    expect(negotiate(local, same).ebgp).toBe(true);
  });
});
