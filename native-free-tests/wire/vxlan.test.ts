import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  VXLAN_BAD_FLAGS,
  VXLAN_HLEN,
  VXLAN_TRUNCATED,
  VXLAN_VNI_MAX,
  vxlanCheck,
  vxlanEmit,
  vxlanVni,
} from '../../src/wire/vxlan.ts';
import { offset } from './arbitraries.ts';
import { DIRT, dirty, fromHex, toHex } from './bytes.ts';

describe('vxlanEmit', () => {
  test('writes flag I, the VNI and zero in all reserved bits (RFC 7348 §5)', () => {
    const { u8, view } = dirty(VXLAN_HLEN);
    expect(vxlanEmit(view, 0, 0x123456)).toBe(8);
    expect(toHex(u8)).toBe('0800000012345600');
  });

  test('is inverted by vxlanCheck and vxlanVni and touches nothing else', () => {
    fc.assert(
      fc.property(offset, fc.integer({ min: 0, max: VXLAN_VNI_MAX }), (off, vni) => {
        const { u8, view } = dirty(off + VXLAN_HLEN + 2);
        const end = vxlanEmit(view, off, vni);
        expect(vxlanCheck(view, off, VXLAN_HLEN)).toBe(end);
        expect(vxlanVni(view, off)).toBe(vni);
        expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
      }),
    );
  });
});

describe('vxlanCheck', () => {
  test('wants flag I and 8 bytes, and ignores reserved bits (RFC 7348 §5)', () => {
    expect(vxlanCheck(fromHex('ff0102030012 34ff').view, 0, 8)).toBe(8);
    expect(vxlanVni(fromHex('ff010203001234ff').view, 0)).toBe(0x1234);
    expect(vxlanCheck(fromHex('f700000000123400').view, 0, 8)).toBe(VXLAN_BAD_FLAGS);
    for (let len = 0; len < 8; len++) {
      expect(vxlanCheck(fromHex('0800000000123400').view, 0, len)).toBe(VXLAN_TRUNCATED);
    }
  });
});
