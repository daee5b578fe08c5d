import { describe, expect, it } from 'vitest';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { encodeKeepalive, messageLength, messageOf } from '../../../src/routing/bgp/message.ts';
import { hex, toHex } from './bytes.ts';

const MARKER = 'ff'.repeat(16);
const header = (length: number, type: number): Uint8Array =>
  hex(`${MARKER}${length.toString(16).padStart(4, '0')}${type.toString(16).padStart(2, '0')}`);

const fault = (bytes: Uint8Array, extended = false): [number, number, string] => {
  try {
    messageLength(bytes, 0, extended);
  } catch (error) {
    if (error instanceof BgpError) return [error.code, error.subcode, toHex(error.data)];
    throw error;
  }
  return [0, 0, ''];
};

describe('encodeKeepalive', () => {
  it('is the header alone (RFC 4271 §4.4)', () => {
    expect(toHex(encodeKeepalive())).toBe(`${MARKER}001304`);
  });
});

describe('messageLength', () => {
  it('returns the length, at any offset', () => {
    const bytes = new Uint8Array(50);
    bytes.set(messageOf(2, 4), 20);
    expect(messageLength(bytes, 20, false)).toBe(23);
  });

  it('refuses a marker that is not all ones (RFC 4271 §6.1)', () => {
    for (let i = 0; i < 16; i++) {
      const bytes = header(19, 4);
      bytes[i] = 0xfe;
      expect(fault(bytes)).toEqual([1, 1, '']);
    }
  });

  it.each([
    ['OPEN', 1, 28, 29],
    ['UPDATE', 2, 22, 23],
    ['NOTIFICATION', 3, 20, 21],
    ['ROUTE-REFRESH', 5, 22, 23],
  ])('refuses a short %s with its length as data (RFC 4271 §6.1)', (_name, type, short, good) => {
    expect(fault(header(short, type))).toEqual([1, 2, toHex(hex(short.toString(16).padStart(4, '0')))]);
    expect(fault(header(good, type))).toEqual([0, 0, '']);
    expect(fault(header(4096, type))).toEqual([0, 0, '']);
    expect(fault(header(4097, type))).toEqual([1, 2, '1001']);
  });

  it('refuses a KEEPALIVE of any length but 19', () => {
    expect(fault(header(20, 4))).toEqual([1, 2, '0014']);
    expect(fault(header(18, 4))).toEqual([1, 2, '0012']);
  });

  it.each([0, 6, 255])('refuses type %i with the type as data (RFC 4271 §6.1)', (type) => {
    expect(fault(header(19, type))).toEqual([1, 3, type.toString(16).padStart(2, '0')]);
  });

  it('takes large messages once extended, but no large OPEN or KEEPALIVE (RFC 8654 §4)', () => {
    expect(fault(header(65535, 2), true)).toEqual([0, 0, '']);
    expect(fault(header(4097, 1), true)).toEqual([1, 2, '1001']);
    expect(fault(header(4097, 4), true)).toEqual([1, 2, '1001']);
  });
});
