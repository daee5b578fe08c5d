import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SentPrefix } from '../../src/ports/sent-prefix.ts';

describe('SentPrefix', () => {
  it('puts what was taken first and what was refused behind it, both in order, before what was not tried', () => {
    const prefix = new SentPrefix();
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 300 }),
        fc.integer({ min: 0, max: 300 }),
        (results, untried) => {
          const before = Array.from({ length: results.length + untried }, (_, i) => (i * 7) & 0xffff);
          const idx = Uint16Array.from(before);
          prefix.start();
          results.forEach((took, k) => {
            if (took) prefix.took(idx, k);
            else prefix.refused(idx, k);
          });
          const taken = before.filter((_, k) => results[k] === true);
          const refused = before.filter((_, k) => results[k] === false);
          expect(prefix.end(idx)).toBe(taken.length);
          expect([...idx]).toEqual([...taken, ...refused, ...before.slice(results.length)]);
        },
      ),
    );
  });
});
