import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ICMP4_BAD_CHECKSUM,
  ICMP4_DEST_UNREACHABLE,
  ICMP4_ECHO_REPLY,
  ICMP4_ECHO_REQUEST,
  ICMP4_FRAG_NEEDED,
  ICMP4_HLEN,
  ICMP4_REDIRECT,
  ICMP4_TIME_EXCEEDED,
  ICMP4_TRUNCATED,
  icmp4Check,
  icmp4Code,
  icmp4EchoId,
  icmp4EchoSeq,
  icmp4EmitEchoReply,
  icmp4EmitEchoRequest,
  icmp4EmitError,
  icmp4IsError,
  icmp4NextHopMtu,
  icmp4Rest,
  icmp4Type,
} from '../../src/wire/icmpv4.ts';
import { offset, payload, u16, u32 } from './arbitraries.ts';
import { DIRT, dirty, toHex } from './bytes.ts';

describe('icmp4EmitEchoRequest', () => {
  test('writes type, code, checksum, identifier and sequence number (RFC 792, "Echo")', () => {
    const { u8, view } = dirty(12);
    u8.set([0x61, 0x62, 0x63, 0x64], 8);
    expect(icmp4EmitEchoRequest(view, 0, 0x1234, 1, 4)).toBe(12);
    // 0x0800 + 0x1234 + 0x0001 + 0x6162 + 0x6364 = 0xdefb, and ~0xdefb = 0x2104
    expect(toHex(u8)).toBe('080021041234000161626364');
  });

  test('is inverted by icmp4Check and the accessors, and leaves the data alone', () => {
    fc.assert(
      fc.property(offset, u16, u16, payload, (off, id, seq, data) => {
        const { u8, view } = dirty(off + ICMP4_HLEN + data.length);
        u8.set(data, off + ICMP4_HLEN);
        const end = icmp4EmitEchoRequest(view, off, id, seq, data.length);
        expect(end).toBe(u8.length);
        expect(icmp4Check(view, off, end - off)).toBe(off + ICMP4_HLEN);
        expect([icmp4Type(view, off), icmp4Code(view, off)]).toEqual([ICMP4_ECHO_REQUEST, 0]);
        expect([icmp4EchoId(view, off), icmp4EchoSeq(view, off)]).toEqual([id, seq]);
        expect(u8.slice(off + ICMP4_HLEN)).toEqual(data);
        expect(u8.slice(0, off).every((b) => b === DIRT)).toBe(true);
      }),
    );
  });
});

describe('icmp4EmitEchoReply', () => {
  test('turns a request into the reply that a full computation gives', () => {
    fc.assert(
      fc.property(u16, u16, payload, (id, seq, data) => {
        const { u8, view } = dirty(ICMP4_HLEN + data.length);
        u8.set(data, ICMP4_HLEN);
        icmp4EmitEchoRequest(view, 0, id, seq, data.length);
        icmp4EmitEchoReply(view, 0);
        expect(icmp4Check(view, 0, u8.length)).toBe(ICMP4_HLEN);
        expect(icmp4Type(view, 0)).toBe(ICMP4_ECHO_REPLY);
        expect([icmp4EchoId(view, 0), icmp4EchoSeq(view, 0)]).toEqual([id, seq]);
        expect(u8.slice(ICMP4_HLEN)).toEqual(data);
      }),
    );
  });
});

describe('icmp4EmitEchoReply, for a request with a code', () => {
  test('keeps the code and the checksum right', () => {
    const { view } = dirty(ICMP4_HLEN);
    icmp4EmitError(view, 0, ICMP4_ECHO_REQUEST, 0x5a, 0x12340001, 0);
    icmp4EmitEchoReply(view, 0);
    expect(icmp4Check(view, 0, ICMP4_HLEN)).toBe(ICMP4_HLEN);
    expect([icmp4Type(view, 0), icmp4Code(view, 0)]).toEqual([ICMP4_ECHO_REPLY, 0x5a]);
  });
});

describe('icmp4EmitError', () => {
  test('puts the next-hop MTU into the second half of the rest (RFC 1191 §4)', () => {
    const { view } = dirty(ICMP4_HLEN + 28);
    const end = icmp4EmitError(view, 0, ICMP4_DEST_UNREACHABLE, ICMP4_FRAG_NEEDED, 1400, 28);
    expect(end).toBe(36);
    expect(view.getUint16(4)).toBe(0);
    expect(icmp4NextHopMtu(view, 0)).toBe(1400);
  });

  test('is inverted by icmp4Check and the accessors, and leaves the quote alone', () => {
    fc.assert(
      fc.property(u32, payload, (rest, quote) => {
        const { u8, view } = dirty(ICMP4_HLEN + quote.length);
        u8.set(quote, ICMP4_HLEN);
        icmp4EmitError(view, 0, ICMP4_TIME_EXCEEDED, 1, rest, quote.length);
        expect(icmp4Check(view, 0, u8.length)).toBe(ICMP4_HLEN);
        expect([icmp4Type(view, 0), icmp4Code(view, 0), icmp4Rest(view, 0)]).toEqual([11, 1, rest]);
        expect(u8.slice(ICMP4_HLEN)).toEqual(quote);
      }),
    );
  });
});

describe('icmp4Check', () => {
  test('refuses short messages and wrong bits', () => {
    const { u8, view } = dirty(12);
    icmp4EmitEchoRequest(view, 0, 1, 1, 4);
    for (let len = 0; len < 8; len++) expect(icmp4Check(view, 0, len)).toBe(ICMP4_TRUNCATED);
    for (let bit = 0; bit < 96; bit++) {
      u8[bit >>> 3] ^= 1 << (bit & 7);
      expect(icmp4Check(view, 0, 12)).toBe(ICMP4_BAD_CHECKSUM);
      u8[bit >>> 3] ^= 1 << (bit & 7);
    }
  });
});

describe('icmp4IsError', () => {
  test('knows the types that must not cause an error (RFC 1812 §4.3.2.7)', () => {
    const errors = Array.from({ length: 256 }, (_, type) => type).filter(icmp4IsError);
    expect(errors).toEqual([ICMP4_DEST_UNREACHABLE, 4, ICMP4_REDIRECT, ICMP4_TIME_EXCEEDED, 12]);
  });
});
