import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ARP_BAD_FORMAT,
  ARP_LEN,
  ARP_REPLY,
  ARP_TRUNCATED,
  arpCheck,
  arpEmit,
  arpOp,
  arpSenderIp,
  arpSenderMacHi,
  arpSenderMacLo,
  arpTargetIp,
  arpTargetMacHi,
  arpTargetMacLo,
} from '../../src/wire/arp.ts';
import { offset, u16, u32 } from './arbitraries.ts';
import { DIRT, dirty, fromHex, toHex } from './bytes.ts';

// 10.0.0.1 at 02:00:00:00:10:01 answers 10.0.0.2 at 02:00:00:00:10:02; the fields in the order of RFC 826, "Packet format"
const REPLY = '0001 0800 06 04 0002 020000001001 0a000001 020000001002 0a000002';

describe('arpEmit', () => {
  test('writes the fields of RFC 826 in their order', () => {
    const { u8, view } = dirty(ARP_LEN);
    const end = arpEmit(view, 0, ARP_REPLY, 0x0200, 0x1001, 0x0a000001, 0x0200, 0x1002, 0x0a000002);
    expect(end).toBe(ARP_LEN);
    expect(toHex(u8)).toBe(REPLY.replaceAll(' ', ''));
  });

  test('is inverted by arpCheck and the accessors and touches nothing else', () => {
    fc.assert(
      fc.property(
        offset,
        fc.tuple(u16, u16, u32, u32, u16, u32, u32),
        (off, [op, shaHi, shaLo, spa, thaHi, thaLo, tpa]) => {
          const { u8, view } = dirty(off + ARP_LEN + 3);
          const end = arpEmit(view, off, op, shaHi, shaLo, spa, thaHi, thaLo, tpa);
          expect(arpCheck(view, off, ARP_LEN)).toBe(end);
          expect([
            arpOp(view, off),
            arpSenderMacHi(view, off),
            arpSenderMacLo(view, off),
            arpSenderIp(view, off),
            arpTargetMacHi(view, off),
            arpTargetMacLo(view, off),
            arpTargetIp(view, off),
          ]).toEqual([op, shaHi, shaLo, spa, thaHi, thaLo, tpa]);
          expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
        },
      ),
    );
  });
});

describe('arpCheck', () => {
  test('refuses every length below 28', () => {
    const { view } = fromHex(REPLY);
    for (let len = 0; len < ARP_LEN; len++) expect(arpCheck(view, 0, len)).toBe(ARP_TRUNCATED);
  });

  test.each([
    ['hardware type', 1, 6],
    ['protocol type', 2, 0x86],
    ['hardware length', 4, 8],
    ['protocol length', 5, 16],
  ])('refuses another %s', (_field, at, value) => {
    const { u8, view } = fromHex(REPLY);
    u8[at] = value;
    expect(arpCheck(view, 0, ARP_LEN)).toBe(ARP_BAD_FORMAT);
  });
});
