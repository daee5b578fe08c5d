// One data-plane worker of `bench forward --workers`: rounds over frames in its own slab, while main says so.

import { parentPort } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import { Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import { createCarrierHost, type OwnerShared } from '../gateway/carrier-host.ts';
import { createDataplaneHost } from '../gateway/dataplane-host.ts';
import type { SharedBuffers } from '../gateway/shared.ts';
import { Handover, type HandoverShared } from '../ports/handover.ts';
import { createFramesPorts, Frames, teachNextHop } from './forward-world.ts';

export interface ThreadData {
  readonly thread: 'forward';
  readonly config: Config;
  readonly buffers: SharedBuffers;
  readonly turn: SharedArrayBuffer;
  /** Millions of packets a second in the last turn, by worker. */
  readonly rates: SharedArrayBuffer;
  readonly worker: number;
  /** What the owner shall resolve. */
  readonly adjacencies: readonly number[];
  /** What the owner has said; undefined for the owner. */
  readonly owner: (OwnerShared & { readonly handovers: readonly HandoverShared[] }) | undefined;
}

/** Words by which main leads the threads. */
export const TURN = { number: 0, active: 1, cold: 2, ready: 3, go: 4, done: 5 } as const;
export const TURN_WORDS = 16;

const HOT = 256;
const COLD = 1 << 20;
/** A frame's TTL lasts for as many passes. */
const PASSES = 200;

/** Never returns: main terminates the thread. */
export function runForwardThread(data: ThreadData): void {
  const { worker, turn, rates } = data;
  const words = new Int32Array(turn);
  const slab = new Slab(data.config.gateway.packetMemoryMiB << 20);
  const ports = createFramesPorts();
  const [left, right] = ports;
  const round = createRound(data, slab, ports);
  const hot = new Frames({ slab }, 'l3', HOT, false);
  const cold = new Frames({ slab }, 'l3', COLD, true);
  for (let seen = 0; ; ) {
    Atomics.wait(words, TURN.number, seen);
    seen = Atomics.load(words, TURN.number);
    if (worker >= Atomics.load(words, TURN.active)) continue;
    const frames = Atomics.load(words, TURN.cold) === 1 ? cold : hot;
    frames.write();
    const sent = right.stats.txPackets;
    let passes = 0;
    let pausedMs = 0;
    Atomics.add(words, TURN.ready, 1);
    while (Atomics.load(words, TURN.go) === 0);
    const startedMs = performance.now();
    let more = true;
    left.load(frames.order);
    while (more) {
      if (round() === 0) {
        left.load(frames.order);
        if (++passes % PASSES === 0) {
          const pauseMs = performance.now();
          frames.write();
          pausedMs += performance.now() - pauseMs;
        }
      }
      more = Atomics.load(words, TURN.go) === 1;
    }
    const ms = performance.now() - startedMs - pausedMs;
    new Float64Array(rates)[worker] = (right.stats.txPackets - sent) / ms / 1000;
    while (round() > 0); // the rest of the pass, so that all frames are alike
    passes++;
    assert(
      right.stats.txPackets - sent === passes * frames.order.length,
      'every packet has left on the right, by the worker that received it',
    );
    frames.check(((passes - 1) % PASSES) + 1);
    Atomics.add(words, TURN.done, 1);
  }
}

/** This thread's worker over the shared tables; tells main when it is ready. */
function createRound(
  data: ThreadData,
  slab: Slab,
  ports: ReturnType<typeof createFramesPorts>,
): () => number {
  const { config, buffers, worker, owner } = data;
  const clock = systemClock;
  if (owner !== undefined) {
    const handover = new Handover(owner.handovers[worker - 1], () => {});
    const carrier = createCarrierHost({ config, buffers, worker, owner, slab, clock, ports, handover });
    parentPort?.postMessage(undefined);
    return () => carrier.round();
  }
  const host = createDataplaneHost({ config, buffers, slab, clock, ports, emit() {} });
  for (const adj of data.adjacencies) host.apply({ op: 'resolve', adj });
  teachNextHop(host.dataplane);
  parentPort?.postMessage({
    ports: ports.map(({ macHi, macLo }) => ({ macHi, macLo })),
    fdb: host.fdb.buffer,
    neighbors: host.neighbors.buffer,
    handovers: host.handovers.map((h) => h.shared),
  });
  return () => host.dataplane.round();
}
