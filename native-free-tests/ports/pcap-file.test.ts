import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { CaptureMemory } from '../../src/pcap/capture-memory.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import {
  createPcapFilePort,
  type PcapFilePort,
  type PcapFilePortOptions,
} from '../../src/ports/pcap-file.ts';
import { RoundTimes } from '../../src/ports/round-times.ts';
import { expectFrames, type PortUnderTest, portSuite, testFrame } from '../conformance/port-suite.ts';
import {
  type BuiltFrame,
  buildPcap,
  enhancedPacket,
  interfaceBlock,
  joinBytes,
  readAll,
  sectionHeader,
} from '../pcap/capture-builder.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'nearhop-ports-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

let serial = 0;
const fresh = (name: string): string => join(dir, `${serial++}-${name}`);

/** The outside of a capture port that sends: its file, read as far as it is written. */
const sender = (): PortUnderTest => {
  const slab = new Slab(32 << 20);
  const clock = new VirtualClock(1000);
  const out = fresh('out.pcap');
  const port = createPcapFilePort({ id: portId(2), name: 'f0', out, clock }, slab);
  let seen = 0;
  return {
    port,
    slab,
    feed: () => {},
    collect: () => {
      clock.advanceTo(clock.nowMs() + 2000);
      port.rx(new Batch(slab, 1 << 16), 1); // a round: the port hands on what it has buffered
      const frames = readAll(openCapture(out)).slice(seen);
      seen += frames.length;
      return frames.map((f) => f.bytes);
    },
  };
};

portSuite('pcap-file', sender, { noRx: 'its frames are in the file before it opens' });

describe('createPcapFilePort', () => {
  const open = (
    frames: readonly BuiltFrame[],
    {
      inPlace,
      slab = new Slab(32 << 20),
      ...options
    }: Partial<PcapFilePortOptions> & {
      inPlace?: boolean;
      slab?: Slab;
    } = {},
    bytes = buildPcap(frames, { nanoseconds: true, snaplen: 0 }),
  ): { port: PcapFilePort; batch: Batch; clock: VirtualClock } => {
    const path = fresh('in.pcap');
    writeFileSync(path, bytes);
    const clock = new VirtualClock(0);
    const memory = inPlace
      ? new CaptureMemory(slab.u8, slab.view, slab.reserve(CaptureMemory.bytes(1 << 20)), 1 << 20)
      : undefined;
    const port = createPcapFilePort({ id: portId(1), name: 'f0', in: path, clock, memory, ...options }, slab);
    return { port, batch: new Batch(slab, 1 << 20), clock };
  };
  const at = (ms: number, ns: number, bytes = testFrame(0, 60)): BuiltFrame => ({
    bytes,
    timeNs: BigInt(ms) * 1_000_000n + BigInt(ns),
  });
  const drain = (port: PcapFilePort, batch: Batch, max = 256): Uint8Array[] => {
    const frames: Uint8Array[] = [];
    for (let n = -1; n !== 0; ) {
      batch.reset();
      n = port.rx(batch, max);
      for (let i = 0; i < n; i++) frames.push(batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]));
      port.rxRelease();
    }
    return frames;
  };

  it('hands over every frame of a capture in order with its content, then ends', () => {
    const frames = Array.from({ length: 1000 }, (_, i) => at(i, 0, testFrame(i, 60 + (i % 1400))));
    const { port, batch } = open(frames);
    expect(port.ended).toBe(false);
    expectFrames(
      drain(port, batch),
      frames.map((f) => f.bytes),
    );
    expect(port.ended).toBe(true);
    expect(port.stats.rxPackets).toBe(1000);
  });

  it.each(['pcap', 'pcapng'] as const)(
    'in place: hands over every frame of a %s that is larger than the window, and cut ones not',
    (format) => {
      const frames = Array.from({ length: 4000 }, (_, i) => {
        const frame = at(i, 0, testFrame(i, 60 + (i % 1400)));
        return i % 7 === 3 ? { ...frame, wireLen: frame.bytes.length + 1 } : frame;
      });
      const bytes =
        format === 'pcap'
          ? buildPcap(frames, { snaplen: 0 })
          : joinBytes([
              sectionHeader(true),
              interfaceBlock(true),
              ...frames.map((f) => enhancedPacket(true, 0, f.timeNs / 1000n, f.bytes, f.wireLen)),
            ]);
      const { port, batch } = open([], { inPlace: true }, bytes);
      const whole = frames.filter((f) => f.wireLen === undefined).map((f) => f.bytes);
      let seen = 0;
      for (let n = -1; n !== 0; port.rxRelease()) {
        batch.reset();
        n = port.rx(batch, 256);
        // all of a round at its end, when the reader has gone as far as it goes
        expectFrames(
          Array.from({ length: n }, (_, i) => batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i])),
          whole.slice(seen, seen + n),
        );
        for (let i = 0; i < n; i++) batch.u8.fill(0xee, batch.off[i] - 16, batch.off[i] + batch.len[i]);
        seen += n;
      }
      expect(seen).toBe(whole.length);
      expect(port.stats.rxTruncated).toBe(frames.length - whole.length);
      expect([port.ended, port.failure]).toEqual([true, undefined]);
    },
  );

  it('in place: writes received frames as they left the gateway, in the order of tx', () => {
    const out = fresh('out.pcap');
    const frames = Array.from({ length: 300 }, (_, i) => at(i, 0, testFrame(i, 60 + (i % 3))));
    const { port, batch } = open(frames, { inPlace: true, out });
    const expected: Uint8Array[] = [];
    for (let n = -1; n !== 0; port.rxRelease()) {
      batch.reset();
      n = port.rx(batch, 100);
      const made = batch.alloc(64);
      batch.u8.fill(n, batch.off[made], batch.off[made] + 64);
      for (let i = 0; i < n; i++) if (i % 5 === 0) batch.len[i] -= 4; // padding that was cut off
      const order = Uint16Array.from([
        ...Array.from({ length: n }, (_, i) => i).filter((i) => i % 11 !== 0),
        made,
        0,
      ]);
      for (const i of order) expected.push(batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]));
      if (n > 0) expect(port.tx(batch, order, order.length)).toBe(order.length);
      else expected.splice(-order.length);
    }
    port.close();
    expectFrames(
      readAll(openCapture(out)).map((f) => f.bytes),
      expected,
    );
  });

  it('hands over frames up to the limit, to the nanosecond', () => {
    const { port, batch } = open([at(5, 0), at(5, 1), at(5, 2), at(6, 0)]);
    port.limit(4, 999_999);
    expect([port.nextMs, port.nextNs]).toEqual([5, 0]);
    expect(port.rx(batch, 256)).toBe(0);
    port.limit(5, 1);
    expect(port.rx(batch, 256)).toBe(2);
    expect([port.nextMs, port.nextNs]).toEqual([5, 2]);
    port.limit(7, 0);
    expect(port.rx(batch, 256)).toBe(2);
    expect(port.nextMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('counts frames that stand after a later one, and hands them over where they stand', () => {
    const frames = [at(5, 0), at(5, 1), at(4, 9), at(5, 0), at(5, 1), at(7, 0)].map((f, i) => ({
      ...f,
      bytes: testFrame(i, 60),
    }));
    const { port, batch } = open(frames);
    expectFrames(
      drain(port, batch),
      frames.map((f) => f.bytes),
    );
    expect(port.outOfOrder).toBe(2);
  });

  it('takes no more than max and than the batch has room for', () => {
    const { port, batch } = open([1, 2, 3, 4, 5].map((ms) => at(ms, 0)));
    expect(port.rx(batch, 2)).toBe(2);
    while (batch.room > 1) batch.add(0, 0, 0, 0);
    expect(port.rx(batch, 256)).toBe(1);
    expect(port.rx(batch, 256)).toBe(0);
    batch.reset();
    expect(port.rx(batch, 256)).toBe(2);
  });

  it('hands over large frames in several rounds', () => {
    const frames = Array.from({ length: 20 }, (_, i) => at(i, 0, testFrame(i, 65_000)));
    const { port, batch } = open(frames);
    expectFrames(
      drain(port, batch),
      frames.map((f) => f.bytes),
    );
  });

  it('counts frames that were cut short, or are larger than any port carries, and passes over them', () => {
    const cut = { ...at(2, 0), wireLen: 1514 };
    const { port, batch } = open([at(1, 0, testFrame(1, 60)), cut, at(3, 0, testFrame(3, 70_000)), at(4, 0)]);
    expectFrames(drain(port, batch), [testFrame(1, 60), testFrame(0, 60)]);
    expect(port.stats.rxTruncated).toBe(2);
  });

  it('ends with a failure where the capture is broken, after the frames before', () => {
    const bytes = buildPcap([at(1, 0), at(2, 0)]).slice(0, -1);
    const { port, batch } = open([], {}, bytes);
    expect(drain(port, batch)).toHaveLength(1);
    expect(port.ended).toBe(true);
    expect(port.failure?.code).toBe('capture-truncated');
  });

  it('throws when a capture cannot be opened', () => {
    expect(() => open([], {}, new Uint8Array())).toThrow(expect.objectContaining({ code: 'capture-empty' }));
    expect(() => open([at(1, 0)], { out: join(dir, 'no', 'dir') })).toThrow(
      expect.objectContaining({ code: 'capture-write-failed' }),
    );
  });

  it("writes what is sent with the clock's time", () => {
    const out = fresh('out.pcap');
    const { port, batch, clock } = open([at(1, 0)], { out });
    clock.advanceTo(7.25);
    port.rx(batch, 1);
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(1);
    port.close();
    expect(readAll(openCapture(out)).map((f) => f.timeNs)).toEqual([7_250_000n]);
  });

  it('writes received frames with the time they came and others with the time of the round', () => {
    const out = fresh('out.pcap');
    const slab = new Slab(32 << 20);
    const times = new RoundTimes(slab);
    const ms = 1_700_000_000_123;
    const { port, batch } = open([at(ms, 1), at(ms, 999_999)], { out, times, slab });
    times.begin(ms, 0);
    port.rx(batch, 256);
    const made = batch.alloc(60);
    expect(port.tx(batch, Uint16Array.of(0, 1, made), 3)).toBe(3);
    times.begin(ms + 1, 5);
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(1);
    port.close();
    const expected = [at(ms, 1), at(ms, 999_999), at(ms, 999_999), at(ms + 1, 5)].map((f) => f.timeNs);
    expect(readAll(openCapture(out)).map((f) => f.timeNs)).toEqual(expected);
  });

  it('takes nothing after it was closed', () => {
    const { port, batch } = open([at(1, 0)], { out: fresh('out.pcap') });
    port.rx(batch, 1);
    port.close();
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(0);
    expect(port.stats.txDropped).toBe(1);
    expect(port.ended).toBe(true);
  });

  it('stops with a failure when the disk is full, and throws nothing', () => {
    const { port, batch, clock } = open([at(1, 0)], { out: '/dev/full' });
    port.rx(batch, 1);
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(1);
    clock.advanceTo(5000);
    port.rx(batch, 1);
    expect(port.failure?.code).toBe('capture-write-failed');
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(0);
    port.close();
  });
});
