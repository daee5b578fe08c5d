// Measures the forward loop in memory: `npx tsx scripts/bench/bundled.ts forward [--rounds N] [--only CASE]`. The gateway of
// replay and the in-process lab, with its tables, counters, trace and clock, carries 64-byte frames (60 without FCS)
// between two ports that cost nothing: `rx` names frames where they lie, `tx` counts them.
//
//   l3    1000 host routes and as many flows: ethernet-input → ip4-input → ip4-lookup → ip4-rewrite → interface-output
//   l2    1000 MACs behind the other port:    ethernet-input → l2-guard → l2-learn → l2-classify → l2-forward → interface-output
//   hot   256 frames, over and over: all in the first-level cache
//   cold  a million frames in random order, 192 MiB: none in any cache
//
// Cases take turns, so that a slow moment of the machine hits them all; the figure is the median of the rounds. In each
// round the frames' contents are checked. The allocation is what the heap grows over a million warm packets.

import { PerformanceObserver } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import type { Batch } from '../../src/base/batch.ts';
import { systemClock } from '../../src/base/clock.ts';
import { assert } from '../../src/base/errors.ts';
import { ifIndex, portId } from '../../src/base/ids.ts';
import { createPrng } from '../../src/base/prng.ts';
import { HEADROOM, type Slab } from '../../src/base/slab.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { setPermanentNeighbor } from '../../src/dataplane/neighbor-resolution.ts';
import { createInlineGateway, type InlineGateway } from '../../src/gateway/inline.ts';
import { createPortStats, type Port } from '../../src/ports/port.ts';
import { ETHERTYPE_IPV4, ethernetDstLo, ethernetEmit, ethernetSrcLo } from '../../src/wire/ethernet.ts';
import { IPPROTO_UDP, ipv4Check, ipv4Emit, ipv4Ttl } from '../../src/wire/ipv4.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '9' }, only: { type: 'string', default: '' } },
});
const ROUNDS = Number(values.rounds);

const FRAME_BYTES = 60;
const STRIDE = HEADROOM + 64;
const FLOWS = 1000;
const HOT = 256;
const COLD = 1 << 20;
/** Packets of one case and round; a hot frame's TTL lasts for as many passes. */
const PACKETS = 1 << 20;
const HOT_PASSES = 200;
const TTL = 255;

// The addresses of benchmarks (RFC 2544 §C.2.2). Like half of all MACs and addresses they are above 2^31, where V8 puts a number
// on the heap as soon as it leaves a register.
const MAC_HI = 0x0200;
const LEFT = 0xc612_0101;
const RIGHT = 0xc612_0201;
const SENDER = 0xc612_0102;
const FLOW = 0xc613_0001;
const SENDER_IP = 0xc612_0002; // 198.18.0.2
const NEXT_HOP = 0xc612_0102; // 198.18.1.2
const ROUTES = 0xc613_0001; // 198.19.0.1 and on

/** A port that hands over frames of the slab in a given order, and forgets what it sends. */
class FramesPort implements Port {
  readonly kind = 'memory';
  readonly macHi = MAC_HI;
  readonly mtu = 1500;
  readonly offload = false;
  readonly l3Only = false;
  readonly pollFd = -1;
  readonly stats = createPortStats();
  readonly id: Port['id'];
  readonly name: string;
  readonly macLo: number;
  #order: Int32Array = new Int32Array(0);
  #at = 0;
  #end = 0;

  constructor(id: number, name: string, macLo: number) {
    this.id = portId(id);
    this.name = name;
    this.macLo = macLo;
  }

  /** From now on `rx` hands over these frames, once. */
  load(order: Int32Array): void {
    this.#order = order;
    this.#at = 0;
    this.#end = order.length;
  }

  rx(batch: Batch, max: number): number {
    const n = Math.min(max, batch.room, this.#end - this.#at);
    for (let k = 0; k < n; k++) batch.add(this.#order[this.#at++], FRAME_BYTES, this.id, 0);
    this.stats.rxPackets += n;
    return n;
  }

  rxRelease(): void {}

  tx(_batch: Batch, _idx: Uint16Array, n: number): number {
    this.stats.txPackets += n;
    return n;
  }

  close(): void {}
}

interface World {
  readonly gateway: InlineGateway;
  readonly slab: Slab;
  readonly left: FramesPort;
  readonly right: FramesPort;
}

const PORTS = 'ports: [{ name: left, kind: memory }, { name: right, kind: memory }]';
const dotted = (ip: number): string => [24, 16, 8, 0].map((s) => (ip >>> s) & 255).join('.');
const CONFIG = {
  l3: `gateway: { name: bench, packetMemoryMiB: 512 }
${PORTS}
interfaces:
  - { name: left, port: left, address: 198.18.0.1/24 }
  - { name: right, port: right, address: 198.18.1.1/24 }
routes:
${Array.from({ length: FLOWS }, (_, f) => `  - { prefix: ${dotted(ROUTES + f)}/32, via: 198.18.1.2 }`).join('\n')}
`,
  l2: `gateway: { name: bench, packetMemoryMiB: 512 }
${PORTS}
networks:
  - name: lan
    subnet: 198.18.0.0/15
    gateway: { address: 198.18.0.1, mac: "02:00:00:00:09:fe" }
    proximityRouting: false
    members: [left, right]
`,
};
type Kind = keyof typeof CONFIG;

function createWorld(kind: Kind): World {
  const { config, errors } = parseConfig(CONFIG[kind]);
  if (config === undefined) throw new Error(errors.map((e) => e.message).join('; '));
  const left = new FramesPort(0, 'left', LEFT);
  const right = new FramesPort(1, 'right', RIGHT);
  let slab: Slab | undefined;
  const gateway = createInlineGateway({
    config,
    clock: systemClock,
    openPorts: (s) => {
      slab = s;
      return [left, right];
    },
  });
  assert(slab !== undefined, 'the gateway has opened its ports');
  if (kind === 'l3') {
    // The next hop has the MAC of the left interface, so that a rewritten frame can come in once more as it is.
    gateway.dataplane.originate((ctx) => setPermanentNeighbor(ctx, ifIndex(1), NEXT_HOP, MAC_HI, LEFT));
  }
  return { gateway, slab, left, right };
}

/** Frames of one case, in the order in which they come, and how to make and check them. */
class Frames {
  readonly order: Int32Array;
  readonly #world: World;
  readonly #kind: Kind;

  constructor(world: World, kind: Kind, count: number, shuffled: boolean) {
    this.#world = world;
    this.#kind = kind;
    const base = world.slab.reserve(count * STRIDE, 64);
    this.order = Int32Array.from({ length: count }, (_, i) => base + i * STRIDE + HEADROOM);
    const random = createPrng(count);
    for (let i = count - 1; shuffled && i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [this.order[i], this.order[j]] = [this.order[j], this.order[i]];
    }
    world.slab.u8.fill(0, base, base + count * STRIDE);
    this.write();
  }

  /** Writes all frames anew: the passes take their TTL down. */
  write(): void {
    const { view } = this.#world.slab;
    for (let i = 0; i < this.order.length; i++) {
      const off = this.order[i];
      const f = i % FLOWS;
      const dst = this.#kind === 'l3' ? LEFT : FLOW + f;
      const at = ethernetEmit(view, off, MAC_HI, dst, MAC_HI, SENDER, ETHERTYPE_IPV4);
      ipv4Emit(view, at, FRAME_BYTES - 14, 0, 0, TTL, IPPROTO_UDP, SENDER_IP, ROUTES + f);
    }
  }

  /** Asserts that every frame is what `passes` passes leave of it. */
  check(passes: number): void {
    const { view } = this.#world.slab;
    const l3 = this.#kind === 'l3';
    for (let i = 0; i < this.order.length; i++) {
      const off = this.order[i];
      assert(ipv4Check(view, off + 14, FRAME_BYTES - 14) >= 0, 'the header and its checksum are right');
      assert(ipv4Ttl(view, off + 14) === (l3 ? TTL - passes : TTL), 'the TTL is right');
      assert(ethernetSrcLo(view, off) === (l3 ? RIGHT : SENDER), 'the source MAC is right');
      assert(ethernetDstLo(view, off) === (l3 ? LEFT : FLOW + (i % FLOWS)), 'the destination MAC is right');
    }
  }
}

/** Lets the bridge learn where the flows' MACs are: a frame of each comes in on the right. */
function teach({ gateway, slab, right }: World): void {
  const base = slab.reserve(FLOWS * STRIDE, 64);
  const order = Int32Array.from({ length: FLOWS }, (_, f) => base + f * STRIDE + HEADROOM);
  order.forEach((off, f) => {
    const at = ethernetEmit(slab.view, off, MAC_HI, SENDER, MAC_HI, FLOW + f, ETHERTYPE_IPV4);
    ipv4Emit(slab.view, at, FRAME_BYTES - 14, 0, 0, TTL, IPPROTO_UDP, ROUTES + f, SENDER_IP);
  });
  right.load(order);
  while (gateway.dataplane.round() > 0);
}

class Case {
  readonly name: string;
  readonly mpps: number[] = [];
  readonly #world: World;
  readonly #frames: Frames;
  /** How often the frames come before they are written anew. */
  readonly #passes: number;

  constructor(name: string, world: World, frames: Frames, passes: number) {
    this.name = name;
    this.#world = world;
    this.#frames = frames;
    this.#passes = passes;
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

const worlds = { l3: createWorld('l3'), l2: createWorld('l2') };
teach(worlds.l2);
const cases = (['l3', 'l2'] as const)
  .flatMap((kind) => [
    new Case(`${kind} hot`, worlds[kind], new Frames(worlds[kind], kind, HOT, false), HOT_PASSES),
    new Case(`${kind} cold`, worlds[kind], new Frames(worlds[kind], kind, COLD, true), 1),
  ])
  .filter((c) => c.name.includes(values.only));

for (let round = -2; round < ROUNDS; round++) {
  for (const c of cases) {
    const mpps = c.run();
    if (round >= 0) c.mpps.push(mpps); // the first rounds warm up
  }
}
console.log(`node ${process.version}, ${ROUNDS} rounds of ${PACKETS} packets of each case`);
console.log('case      Mpps   ns/packet  lowest  highest  heap bytes/packet  collections');
for (const c of cases) {
  const sorted = c.mpps.sort((a, b) => a - b);
  const median = sorted[ROUNDS >> 1];
  const { bytes, collections } = await c.allocation();
  console.log(
    [
      c.name.padEnd(7),
      median.toFixed(2).padStart(6),
      (1000 / median).toFixed(1).padStart(11),
      sorted[0].toFixed(2).padStart(7),
      sorted[ROUNDS - 1].toFixed(2).padStart(8),
      bytes.toFixed(3).padStart(18),
      String(collections).padStart(12),
    ].join(' '),
  );
}
