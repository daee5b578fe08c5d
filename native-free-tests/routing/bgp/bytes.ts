// Bytes for the BGP tests: hex with spaces into bytes, and messages around bodies.

import { HEADER_LEN, messageOf } from '../../../src/routing/bgp/message.ts';

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(
    (text.replace(/[^0-9a-f]/gi, '').match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)),
  );

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A whole message of `type` around `body`. */
export const message = (type: number, body: Uint8Array): Uint8Array => {
  const bytes = messageOf(type, body.length);
  bytes.set(body, HEADER_LEN);
  return bytes;
};

export const bodyOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(HEADER_LEN);

/** A path attribute with a one-byte length. */
export const attribute = (flags: number, type: number, value: string): string => {
  const bytes = hex(value);
  return [flags, type, bytes.length, ...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
};

/** The body of an UPDATE from its three parts as hex. */
export const updateBody = (withdrawn: string, attributes: string, nlri: string): Uint8Array => {
  const parts = [hex(withdrawn), hex(attributes), hex(nlri)];
  const body = new Uint8Array(4 + parts[0].length + parts[1].length + parts[2].length);
  const view = new DataView(body.buffer);
  view.setUint16(0, parts[0].length);
  body.set(parts[0], 2);
  view.setUint16(2 + parts[0].length, parts[1].length);
  body.set(parts[1], 4 + parts[0].length);
  body.set(parts[2], 4 + parts[0].length + parts[1].length);
  return body;
};
