// The data plane: a fixed list of nodes over one batch. A packet's way through it, in the order of NODES below:
//
//   port.rx → ethernet-input ─┬─ bridged: l2-guard → l2-learn → arp-filter ┐
//                             │                               l2-classify ┼→ l2-forward / l2-flood ┐
//                             └─ routed: arp-input, ip4-input ←───────────┘                        │
//                                ip4-input → ip4-lookup → ip4-local │ ip4-neighbor │ ip4-rewrite ──┤
//                                                                   icmp4-error                     ↓
//                                                                                   interface-output → port.tx
//
// The common routed packet goes from ethernet-input to interface-output at once (ip4-fast-path.ts).
//
// Each node gets the slots that earlier nodes pushed to it, as one vector, once a round. Pushes go only to later nodes, so a
// round ends after one walk over the list. What the gateway itself makes (ARP, echo replies, ICMP errors, frames that waited
// for a neighbor) starts with `originate`, and is carried by a second walk; such a packet never causes another one, so
// there is no third.

import { BATCH_RX, BATCH_SLOTS, Batch } from '../base/batch.ts';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { IfIndex } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import type { Inlet, Port } from '../ports/port.ts';
import { type Counters, IF_COUNTER, IF_COUNTER_STRIDE, TOTAL } from '../stats/counters.ts';
import { REASON, REASONS } from '../stats/reasons.ts';
import type { AdjacencyTable } from '../tables/adjacency-table.ts';
import type { Fdb } from '../tables/fdb.ts';
import type { Fib4Reader } from '../tables/fib4.ts';
import type { InterfaceTable } from '../tables/interface-table.ts';
import type { NeighborTable } from '../tables/neighbor-table.ts';
import type { NetworkTable } from '../tables/network-table.ts';
import type { VmTable } from '../tables/vm-table.ts';
import type { EventSink } from './events.ts';
import type { Trace } from './trace.ts';

/** Nodes in the order in which a round visits them. */
export const NODES = [
  'ethernet-input',
  'l2-guard',
  'l2-learn',
  'arp-filter',
  'l2-classify',
  'arp-input',
  'ip4-input',
  'ip4-lookup',
  'ip4-local',
  'ip4-neighbor',
  'icmp4-error',
  'ip4-rewrite',
  'l2-forward',
  'l2-flood',
  'interface-output',
  'drop',
] as const;
export type NodeName = (typeof NODES)[number];
export const NODE = Object.freeze(
  Object.fromEntries(NODES.map((n, i) => [n, i])) as Record<NodeName, number>,
);

/** A node classifies its packets and pushes each to a later node, or ends it with a reason. */
export interface GraphNode {
  readonly name: NodeName;
  process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void;
  /** Called about every 10 ms of the clock, between rounds: ageing, retries. May originate packets. */
  tick?(nowMs: number, ctx: Context): void;
}

/** The tables that the nodes read and write. */
export interface Tables {
  readonly interfaces: InterfaceTable;
  readonly networks: NetworkTable;
  readonly vms: VmTable;
  readonly adjacencies: AdjacencyTable;
  readonly fib4: Fib4Reader;
  readonly fdb: Fdb;
  readonly neighbors: NeighborTable;
}

/** Packets that are at the beginning of a vector, all leave by one interface, fit its port and are nothing but their bytes. */
export interface CommonPackets {
  /** 0 when nothing is known. */
  packets: number;
  /** Of their frames. */
  bytes: number;
}

/** What a node sees of the data plane that it runs in. */
export class Context {
  readonly tables: Tables;
  readonly counters: Counters;
  readonly ports: readonly Port[];
  readonly trace: Trace;
  readonly events: EventSink;
  /** Time of this round, ms of the clock. */
  nowMs = 0;
  readonly batch: Batch;
  /** What the fast path says of interface-output's vector, so that nobody has to look at each packet again. */
  readonly common: CommonPackets = { packets: 0, bytes: 0 };

  /** In the slab, for the loops in WebAssembly. */
  readonly #vectors: Uint16Array[];
  readonly #counts = new Int32Array(NODES.length);
  readonly #next: { vectors: Uint16Array[]; counts: Int32Array } = {
    vectors: NODES.map(() => new Uint16Array(BATCH_SLOTS)),
    counts: new Int32Array(NODES.length),
  };
  /** Node being processed, -1 between walks; pushes must go beyond it. */
  #at = -1;

  constructor(
    tables: Tables,
    counters: Counters,
    ports: readonly Port[],
    trace: Trace,
    events: EventSink,
    batch: Batch,
  ) {
    this.tables = tables;
    this.counters = counters;
    this.ports = ports;
    this.trace = trace;
    this.events = events;
    this.batch = batch;
    const { slab } = batch;
    this.#vectors = NODES.map(() => new Uint16Array(slab.buffer, slab.reserve(BATCH_SLOTS * 2), BATCH_SLOTS));
  }

  /** Starts a walk with slots 0..n-1 at the first node. */
  receive(n: number): void {
    const vector = this.#vectors[0];
    for (let i = 0; i < n; i++) vector[i] = i;
    this.#counts[0] = n;
    if (!this.trace.active) return;
    for (let i = 0; i < n; i++) {
      this.trace.consider(this.batch, i);
      if (this.batch.trace[i] >= 0) this.trace.step(this.batch, i, this.#at, 0);
    }
  }

  /** Sends slot `i` on to a later node of this walk. */
  push(node: number, i: number): void {
    if (node <= this.#at) assert(false, `push from ${NODES[this.#at]} back to ${NODES[node]}`);
    this.#vectors[node][this.#counts[node]++] = i;
    if (this.batch.trace[i] >= 0) this.trace.step(this.batch, i, this.#at, node);
  }

  /** The vector of a later node, for a loop that adds slots that nobody traces behind its first `pending(node)` itself. */
  vector(node: number): Uint16Array {
    return this.#vectors[node];
  }

  /** How many slots wait for a node. */
  pending(node: number): number {
    return this.#counts[node];
  }

  /** Says that the vector of `node` holds `n` slots now. */
  extend(node: number, n: number): void {
    this.#counts[node] = n;
  }

  /**
   * Hands a packet that the gateway made (`batch.alloc`) to `node` of the second walk, and counts it as originated.
   * From `tick` it is carried by the round that follows at once.
   */
  originate(node: number, i: number): void {
    this.counters.totals[TOTAL.originated]++;
    this.requeue(node, i);
  }

  /** As `originate`, for a packet that is already counted: one that waited in a queue. */
  requeue(node: number, i: number): void {
    this.#next.vectors[node][this.#next.counts[node]++] = i;
  }

  /** Ends slot `i`: counts the reason, the total that its class belongs to, and a drop of the interface that it came by. */
  drop(i: number, reason: number): void {
    if (REASONS[reason].cls !== 'consume') {
      this.counters.ifaces[this.batch.iface[i] * IF_COUNTER_STRIDE + IF_COUNTER.rxDrops]++;
    }
    this.#end(i, reason);
  }

  /** As `drop`, of the interface by which slot `i` was to leave. */
  dropEgress(i: number, reason: number): void {
    this.counters.ifaces[this.batch.outIface[i] * IF_COUNTER_STRIDE + IF_COUNTER.txDrops]++;
    this.#end(i, reason);
  }

  #end(i: number, reason: number): void {
    this.batch.reason[i] = reason;
    this.batch.marked = true;
    this.counters.reasons[reason]++;
    this.counters.totals[REASONS[reason].cls === 'consume' ? TOTAL.consumed : TOTAL.dropped]++;
    if (this.batch.trace[i] >= 0) this.trace.end(this.batch, i, this.#at, reason);
  }

  /** Counts a copy, fragment or segment that was due and could not be made: the batch has no room. */
  unmade(): void {
    this.counters.totals[TOTAL.replicated]++;
    this.counters.totals[TOTAL.dropped]++;
    this.counters.reasons[REASON['no-buffer']]++;
  }

  /** The gateway wanted to make a packet and the batch had no room: counted as originated and dropped. */
  notMade(): void {
    this.counters.totals[TOTAL.originated]++;
    this.counters.totals[TOTAL.dropped]++;
    this.counters.reasons[REASON['no-buffer']]++;
  }

  /** Counts something about slot `i`, which goes on. */
  note(i: number, reason: number): void {
    this.counters.reasons[reason]++;
    if (this.batch.trace[i] >= 0) this.trace.note(this.batch, i, this.#at, reason);
  }

  /** One walk over the nodes. */
  walk(nodes: readonly GraphNode[]): void {
    for (let n = 0; n < nodes.length; n++) {
      const count = this.#counts[n];
      if (count === 0) continue;
      this.#at = n;
      this.#counts[n] = 0;
      nodes[n].process(this.batch, this.#vectors[n], count, this);
    }
    this.#at = -1;
  }

  /** Makes what `originate` and `requeue` collected the input of the next walk; returns whether there is any. */
  takeOriginated(): boolean {
    let any = false;
    for (let n = 0; n < NODES.length; n++) {
      const count = this.#next.counts[n];
      if (count === 0) continue;
      any = true;
      this.#vectors[n].set(this.#next.vectors[n].subarray(0, count), this.#counts[n]);
      this.#counts[n] += count;
      this.#next.counts[n] = 0;
    }
    return any;
  }
}

const TICK_MS = 10;

export class Dataplane {
  readonly context: Context;
  readonly #nodes: readonly GraphNode[];
  readonly #ports: readonly Port[];
  readonly #handovers: readonly Inlet[];
  readonly #batch: Batch;
  readonly #clock: Clock;
  readonly #counters: Counters;
  #nextTickMs = 0;

  constructor(options: {
    slab: Slab;
    clock: Clock;
    tables: Tables;
    counters: Counters;
    ports: readonly Port[];
    /** What other workers hand over. */
    handovers?: readonly Inlet[];
    nodes: readonly GraphNode[];
    trace: Trace;
    events: EventSink;
  }) {
    const { slab, clock, tables, counters, ports, handovers = [], nodes, trace, events } = options;
    assert(
      nodes.length === NODES.length && nodes.every((n, i) => n.name === NODES[i]),
      'nodes stand in the order of NODES',
    );
    ports.forEach((p, i) => {
      assert(p.id === i, `port ${p.name} stands at its id`);
    });
    this.#batch = new Batch(slab);
    this.#clock = clock;
    this.#ports = ports;
    this.#handovers = handovers;
    this.#nodes = nodes;
    this.#counters = counters;
    this.context = new Context(tables, counters, ports, trace, events, this.#batch);
  }

  /**
   * One round: asks every port for one batch and carries each batch to its end. Returns the packets received and made,
   * so 0 says that there was nothing to do. Frames never outlive the round.
   */
  round(): number {
    return this.tickIfDue() + this.poll();
  }

  /** As `round`, without the timers and so without a look at the clock while nothing comes. */
  poll(): number {
    let moved = 0;
    for (let p = 0; p < this.#ports.length; p++) moved += this.drain(p);
    for (let h = 0; h < this.#handovers.length; h++) moved += this.#drainHandover(this.#handovers[h]);
    if (moved > 0) this.#counters.totals[TOTAL.rounds]++;
    return moved;
  }

  /** Takes one batch from one port and carries it to its end; returns how many packets the port had. */
  drain(port: number): number {
    const p = this.#ports[port];
    this.#batch.reset();
    const n = p.rx(this.#batch, BATCH_RX);
    if (n === 0) return 0;
    const ctx = this.context;
    ctx.nowMs = this.#clock.nowMs();
    this.#counters.totals[TOTAL.received] += n;
    ctx.receive(n);
    this.#carry();
    p.rxRelease();
    return n;
  }

  /** As `drain`, of packets that another worker has received and counted. */
  #drainHandover(handover: Inlet): number {
    this.#batch.reset();
    const n = handover.rx(this.#batch, BATCH_RX);
    if (n === 0) return 0;
    const ctx = this.context;
    ctx.nowMs = this.#clock.nowMs();
    this.#counters.totals[TOTAL.queued] -= n;
    ctx.receive(n);
    this.#carry();
    handover.rxRelease();
    return n;
  }

  /**
   * Runs `make` with an empty batch, so that it can originate packets, and carries them. For what does not start with a
   * received frame: announcements of the control plane. Returns how many packets the batch held.
   */
  originate(make: (ctx: Context) => void): number {
    this.#batch.reset();
    this.context.nowMs = this.#clock.nowMs();
    make(this.context);
    const made = this.#batch.count;
    this.#carry();
    return made;
  }

  /** Runs the nodes' timers when they are due. Returns how many packets they made. */
  tickIfDue(): number {
    const now = this.#clock.nowMs();
    if (now < this.#nextTickMs) return 0;
    this.#nextTickMs = now + TICK_MS;
    return this.originate((ctx) => {
      for (const node of this.#nodes) node.tick?.(now, ctx);
    });
  }

  /** When the next tick is due, ms of the clock. */
  get nextTickMs(): number {
    return this.#nextTickMs;
  }

  #carry(): void {
    const { fib4 } = this.context.tables;
    fib4.beginRound(); // what a lookup answers is held until the batch has come to its end
    this.context.walk(this.#nodes);
    if (this.context.takeOriginated()) this.context.walk(this.#nodes);
    assert(!this.context.takeOriginated(), 'an originated packet caused another one');
    this.context.tables.adjacencies.settle();
    this.context.trace.commit();
    fib4.idle();
  }
}

/** Adds a packet to an interface's receive counters. */
export function countRx(counters: Counters, iface: IfIndex | number, bytes: number): void {
  const row = iface * IF_COUNTER_STRIDE;
  counters.ifaces[row + IF_COUNTER.rxPackets]++;
  counters.ifaces[row + IF_COUNTER.rxBytes] += bytes;
}

/** The port of an interface that is up, when it sends frames as they are: with their Ethernet header, and without a tag. */
export function plainPort(ctx: Context, out: number): Port | undefined {
  const { interfaces } = ctx.tables;
  const port = ctx.ports[interfaces.port[out]];
  if (port === undefined || interfaces.up[out] === 0) return undefined;
  return port.l3Only || interfaces.vlan[out] !== 0 ? undefined : port;
}
