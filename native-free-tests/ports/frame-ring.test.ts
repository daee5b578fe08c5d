import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADROOM } from '../../src/base/slab.ts';
import { FrameRing } from '../../src/ports/frame-ring.ts';

const BYTES = 1 << 18;
const AT = 64;

function rings(): { u8: Uint8Array; producer: FrameRing; consumer: FrameRing } {
  const buffer = new SharedArrayBuffer(AT + FrameRing.bytesFor(BYTES) + 64);
  return {
    u8: new Uint8Array(buffer),
    producer: new FrameRing(buffer, AT, BYTES),
    consumer: new FrameRing(buffer, AT, BYTES),
  };
}

describe('FrameRing', () => {
  it('is a queue of bytes, whatever the order of puts, takes and releases', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ put: fc.integer({ min: 0, max: 65_600 }) }) },
      { weight: 4, arbitrary: fc.constant('take' as const) },
      { weight: 2, arbitrary: fc.constant('release' as const) },
      { weight: 1, arbitrary: fc.constant('unput' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { u8, producer, consumer } = rings();
        const model: { len: number; fill: number }[] = [];
        const held: { off: number; len: number; fill: number }[] = [];
        let fill = 0;
        for (const s of steps) {
          if (s === 'take') {
            const off = consumer.take();
            const expected = model.shift();
            expect(off >= 0).toBe(expected !== undefined);
            if (expected === undefined) continue;
            expect([consumer.takenLen, consumer.takenTag]).toEqual([expected.len, expected.fill]);
            held.push({ off, ...expected });
          } else if (s === 'release') {
            consumer.release();
            held.length = 0;
          } else {
            const len = s === 'unput' ? 100 : s.put;
            const off = producer.put(len);
            if (off < 0) {
              expect(model.length + held.length).toBeGreaterThan(0); // an empty ring takes any frame
              continue;
            }
            if (s === 'unput') {
              producer.unput();
              continue;
            }
            fill = (fill + 1) & 0xff;
            u8.fill(fill, off - HEADROOM, off + len);
            producer.tag(fill);
            producer.publish();
            model.push({ len, fill });
          }
          // what is taken and not released stays as it was, headroom included
          for (const { off, len, fill } of held) {
            expect(u8.subarray(off - HEADROOM, off + len).every((byte) => byte === fill)).toBe(true);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('stays within its memory', () => {
    const { u8, producer, consumer } = rings();
    for (let i = 0; i < 500; i++) {
      const len = (i * 7919) % 65_600;
      const off = producer.put(len);
      expect(off - HEADROOM).toBeGreaterThanOrEqual(AT);
      expect(off + len).toBeLessThanOrEqual(AT + FrameRing.bytesFor(BYTES));
      producer.publish();
      consumer.take();
      consumer.release();
    }
    expect(u8.subarray(0, AT).every((byte) => byte === 0)).toBe(true);
    expect(u8.subarray(AT + FrameRing.bytesFor(BYTES)).every((byte) => byte === 0)).toBe(true);
  });

  it('shows nothing before publish', () => {
    const { producer, consumer } = rings();
    producer.put(60);
    expect(consumer.take()).toBe(-1);
    producer.publish();
    expect(consumer.take()).toBeGreaterThan(0);
  });

  it('goes on over the wrap of its positions at 2^32', () => {
    const buffer = new SharedArrayBuffer(AT + FrameRing.bytesFor(BYTES));
    const control = new Int32Array(buffer, AT);
    const near = 0xffff_ffff - (0xffff_ffff % BYTES) - 5 * 64; // a multiple of 64 close below 2^32
    control[0] = near;
    control[16] = near;
    const producer = new FrameRing(buffer, AT, BYTES);
    const consumer = new FrameRing(buffer, AT, BYTES);
    for (let i = 0; i < 3000; i++) {
      expect(producer.put(1400 + i)).toBeGreaterThan(0);
      producer.publish();
      expect(consumer.take()).toBeGreaterThan(0);
      expect(consumer.takenLen).toBe(1400 + i);
      consumer.release();
    }
  });

  it('asks for a wake once for each arming', async () => {
    const { producer, consumer } = rings();
    const put = (): boolean => {
      producer.put(60);
      return producer.publish();
    };
    expect(put()).toBe(false);
    consumer.arm();
    expect(producer.publish()).toBe(false); // nothing new
    const woken = consumer.wait();
    expect(put()).toBe(true);
    producer.notify();
    await woken;
    expect(put()).toBe(false);
    expect(consumer.wait()).toBeUndefined();
  });
});
