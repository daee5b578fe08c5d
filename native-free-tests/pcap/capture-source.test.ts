import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import type { CaptureInput } from '../../src/pcap/capture-file.ts';
import { CaptureMemory } from '../../src/pcap/capture-memory.ts';
import { STEP_END, STEP_FRAME } from '../../src/pcap/capture-reader.ts';
import { AHEAD_LAP_BYTES, CaptureSource, ROUND_BYTES } from '../../src/pcap/capture-source.ts';
import { readCapture } from '../../src/pcap/open-capture.ts';
import { PendingIo } from '../../src/pcap/pending-io.ts';
import { testFrame } from '../conformance/port-suite.ts';
import {
  block,
  buildPcap,
  enhancedPacket,
  interfaceBlock,
  joinBytes,
  sectionHeader,
} from './capture-builder.ts';

const FAULT = new NearhopError('capture-read-failed', 'the disk has gone');

/** Bytes that arrive in pieces of at most `most`, and a fault in the place of those from `failAt` on. */
function input(bytes: Uint8Array, most: number, failAt = Number.POSITIVE_INFINITY): CaptureInput {
  let at = 0;
  const read = (buf: Uint8Array, off: number, len: number): number => {
    if (at >= failAt) throw FAULT;
    const n = Math.min(len, most, bytes.length - at, failAt - at);
    buf.set(bytes.subarray(at, at + n), off);
    at += n;
    return n;
  };
  return {
    name: 'test.pcap',
    read,
    readLater(buf, off, len, done) {
      setImmediate(() => {
        try {
          done(undefined, read(buf, off, len));
        } catch {
          done(FAULT, 0);
        }
      });
    },
    close: () => {},
  };
}

const frames = Array.from({ length: 14000 }, (_, i) => ({
  bytes: testFrame(i, 60 + ((i * 7919) % 2800)),
  timeNs: BigInt(i) * 1000n,
}));
const classic = buildPcap(frames, { snaplen: 0 });
const nextGeneration = joinBytes([
  sectionHeader(true),
  interfaceBlock(true),
  ...frames.flatMap((f, i) => [
    ...(i % 3000 === 1500 ? [block(true, 5, new Uint8Array(3 * ROUND_BYTES))] : []),
    enhancedPacket(true, 0, f.timeNs / 1000n, f.bytes),
  ]),
]);

interface Outcome {
  /** Frames of each round. */
  readonly rounds: readonly number[];
  readonly fault: unknown;
}

/** Reads by rounds, each frame compared with the one that was put in. */
async function readByRounds(source: CaptureSource, io = new PendingIo()): Promise<Outcome> {
  const reader = readCapture(source);
  const rounds: number[] = [];
  let seen = 0;
  try {
    for (;;) {
      while (!reader.open()) await io.next();
      const first = seen;
      let step = reader.step();
      for (; step === STEP_FRAME; step = reader.step()) {
        const { bytes } = frames[seen++];
        const same = Buffer.compare(reader.u8.subarray(reader.off, reader.off + reader.len), bytes) === 0;
        if (!same) throw new Error(`frame ${seen} differs`);
        reader.u8.fill(0xee, reader.off, reader.off + reader.len); // as a gateway may
      }
      rounds.push(seen - first);
      if (step === STEP_END) return { rounds, fault: undefined };
    }
  } catch (fault) {
    return { rounds, fault };
  }
}

const readAhead = (capture: Uint8Array, most: number, failAt?: number): Promise<Outcome> => {
  const io = new PendingIo();
  const memory = CaptureMemory.create(AHEAD_LAP_BYTES);
  return readByRounds(new CaptureSource(input(capture, most, failAt), memory, io), io);
};

describe('CaptureSource', () => {
  it.each([
    ['pcap', classic],
    ['pcapng with blocks longer than a round', nextGeneration],
  ])(
    'gives the same rounds of the same frames of a %s however it is read, over several laps',
    async (_, capture) => {
      expect(capture.length).toBeGreaterThan(2 * AHEAD_LAP_BYTES);
      const atOnce = await readByRounds(new CaptureSource(input(capture, 1 << 20)));
      expect(atOnce.fault).toBeUndefined();
      expect(atOnce.rounds.reduce((sum, n) => sum + n, 0)).toBe(frames.length);
      expect(await readByRounds(new CaptureSource(input(capture, 10_007)))).toEqual(atOnce);
      expect(await readAhead(capture, 1 << 20)).toEqual(atOnce);
      expect(await readAhead(capture, 10_007)).toEqual(atOnce);
    },
  );

  it('hands out what stands before a read that fails, then fails', async () => {
    const failAt = 6_000_000;
    const atOnce = await readByRounds(new CaptureSource(input(classic, 1 << 20, failAt)));
    expect(atOnce.fault).toBe(FAULT);
    expect(atOnce.rounds.length).toBeGreaterThan(5);
    expect(await readAhead(classic, 50_000, failAt)).toEqual(atOnce);
  });

  it('reads nothing over what is held, and goes on when it is released', async () => {
    const io = new PendingIo();
    const memory = CaptureMemory.create(AHEAD_LAP_BYTES);
    const source = new CaptureSource(input(classic, 1 << 20), memory, io);
    const held = memory.reads + 1000;
    memory.hold(held, held + 1);
    let waited = 0;
    const reader = readCapture(source);
    for (let step = 1; step !== STEP_END; ) {
      while (!reader.open()) {
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve)); // all reads
        if (reader.open()) break;
        expect(memory.isHeld(held, held + 1)).toBe(true);
        memory.release(held, held + 1);
        waited++;
      }
      do step = reader.step();
      while (step === STEP_FRAME);
    }
    expect(waited).toBe(1);
    expect(reader.packets).toBe(frames.length);
  });
});
