// The half of the suite that sends.

import { expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { HEADROOM } from '../../src/base/slab.ts';
import { expectFrames, gsoFrame, withoutHint } from './frames.ts';
import type { PortBench } from './port-bench.ts';

export function txSuite(bench: PortBench): void {
  it('sends every frame in order with its content', async () => {
    const list = [60, 61, 62, 63, 64, 100, 999, 1500, 1514].map((len, i) => bench.makeFrame(i, len));
    expect(bench.port.tx(bench.batch, bench.load(list), list.length)).toBe(list.length);
    expectFrames(await bench.collectOurs(list.length), list.map(bench.outside));
  });

  it('sends the slots that idx names, in its order', async () => {
    const list = bench.frames(5, 70);
    const slots = bench.load(list);
    expect(bench.port.tx(bench.batch, Uint16Array.of(slots[3], slots[0], slots[4]), 2)).toBe(2);
    expectFrames(await bench.collectOurs(2), [bench.outside(list[3]), bench.outside(list[0])]);
  });

  it('does nothing for no frames', () => {
    const before = { ...bench.port.stats };
    expect(bench.port.tx(bench.batch, new Uint16Array(4), 0)).toBe(0);
    expect(bench.port.stats).toEqual(before);
  });

  it('leaves the bytes of the frames as they were', () => {
    const list = bench.frames(10, 120);
    const slots = bench.load(list);
    bench.port.tx(bench.batch, slots, 10);
    expectFrames([...slots].map(bench.bytesOf), list);
  });

  it('is done with the bytes when it returns', async () => {
    const list = bench.frames(10, 120);
    const slots = bench.load(list);
    expect(bench.port.tx(bench.batch, slots, 10)).toBe(10);
    for (const slot of slots)
      bench.batch.u8.fill(0, bench.batch.off[slot] - HEADROOM, bench.batch.off[slot] + 120);
    expectFrames(await bench.collectOurs(10), list.map(bench.outside));
  });

  it('goes on batch after batch', async () => {
    for (let round = 0; round < 12; round++) {
      bench.batch.reset();
      const list = bench.frames(50, 60 + round * 30, round * 1000);
      expect(bench.port.tx(bench.batch, bench.load(list), 50)).toBe(50);
      expectFrames(await bench.collectOurs(50), list.map(bench.outside));
    }
  });

  it('counts the frames and bytes that it sends', () => {
    const before = { ...bench.port.stats };
    const list = [60, 70, 80].map((len, i) => bench.makeFrame(i, len));
    bench.port.tx(bench.batch, bench.load(list), 3);
    expect(bench.port.stats.txPackets - before.txPackets).toBe(3);
    const bytes = list.reduce((sum, frame) => sum + bench.outside(frame).length, 0);
    expect(bench.port.stats.txBytes - before.txBytes).toBe(bytes);
    expect(bench.port.stats.txDropped).toBe(before.txDropped);
  });

  it('returns the prefix that was taken and counts the rest [if it applies]', async (test) => {
    if (bench.subject.choke === undefined)
      return test.skip('the outside of this port cannot be made to refuse');
    await bench.subject.choke();
    const list = bench.frames(300, 64);
    const before = { ...bench.port.stats };
    const taken = bench.port.tx(bench.batch, bench.load(list), 300);
    expect(taken).toBeLessThan(300);
    expect(bench.port.stats.txPackets - before.txPackets).toBe(taken);
    expect(bench.port.stats.txDropped - before.txDropped).toBe(300 - taken);
    expectFrames(await bench.collectOurs(taken), list.slice(0, taken).map(bench.outside));
  });

  it('sends an offloaded frame with its virtio header [if it applies]', async (test) => {
    if (!bench.port.offload || bench.subject.collectOffload === undefined) {
      return test.skip('the port takes no offloaded bench.frames, or nothing outside shows them');
    }
    const frame = gsoFrame(3000);
    const slots = bench.load([frame.bytes]);
    bench.batch.u8.set(frame.vnet, bench.batch.off[slots[0]] - 10);
    bench.batch.offload[slots[0]] = OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;
    expect(bench.port.tx(bench.batch, slots, 1)).toBe(1);
    const [got] = await bench.subject.collectOffload(1);
    expect(got.bytes).toEqual(frame.bytes);
    expect(withoutHint(got.vnet)).toEqual(withoutHint(frame.vnet));
  });
}
