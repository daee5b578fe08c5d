// Frames for the tests of ports and captures: every one can be told from every other, in each of its bytes.

import { expect } from 'vitest';

/** A frame with the virtio_net_hdr (10 bytes, virtio 1.2 §5.1.6) that belongs to it. */
export interface OffloadFrame {
  readonly bytes: Uint8Array;
  readonly vnet: Uint8Array;
}

/** EtherType for local experiments (IEEE 802 §9.2.4). */
const EXPERIMENTAL = 0x88b5;

/** A frame of `len` bytes that carries its serial number and a pattern which differs in each byte. */
export function testFrame(serial: number, len: number): Uint8Array {
  const frame = new Uint8Array(len);
  frame.set([0x02, 0, 0, 0, 0xbb, 1, 0x02, 0, 0, 0, 0xaa, 1, EXPERIMENTAL >> 8, EXPERIMENTAL & 0xff]);
  new DataView(frame.buffer).setUint32(14, serial);
  for (let i = 18; i < len; i++) frame[i] = (serial * 31 + i * 7) & 0xff;
  return frame;
}

/** Whether these bytes are one of them. */
export const isTestFrame = (bytes: Uint8Array): boolean =>
  bytes.length >= 18 && ((bytes[12] << 8) | bytes[13]) === EXPERIMENTAL;

const hex = (frames: readonly Uint8Array[]): string[] =>
  frames.map((f) => Buffer.from(f.buffer, f.byteOffset, f.length).toString('hex'));

/** Expects the same frames in the same order. By hex text: comparing arrays byte by byte takes vitest a microsecond each. */
export function expectFrames(got: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(hex(got)).toEqual(hex(expected));
}

/** A TCP frame of `payload` bytes above the MTU, with the header that a sender's stack gives it: 1448-byte segments. */
export function gsoFrame(payload: number): OffloadFrame {
  const bytes = new Uint8Array(14 + 20 + 20 + payload);
  const view = new DataView(bytes.buffer);
  bytes.set([0x02, 0, 0, 0, 0xbb, 1, 0x02, 0, 0, 0, 0xaa, 1, 0x08, 0x00, 0x45]);
  view.setUint16(16, bytes.length - 14);
  bytes.set([64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 22);
  bytes[46] = 0x50; // data offset: 5 words
  for (let i = 54; i < bytes.length; i++) bytes[i] = (i * 13) & 0xff;
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  const vnet = new Uint8Array(10);
  const header = new DataView(vnet.buffer);
  vnet[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
  vnet[1] = 1; // VIRTIO_NET_HDR_GSO_TCPV4
  header.setUint16(2, 54, true);
  header.setUint16(4, 1448, true);
  header.setUint16(6, 34, true);
  header.setUint16(8, 16, true);
  return { bytes, vnet };
}

/** A virtio header less its hdr_len, a hint that each side fills in as it likes (virtio 1.2 §5.1.6.2). */
export const withoutHint = (vnet: Uint8Array): Uint8Array => vnet.slice().fill(0, 2, 4);
