// Records in WebAssembly against records step by step: the same capture through a port that has the loops, as it reads into the slab, and
// through one that has not, as it copies.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { CaptureMemory } from '../../src/pcap/capture-memory.ts';
import { createPcapFilePort } from '../../src/ports/pcap-file.ts';
import { RoundTimes } from '../../src/ports/round-times.ts';
import { testFrame } from '../conformance/port-suite.ts';
import { type BuiltFrame, buildPcap } from './capture-builder.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'nearhop-records-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const START_MS = 1_700_000_000_999;

interface Round {
  /** From the next frame on, so many ns. */
  readonly spanNs: number;
  readonly max: number;
  /** What leaves of the round: each how-manieth frame, and by how much shorter. */
  readonly each: number;
  readonly shorter: number;
}

/** All that a port does with a capture. */
function replay(capture: Uint8Array, rounds: readonly Round[], hasLoops: boolean): unknown[] {
  const [path, out] = [join(dir, 'in.pcap'), join(dir, 'out.pcap')];
  writeFileSync(path, capture);
  const slab = new Slab(32 << 20);
  const memory = hasLoops
    ? new CaptureMemory(slab.u8, slab.view, slab.reserve(CaptureMemory.bytes(1 << 20)), 1 << 20)
    : undefined;
  const times = new RoundTimes(slab);
  const clock = new VirtualClock(START_MS);
  const port = createPcapFilePort({ id: portId(3), name: 'f', in: path, out, clock, memory, times }, slab);
  const batch = new Batch(slab, 1 << 20);
  const idx = new Uint16Array(slab.buffer, slab.reserve(1024), 512);
  const seen: unknown[] = [];
  for (let r = 0; !port.ended && port.failure === undefined; r++) {
    const { spanNs, max, each, shorter } = rounds[r % rounds.length];
    const ns = port.nextNs + spanNs;
    times.begin(port.nextMs, port.nextNs);
    port.limit(port.nextMs + Math.floor(ns / 1e6), ns % 1e6);
    batch.reset();
    const n = port.rx(batch, max);
    let leaving = 0;
    for (let i = 0; i < n; i++) {
      const { off, len, port: by, l3, offload } = batch;
      const bytes = Buffer.from(batch.u8.slice(off[i], off[i] + len[i])).toString('hex');
      seen.push([bytes, by[i], l3[i], offload[i], times.ms(i), times.ns(i)]);
      if (i % each !== 0) continue;
      idx[leaving++] = i;
      len[i] -= Math.min(shorter, len[i]);
    }
    seen.push([port.tx(batch, idx, leaving), port.nextMs, port.nextNs, port.latestMs]);
    port.rxRelease();
  }
  port.close();
  seen.push({ ...port.stats }, port.outOfOrder, port.failure?.message, readFileSync(out).toString('hex'));
  return seen;
}

const steps = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 3000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2_000_000_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -2_000_000, max: -1 }) },
);
const frame = fc.record({
  len: fc.oneof(
    { weight: 8, arbitrary: fc.constant(60) },
    { weight: 2, arbitrary: fc.integer({ max: 300, min: 0 }) },
  ),
  cut: fc.oneof(
    { weight: 30, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }) },
  ),
  step: steps,
});
const round = fc.record({
  spanNs: fc.constantFrom(0, 1, 4000, 250_000, 5_000_000),
  max: fc.constantFrom(1, 2, 5, 256),
  each: fc.constantFrom(1, 1, 1, 2),
  shorter: fc.constantFrom(0, 0, 0, 4),
});

test('RecordLoops hand over and write what the steps do', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 40 }),
      fc.record({ little: fc.constantFrom(true, true, false), nanoseconds: fc.boolean() }),
      fc.array(round, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(0, 0, 0, 1, 20),
      fc.option(fc.record({ at: fc.nat(4000), to: fc.nat(255) }), { freq: 4 }),
      (frames, variant, rounds, lost, edit) => {
        let timeNs = BigInt(START_MS) * 1_000_000n + 999_000n;
        const built = frames.map(({ len, cut, step }, i): BuiltFrame => {
          timeNs += BigInt(step);
          return { bytes: testFrame(i, Math.max(len, 64)).slice(0, len), timeNs, wireLen: len + cut };
        });
        const whole = buildPcap(built, { ...variant, snaplen: 65535 });
        const capture = whole.slice(0, Math.max(24, whole.length - lost));
        if (edit !== null && edit.at + 24 < capture.length) capture[edit.at + 24] = edit.to;
        expect(replay(capture, rounds, true)).toEqual(replay(capture, rounds, false));
      },
    ),
    { numRuns: 300 },
  );
});
