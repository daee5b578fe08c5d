// What every port must do, whatever is behind it: one suite, imported by each port's own test with a factory that makes
// the port and a way to feed and to watch its outside. It judges contents and order, never counts alone: a ring that is
// read two bytes off has the right counters.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectFrames } from './frames.ts';
import { type Awaitable, PortBench, type PortTraits, type PortUnderTest } from './port-bench.ts';
import { rxSuite } from './rx-suite.ts';
import { txSuite } from './tx-suite.ts';

export { expectFrames, gsoFrame, type OffloadFrame, testFrame } from './frames.ts';
export type { PortTraits, PortUnderTest } from './port-bench.ts';

/** Declares the suite for one kind of port. */
export function portSuite(
  name: string,
  create: () => Awaitable<PortUnderTest>,
  traits: PortTraits = {},
): void {
  const { noRx, noTx } = traits;
  const bench = new PortBench(traits);

  describe(`port ${name}`, () => {
    beforeEach(async () => bench.open(await create()));
    afterEach(async () => {
      bench.port.close();
      await bench.subject.cleanup?.();
    });

    it('describes itself', () => {
      const { port } = bench;
      expect(port.name).not.toBe('');
      expect(port.mtu).toBeGreaterThanOrEqual(68);
      expect(port.pollFd).toBeGreaterThanOrEqual(-1);
      expect(port.macHi).toBe(port.macHi & 0xffff);
      expect(port.macLo).toBe(port.macLo >>> 0);
    });

    it('close may be called twice', () => {
      bench.port.close();
      expect(() => bench.port.close()).not.toThrow();
    });

    if (noRx === undefined) describe('rx', () => rxSuite(bench));
    if (noTx === undefined) describe('tx', () => txSuite(bench));

    it.runIf(noRx === undefined && noTx === undefined)(
      'sends a received frame from where it lies [if it applies]',
      async () => {
        const { port, batch, subject } = bench;
        const fed = bench.frames(30, 300);
        await subject.feed(fed);
        const echoed: Uint8Array[] = [];
        await bench.rxAll(30, 16, (slots) => {
          echoed.push(...slots.map(bench.bytesOf));
          expect(port.tx(batch, Uint16Array.from(slots), slots.length)).toBe(slots.length);
        });
        expectFrames(echoed, fed);
        expectFrames(await bench.collectOurs(30), fed.map(bench.outside));
      },
    );
  });
}
