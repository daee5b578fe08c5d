// An owner and a carrier in one thread, over the tables of one control plane: each has a slab and memory ports of its own, and
// runs when the test says so. What leaves by either is kept in the order in which it left.

import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { compileTraceFilter } from '../../src/dataplane/trace-filter.ts';
import { createCarrierHost } from '../../src/gateway/carrier-host.ts';
import { ControlPlane } from '../../src/gateway/control-plane.ts';
import { createDataplaneHost } from '../../src/gateway/dataplane-host.ts';
import { adoptPortMacs } from '../../src/gateway/layout.ts';
import { Handover } from '../../src/ports/handover.ts';
import { createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import { Counters, TOTAL, type TotalName } from '../../src/stats/counters.ts';
import { REASONS } from '../../src/stats/reasons.ts';
import { host } from '../golden/frames.ts';
import { configOf } from './inline-site.ts';

export const left = host('left', '02:00:00:00:01:01', '198.18.0.1');
export const right = host('right', '02:00:00:00:02:01', '198.18.1.1');
export const sender = host('sender', '02:00:00:00:01:02', '198.18.0.2');
export const router = host('router', '02:00:00:00:02:02', '198.18.1.2');
export const server = host('server', '02:00:00:00:03:02', '198.19.0.1');

const CONFIG = `gateway: { name: pair, packetMemoryMiB: 64, workers: 2 }
ports:
  - { name: left, kind: memory, mac: "02:00:00:00:01:01" }
  - { name: right, kind: memory, mac: "02:00:00:00:02:01" }
  - { name: third, kind: memory, mac: "02:00:00:00:04:01" }
interfaces:
  - { name: left, port: left, address: 198.18.0.1/24 }
  - { name: right, port: right, address: 198.18.1.1/24 }
  - { name: third, port: third, address: 198.18.2.1/24 }
routes:
  - { prefix: 198.19.0.0/16, via: 198.18.1.2 }
  - { prefix: 198.51.100.0/24, via: 198.18.2.2 }
`;

/** A frame that left. */
export interface Sent {
  readonly by: 'owner' | 'carrier';
  readonly port: string;
  readonly bytes: Uint8Array;
  readonly offload: number;
}

export class TwoWorkers {
  readonly clock = new VirtualClock(1_000_000);
  readonly plane = new ControlPlane(configOf(CONFIG), this.clock);
  /** All that left and nobody has taken. */
  readonly sent: Sent[] = [];
  /** Called within the owner's round, before a frame of it leaves. */
  meanwhile = (): void => {};
  /** How often the owner was woken. */
  wakes = 0;
  readonly #owner;
  readonly #carrier;
  readonly #ownerPorts: MemoryPort[];
  readonly #carrierPorts: MemoryPort[];

  constructor(slots = 256) {
    const { plane, clock } = this;
    const { config } = plane;
    const { buffers } = plane.shared;
    const ports = (by: Sent['by'], slab: Slab, count: number): MemoryPort[] =>
      config.ports.slice(0, count).map(({ name, mac }, id) => {
        const macs = { macHi: mac?.hi ?? 0, macLo: mac?.lo ?? 0 };
        const port = createMemoryPort({ id: portId(id), name, ...macs, offload: true, slots }, slab);
        port.connect((u8, _view, off, len, offload) => {
          if (by === 'owner') this.meanwhile();
          this.sent.push({ by, port: name, bytes: u8.slice(off, off + len), offload });
          return true;
        });
        return port;
      });
    const slab = new Slab(96 << 20);
    this.#ownerPorts = ports('owner', slab, 3);
    this.#owner = createDataplaneHost({ config, buffers, slab, clock, ports: this.#ownerPorts, emit() {} });
    plane.fdb = this.#owner.fdb;
    plane.neighbors = this.#owner.neighbors;
    adoptPortMacs(plane.interfaces, this.#ownerPorts);
    const own = new Slab(128 << 20);
    this.#carrierPorts = ports('carrier', own, 2); // the third port cannot be split
    this.#carrier = createCarrierHost({
      ...{ config, buffers, clock, worker: 1, slab: own, ports: this.#carrierPorts },
      owner: {
        ports: this.#ownerPorts,
        fdb: this.#owner.fdb.buffer,
        neighbors: this.#owner.neighbors.buffer,
      },
      handover: new Handover(this.#owner.handovers[0].shared, () => {
        this.wakes++;
      }),
    });
    plane.start((command) => this.#owner.apply(command));
    this.sent.length = 0; // ARP for the next hops
  }

  /** A frame waits at a worker's share of a port; with `vnet` as its virtio header where `offload` says that there is one. */
  inject(at: Sent['by'], port: string, frame: Uint8Array, offload = 0, vnet = new Uint8Array(10)): void {
    const ports = at === 'owner' ? this.#ownerPorts : this.#carrierPorts;
    const whole = new Uint8Array(10 + frame.length);
    whole.set(vnet);
    whole.set(frame, 10);
    const p = ports.find(({ name }) => name === port) as MemoryPort;
    p.inject(whole, new DataView(whole.buffer), 10, frame.length, offload);
  }

  runOwner(): number {
    return this.#owner.dataplane.round();
  }

  runCarrier(): number {
    return this.#carrier.round();
  }

  /** Both, until neither finds anything. */
  settle(): void {
    while (this.runCarrier() + this.runOwner() > 0);
  }

  wait(ms: number): void {
    this.clock.advanceTo(this.clock.nowMs() + ms);
  }

  /** Whether the owner may sleep. */
  armed(): boolean {
    return this.#owner.handovers[0].arm();
  }

  /** Main tells the owner to forget the router's MAC. */
  forget(): void {
    this.#owner.apply({ op: 'forget-neighbor', iface: 1, ip: router.ip });
  }

  trace(on: boolean): void {
    const { trace } = this.plane.shared;
    compileTraceFilter(trace.filter, {});
    if (on) trace.start(1 << 30);
    else trace.stop();
  }

  /** Takes all that left. */
  taken(): Sent[] {
    return this.sent.splice(0);
  }

  counted(worker: 0 | 1): {
    totals: Record<TotalName, number>;
    reasons: Record<string, number>;
    imbalance: number;
  } {
    return counted(new Counters(undefined, this.plane.shared.buffers.counters[worker]));
  }

  all(): ReturnType<typeof counted> {
    return counted(this.plane.shared.counters);
  }
}

function counted(counters: Counters) {
  return {
    totals: Object.fromEntries(
      Object.entries(TOTAL).map(([name, i]) => [name, counters.totals[i]]),
    ) as Record<TotalName, number>,
    reasons: Object.fromEntries(
      REASONS.map((r) => [r.name, counters.reasons[r.index]] as const).filter(([, n]) => n > 0),
    ) as Record<string, number>,
    imbalance: counters.imbalance(),
  };
}
