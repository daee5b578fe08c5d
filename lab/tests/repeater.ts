// The smallest data plane there is, for tests of ports: whatever one port receives, the other one sends.

import { BATCH_RX, Batch, OFFLOAD_CSUM, OFFLOAD_GSO } from '../../src/base/batch.ts';
import type { Slab } from '../../src/base/slab.ts';
import { completeChecksum, emitSegment } from '../../src/dataplane/offload.ts';
import { closeWakeFd, createPoller, createWakeFd } from '../../src/ports/poll.ts';
import type { Port } from '../../src/ports/port.ts';
import { planSegments, SegmentPlan } from '../../src/wire/segmentation.ts';

export interface Repeater {
  stop(): Promise<void>;
}

/** Carries frames between `a` and `b` until `stop()`, in the event loop of the caller. */
export function startRepeater(slab: Slab, a: Port, b: Port): Repeater {
  const batch = new Batch(slab, 24 << 20);
  const wakeFd = createWakeFd();
  const poller = createPoller([a.pollFd, b.pollFd], wakeFd);
  const idx = Uint16Array.from({ length: 2048 }, (_, i) => i);
  const plan = new SegmentPlan();
  let running = true;

  /** What the data plane does for an egress without offloads: finished checksums, plain segments. */
  const plain = (n: number): number => {
    let out = 0;
    for (let i = 0; i < n; i++) {
      batch.l3[i] = batch.view.getUint16(batch.off[i] + 12) === 0x8100 ? 18 : 14;
      if ((batch.offload[i] & OFFLOAD_GSO) !== 0 && planSegments(batch, i, plan)) {
        for (let k = 0; k < plan.count; k++) {
          const slot = emitSegment(batch, i, plan, k);
          if (slot >= 0) idx[out++] = slot;
        }
        continue;
      }
      if ((batch.offload[i] & OFFLOAD_CSUM) !== 0) completeChecksum(batch, i);
      idx[out++] = i;
    }
    return out;
  };
  const carry = (from: Port, to: Port): number => {
    batch.reset();
    const n = from.rx(batch, to.offload ? BATCH_RX : 24);
    if (n === 0) return 0;
    if (to.offload) for (let i = 0; i < n; i++) idx[i] = i;
    to.tx(batch, idx, to.offload ? n : plain(n));
    from.rxRelease();
    return n;
  };
  const loop = async (): Promise<void> => {
    let rounds = 0;
    while (running) {
      const moved = carry(a, b) + carry(b, a);
      if (moved === 0) poller.wait(1);
      if (moved === 0 || ++rounds % 64 === 0) await new Promise((done) => setImmediate(done));
    }
  };
  const ended = loop();
  return {
    stop: async () => {
      running = false;
      await ended;
      poller.close();
      closeWakeFd(wakeFd);
    },
  };
}
