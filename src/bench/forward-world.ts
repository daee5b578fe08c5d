// What the forward loop in memory is measured over: a gateway between two ports that cost nothing, and frames in its slab.
//
//   l3    1000 host routes and as many flows: ethernet-input → ip4-input → ip4-lookup → ip4-rewrite → interface-output
//   l2    1000 MACs behind the other port:    ethernet-input → l2-guard → l2-learn → l2-classify → l2-forward → interface-output

import type { Batch } from '../base/batch.ts';
import { systemClock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import { ifIndex, portId } from '../base/ids.ts';
import { createPrng } from '../base/prng.ts';
import { HEADROOM, type Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse.ts';
import type { Dataplane } from '../dataplane/graph.ts';
import { setPermanentNeighbor } from '../dataplane/neighbor-resolution.ts';
import { createInlineGateway, type InlineGateway } from '../gateway/inline.ts';
import { createPortStats, type Port } from '../ports/port.ts';
import { ETHERTYPE_IPV4, ethernetDstLo, ethernetEmit, ethernetSrcLo } from '../wire/ethernet.ts';
import { IPPROTO_UDP, ipv4Check, ipv4Emit, ipv4Ttl } from '../wire/ipv4.ts';

const FRAME_BYTES = 60;
const STRIDE = HEADROOM + 64;
const FLOWS = 1000;
/** Time to live of the frames: so many hops they last. */
export const TTL = 255;

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
export class FramesPort implements Port {
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
    const { off, count } = batch;
    const order = this.#order;
    const at = this.#at;
    for (let k = 0; k < n; k++) off[count + k] = order[at + k];
    batch.len.fill(FRAME_BYTES, count, count + n);
    batch.port.fill(this.id, count, count + n);
    batch.offload.fill(0, count, count + n);
    this.#at += n;
    batch.addWritten(n);
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

export interface World {
  readonly gateway: InlineGateway;
  readonly slab: Slab;
  readonly left: FramesPort;
  readonly right: FramesPort;
}

/** The two ports of a world, at their ids. */
export const createFramesPorts = (): [FramesPort, FramesPort] => [
  new FramesPort(0, 'left', LEFT),
  new FramesPort(1, 'right', RIGHT),
];

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
export type Kind = keyof typeof CONFIG;

export function worldConfig(kind: Kind): Config {
  const { config, errors } = parseConfig(CONFIG[kind]);
  if (config === undefined) throw new Error(errors.map((e) => e.message).join('; '));
  return config;
}

/** The next hop has the MAC of the left interface, so that a rewritten frame can come in once more as it is. */
export function teachNextHop(dataplane: Dataplane): void {
  dataplane.originate((ctx) => setPermanentNeighbor(ctx, ifIndex(1), NEXT_HOP, MAC_HI, LEFT));
}

export function createWorld(kind: Kind): World {
  const config = worldConfig(kind);
  const [left, right] = createFramesPorts();
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
  if (kind === 'l3') teachNextHop(gateway.dataplane);
  return { gateway, slab, left, right };
}

/** Frames of one case, in the order in which they come, and how to make and check them. */
export class Frames {
  readonly order: Int32Array;
  readonly #world: { readonly slab: Slab };
  readonly #kind: Kind;

  constructor(world: { readonly slab: Slab }, kind: Kind, count: number, shuffled: boolean) {
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
export function teach({ gateway, slab, right }: World): void {
  const base = slab.reserve(FLOWS * STRIDE, 64);
  const order = Int32Array.from({ length: FLOWS }, (_, f) => base + f * STRIDE + HEADROOM);
  order.forEach((off, f) => {
    const at = ethernetEmit(slab.view, off, MAC_HI, SENDER, MAC_HI, FLOW + f, ETHERTYPE_IPV4);
    ipv4Emit(slab.view, at, FRAME_BYTES - 14, 0, 0, TTL, IPPROTO_UDP, ROUTES + f, SENDER_IP);
  });
  right.load(order);
  while (gateway.dataplane.round() > 0);
}
