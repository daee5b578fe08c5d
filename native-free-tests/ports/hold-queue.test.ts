import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADROOM, Slab } from '../../src/base/slab.ts';
import { HoldQueue } from '../../src/ports/hold-queue.ts';
import { expectFrames } from '../conformance/port-suite.ts';

describe('HoldQueue', () => {
  it('equals a list of copies, whatever is pushed, popped and released', () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ op: fc.constant('push' as const), len: fc.integer({ min: 0, max: 900 }) }),
      },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('pop' as const), len: fc.constant(0) }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('release' as const), len: fc.constant(0) }) },
    );
    let refused = 0;
    let popped = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 120 }), (steps) => {
        const slab = new Slab(1 << 16);
        const source = slab.reserve(2048) + HEADROOM;
        const queue = new HoldQueue(slab, 4096, 8);
        const list: { bytes: Uint8Array; serial: number }[] = [];
        const out: { entry: number; bytes: Uint8Array }[] = [];
        const same = (entry: number, bytes: Uint8Array): void => {
          const off = queue.off(entry);
          expectFrames([slab.u8.slice(off - 10, off + queue.len(entry))], [bytes]);
        };
        steps.forEach(({ op, len }, serial) => {
          if (op === 'push') {
            for (let i = -10; i < len; i++) slab.u8[source + i] = (serial * 37 + i * 5) & 0xff;
            const bytes = slab.u8.slice(source - 10, source + len);
            if (queue.push(source, len, serial & 7, 14, serial)) list.push({ bytes, serial });
            else refused++;
          } else if (op === 'pop' && queue.size > 0) {
            const expected = list.shift();
            expect(queue.dueMs).toBe(expected?.serial);
            const entry = queue.pop();
            popped++;
            out.push({ entry, bytes: expected?.bytes ?? new Uint8Array() });
            expect(queue.offload(entry)).toBe((expected?.serial ?? 0) & 7);
          } else if (op === 'release') {
            queue.release();
            out.length = 0;
          }
          expect(queue.size).toBe(list.length);
          // What was handed out stays where it lies until release.
          for (const { entry, bytes } of out) same(entry, bytes);
        });
      }),
      { numRuns: 60 },
    );
    expect(Math.min(refused, popped)).toBeGreaterThan(50);
  });

  it('hasten brings the due time forward, never back', () => {
    const slab = new Slab(1 << 16);
    const source = slab.reserve(256) + HEADROOM;
    const queue = new HoldQueue(slab, 4096, 8);
    expect(queue.dueMs).toBe(Number.POSITIVE_INFINITY);
    queue.push(source, 60, 0, 14, 5);
    queue.push(source, 60, 0, 14, 50);
    queue.hasten(10);
    expect(queue.dueMs).toBe(5);
    queue.pop();
    expect(queue.dueMs).toBe(10);
  });
});
