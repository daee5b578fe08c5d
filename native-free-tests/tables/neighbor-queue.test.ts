import { describe, expect, it } from 'vitest';
import { Batch, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { Slab } from '../../src/base/slab.ts';
import { NeighborQueue } from '../../src/tables/neighbor-queue.ts';

function setUp() {
  const slab = new Slab(32 << 20);
  return { batch: new Batch(slab), queue: new NeighborQueue(slab, 512) };
}

/** A packet of `len` bytes that are all `fill`, its virtio header too. */
function packet(batch: Batch, len: number, fill: number): number {
  const i = batch.alloc(len);
  batch.u8.fill(fill, batch.off[i] - 10, batch.off[i] + len);
  return i;
}

describe('NeighborQueue', () => {
  it('gives packets back in order with their bytes, virtio header and columns', () => {
    const { batch, queue } = setUp();
    for (const fill of [1, 2, 3]) {
      const i = packet(batch, 60 + fill, fill);
      batch.port[i] = fill;
      batch.iface[i] = 10 + fill;
      batch.l3[i] = 14 + fill;
      batch.offload[i] = OFFLOAD_VNET;
      batch.originated[i] = fill & 1;
      queue.put(5, batch, i, 100 + fill);
    }
    expect(queue.length(5)).toBe(3);
    expect(queue.length(6)).toBe(0);
    batch.reset();
    packet(batch, 200, 0xee); // the next round uses the scratch region again
    for (const fill of [1, 2, 3]) {
      expect(queue.traceOf(5)).toBe(100 + fill);
      const i = queue.take(5, batch);
      const bytes = batch.u8.slice(batch.off[i] - 10, batch.off[i] + batch.len[i]);
      expect(bytes).toEqual(new Uint8Array(70 + fill).fill(fill));
      expect([batch.port[i], batch.iface[i], batch.l3[i]]).toEqual([fill, 10 + fill, 14 + fill]);
      expect([batch.offload[i], batch.originated[i]]).toEqual([OFFLOAD_VNET, fill & 1]);
      expect([batch.adj[i], batch.trace[i]]).toEqual([-1, -1]);
    }
    expect(queue.waiting).toBe(0);
  });

  it('is bounded in total, and a place that was taken out is free again', () => {
    const { batch, queue } = setUp();
    for (let k = 0; k < 256; k++) {
      expect(queue.full).toBe(false);
      queue.put(k, batch, packet(batch, 60, 1), -1);
    }
    expect(queue.full).toBe(true);
    expect(queue.take(77, batch)).toBeGreaterThan(0);
    expect(queue.full).toBe(false);
  });

  it('keeps its packet when the batch has no room for it', () => {
    const { batch, queue } = setUp();
    queue.put(1, batch, packet(batch, 60, 9), -1);
    while (batch.alloc(60) >= 0);
    expect(queue.take(1, batch)).toBe(-1);
    expect(queue.length(1)).toBe(1);
    batch.reset();
    expect(batch.u8[batch.off[queue.take(1, batch)]]).toBe(9);
  });
});
