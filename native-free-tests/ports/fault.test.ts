import { describe, expect, it } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createFaultPort, type FaultPort, type FaultSettings } from '../../src/ports/fault.ts';
import { createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import { expectFrames, type PortUnderTest, portSuite, testFrame } from '../conformance/port-suite.ts';

interface Bench {
  readonly slab: Slab;
  readonly clock: VirtualClock;
  readonly inner: MemoryPort;
  readonly port: FaultPort;
  readonly batch: Batch;
}

const make = (settings: FaultSettings, slots = 2048): Bench => {
  const slab = new Slab(64 << 20);
  const clock = new VirtualClock(0);
  const inner = createMemoryPort({ id: portId(1), name: 'm0', slots }, slab);
  return {
    slab,
    clock,
    inner,
    port: createFaultPort(inner, settings, clock, slab),
    batch: new Batch(slab, 1 << 20),
  };
};

const taken = (port: MemoryPort): Uint8Array[] => {
  const frames: Uint8Array[] = [];
  for (let f = port.take(); f !== undefined; f = port.take()) frames.push(f.bytes);
  return frames;
};

const underTest = (): PortUnderTest => {
  const { slab, inner, port } = make({}, 256);
  return {
    port,
    slab,
    feed: (frames) => {
      for (const frame of frames) inner.injectFrame(frame);
    },
    collect: () => taken(inner),
    feedTruncated: () => {
      inner.injectFrame(new Uint8Array(70_000));
    },
    choke: () => {},
  };
};

portSuite('memory behind a fault port without faults', underTest);

const serialOf = (frame: Uint8Array): number => new DataView(frame.buffer, frame.byteOffset).getUint32(14);

/** Sends `count` frames, `gapMs` apart, and lets the clock run on; what came out. */
const send = (bench: Bench, count: number, gapMs = 0): Uint8Array[] => {
  const { batch, port, clock, inner } = bench;
  const out: Uint8Array[] = [];
  for (let n = 0; n < count; n++) {
    batch.reset();
    const slot = batch.alloc(80);
    batch.u8.set(testFrame(n, 80), batch.off[slot]);
    expect(port.tx(batch, Uint16Array.of(slot), 1)).toBe(1);
    expect(batch.u8.slice(batch.off[slot], batch.off[slot] + 80)).toEqual(testFrame(n, 80));
    out.push(...taken(inner));
    clock.advanceTo(clock.nowMs() + gapMs);
  }
  clock.advanceTo(clock.nowMs() + 1000);
  batch.reset();
  port.rx(batch, 256);
  out.push(...taken(inner));
  return out;
};

/** Feeds `count` frames, 32 at a time, and receives them; what was handed over. */
const receive = (bench: Bench, count: number, max = 256): Uint8Array[] => {
  const { batch, port, clock, inner } = bench;
  const got: Uint8Array[] = [];
  const round = (): number => {
    batch.reset();
    const n = port.rx(batch, max);
    expect(n).toBeLessThanOrEqual(max);
    expect(batch.count).toBe(n);
    for (let i = 0; i < n; i++) got.push(batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]));
    port.rxRelease();
    return n;
  };
  for (let n = 0; n < count; n += 32) {
    for (let k = n; k < Math.min(count, n + 32); k++) inner.injectFrame(testFrame(k, 80));
    round();
  }
  clock.advanceTo(clock.nowMs() + 1000);
  while (round() > 0);
  return got;
};

const both = [
  ['tx', send],
  ['rx', receive],
] as const;

describe.each(both)('createFaultPort, %s', (direction, run) => {
  const share = (settings: FaultSettings): { bench: Bench; frames: Uint8Array[] } => {
    const bench = make(settings);
    return { bench, frames: run(bench, 1000) };
  };

  it('loses the share it is set to, and counts it', () => {
    const { bench, frames } = share({ loss: 0.2 });
    const { lost } = bench.port.faults[direction];
    expect(frames).toHaveLength(1000 - lost);
    expect(lost).toBeGreaterThan(150);
    expect(lost).toBeLessThan(250);
    expect(bench.port.stats.faultLost).toBe(lost);
    for (const frame of frames) expect(frame).toEqual(testFrame(serialOf(frame), 80));
  });

  it('loses everything with loss 1', () => {
    expect(share({ loss: 1 }).frames).toEqual([]);
  });

  it('flips exactly one bit of the frames that it corrupts', () => {
    const { bench, frames } = share({ corrupt: 0.3 });
    let flipped = 0;
    frames.forEach((frame, n) => {
      const original = testFrame(n, 80);
      const bits = frame.reduce((sum, byte, i) => {
        let diff = byte ^ original[i];
        for (; diff !== 0; diff &= diff - 1) sum++;
        return sum;
      }, 0);
      expect(bits).toBeLessThanOrEqual(1);
      flipped += bits;
    });
    expect(frames).toHaveLength(1000);
    expect(flipped).toBe(bench.port.faults[direction].corrupted);
    expect(flipped).toBeGreaterThan(200);
  });

  it('doubles frames, the second copy like the first', () => {
    const { bench, frames } = share({ duplicate: 0.25 });
    const { duplicated } = bench.port.faults[direction];
    expect(duplicated).toBeGreaterThan(180);
    expect(frames).toHaveLength(1000 + duplicated);
    const seen = new Map<number, number>();
    for (const frame of frames) {
      expect(frame).toEqual(testFrame(serialOf(frame), 80));
      seen.set(serialOf(frame), (seen.get(serialOf(frame)) ?? 0) + 1);
    }
    expect([...seen.values()].filter((n) => n === 2)).toHaveLength(duplicated);
  });

  it('lets frames be overtaken, and loses none', () => {
    const { bench, frames } = share({ reorder: 0.1 });
    const serials = frames.map(serialOf);
    expect([...serials].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    let greatest = -1;
    const overtaken = serials.filter((s) => s < greatest || (greatest = s) < 0).length;
    const { reordered } = bench.port.faults[direction];
    expect(reordered).toBeGreaterThan(60);
    // All of them, but for those at the very end, after which nothing came.
    expect(reordered - overtaken).toBeGreaterThanOrEqual(0);
    expect(reordered - overtaken).toBeLessThan(4);
  });

  it('gives the same faults for the same seed and others for another', () => {
    const settings = { loss: 0.1, corrupt: 0.1, duplicate: 0.1, reorder: 0.1, delayMs: 2 };
    const first = share({ ...settings, seed: 7 });
    expectFrames(share({ ...settings, seed: 7 }).frames, first.frames);
    expect(share({ ...settings, seed: 8 }).frames).not.toEqual(first.frames);
  });

  it('accounts for every frame under all faults at once', () => {
    const { bench, frames } = share({ loss: 0.1, corrupt: 0.1, duplicate: 0.1, reorder: 0.1, delayMs: 3 });
    const { lost, duplicated } = bench.port.faults[direction];
    expect(frames).toHaveLength(1000 - lost + duplicated);
  });
});

describe('createFaultPort', () => {
  it('delays frames in both directions by the clock, keeps their order and says when the next is due', () => {
    const { port, inner, clock, batch } = make({ delayMs: 5 });
    inner.injectFrame(testFrame(1, 60));
    expect(port.rx(batch, 256)).toBe(0);
    expect(port.nextDueMs).toBe(5);
    const slot = batch.alloc(60);
    batch.u8.set(testFrame(2, 60), batch.off[slot]);
    expect(port.tx(batch, Uint16Array.of(slot), 1)).toBe(1);
    clock.advanceTo(4.9);
    batch.reset();
    expect(port.rx(batch, 256)).toBe(0);
    expect(taken(inner)).toEqual([]);
    clock.advanceTo(5);
    expect(port.rx(batch, 256)).toBe(1);
    expect(batch.u8.slice(batch.off[0], batch.off[0] + 60)).toEqual(testFrame(1, 60));
    expect(taken(inner)).toEqual([testFrame(2, 60)]);
    port.rxRelease();
    expect(port.nextDueMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('lets a reordered frame go after a while though none passes it', () => {
    const { port, inner, clock, batch } = make({ reorder: 1 });
    inner.injectFrame(testFrame(1, 60));
    expect(port.rx(batch, 256)).toBe(0);
    clock.advanceTo(10);
    expect(port.rx(batch, 256)).toBe(1);
  });

  it('corrupts held frames too', () => {
    const bench = make({ corrupt: 1, delayMs: 1 });
    const frames = send(bench, 10);
    expect(frames).toHaveLength(10);
    frames.forEach((frame, n) => {
      expect(frame).not.toEqual(testFrame(n, 80));
    });
  });

  it('is bounded: what the queue has no room for is lost and counted', () => {
    const bench = make({ delayMs: 1000 }, 64);
    const { port, batch } = bench;
    const list = new Uint16Array(256);
    for (let i = 0; i < 256; i++) {
      list[i] = batch.alloc(1500);
      batch.u8.set(testFrame(i, 1500), batch.off[list[i]]);
    }
    for (let round = 0; round < 40; round++) expect(port.tx(batch, list, 256)).toBe(256);
    const { overflowed, lost } = port.faults.tx;
    expect(overflowed).toBeGreaterThan(40 * 256 - 8_388_608 / 1500);
    expect(lost).toBe(overflowed);
  });

  it('takes the prefix that the inner port takes, and holds nothing of the rest', () => {
    const bench = make({ duplicate: 1 }, 4);
    const { port, batch, inner } = bench;
    const list = Uint16Array.from({ length: 10 }, (_, i) => {
      const slot = batch.alloc(60);
      batch.u8.set(testFrame(i, 60), batch.off[slot]);
      return slot;
    });
    expect(port.tx(batch, list, 10)).toBe(4);
    expect(port.faults.tx.duplicated).toBe(4);
    expect(taken(inner).map(serialOf)).toEqual([0, 1, 2, 3]);
  });

  it('ended says so only when no frame is held back any more', () => {
    const { slab, clock, inner, batch } = make({});
    const port = createFaultPort({ ...inner, ended: true }, { delayMs: 1 }, clock, slab);
    inner.injectFrame(testFrame(1, 60));
    port.rx(batch, 256);
    expect(port.ended).toBe(false);
    clock.advanceTo(1);
    port.rx(batch, 256);
    expect(port.ended).toBe(true);
  });
});
