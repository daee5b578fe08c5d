import { describe, expect, it } from 'vitest';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createMemoryLink, createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import { gsoFrame, type PortUnderTest, portSuite, testFrame } from '../conformance/port-suite.ts';

const takeAll = (port: MemoryPort): Uint8Array[] => {
  const frames: Uint8Array[] = [];
  for (let frame = port.take(); frame !== undefined; frame = port.take()) frames.push(frame.bytes);
  return frames;
};

const underTest = (offload: boolean): PortUnderTest => {
  const slab = new Slab(64 << 20);
  const port = createMemoryPort({ id: portId(3), name: 'm0', slots: 256, offload }, slab);
  const plain: PortUnderTest = {
    port,
    slab,
    feed: (frames) => {
      for (const frame of frames) port.injectFrame(frame);
    },
    collect: () => takeAll(port),
    feedTruncated: () => {
      port.injectFrame(new Uint8Array(70_000));
    },
    choke: () => {}, // nobody takes, and 256 slots are there
  };
  if (!offload) return plain;
  return {
    ...plain,
    feedOffload: ({ bytes, vnet }) => {
      const whole = new Uint8Array(10 + bytes.length);
      whole.set(vnet);
      whole.set(bytes, 10);
      const bits = OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;
      port.inject(whole, new DataView(whole.buffer), 10, bytes.length, bits);
    },
    collectOffload: () => {
      const frame = port.take();
      return frame?.vnet === undefined ? [] : [{ bytes: frame.bytes, vnet: frame.vnet }];
    },
  };
};

portSuite('memory', () => underTest(false));
portSuite('memory with offload', () => underTest(true));

describe('createMemoryPort', () => {
  const make = (slots: number): { port: MemoryPort; batch: Batch } => {
    const slab = new Slab(32 << 20);
    const port = createMemoryPort({ id: portId(0), name: 'm0', slots }, slab);
    return { port, batch: new Batch(slab, 1 << 20) };
  };

  it('drops and counts what its receive ring has no room for', () => {
    const { port, batch } = make(4);
    const accepted = [0, 1, 2, 3, 4, 5].map((n) => port.injectFrame(testFrame(n, 60)));
    expect(accepted).toEqual([true, true, true, true, false, false]);
    expect(port.stats.rxDropped).toBe(2);
    expect(port.rx(batch, 256)).toBe(4);
    expect(port.injectFrame(testFrame(9, 60)), 'slots are free only after rxRelease').toBe(false);
    port.rxRelease();
    expect(port.injectFrame(testFrame(9, 60))).toBe(true);
  });

  it('gives frames to deliver instead of its ring once connected', () => {
    const { port, batch } = make(4);
    const seen: number[] = [];
    port.connect((_u8, view, off, len) => seen.push(view.getUint32(off + 14) * 1000 + len) > 0);
    const slot = batch.alloc(60);
    batch.u8.set(testFrame(7, 60), batch.off[slot]);
    expect(port.tx(batch, Uint16Array.of(slot), 1)).toBe(1);
    expect(seen).toEqual([7060]);
    expect(port.pending).toBe(0);
  });

  it('carries the virtio header in and out when it takes offloads', () => {
    const { port, slab, feedOffload, collectOffload } = underTest(true);
    const frame = gsoFrame(60_000);
    feedOffload?.(frame);
    const batch = new Batch(slab, 1 << 20);
    expect((port as MemoryPort).rx(batch, 1)).toBe(1);
    expect(batch.offload[0]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
    expect(port.tx(batch, Uint16Array.of(0), 1)).toBe(1);
    expect(collectOffload?.(1)).toEqual([frame]);
  });

  it('an L3-only port sends from the network header', () => {
    const slab = new Slab(32 << 20);
    const port = createMemoryPort({ id: portId(0), name: 'm0', l3Only: true }, slab);
    const batch = new Batch(slab, 1 << 20);
    const slot = batch.alloc(100);
    batch.u8.set(testFrame(7, 100), batch.off[slot]);
    port.tx(batch, Uint16Array.of(slot), 1);
    expect(takeAll(port)).toEqual([testFrame(7, 100).slice(14)]);
    expect(port.stats.txBytes).toBe(86);
  });
});

describe('createMemoryLink', () => {
  it('carries frames both ways between two slabs, and is partial when the other end is full', () => {
    const slabs = [new Slab(32 << 20), new Slab(32 << 20)];
    const [a, b] = createMemoryLink(
      { options: { id: portId(0), name: 'a' }, slab: slabs[0] },
      { options: { id: portId(0), name: 'b', slots: 3 }, slab: slabs[1] },
    );
    const batches = slabs.map((slab) => new Batch(slab, 1 << 20));
    const idx = Uint16Array.from([0, 1, 2, 3, 4].map(() => batches[0].alloc(80)));
    idx.forEach((slot, n) => {
      batches[0].u8.set(testFrame(n, 80), batches[0].off[slot]);
    });
    expect(a.tx(batches[0], idx, 5)).toBe(3);
    expect(a.stats.txDropped).toBe(2);
    expect(b.rx(batches[1], 256)).toBe(3);
    const got = [0, 1, 2].map((i) => batches[1].u8.slice(batches[1].off[i], batches[1].off[i] + 80));
    expect(got).toEqual([testFrame(0, 80), testFrame(1, 80), testFrame(2, 80)]);
    expect(b.tx(batches[1], Uint16Array.of(1), 1)).toBe(1);
    batches[0].reset();
    expect(a.rx(batches[0], 256)).toBe(1);
    expect(batches[0].view.getUint32(batches[0].off[0] + 14)).toBe(1);
  });
});
