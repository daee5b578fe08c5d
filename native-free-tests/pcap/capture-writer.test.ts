import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import type { CaptureOutput } from '../../src/pcap/capture-file.ts';
import { CaptureMemory } from '../../src/pcap/capture-memory.ts';
import { CaptureWriter } from '../../src/pcap/capture-writer.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { PendingIo } from '../../src/pcap/pending-io.ts';
import { testFrame } from '../conformance/port-suite.ts';
import { buildPcap, readAll } from './capture-builder.ts';

describe('CaptureWriter', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'nearhop-pcap-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const write = (writer: CaptureWriter, bytes: Uint8Array, timeNs: bigint): void =>
    writer.write(
      bytes,
      new DataView(bytes.buffer),
      0,
      bytes.length,
      Number(timeNs / 1_000_000n),
      Number(timeNs % 1_000_000n),
    );

  it('writes the same bytes as the format says, to the nanosecond', () => {
    const path = join(dir, 'few.pcap');
    const frames = [60, 0, 61, 1514].map((len, i) => ({
      bytes: len === 0 ? new Uint8Array(0) : testFrame(i, len),
      timeNs: 1_700_000_000_999_999_999n + BigInt(i),
    }));
    const writer = new CaptureWriter(path);
    for (const { bytes, timeNs } of frames) write(writer, bytes, timeNs);
    writer.close();
    const expected = buildPcap(frames, { nanoseconds: true, snaplen: 262_144 });
    expect(new Uint8Array(readFileSync(path))).toEqual(expected);
  });

  it('writes the same bytes for frames in place, wherever they lie', () => {
    const size = 3 << 20;
    const u8 = new Uint8Array(size);
    const view = new DataView(u8.buffer);
    const lengths = [
      60, 60, 61, 1514, 0, 60, 200_000, 200_000, 262_144, 60, 262_144, 262_144, 262_144, 60, 64,
    ];
    const gaps = [16, 16, 16, 20, 16, 30, 16, 16, 16, 16, 16, 16, 16, 40, 16];
    const paths = [join(dir, 'place.pcap'), join(dir, 'copy.pcap')];
    const [inPlace, copied] = paths.map((path) => new CaptureWriter(path));
    let off = 0;
    lengths.forEach((len, i) => {
      off += gaps[i];
      for (let b = 0; b < len; b++) u8[off + b] = (i * 31 + b) & 255;
      const times = [1_700_000_000_000 + i * 400, i] as const;
      copied.write(u8, view, off, len, ...times);
      inPlace.writeInPlace(u8, view, off, len, ...times);
      off += len;
      if (i === 4) inPlace.endRun(u8, view);
    });
    inPlace.endRun(u8, view);
    inPlace.close();
    copied.close();
    expect(inPlace.packets).toBe(lengths.length);
    const [a, b] = paths.map((path) => readFileSync(path));
    expect(a.equals(b)).toBe(true);
  });

  it('writes a header when there are no packets', () => {
    const path = join(dir, 'none.pcap');
    const writer = new CaptureWriter(path);
    writer.close();
    writer.close();
    expect(readAll(openCapture(path))).toEqual([]);
    expect(readFileSync(path)).toHaveLength(24);
  });

  it('writes more than its buffer holds', () => {
    const path = join(dir, 'many.pcap');
    const writer = new CaptureWriter(path);
    for (let i = 0; i < 2000; i++) write(writer, testFrame(i, 1500), BigInt(i) * 1000n);
    writer.close();
    expect(writer.packets).toBe(2000);
    const reader = openCapture(path);
    let i = 0;
    for (; reader.next(); i++) {
      expect(reader.view.getUint32(reader.off + 14)).toBe(i);
      expect(reader.timeMs * 1e6 + reader.timeNs).toBe(i * 1000);
    }
    expect(i).toBe(2000);
    reader.close();
  });

  it('flush makes what was written readable', () => {
    const path = join(dir, 'flushed.pcap');
    const writer = new CaptureWriter(path);
    write(writer, testFrame(1, 60), 0n);
    expect(readFileSync(path)).toHaveLength(0);
    writer.flush();
    expect(readAll(openCapture(path))).toHaveLength(1);
    writer.close();
  });

  it('says what is wrong with a path', () => {
    expect(() => new CaptureWriter(join(dir, 'no', 'such', 'dir.pcap'))).toThrow(
      expect.objectContaining({ code: 'capture-write-failed' }),
    );
  });

  describe('writing behind', () => {
    /** A file that takes at most `most` bytes at once, whenever the event loop turns, and none from `full` on. */
    const slowOutput = (most: number, full = Number.POSITIVE_INFINITY) => {
      const written: number[] = [];
      const fault = new NearhopError('capture-write-failed', 'no space left on device');
      let closed = 0;
      const write = (buf: Uint8Array, off: number, len: number): number => {
        if (written.length >= full) throw fault;
        const n = Math.min(len, most, full - written.length);
        for (let b = 0; b < n; b++) written.push(buf[off + b]);
        return n;
      };
      const output: CaptureOutput = {
        name: 'slow.pcap',
        write,
        writeLater(buf, off, len, done) {
          setImmediate(() => {
            try {
              done(undefined, write(buf, off, len));
            } catch {
              done(fault, 0);
            }
          });
        },
        close: () => {
          closed++;
        },
      };
      return { output, written, fault, closed: () => closed };
    };

    const u8 = new Uint8Array(2 << 20);
    const view = new DataView(u8.buffer);
    const memory = new CaptureMemory(u8, view, 4096, 1 << 20);
    const elsewhere = 100; // as the frames that a gateway makes

    /** Runs of frames in the memory, some long and some short, with frames from elsewhere in between. */
    const writeRuns = (write: CaptureWriter['write'], endRound: () => void): void => {
      let off = memory.start;
      for (let i = 0; i < 900; i++) {
        const len = 200 + (i % 1000);
        off += i % 150 === 149 ? 40 : 16;
        for (let b = 0; b < len; b++) u8[off + b] = (i * 31 + b) & 255;
        write(u8, view, off, len, i, i);
        off += len;
        if (i % 70 === 69) {
          u8.fill(i, elsewhere, elsewhere + 300);
          write(u8, view, elsewhere, 300, i, i);
        }
        if (i % 50 === 49) {
          endRound();
          u8.fill(0xee, elsewhere, elsewhere + 300);
        }
      }
    };
    const writeAtOnce = (writer: CaptureWriter): void => {
      writeRuns(writer.write.bind(writer), () => {});
      writer.close();
    };
    const writeBehind = (writer: CaptureWriter): void =>
      writeRuns(writer.writeInPlace.bind(writer), () => writer.endRun(u8, view));

    it('writes the same bytes in the same order by short writes, and holds their place as long', async () => {
      const path = join(dir, 'at-once.pcap');
      const plain = new CaptureWriter(path);
      writeAtOnce(plain);
      const { output, written, closed } = slowOutput(30_011);
      const io = new PendingIo();
      const writer = new CaptureWriter('slow.pcap', { memories: [memory], io }, output);
      writeBehind(writer);
      expect(memory.isHeld(memory.start, memory.end)).toBe(true);
      while (writer.writing) await io.next();
      writer.close();
      expect(memory.isHeld(memory.start, memory.end)).toBe(false);
      expect(closed()).toBe(1);
      expect(Buffer.compare(Uint8Array.from(written), readFileSync(path))).toBe(0);
    });

    it('loses nothing before the place where the disk is full, and holds nothing after it', async () => {
      const whole = slowOutput(1 << 20);
      const plain = new CaptureWriter('plain.pcap', undefined, whole.output);
      writeAtOnce(plain);
      const { output, written, fault, closed } = slowOutput(30_011, 300_000);
      const io = new PendingIo();
      const writer = new CaptureWriter('slow.pcap', { memories: [memory], io }, output);
      writeBehind(writer);
      while (writer.writing) await io.next();
      expect(writer.fault).toBe(fault);
      expect(() => {
        writeBehind(writer);
        writer.flush();
      }).toThrow(fault);
      expect(() => writer.close()).toThrow(fault);
      expect(closed()).toBe(1);
      expect(memory.isHeld(memory.start, memory.end)).toBe(false);
      expect(Buffer.compare(Uint8Array.from(written), Uint8Array.from(whole.written.slice(0, 300_000)))).toBe(
        0,
      );
    });
  });
});
