import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checksum } from '../../src/base/checksum.ts';
import {
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_BAD_CHECKSUM,
  IPV4_BAD_VERSION,
  IPV4_DF,
  IPV4_HLEN,
  IPV4_MF,
  IPV4_TRUNCATED,
  ipv4Check,
  ipv4ChecksumField,
  ipv4DecrementTtl,
  ipv4Dst,
  ipv4Emit,
  ipv4FlagsFrag,
  ipv4FlowHash,
  ipv4FragmentOffset,
  ipv4HasSourceRoute,
  ipv4HeaderLen,
  ipv4Id,
  ipv4IsDf,
  ipv4IsFragment,
  ipv4OptionsValid,
  ipv4Protocol,
  ipv4RefreshChecksum,
  ipv4SetDst,
  ipv4SetFlagsFrag,
  ipv4SetId,
  ipv4SetSrc,
  ipv4SetTotalLen,
  ipv4Src,
  ipv4Tos,
  ipv4TotalLen,
  ipv4Ttl,
} from '../../src/wire/ipv4.ts';
import { u8 as byte, offset, u16, u32 } from './arbitraries.ts';
import { type Bytes, DIRT, dirty, fromHex, toHex } from './bytes.ts';

// UDP from 192.168.0.1 to 192.168.0.199, 115 bytes, DF; fields in the order of RFC 791 §3.1
const HEADER = '45 00 0073 0000 4000 40 11 b861 c0a80001 c0a800c7';

/** A header with the given options, padded to a 4-byte unit with End of Option List, and a right checksum. */
function withOptions(...options: number[]): Bytes {
  const words = Math.ceil(options.length / 4);
  const bytes = dirty(IPV4_HLEN + 4 * words);
  ipv4Emit(bytes.view, 0, bytes.u8.length, 1, 0, 64, IPPROTO_ICMP, 0x0a000001, 0x0a000002);
  bytes.u8.fill(0, IPV4_HLEN);
  bytes.u8.set(options, IPV4_HLEN);
  bytes.u8[0] = 0x40 | (5 + words);
  ipv4RefreshChecksum(bytes.view, 0);
  return bytes;
}

describe('ipv4Check', () => {
  const padded = (hex: string): Bytes => fromHex(hex.padEnd(hex.length + 2 * 115, '0'));

  test('returns the payload of a right header', () => {
    expect(ipv4Check(padded(HEADER).view, 0, 115)).toBe(20);
    const { view, u8 } = withOptions(1, 1, 1, 1, 1);
    expect(ipv4Check(view, 0, u8.length)).toBe(28);
  });

  test('takes bytes behind the total length as padding', () => {
    expect(ipv4Check(padded(HEADER).view, 0, 130)).toBe(20);
  });

  test('refuses a header or a packet that is not all there', () => {
    const { view } = padded(HEADER);
    for (let len = 0; len < 115; len++) expect(ipv4Check(view, 0, len)).toBe(IPV4_TRUNCATED);
  });

  test('refuses a total length below the header length', () => {
    const { view, u8 } = withOptions(1, 1, 1, 1);
    ipv4SetTotalLen(view, 0, 23);
    ipv4RefreshChecksum(view, 0);
    expect(ipv4Check(view, 0, u8.length)).toBe(IPV4_TRUNCATED);
  });

  test.each([0x65, 0x05, 0x44, 0x40])('refuses first byte %i: version not 4, or header below 20', (first) => {
    const { view, u8 } = padded(HEADER);
    u8[0] = first;
    expect(ipv4Check(view, 0, 115)).toBe(IPV4_BAD_VERSION);
  });

  test('refuses a wrong bit anywhere in the header', () => {
    for (let bit = 0; bit < 160; bit++) {
      const { view, u8 } = padded(HEADER);
      u8[bit >>> 3] ^= 0x80 >>> (bit & 7);
      expect(ipv4Check(view, 0, 115)).toBeLessThan(0);
    }
    const { view, u8 } = padded(HEADER);
    u8[8] ^= 1;
    expect(ipv4Check(view, 0, 115)).toBe(IPV4_BAD_CHECKSUM);
  });
});

describe('ipv4Emit', () => {
  test('writes a header as RFC 791 §3.1 lays it out, with its checksum', () => {
    const { u8, view } = dirty(IPV4_HLEN);
    expect(ipv4Emit(view, 0, 115, 0, IPV4_DF, 64, IPPROTO_UDP, 0xc0a80001, 0xc0a800c7)).toBe(20);
    expect(toHex(u8)).toBe(HEADER.replaceAll(' ', ''));
  });

  test('is inverted by ipv4Check and the accessors and touches nothing else', () => {
    const total = fc.integer({ min: 20, max: 0xffff });
    fc.assert(
      fc.property(
        offset,
        fc.tuple(total, u16, u16, byte, byte, u32, u32, byte),
        (off, [totalLen, id, flagsFrag, ttl, protocol, src, dst, tos]) => {
          const { u8, view } = dirty(off + IPV4_HLEN + 3);
          const end = ipv4Emit(view, off, totalLen, id, flagsFrag, ttl, protocol, src, dst, tos);
          expect(ipv4Check(view, off, totalLen)).toBe(end);
          expect([
            ipv4HeaderLen(view, off),
            ipv4TotalLen(view, off),
            ipv4Id(view, off),
            ipv4FlagsFrag(view, off),
            ipv4Ttl(view, off),
            ipv4Protocol(view, off),
            ipv4Src(view, off),
            ipv4Dst(view, off),
            ipv4Tos(view, off),
          ]).toEqual([20, totalLen, id, flagsFrag, ttl, protocol, src, dst, tos]);
          expect(ipv4IsDf(view, off)).toBe((flagsFrag & 0x4000) !== 0);
          expect(ipv4FragmentOffset(view, off)).toBe((flagsFrag & 0x1fff) * 8);
          expect(ipv4IsFragment(view, off)).toBe((flagsFrag & 0x3fff) !== 0);
          expect([...u8.slice(0, off), ...u8.slice(end)].every((b) => b === DIRT)).toBe(true);
        },
      ),
    );
  });
});

describe('ipv4DecrementTtl', () => {
  test('takes 1 and leaves the checksum as a full computation would', () => {
    fc.assert(
      fc.property(u16, byte, byte, u32, u32, (id, ttl, protocol, src, dst) => {
        fc.pre(ttl > 0);
        const { view } = dirty(IPV4_HLEN);
        ipv4Emit(view, 0, 20, id, 0, ttl, protocol, src, dst);
        ipv4DecrementTtl(view, 0);
        const incremental = ipv4ChecksumField(view, 0);
        ipv4RefreshChecksum(view, 0);
        expect(ipv4Ttl(view, 0)).toBe(ttl - 1);
        expect(incremental).toBe(ipv4ChecksumField(view, 0));
      }),
    );
  });

  test('keeps the checksum right for all ids, where a carry or minus zero comes up', () => {
    const { view } = dirty(IPV4_HLEN);
    for (let id = 0; id <= 0xffff; id++) {
      ipv4Emit(view, 0, 20, id, 0, 64, IPPROTO_UDP, 0xc0a80001, 0xc0a800c7);
      ipv4DecrementTtl(view, 0);
      const incremental = ipv4ChecksumField(view, 0);
      view.setUint16(10, 0);
      if (incremental !== checksum(view, 0, 20)) expect.fail(`id ${id}: ${incremental}`);
    }
  });
});

describe('the setters', () => {
  test('write their field alone; ipv4RefreshChecksum makes the header right again', () => {
    const { view } = fromHex(HEADER);
    ipv4SetTotalLen(view, 0, 20);
    ipv4SetId(view, 0, 0x1234);
    ipv4SetFlagsFrag(view, 0, IPV4_MF | 3);
    ipv4SetSrc(view, 0, 0xffffffff);
    ipv4SetDst(view, 0, 0x80000001);
    expect(ipv4Check(view, 0, 20)).toBe(IPV4_BAD_CHECKSUM);
    ipv4RefreshChecksum(view, 0);
    const { u8, view: emitted } = dirty(IPV4_HLEN);
    ipv4Emit(emitted, 0, 20, 0x1234, IPV4_MF | 3, 64, IPPROTO_UDP, 0xffffffff, 0x80000001);
    expect(toHex(new Uint8Array(view.buffer))).toBe(toHex(u8));
  });

  test('ipv4RefreshChecksum covers the options', () => {
    const { view, u8 } = withOptions(7, 7, 4, 1, 2, 3, 4);
    expect(ipv4Check(view, 0, u8.length)).toBe(28);
  });
});

describe('ipv4HasSourceRoute and ipv4OptionsValid', () => {
  // RFC 791 §3.1: LSRR 131 and SSRR 137 are type, length, pointer, addresses
  const LSRR = [131, 7, 4, 10, 0, 0, 9];
  const SSRR = [137, 7, 4, 10, 0, 0, 9];
  const RECORD_ROUTE = [7, 7, 4, 0, 0, 0, 0];

  test.each([
    ['no option', [], false, true],
    ['a loose source route', LSRR, true, true],
    ['a strict source route', SSRR, true, true],
    ['one behind a No Operation', [1, ...LSRR], true, true],
    ['one behind another option', [...RECORD_ROUTE, ...SSRR], true, true],
    ['a record route alone', RECORD_ROUTE, false, true],
    ['a source route behind the End of Option List', [0, ...LSRR], false, true],
    ['131 as data of another option', [7, 7, 4, 131, 7, 4, 0], false, true],
    ['an option of length 0', [7, 0, 4, 0], false, false],
    ['an option of length 1', [7, 1, 4, 0], false, false],
    ['an option over the end', [7, 9, 4, 0], false, false],
    ['a type without its length', [1, 1, 1, 7], false, false],
    ['a source route behind a bad option', [7, 1, ...LSRR], false, false],
    ['a source route whose length is bad', [131, 1, 1, 1], true, false],
  ])('%s', (_name, options, sourceRoute, valid) => {
    const { view } = withOptions(...options);
    expect(ipv4HasSourceRoute(view, 0)).toBe(sourceRoute);
    expect(ipv4OptionsValid(view, 0)).toBe(valid);
  });

  test('end on any option bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (options) => {
        const { view } = withOptions(...options);
        ipv4HasSourceRoute(view, 0);
        ipv4OptionsValid(view, 0);
      }),
    );
  });
});

describe('ipv4FlowHash', () => {
  function flow(src: number, dst: number, protocol: number, ports: number, flagsFrag = 0): number {
    const { view } = dirty(IPV4_HLEN + 8);
    ipv4Emit(view, 0, 28, 7, flagsFrag, 64, protocol, src, dst);
    view.setUint32(20, ports);
    return ipv4FlowHash(view, 0);
  }

  test('depends on addresses, protocol and ports, and on nothing else of the header', () => {
    const base = flow(0x0a000001, 0x0a000002, IPPROTO_TCP, 0x04d20050);
    expect(flow(0x0a000003, 0x0a000002, IPPROTO_TCP, 0x04d20050)).not.toBe(base);
    expect(flow(0x0a000001, 0x0a000003, IPPROTO_TCP, 0x04d20050)).not.toBe(base);
    expect(flow(0x0a000001, 0x0a000002, IPPROTO_UDP, 0x04d20050)).not.toBe(base);
    expect(flow(0x0a000001, 0x0a000002, IPPROTO_TCP, 0x04d30050)).not.toBe(base);
    expect(flow(0x0a000001, 0x0a000002, IPPROTO_TCP, 0x04d20051)).not.toBe(base);
    const { view } = dirty(IPV4_HLEN + 8);
    ipv4Emit(view, 0, 28, 99, IPV4_DF, 3, IPPROTO_TCP, 0x0a000001, 0x0a000002, 0xb8);
    view.setUint32(20, 0x04d20050);
    expect(ipv4FlowHash(view, 0)).toBe(base);
  });

  test('leaves the ports out of all fragments of a packet, the first one too', () => {
    const first = flow(0x0a000001, 0x0a000002, IPPROTO_UDP, 0x04d20050, IPV4_MF);
    expect(flow(0x0a000001, 0x0a000002, IPPROTO_UDP, 0xdeadbeef, 185)).toBe(first);
    expect(flow(0x0a000001, 0x0a000002, IPPROTO_UDP, 0xdeadbeef, IPV4_MF | 185)).toBe(first);
  });

  test('leaves out what are no ports: ICMP, and a payload below 4 bytes', () => {
    expect(flow(1, 2, IPPROTO_ICMP, 0x08000001)).toBe(flow(1, 2, IPPROTO_ICMP, 0x08000002));
    const { view } = dirty(IPV4_HLEN + 3);
    ipv4Emit(view, 0, 23, 7, 0, 64, IPPROTO_UDP, 1, 2);
    expect(ipv4FlowHash(view, 0)).toBe(flow(1, 2, IPPROTO_UDP, 0));
  });

  test('finds the ports behind options', () => {
    const { view, u8 } = dirty(32);
    ipv4Emit(view, 0, 32, 7, 0, 64, IPPROTO_TCP, 1, 2);
    u8[0] = 0x46;
    view.setUint32(20, 0x01010101);
    view.setUint32(24, 0x04d20050);
    expect(ipv4FlowHash(view, 0)).toBe(flow(1, 2, IPPROTO_TCP, 0x04d20050));
  });

  test('spreads neighboring flows evenly over small numbers of paths, by its low and by its high bits', () => {
    const flows = 4096;
    for (const paths of [2, 3, 4, 7, 8]) {
      const low = new Array<number>(paths).fill(0);
      const high = new Array<number>(paths).fill(0);
      for (let port = 0; port < flows; port++) {
        const hash = flow(0x0a000001, 0x0a000002, IPPROTO_TCP, ((32768 + port) << 16) | 443);
        low[hash % paths]++;
        high[Math.floor((hash / 2 ** 32) * paths)]++;
      }
      const expected = flows / paths;
      for (const count of [...low, ...high]) expect(Math.abs(count - expected) / expected).toBeLessThan(0.2);
    }
  });
});
