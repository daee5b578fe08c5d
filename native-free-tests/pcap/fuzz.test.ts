// Whatever bytes a capture holds, reading it ends with frames or with a fault that names the place, and nothing else.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { testFrame } from '../conformance/port-suite.ts';
import {
  block,
  buildPcap,
  enhancedPacket,
  interfaceBlock,
  joinBytes,
  oldPacket,
  readerOver,
  sectionHeader,
  simplePacket,
} from './capture-builder.ts';

/** Reads to the end; returns the frames read and the fault, if there was one. */
function outcome(bytes: Uint8Array, chunk: number): { frames: number; fault: string | undefined } {
  let frames = 0;
  try {
    const reader = readerOver(bytes, chunk);
    while (reader.next()) {
      frames++;
      expect(reader.off).toBeGreaterThanOrEqual(0);
      expect(reader.len).toBeGreaterThanOrEqual(0);
      expect(reader.off + reader.len).toBeLessThanOrEqual(reader.u8.length);
      expect(reader.len).toBeLessThanOrEqual(262_144);
      expect(Number.isFinite(reader.timeMs)).toBe(true);
      expect(reader.timeNs >= 0 && reader.timeNs < 1e6).toBe(true);
    }
    return { frames, fault: undefined };
  } catch (error) {
    if (!(error instanceof NearhopError)) throw error;
    expect(error.message).toContain('test.pcap: ');
    expect(error.code).toMatch(/^capture-/);
    return { frames, fault: error.message };
  }
}

const SEEDS = [true, false].flatMap((little) => [
  buildPcap(
    [60, 200, 96].map((len, i) => ({ bytes: testFrame(i, len), timeNs: BigInt(i) * 1000n })),
    { little },
  ),
  joinBytes([
    sectionHeader(little),
    interfaceBlock(little, { tsresol: 9, tsoffset: 3, fcslen: 4, snaplen: 500 }),
    enhancedPacket(little, 0, 12_345n, testFrame(0, 70)),
    block(little, 5, new Uint8Array(24)),
    simplePacket(little, testFrame(1, 60)),
    oldPacket(little, 0, 99n, testFrame(2, 90)),
  ]),
]);

const mutation = fc.record({
  seed: fc.constantFrom(...SEEDS),
  edits: fc.array(
    fc.record({
      at: fc.nat(999),
      value: fc.oneof(fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })),
    }),
    { maxLength: 4 },
  ),
  /** Bytes that are left, of a thousand. */
  keep: fc.oneof(fc.constant(1000), fc.constant(1000), fc.nat(1000)),
});

describe('CaptureReader, fuzzed', () => {
  it('random bytes behind each magic number give frames or a fault', () => {
    const magics = SEEDS.map((seed) => seed.slice(0, 12));
    fc.assert(
      fc.property(
        fc.constantFrom(new Uint8Array(), ...magics),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 64 }),
        (magic, bytes, chunk) => {
          outcome(joinBytes([magic, bytes]), chunk);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('mutated captures give frames or a fault, the same in pieces as in one', () => {
    let faults = 0;
    let clean = 0;
    fc.assert(
      fc.property(mutation, fc.integer({ min: 1, max: 50 }), ({ seed, edits, keep }, chunk) => {
        const bytes = seed.slice(0, Math.floor((seed.length * keep) / 1000));
        for (const { at, value } of edits) bytes[Math.floor((at * bytes.length) / 1000)] = value;
        const whole = outcome(bytes, Number.POSITIVE_INFINITY);
        expect(outcome(bytes, chunk)).toEqual(whole);
        if (whole.fault === undefined) clean++;
        else faults++;
      }),
      { numRuns: 500 },
    );
    expect(Math.min(faults, clean)).toBeGreaterThan(20);
  });
});
