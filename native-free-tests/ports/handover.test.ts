// How large the rings are by which workers hand packets over; what crosses them is in native-free-tests/gateway/two-workers.test.ts.

import { describe, expect, it } from 'vitest';
import { Slab } from '../../src/base/slab.ts';
import { createHandovers } from '../../src/ports/handover.ts';

const MIB = 1 << 20;

describe('createHandovers', () => {
  it.each([
    [256, 1, 16],
    [256, 2, 16],
    [256, 3, 8],
    [256, 4, 8],
    [256, 15, 4],
    [64, 1, 8],
    [16, 1, 4],
  ])('with %i MiB of packet memory and %i carriers makes rings of %i MiB', (memory, carriers, ring) => {
    const shared = createHandovers(new Slab(memory * MIB), carriers).map((h) => h.shared);
    expect(shared.map(({ bytes }) => bytes)).toEqual(Array(carriers).fill(ring * MIB));
    for (let k = 1; k < carriers; k++) {
      expect(shared[k].at).toBeGreaterThanOrEqual(shared[k - 1].at + ring * MIB);
    }
  });

  it('refuses rings that packet memory has no room for', () => {
    expect(() => createHandovers(new Slab(16 * MIB), 4)).toThrow('packet memory is used up');
  });
});
