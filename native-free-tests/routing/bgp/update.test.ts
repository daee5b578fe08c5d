import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAsPath } from '../../../src/routing/bgp/as-path.ts';
import type { OwnAttributes } from '../../../src/routing/bgp/attributes.ts';
import type { UpdateContext } from '../../../src/routing/bgp/attributes-decode.ts';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { MAX_MESSAGE, messageLength } from '../../../src/routing/bgp/message.ts';
import { type Nlri, nlriOf } from '../../../src/routing/bgp/nlri.ts';
import {
  decodeUpdate,
  encodeAnnouncements,
  encodeEndOfRib,
  encodeWithdraws,
} from '../../../src/routing/bgp/update.ts';
import { attribute, bodyOf, hex, toHex, updateBody } from './bytes.ts';

const EBGP: UpdateContext = {
  fourOctetAs: true,
  ebgp: true,
  peerAs: 65001,
  enforceFirstAs: true,
  families: ['ipv4', 'ipv6'],
};
const IBGP: UpdateContext = { ...EBGP, ebgp: false, peerAs: 65002 };

const ORIGIN = attribute(0x40, 1, '00');
const AS_PATH = attribute(0x40, 2, '0201 0000fde9');
const NEXT_HOP = attribute(0x40, 3, '0a000001');
const MANDATORY = ORIGIN + AS_PATH + NEXT_HOP;
const PREFIX = '18 c63364';
const OWN: OwnAttributes = {
  origin: 'igp',
  asPath: [{ type: 'sequence', ases: [65001] }],
  med: undefined,
  localPref: undefined,
  communities: [],
};

const faultOf = (body: Uint8Array, context = EBGP): [number, number] => {
  try {
    decodeUpdate(body, context);
  } catch (error) {
    if (error instanceof BgpError) return [error.code, error.subcode];
    throw error;
  }
  return [0, 0];
};

describe('decodeUpdate', () => {
  it('reads withdrawn prefixes, attributes and prefixes (RFC 4271 §4.3)', () => {
    const med = attribute(0x80, 4, '0000000a');
    const communities = attribute(0xc0, 8, 'fdea0064');
    const update = decodeUpdate(updateBody('08 0a', MANDATORY + med + communities, PREFIX), EBGP);
    expect(update).toEqual({
      withdrawn: [nlriOf(0x0a000000, 8)],
      announced: [{ nextHop: 0x0a000001, nlri: [nlriOf(0xc6336400, 24)] }],
      attributes: {
        origin: 'igp',
        asPath: [{ type: 'sequence', ases: [65001] }],
        med: 10,
        localPref: undefined,
        atomicAggregate: false,
        communities: [0xfdea0064],
        originatorId: undefined,
        clusterList: [],
      },
      endOfRib: undefined,
      faults: [],
    });
  });

  it('reads IPv6 from MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4)', () => {
    const hop = '20010db8000000000000000000000001';
    const linkLocal = 'fe800000000000000000000000000001';
    const reach = attribute(0x80, 14, `0002 01 20 ${hop} ${linkLocal} 00 20 20010db8`);
    const unreach = attribute(0x80, 15, '0002 01 80 20010db8000000000000000000000011');
    const update = decodeUpdate(updateBody('', reach + ORIGIN + AS_PATH + unreach, ''), EBGP);
    expect(update.announced).toEqual([
      { nextHop: [0x20010db8, 0, 0, 1], nlri: [nlriOf([0x20010db8, 0, 0, 0], 32)] },
    ]);
    expect(update.withdrawn).toEqual([nlriOf([0x20010db8, 0, 0, 0x11], 128)]);
  });

  it('knows the End-of-RIB markers (RFC 4724 §2)', () => {
    expect(decodeUpdate(updateBody('', '', ''), EBGP).endOfRib).toBe('ipv4');
    expect(decodeUpdate(updateBody('', attribute(0x80, 15, '000201'), ''), EBGP).endOfRib).toBe('ipv6');
    expect(decodeUpdate(bodyOf(encodeEndOfRib('ipv4')), EBGP).endOfRib).toBe('ipv4');
    expect(decodeUpdate(bodyOf(encodeEndOfRib('ipv6')), EBGP).endOfRib).toBe('ipv6');
    expect(decodeUpdate(updateBody('08 0a', '', ''), EBGP).endOfRib).toBeUndefined();
  });

  it('passes a family that the session does not carry', () => {
    const vpn = attribute(0x80, 14, '0001 80 0c 000000000000000000000000 00 00');
    const update = decodeUpdate(updateBody('', vpn + ORIGIN + AS_PATH, ''), EBGP);
    expect(update.announced).toEqual([]);
    const only6: UpdateContext = { ...EBGP, families: ['ipv6'] };
    expect(decodeUpdate(updateBody('08 0a', MANDATORY, PREFIX), only6)).toMatchObject({
      withdrawn: [],
      announced: [],
    });
  });

  it('restores the path of a 2-octet speaker from AS4_PATH (RFC 6793 §4.2.3)', () => {
    const old: UpdateContext = { ...EBGP, fourOctetAs: false };
    const path = attribute(0x40, 2, '0202 fde9 5ba0');
    const as4 = attribute(0xc0, 17, '0201 00011170');
    const read = (extra: string) =>
      formatAsPath(
        decodeUpdate(updateBody('', ORIGIN + path + NEXT_HOP + as4 + extra, PREFIX), old).attributes.asPath,
      );
    expect(read('')).toBe('65001 70000');
    expect(read(attribute(0xc0, 7, '5ba0 0a000001'))).toBe('65001 70000');
    expect(read(attribute(0xc0, 7, 'fde9 0a000001'))).toBe('65001 23456');
  });

  it('takes a peer of a large AS over a 2-octet session for AS_TRANS', () => {
    const old: UpdateContext = { ...EBGP, fourOctetAs: false, peerAs: 4_200_000_001 };
    const attributes = ORIGIN + attribute(0x40, 2, '0201 5ba0') + NEXT_HOP;
    expect(decodeUpdate(updateBody('', attributes, PREFIX), old).faults).toEqual([]);
  });

  it.each([
    ['a withdrawn length over the end', hex('0005 0000'), [3, 1]],
    ['an attribute length over the end', hex('0000 0005 00'), [3, 1]],
    ['a bad withdrawn prefix', updateBody('21 0a000000 00', '', ''), [3, 10]],
    ['a bad announced prefix', updateBody('', MANDATORY, '18 0a'), [3, 10]],
    [
      'an unknown well-known attribute',
      updateBody('', `${MANDATORY}${attribute(0x40, 99, '00')}`, PREFIX),
      [3, 2],
    ],
    [
      'MP_REACH_NLRI twice',
      updateBody('', attribute(0x80, 14, `00020110${'00'.repeat(17)}`).repeat(2), ''),
      [3, 1],
    ],
    ['a short MP_REACH_NLRI', updateBody('', attribute(0x80, 14, '000201'), ''), [3, 9]],
    [
      'an MP_REACH_NLRI with an odd next hop',
      updateBody('', attribute(0x80, 14, '0002010400000000 00'), ''),
      [3, 9],
    ],
    [
      'a bad prefix in MP_REACH_NLRI',
      updateBody('', attribute(0x80, 14, `000201 10 ${'00'.repeat(17)} ff`), ''),
      [3, 9],
    ],
    ['a short MP_UNREACH_NLRI', updateBody('', attribute(0x80, 15, '0002'), ''), [3, 9]],
    ['a bad prefix in MP_UNREACH_NLRI', updateBody('', attribute(0x80, 15, '000201 ff'), ''), [3, 9]],
    [
      'a damaged attribute for no prefix (RFC 7606 §5.2)',
      updateBody('', attribute(0x40, 1, '07'), ''),
      [3, 1],
    ],
  ])('ends the session for %s', (_name, body, expected) => {
    expect(faultOf(body)).toEqual(expected);
  });

  it.each([
    ['ORIGIN with value 3 (RFC 7606 §7.1)', attribute(0x40, 1, '03') + AS_PATH + NEXT_HOP],
    ['ORIGIN of two bytes', attribute(0x40, 1, '0000') + AS_PATH + NEXT_HOP],
    ['a malformed AS_PATH (§7.2)', ORIGIN + attribute(0x40, 2, '0202 0000fde9') + NEXT_HOP],
    ['a path that begins with another AS', ORIGIN + attribute(0x40, 2, '0201 0000fdeb') + NEXT_HOP],
    ['an empty path from an external peer', ORIGIN + attribute(0x40, 2, '') + NEXT_HOP],
    ['NEXT_HOP of five bytes (§7.3)', ORIGIN + AS_PATH + attribute(0x40, 3, '0a00000100')],
    ['MED of two bytes (§7.4)', MANDATORY + attribute(0x80, 4, '0001')],
    ['communities of six bytes (§7.8)', MANDATORY + attribute(0xc0, 8, '000000010000')],
    ['communities of no bytes', MANDATORY + attribute(0xc0, 8, '')],
    ['extended communities of six bytes (§7.14)', MANDATORY + attribute(0xc0, 16, '000000010000')],
    ['large communities of eight bytes (RFC 8092 §6)', MANDATORY + attribute(0xc0, 32, '0000000100000001')],
    ['wrong flags (§3 c)', attribute(0x80, 1, '00') + AS_PATH + NEXT_HOP],
    ['no ORIGIN (§3 d)', AS_PATH + NEXT_HOP],
    ['no AS_PATH', ORIGIN + NEXT_HOP],
    ['no NEXT_HOP', ORIGIN + AS_PATH],
    ['an attribute over the end of the list (§4)', `${MANDATORY}8004ff`],
    ['half an attribute header (§4)', `${MANDATORY}80`],
  ])('treats as withdrawn: %s', (_name, attributes) => {
    const update = decodeUpdate(updateBody('08 0a', attributes, PREFIX), EBGP);
    expect(update.announced).toEqual([]);
    expect(update.withdrawn).toEqual([nlriOf(0x0a000000, 8), nlriOf(0xc6336400, 24)]);
    expect(update.faults.map((f) => f.action)).toContain('treat-as-withdraw');
  });

  it.each([
    ['ATOMIC_AGGREGATE with a value (RFC 7606 §7.6)', attribute(0x40, 6, '00')],
    ['AGGREGATOR of six bytes (§7.7)', attribute(0xc0, 7, '000000000000')],
    ['AS4_PATH from a 4-octet speaker (RFC 6793 §4.1)', attribute(0xc0, 17, '0201 00011170')],
    ['ORIGIN once more (§3 g)', attribute(0x40, 1, '02')],
  ])('discards, and keeps the route: %s', (_name, extra) => {
    const update = decodeUpdate(updateBody('', MANDATORY + extra, PREFIX), EBGP);
    expect(update.announced).toHaveLength(1);
    expect(update.attributes.origin).toBe('igp');
    expect(update.faults.map((f) => f.action)).toEqual(['attribute-discard']);
  });

  it('withdraws what an MP_UNREACH_NLRI with wrong flags names, and goes on (RFC 7606 §5.2)', () => {
    const unreach = attribute(0xc0, 15, '0002 01 20 20010db8');
    expect(decodeUpdate(updateBody('', unreach, ''), EBGP)).toMatchObject({
      withdrawn: [nlriOf([0x20010db8, 0, 0, 0], 32)],
      faults: [{ attribute: 15, action: 'treat-as-withdraw' }],
    });
  });

  it('ignores internal attributes of an external peer, whatever they hold (RFC 7606 §7.5, §7.9, §7.10)', () => {
    const internal = attribute(0x40, 5, '00') + attribute(0x80, 9, '00') + attribute(0x80, 10, '00');
    const update = decodeUpdate(updateBody('', MANDATORY + internal, PREFIX), EBGP);
    expect(update.faults).toEqual([]);
    expect(update.attributes).toMatchObject({
      localPref: undefined,
      originatorId: undefined,
      clusterList: [],
    });
  });

  it('reads them from an internal one, with an empty path', () => {
    const internal =
      attribute(0x40, 5, '000000c8') + attribute(0x80, 9, '0a000009') + attribute(0x80, 10, '0a000008');
    const attributes = ORIGIN + attribute(0x40, 2, '') + NEXT_HOP + internal;
    expect(decodeUpdate(updateBody('', attributes, PREFIX), IBGP).attributes).toMatchObject({
      localPref: 200,
      originatorId: 0x0a000009,
      clusterList: [0x0a000008],
    });
    const broken = ORIGIN + attribute(0x40, 2, '') + NEXT_HOP + attribute(0x40, 5, '00');
    expect(decodeUpdate(updateBody('', broken, PREFIX), IBGP).announced).toEqual([]);
  });

  it('passes unknown optional attributes, also with a length of two bytes', () => {
    const unknown = `d0 63 0100 ${'00'.repeat(256)}`;
    expect(decodeUpdate(updateBody('', MANDATORY + unknown, PREFIX), EBGP).announced).toHaveLength(1);
  });
});

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const ipv4s = fc.array(fc.tuple(u32, fc.integer({ min: 0, max: 32 })), { maxLength: 3000 });
const ipv6s = fc.array(fc.tuple(fc.tuple(u32, u32, u32, u32), fc.integer({ min: 0, max: 128 })), {
  maxLength: 800,
});
const attributes = fc.record({
  origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
  med: fc.option(u32, { nil: undefined }),
  communities: fc.array(u32, { maxLength: 255 }),
});

describe('encodeAnnouncements and encodeWithdraws', () => {
  const check = (nlri: Nlri[], own: OwnAttributes, nextHop: Nlri['prefix']): void => {
    const family = nlri[0]?.family ?? 'ipv4';
    const announcements = encodeAnnouncements(family, nlri, own, nextHop, true);
    const withdraws = encodeWithdraws(family, nlri);
    const got: Nlri[] = [];
    const gone: Nlri[] = [];
    for (const bytes of [...announcements, ...withdraws]) {
      expect(messageLength(bytes, 0, false)).toBe(bytes.length);
      const update = decodeUpdate(bodyOf(bytes), EBGP);
      expect(update.faults).toEqual([]);
      for (const group of update.announced) {
        expect(group.nextHop).toEqual(nextHop);
        expect(update.attributes).toMatchObject(own);
        got.push(...group.nlri);
      }
      gone.push(...update.withdrawn);
    }
    expect(got).toEqual(nlri);
    expect(gone).toEqual(nlri);
  };

  it('decodeUpdate gives back what they wrote, IPv4', () => {
    fc.assert(
      fc.property(ipv4s, attributes, (prefixes, extra) => {
        check(
          prefixes.map(([p, len]) => nlriOf(p, len)),
          { ...OWN, ...extra },
          0x0a000001,
        );
      }),
      { numRuns: 30 },
    );
  });

  it('decodeUpdate gives back what they wrote, IPv6', () => {
    fc.assert(
      fc.property(ipv6s, attributes, (prefixes, extra) => {
        check(
          prefixes.map(([p, len]) => nlriOf(p, len)),
          { ...OWN, ...extra },
          [0x20010db8, 0, 0, 1],
        );
      }),
      { numRuns: 30 },
    );
  });

  it('packs 10,000 /32s into 13 announcements and 13 withdrawals, each of 4096 bytes at most', () => {
    const nlri = Array.from({ length: 10_000 }, (_, i) => nlriOf(0x0a000000 + i, 32));
    const announcements = encodeAnnouncements('ipv4', nlri, OWN, 0x0a000001, true);
    const withdraws = encodeWithdraws('ipv4', nlri);
    expect([announcements.length, withdraws.length]).toEqual([13, 13]);
    expect(Math.max(...announcements.map((m) => m.length))).toBeLessThanOrEqual(MAX_MESSAGE);
    expect(Math.max(...withdraws.map((m) => m.length))).toBeLessThanOrEqual(MAX_MESSAGE);
  });

  it('writes what RFC 4271 §4.3 shows', () => {
    const [bytes] = encodeAnnouncements('ipv4', [nlriOf(0xc0a80a0b, 32)], OWN, 0x0a000002, true);
    expect(toHex(bodyOf(bytes))).toBe(
      toHex(hex('0000 0014 400101 00 400206 02010000fde9 400304 0a000002 20c0a80a0b')),
    );
  });

  it('adds AS4_PATH for a 2-octet peer where the path needs it (RFC 6793 §4.2.2)', () => {
    const large: OwnAttributes = { ...OWN, asPath: [{ type: 'sequence', ases: [4_200_000_001] }] };
    const old: UpdateContext = { ...EBGP, fourOctetAs: false, peerAs: 4_200_000_001 };
    const [bytes] = encodeAnnouncements('ipv4', [nlriOf(0xc0a80a0b, 32)], large, 0x0a000002, false);
    expect(formatAsPath(decodeUpdate(bodyOf(bytes), old).attributes.asPath)).toBe('4200000001');
    const [small] = encodeAnnouncements('ipv4', [nlriOf(0xc0a80a0b, 32)], OWN, 0x0a000002, false);
    expect(toHex(small)).not.toContain('c011');
  });
});
