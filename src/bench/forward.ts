// `nearhop bench forward`: the forward loop in memory, beside C: the same steps, and a bare loop (scripts/bench/forward.c). The
// gateway of replay and the in-process lab, with its tables, counters, trace and clock, carries 64-byte frames (60 without FCS)
// between two ports that cost nothing.
//
//   hot   256 frames, over and over: all in the first-level cache
//   cold  a million frames in random order, 192 MiB: none in any cache
//
// Cases and C take turns, so that a slow moment of the machine hits them all; a ratio is of one round. In each round the frames'
// contents are checked. It runs in the bundle of memory.ts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { assert } from '../base/errors.ts';
import { buildReference, runReference } from './c-reference.ts';
import { createWorld, Frames, type Kind, TTL, teach, type World } from './forward-world.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface ForwardOptions {
  /** One kind a process: a gateway has one data plane, and V8 makes code for that. */
  readonly kind: Kind;
  readonly rounds: number;
}

export interface ForwardCase {
  readonly kind: Kind;
  readonly memory: 'hot' | 'cold';
  /** Millions of packets a second. */
  readonly mpps: Spread;
  /** The same steps in C: batches, tables, counters. Routing only. */
  readonly c: Spread | null;
  /** Ours ÷ the same steps in C, of the same round. */
  readonly ratio: Spread | null;
  /** A bare loop in C, frame after frame. Routing only. */
  readonly bareC: Spread | null;
  /** Heap that a warm packet costs, and garbage collections in a million of them. */
  readonly heapBytesPerPacket: number;
  readonly collections: number;
}

export interface ForwardReport {
  readonly machine: Machine;
  readonly rounds: number;
  readonly packets: number;
  /** Why there is no C beside it; null when there is. */
  readonly noReference: string | null;
  readonly cases: readonly ForwardCase[];
}

const HOT = 256;
const COLD = 1 << 20;
/** Packets of one case and round; a hot frame's TTL lasts for as many passes. As in forward.c. */
const PACKETS = 1 << 20;
const HOT_PASSES = 200;
const WARM_UP_ROUNDS = 2;

export async function benchForward({ kind, rounds }: ForwardOptions): Promise<ForwardReport> {
  const world = createWorld(kind);
  if (kind === 'l2') teach(world);
  const cases = (['hot', 'cold'] as const).map((memory) => new Case(world, kind, memory));
  const folder = mkdtempSync(join(tmpdir(), 'nearhop-forward-'));
  let noReference: string | null = null;
  try {
    const reference = buildReference('forward', folder);
    if ('missing' in reference) noReference = reference.missing;
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const c of cases) {
        const mpps = c.run();
        if (round >= 0) c.mpps.push(mpps);
        if (round < 0 || c.kind !== 'l3' || !('program' in reference)) continue;
        c.c.push(runReference(reference.program, 'same', c.memory)[0][0]);
        c.bareC.push(runReference(reference.program, 'bare', c.memory)[0][0]);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const results: ForwardCase[] = [];
  for (const c of cases) {
    const { bytes, collections } = await c.allocation();
    const compared = c.c.length > 0;
    results.push({
      kind: c.kind,
      memory: c.memory,
      mpps: spreadOf(c.mpps),
      c: compared ? spreadOf(c.c) : null,
      ratio: compared ? spreadOf(c.mpps.map((mpps, i) => mpps / c.c[i])) : null,
      bareC: compared ? spreadOf(c.bareC) : null,
      heapBytesPerPacket: bytes,
      collections,
    });
  }
  return { machine: describeMachine(), rounds, packets: PACKETS, noReference, cases: results };
}

class Case {
  readonly kind: Kind;
  readonly memory: 'hot' | 'cold';
  readonly mpps: number[] = [];
  readonly c: number[] = [];
  readonly bareC: number[] = [];
  readonly #world: World;
  readonly #frames: Frames;
  /** How often the frames come before they are written anew. */
  readonly #passes: number;

  constructor(world: World, kind: Kind, memory: 'hot' | 'cold') {
    this.kind = kind;
    this.memory = memory;
    this.#world = world;
    const hot = memory === 'hot';
    this.#frames = new Frames(world, kind, hot ? HOT : COLD, !hot);
    this.#passes = hot ? HOT_PASSES : 1;
  }

  /** Carries about PACKETS packets and checks what came of them; returns millions a second. */
  run(): number {
    const { right, gateway } = this.#world;
    const { order } = this.#frames;
    let ms = 0;
    let packets = 0;
    while (packets < PACKETS) {
      const sent = right.stats.txPackets;
      const started = performance.now();
      this.pass();
      ms += performance.now() - started;
      const n = order.length * this.#passes;
      assert(right.stats.txPackets - sent === n, 'every packet has left on the right');
      packets += n;
      this.#frames.check(this.#passes);
      this.#frames.write();
    }
    assert(gateway.plane.shared.counters.imbalance() === 0, 'the conservation law');
    return packets / ms / 1000;
  }

  /** Heap bytes that a packet costs, and garbage collections in a million packets; the case is warm. */
  async allocation(): Promise<{ readonly bytes: number; readonly collections: number }> {
    let collections = 0;
    const observer = new PerformanceObserver((list) => {
      collections += list.getEntries().length;
    });
    const { order } = this.#frames;
    const slice = order.subarray(0, 4096);
    const passes = Math.min(this.#passes, Math.ceil(4096 / slice.length));
    gc();
    await turn();
    observer.observe({ entryTypes: ['gc'] });
    let bytes = 0;
    let packets = 0;
    let left = 0;
    for (let slices = 0; slices < PACKETS / 4096; slices++) {
      if (left < passes) {
        this.#frames.write();
        left = this.#passes === 1 ? TTL - 1 : this.#passes;
      }
      left -= passes;
      const before = usedHeap();
      const empty = usedHeap() - before;
      this.#carry(slice, passes);
      const grown = usedHeap() - before - 2 * empty;
      if (grown < -empty) continue; // a collection fell into this slice
      bytes += grown;
      packets += slice.length * passes;
    }
    this.#frames.write();
    await turn(); // the observer hears of collections later
    collections += observer.takeRecords().length;
    observer.disconnect();
    return { bytes: bytes / packets, collections };
  }

  pass(): void {
    this.#carry(this.#frames.order, this.#passes);
  }

  #carry(order: Int32Array, passes: number): void {
    const { left, gateway } = this.#world;
    const { dataplane } = gateway;
    for (let p = 0; p < passes; p++) {
      left.load(order);
      while (dataplane.round() > 0);
    }
  }
}

const usedHeap = (): number => getHeapStatistics().used_heap_size;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const gc = (): void => (globalThis as { gc?: () => void }).gc?.();
