// Runs in a process of its own, bundled, with --expose-gc and --redirect-code-traces-to=FILE --trace-deopt: carries packets until the
// code is warm, then a million more. Writes to a file what these cost: collections of the young generation, and V8's words on code
// that it had to give up.

import { readFileSync, writeFileSync } from 'node:fs';
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { createWorld, Frames, type Kind, teach } from '../../src/bench/forward-world.ts';

const HOT = 256;
const PASSES = 200; // as many as a TTL lasts
const MILLION = 1 << 20;

const [kind, traces, result] = process.argv.slice(2);
const world = createWorld(kind as Kind);
if (kind === 'l2') teach(world);
const frames = new Frames(world, kind as Kind, HOT, false);
const { left, right, gateway } = world;

function carry(packets: number): void {
  for (let done = 0; done < packets; frames.write()) {
    for (let pass = 0; pass < PASSES; pass++, done += HOT) {
      left.load(frames.order);
      while (gateway.dataplane.round() > 0);
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
const isScavenge = (entry: PerformanceEntry): boolean =>
  (entry as unknown as { detail: { kind: number } }).detail.kind === constants.NODE_PERFORMANCE_GC_MINOR;

for (let round = 0; round < 4; round++) {
  carry(MILLION);
  await turn(); // what is compiled aside comes into use
}
let scavenges = 0;
const observer = new PerformanceObserver((list) => {
  scavenges += list.getEntries().filter(isScavenge).length;
});
observer.observe({ entryTypes: ['gc'] });
(globalThis as unknown as { gc(): void }).gc();
await turn();
scavenges = 0;
const before = readFileSync(traces, 'utf8').length;
const sent = right.stats.txPackets;
carry(MILLION);
const packets = right.stats.txPackets - sent;
const words = readFileSync(traces, 'utf8').slice(before).split('\n');
const deoptimized = words.filter((line) => line.startsWith('[bailout'));
await turn();
writeFileSync(result, JSON.stringify({ packets, scavenges, deoptimized }));
