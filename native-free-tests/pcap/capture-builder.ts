// Captures as bytes, in every variant that the readers know: for tests. Independent of the writer in src/pcap.

import type { CaptureReader } from '../../src/pcap/capture-reader.ts';
import { CaptureSource } from '../../src/pcap/capture-source.ts';
import { readCapture } from '../../src/pcap/open-capture.ts';

export interface BuiltFrame {
  readonly bytes: Uint8Array;
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** Bytes on the wire; default: all. */
  readonly wireLen?: number;
}

export interface ReadFrame {
  readonly bytes: Uint8Array;
  readonly timeNs: bigint;
  readonly wireLen: number;
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Fields of 16, 32 or 64 bits in one byte order: `words(little, [16, 2], [32, 7])`. */
export function words(
  little: boolean,
  ...fields: readonly (readonly [16 | 32 | 64, number | bigint])[]
): Uint8Array {
  const out = new DataView(new ArrayBuffer(fields.reduce((sum, [bits]) => sum + bits / 8, 0)));
  let at = 0;
  for (const [bits, value] of fields) {
    if (bits === 16) out.setUint16(at, Number(value), little);
    else if (bits === 32) out.setUint32(at, Number(value), little);
    else out.setBigInt64(at, BigInt(value), little);
    at += bits / 8;
  }
  return new Uint8Array(out.buffer);
}

export interface PcapVariant {
  readonly little?: boolean;
  readonly nanoseconds?: boolean;
  readonly snaplen?: number;
  readonly linkField?: number;
}

export function buildPcap(frames: readonly BuiltFrame[], variant: PcapVariant = {}): Uint8Array {
  const { little = true, nanoseconds = false, snaplen = 65535, linkField = 1 } = variant;
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const parts = [
    words(little, [32, magic], [16, 2], [16, 4], [32, 0], [32, 0], [32, snaplen], [32, linkField]),
  ];
  for (const { bytes, timeNs, wireLen = bytes.length } of frames) {
    const fraction = (timeNs % 1_000_000_000n) / (nanoseconds ? 1n : 1000n);
    parts.push(
      words(little, [32, timeNs / 1_000_000_000n], [32, fraction], [32, bytes.length], [32, wireLen]),
      bytes,
    );
  }
  return concat(parts);
}

const pad4 = (bytes: Uint8Array): Uint8Array => concat([bytes, new Uint8Array(-bytes.length & 3)]);

/** A pcapng block of any type around a body of any length. */
export function block(little: boolean, type: number, body: Uint8Array): Uint8Array {
  const padded = pad4(body);
  const total = padded.length + 12;
  return concat([words(little, [32, type], [32, total]), padded, words(little, [32, total])]);
}

export const option = (little: boolean, code: number, value: Uint8Array): Uint8Array =>
  concat([words(little, [16, code], [16, value.length]), pad4(value)]);

export const sectionHeader = (little: boolean, options: Uint8Array = new Uint8Array()): Uint8Array =>
  block(little, 0x0a0d0d0a, concat([words(little, [32, 0x1a2b3c4d], [16, 1], [16, 0], [64, -1]), options]));

export interface InterfaceVariant {
  readonly linkType?: number;
  readonly snaplen?: number;
  readonly tsresol?: number;
  readonly tsoffset?: number;
  readonly fcslen?: number;
}

export function interfaceBlock(little: boolean, variant: InterfaceVariant = {}): Uint8Array {
  const { linkType = 1, snaplen = 0, tsresol, tsoffset, fcslen } = variant;
  const parts = [words(little, [16, linkType], [16, 0], [32, snaplen])];
  parts.push(option(little, 2, new TextEncoder().encode('eth0')));
  if (tsresol !== undefined) parts.push(option(little, 9, Uint8Array.of(tsresol)));
  if (fcslen !== undefined) parts.push(option(little, 13, Uint8Array.of(fcslen)));
  if (tsoffset !== undefined) parts.push(option(little, 14, words(little, [64, tsoffset])));
  parts.push(words(little, [16, 0], [16, 0]));
  return block(little, 1, concat(parts));
}

/** Enhanced packet block; `units` is the time in units of the interface. */
export const enhancedPacket = (
  little: boolean,
  iface: number,
  units: bigint,
  bytes: Uint8Array,
  wireLen = bytes.length,
): Uint8Array =>
  block(
    little,
    6,
    concat([
      words(
        little,
        [32, iface],
        [32, units >> 32n],
        [32, units & 0xffffffffn],
        [32, bytes.length],
        [32, wireLen],
      ),
      pad4(bytes),
      option(little, 1, new TextEncoder().encode('a comment')),
      words(little, [16, 0], [16, 0]),
    ]),
  );

export const oldPacket = (little: boolean, iface: number, units: bigint, bytes: Uint8Array): Uint8Array =>
  block(
    little,
    2,
    concat([
      words(little, [16, iface], [16, 0xffff], [32, units >> 32n], [32, units & 0xffffffffn]),
      words(little, [32, bytes.length], [32, bytes.length]),
      pad4(bytes),
    ]),
  );

export const simplePacket = (little: boolean, bytes: Uint8Array, wireLen = bytes.length): Uint8Array =>
  block(little, 3, concat([words(little, [32, wireLen]), pad4(bytes)]));

export const joinBytes = concat;

/** A reader over bytes that arrive in pieces of at most `chunk` bytes, as from a pipe. */
export function readerOver(bytes: Uint8Array, chunk = Number.POSITIVE_INFINITY): CaptureReader {
  let at = 0;
  return readCapture(
    new CaptureSource({
      name: 'test.pcap',
      read(buf, off, len) {
        const n = Math.min(len, chunk, bytes.length - at);
        buf.set(bytes.subarray(at, at + n), off);
        at += n;
        return n;
      },
      readLater: () => {},
      close: () => {},
    }),
  );
}

/** All frames of a reader. */
export function readAll(reader: CaptureReader): ReadFrame[] {
  const frames: ReadFrame[] = [];
  while (reader.next()) {
    frames.push({
      bytes: reader.u8.slice(reader.off, reader.off + reader.len),
      timeNs: BigInt(reader.timeMs) * 1_000_000n + BigInt(reader.timeNs),
      wireLen: reader.wireLen,
    });
  }
  return frames;
}
