import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  UDP_HLEN,
  UDP_TRUNCATED,
  udpCheck,
  udpChecksumField,
  udpChecksumOk4,
  udpDstPort,
  udpEmit,
  udpLen,
  udpRefreshChecksum4,
  udpSrcPort,
} from '../../src/wire/udp.ts';
import { offset, payload, u16, u32 } from './arbitraries.ts';
import { DIRT, dirty, toHex } from './bytes.ts';

describe('udpEmit', () => {
  test('writes ports, length and no checksum (RFC 768, "Format")', () => {
    const { u8, view } = dirty(UDP_HLEN);
    expect(udpEmit(view, 0, 49152, 4789, 58)).toBe(UDP_HLEN);
    expect(toHex(u8)).toBe('c00012b5003a0000');
  });

  test('is inverted by udpCheck and the accessors and touches nothing else', () => {
    fc.assert(
      fc.property(offset, u16, u16, fc.integer({ min: 8, max: 0xffff }), (off, sport, dport, len) => {
        const { u8, view } = dirty(off + UDP_HLEN + 3);
        const end = udpEmit(view, off, sport, dport, len);
        expect(udpCheck(view, off, len)).toBe(end);
        expect([udpSrcPort(view, off), udpDstPort(view, off), udpLen(view, off)]).toEqual([
          sport,
          dport,
          len,
        ]);
        expect(udpChecksumField(view, off)).toBe(0);
        expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
      }),
    );
  });
});

describe('udpCheck', () => {
  test('refuses a header or a datagram that is not all there, and a length below 8', () => {
    const { view } = dirty(16);
    udpEmit(view, 0, 1, 2, 16);
    for (let len = 0; len < 16; len++) expect(udpCheck(view, 0, len)).toBe(UDP_TRUNCATED);
    expect(udpCheck(view, 0, 16)).toBe(8);
    udpEmit(view, 0, 1, 2, 7);
    expect(udpCheck(view, 0, 16)).toBe(UDP_TRUNCATED);
  });
});

describe('udpRefreshChecksum4', () => {
  test('writes a checksum that udpChecksumOk4 accepts, and not after a bit changed', () => {
    fc.assert(
      fc.property(u32, u32, payload, fc.nat(1000), (src, dst, data, pick) => {
        const { u8, view } = dirty(UDP_HLEN + data.length);
        udpEmit(view, 0, 1234, 53, u8.length);
        u8.set(data, UDP_HLEN);
        udpRefreshChecksum4(view, 0, src, dst);
        expect(udpChecksumField(view, 0)).not.toBe(0);
        expect(udpChecksumOk4(view, 0, src, dst)).toBe(true);
        u8[pick % 4] ^= 0x10; // a port
        expect(udpChecksumOk4(view, 0, src, dst)).toBe(false);
      }),
    );
  });

  test('sends a computed zero as 0xffff (RFC 768)', () => {
    // 17 + 10 (length) twice in the pseudo-header and header: the payload brings the sum to 0xffff
    const { view } = dirty(10);
    udpEmit(view, 0, 0, 0, 10);
    view.setUint16(8, 0xffff - 17 - 10 - 10);
    udpRefreshChecksum4(view, 0, 0, 0);
    expect(udpChecksumField(view, 0)).toBe(0xffff);
    expect(udpChecksumOk4(view, 0, 0, 0)).toBe(true);
  });
});

describe('udpChecksumOk4', () => {
  test('takes zero as "no checksum" (RFC 1122 §4.1.3.4)', () => {
    const { view } = dirty(10);
    udpEmit(view, 0, 1, 2, 10);
    expect(udpChecksumOk4(view, 0, 0x01020304, 0x05060708)).toBe(true);
  });
});
