// The half of the suite that receives.

import { expect, it } from 'vitest';
import { BATCH_SLOTS, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { HEADROOM } from '../../src/base/slab.ts';
import { expectFrames, gsoFrame, withoutHint } from './frames.ts';
import { type PortBench, WAIT_MS } from './port-bench.ts';

export function rxSuite(bench: PortBench): void {
  it('hands over every frame in order with its content', async () => {
    const fed = [60, 61, 62, 63, 64, 100, 999, 1500, 1514].map((len, i) => bench.makeFrame(i, len));
    await bench.subject.feed(fed);
    expectFrames(await bench.rxAll(fed.length), fed);
  });

  it('leaves the batch alone when there is nothing', async () => {
    await bench.subject.feed(bench.frames(1));
    await bench.rxAll(1);
    bench.batch.reset();
    const deadline = Date.now() + WAIT_MS;
    while (bench.port.rx(bench.batch, 256) > 0 && Date.now() < deadline) {
      bench.port.rxRelease();
      bench.batch.reset();
    }
    expect(bench.batch.count).toBe(0);
  });

  it('takes no more than max', async () => {
    const fed = bench.frames(10);
    await bench.subject.feed(fed);
    expectFrames(await bench.rxAll(10, 3), fed);
  });

  it('takes no more than the batch has room for, and loses nothing', async () => {
    const fed = bench.frames(8);
    await bench.subject.feed(fed);
    const got: Uint8Array[] = [];
    const end = Date.now() + WAIT_MS;
    while (got.length < 8 && Date.now() <= end) {
      bench.batch.reset();
      while (bench.batch.room > 3) bench.batch.add(HEADROOM, 0, 0xffff, 0);
      const slots = await bench.rxSome(256);
      expect(bench.batch.count).toBeLessThanOrEqual(BATCH_SLOTS);
      for (const slot of slots) got.push(bench.bytesOf(slot));
      bench.port.rxRelease();
    }
    expectFrames(got, fed);
  });

  it('adds nothing to a full batch', async () => {
    await bench.subject.feed(bench.frames(1));
    while (bench.batch.room > 0) bench.batch.add(HEADROOM, 0, 0xffff, 0);
    expect(bench.port.rx(bench.batch, 256)).toBe(0);
    expectFrames(await bench.rxAll(1), bench.frames(1));
  });

  it('keeps HEADROOM bytes free in front of each frame, in every batch', async () => {
    const fed = bench.frames(40, 1514);
    await bench.subject.feed(fed);
    const scribble = (slots: number[]): void => {
      for (const slot of slots)
        bench.batch.u8.fill(0xee, bench.batch.off[slot] - HEADROOM, bench.batch.off[slot]);
    };
    expectFrames(await bench.rxAll(20, 10, scribble), fed.slice(0, 20));
    const more = bench.frames(40, 1514, 100);
    await bench.subject.feed(more);
    expectFrames(await bench.rxAll(60, 10, scribble), [...fed.slice(20), ...more]);
  });

  it('leaves frames where they lie until rxRelease, while others arrive', async () => {
    const early = bench.frames(4, 80);
    await bench.subject.feed(early);
    const slots: number[] = [];
    const end = Date.now() + WAIT_MS;
    while (slots.length < 4 && Date.now() <= end) slots.push(...(await bench.rxSome(4 - slots.length)));
    const late = bench.frames(4, 80, 50);
    await bench.subject.feed(late);
    const lateSlots: number[] = [];
    while (lateSlots.length < 4 && Date.now() <= end) lateSlots.push(...(await bench.rxSome(256)));
    expectFrames([...slots, ...lateSlots].map(bench.bytesOf), [...early, ...late]);
    bench.port.rxRelease();
    await bench.subject.feed(bench.frames(2, 80, 70));
    expectFrames(await bench.rxAll(2), bench.frames(2, 80, 70));
  });

  it('never writes over a frame that is not released, however many arrive', async () => {
    const held = bench.frames(4, 80);
    await bench.subject.feed(held);
    const slots: number[] = [];
    const end = Date.now() + WAIT_MS;
    while (slots.length < 4 && Date.now() <= end) slots.push(...(await bench.rxSome(4 - slots.length)));
    for (let round = 0; round < 6; round++)
      await bench.subject.feed(bench.frames(100, 80, 1000 + round * 100));
    expectFrames(slots.map(bench.bytesOf), held);
  });

  it('lets a frame be rewritten in place', async () => {
    for (const first of [0, 30]) {
      const fed = bench.frames(20, 200, first);
      await bench.subject.feed(fed);
      const seen: Uint8Array[] = [];
      await bench.rxAll(20, 8, (slots) => {
        seen.push(...slots.map(bench.bytesOf));
        for (const slot of slots)
          bench.batch.u8.fill(0xdd, bench.batch.off[slot], bench.batch.off[slot] + bench.batch.len[slot]);
      });
      expectFrames(seen, fed);
    }
  });

  it('goes on round after round', async () => {
    for (let round = 0; round < 12; round++) {
      const fed = bench.frames(100, 60 + round * 30, round * 1000);
      await bench.subject.feed(fed);
      expectFrames(await bench.rxAll(100, 64), fed);
    }
  });

  it('counts the frames and bytes that it hands over', async () => {
    const before = { ...bench.port.stats };
    const fed = [60, 70, 80].map((len, i) => bench.makeFrame(i, len));
    await bench.subject.feed(fed);
    let packets = 0;
    let bytes = 0;
    let ours = 0;
    const end = Date.now() + WAIT_MS;
    while (ours < 3 && Date.now() <= end) {
      bench.batch.reset();
      ours += (await bench.rxSome(256)).length;
      for (let i = 0; i < bench.batch.count; i++) {
        packets++;
        bytes += bench.batch.len[i];
      }
      bench.port.rxRelease();
    }
    expect(ours).toBe(3);
    expect(bench.port.stats.rxPackets - before.rxPackets).toBe(packets);
    expect(bench.port.stats.rxBytes - before.rxBytes).toBe(bytes);
    expect(bench.port.stats.rxTruncated).toBe(before.rxTruncated);
  });

  it('counts a frame that came cut short, and does not hand it over [if it applies]', async (test) => {
    if (bench.subject.feedTruncated === undefined) return test.skip('nothing arrives cut short at this port');
    const before = bench.port.stats.rxTruncated;
    await bench.subject.feed(bench.frames(1));
    await bench.subject.feedTruncated();
    await bench.subject.feed(bench.frames(1, 64, 9));
    expectFrames(await bench.rxAll(2), [bench.makeFrame(0, 64), bench.makeFrame(9, 64)]);
    expect(bench.port.stats.rxTruncated).toBe(before + 1);
  });

  it('hands over the virtio header of an offloaded frame [if it applies]', async (test) => {
    if (bench.subject.feedOffload === undefined) return test.skip('no virtio headers outside of this port');
    const frame = gsoFrame(3000);
    await bench.subject.feedOffload(frame);
    bench.batch.reset();
    const slots: number[] = [];
    const end = Date.now() + WAIT_MS;
    while (slots.length === 0 && Date.now() <= end) {
      const first = bench.batch.count;
      bench.port.rx(bench.batch, 256);
      for (let i = first; i < bench.batch.count; i++) {
        bench.checkSlot(i);
        if (bench.batch.len[i] === frame.bytes.length) slots.push(i);
      }
    }
    expect(bench.bytesOf(slots[0])).toEqual(frame.bytes);
    expect(bench.batch.offload[slots[0]]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
    const vnet = bench.batch.u8.slice(bench.batch.off[slots[0]] - 10, bench.batch.off[slots[0]]);
    expect(withoutHint(vnet)).toEqual(withoutHint(frame.vnet));
    bench.port.rxRelease();
  });
}
