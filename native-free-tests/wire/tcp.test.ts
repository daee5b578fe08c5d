import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  TCP_ACK,
  TCP_BAD_OFFSET,
  TCP_HLEN,
  TCP_SYN,
  TCP_TRUNCATED,
  tcpAck,
  tcpCheck,
  tcpChecksumField,
  tcpChecksumOk4,
  tcpClampMss,
  tcpDstPort,
  tcpFlags,
  tcpHeaderLen,
  tcpMssOffset,
  tcpRefreshChecksum4,
  tcpSeq,
  tcpSrcPort,
  tcpWindow,
} from '../../src/wire/tcp.ts';
import { u16, u32 } from './arbitraries.ts';
import { type Bytes, fromBytes, fromHex, toHex } from './bytes.ts';

const SRC = 0x0a000001;
const DST = 0x0a000002;
/** Port 1234 to 179, seq 1, ack 2, window 64240; fields in the order of RFC 9293 §3.1. */
const FIXED = '04d2 00b3 00000001 00000002';

/** A segment with these flags and options (filled up with End of Option List) and a right checksum. */
function segment(flags: number, options: number[], data: number[] = []): Bytes {
  const words = Math.ceil(options.length / 4);
  const head = fromHex(`${FIXED} 0000 faf0 0000 0000`).u8;
  const bytes = fromBytes(
    new Uint8Array([...head, ...options, ...new Array(4 * words - options.length).fill(0), ...data]),
  );
  bytes.u8[12] = (5 + words) << 4;
  bytes.u8[13] = flags;
  tcpRefreshChecksum4(bytes.view, 0, bytes.u8.length, SRC, DST);
  return bytes;
}
const MSS_1460 = [2, 4, 0x05, 0xb4];

describe('tcpCheck', () => {
  test('returns the payload behind the options, and the accessors read the header', () => {
    const { view, u8 } = segment(TCP_SYN | TCP_ACK, MSS_1460, [1, 2, 3]);
    expect(tcpCheck(view, 0, u8.length)).toBe(24);
    expect([
      tcpSrcPort(view, 0),
      tcpDstPort(view, 0),
      tcpSeq(view, 0),
      tcpAck(view, 0),
      tcpHeaderLen(view, 0),
      tcpFlags(view, 0),
      tcpWindow(view, 0),
    ]).toEqual([1234, 179, 1, 2, 24, 0x12, 64240]);
  });

  test('refuses a header that is not all there or below 20 bytes', () => {
    const { view, u8 } = segment(TCP_SYN, MSS_1460);
    for (let len = 0; len < 24; len++) expect(tcpCheck(view, 0, len)).toBe(TCP_TRUNCATED);
    u8[12] = 0x40;
    expect(tcpCheck(view, 0, 24)).toBe(TCP_BAD_OFFSET);
  });
});

describe('tcpRefreshChecksum4', () => {
  test('writes a checksum that tcpChecksumOk4 accepts, and not for another address', () => {
    fc.assert(
      fc.property(u32, u32, fc.uint8Array({ maxLength: 33 }), (src, dst, data) => {
        const { view, u8 } = segment(TCP_ACK, [], [...data]);
        tcpRefreshChecksum4(view, 0, u8.length, src, dst);
        expect(tcpChecksumOk4(view, 0, u8.length, src, dst)).toBe(true);
        expect(tcpChecksumOk4(view, 0, u8.length, src, dst ^ 1)).toBe(false);
      }),
    );
  });
});

describe('tcpMssOffset', () => {
  test.each([
    ['the first option', TCP_SYN, MSS_1460, 22],
    ['of a SYN-ACK', TCP_SYN | TCP_ACK, MSS_1460, 22],
    ['behind a NOP, at an odd place', TCP_SYN, [1, ...MSS_1460], 23],
    ['behind SACK-permitted and timestamps', TCP_SYN, [4, 2, 8, 10, 1, 1, 1, 1, 0, 0, 0, 0, ...MSS_1460], 34],
    ['none without SYN', TCP_ACK, MSS_1460, 0],
    ['none without options', TCP_SYN, [], 0],
    ['none behind the End of Option List', TCP_SYN, [0, ...MSS_1460], 0],
    ['none when its length is not 4', TCP_SYN, [2, 3, 5, 1], 0],
    ['none behind an option of length 0', TCP_SYN, [8, 0, ...MSS_1460], 0],
    ['none behind an option of length 1', TCP_SYN, [8, 1, ...MSS_1460], 0],
    ['none when an option runs over the header', TCP_SYN, [8, 40, 0, 0], 0],
    ['none when it is cut by the header’s end', TCP_SYN, [1, 1, 2, 4], 0],
    ['none for a kind without a length at the end', TCP_SYN, [1, 1, 1, 2], 0],
  ])('finds %s', (_name, flags, options, expected) => {
    const { view, u8 } = segment(flags, options);
    expect(tcpMssOffset(view, 0, u8.length)).toBe(expected);
  });

  test('looks at no byte beyond the header, whatever stands there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.boolean(), (bytes, syn) => {
        const { view, u8 } = fromBytes(bytes);
        if (syn && u8.length >= TCP_HLEN) {
          u8[12] |= 0x50;
          u8[13] |= TCP_SYN;
        }
        const at = tcpMssOffset(view, 0, u8.length);
        if (at !== 0) {
          expect(at + 2).toBeLessThanOrEqual(tcpHeaderLen(view, 0));
          expect([u8[at - 2], u8[at - 1]]).toEqual([2, 4]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('tcpClampMss', () => {
  test('lowers the value and leaves the checksum right, at even and odd places', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), u16, u16, (nops, old, mss) => {
        const { view, u8 } = segment(TCP_SYN, [...new Array(nops).fill(1), 2, 4, old >>> 8, old & 0xff]);
        const changed = tcpClampMss(view, 0, u8.length, mss);
        expect(changed).toBe(old > mss);
        expect(view.getUint16(22 + nops)).toBe(Math.min(old, mss));
        expect(tcpChecksumOk4(view, 0, u8.length, SRC, DST)).toBe(true);
      }),
    );
  });

  test('leaves other segments as they are', () => {
    for (const { u8, view } of [segment(TCP_ACK, MSS_1460), segment(TCP_SYN, [1, 1, 1, 1])]) {
      const before = toHex(u8);
      expect(tcpClampMss(view, 0, u8.length, 500)).toBe(false);
      expect(toHex(u8)).toBe(before);
      expect(tcpChecksumField(view, 0)).toBe(view.getUint16(16));
    }
  });
});
