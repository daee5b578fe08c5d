// A carrier: a data-plane worker beside the one that owns the neighbors. It sends the common packets of its own receive rings on
// by the fast path, and hands all others to the owner, as they came:
//
//   port.rx → carrier input ─┬─ fast path → interface-output → port.tx
//                            └─ handover → [the owner's ethernet-input and on]
//
// It decides nothing and learns nothing: it reads the FIB and the adjacencies, counts, and sends. A packet goes to the owner also
// because one of its flow is still there, or because packets are traced.

import { BATCH_RX, Batch } from '../base/batch.ts';
import type { Clock } from '../base/clock.ts';
import type { Slab } from '../base/slab.ts';
import type { Port } from '../ports/port.ts';
import { type Counters, TOTAL } from '../stats/counters.ts';
import { REASON } from '../stats/reasons.ts';
import { NO_IFACE } from './bridge.ts';
import { EventSink } from './events.ts';
import { Context, type GraphNode, NODES, type Tables } from './graph.ts';
import { createIp4FastPath } from './ip4-fast-path.ts';
import { createInterfaceOutput } from './nodes/interface-output.ts';
import { Trace } from './trace.ts';

/** The way to the owner, as ports/handover.ts has it. */
export interface HandoverSender {
  look(): boolean;
  mustFollow(batch: Batch, i: number): boolean;
  give(batch: Batch, i: number): boolean;
  publish(): void;
}

/** After so many packets of a batch that are not common the rest of it goes to the owner unseen. */
const MOST_RUNS = 4;

/** As many as the largest ring holds: under load there is always another one. */
const DISCARDED_BATCHES = 32;

export interface CarrierOptions {
  readonly slab: Slab;
  readonly clock: Clock;
  /** Interfaces of ports that this worker has not opened have an MTU of 0 here, so that no packet is common that leaves there. */
  readonly tables: Tables;
  readonly counters: Counters;
  /** The ports that this worker has opened, each at its id. */
  readonly ports: readonly (Port | undefined)[];
  /** The owner's trace, to see whether it is active. */
  readonly trace: Trace;
  readonly handover: HandoverSender;
}

export class Carrier {
  /** Time of the last batch, ms of the clock. */
  nowMs = 0;
  readonly #ports: readonly Port[];
  readonly #batch: Batch;
  readonly #context: Context;
  readonly #nodes: readonly GraphNode[];
  readonly #options: CarrierOptions;

  constructor(options: CarrierOptions) {
    const { slab, tables, counters, ports } = options;
    this.#options = options;
    this.#ports = ports.filter((p) => p !== undefined);
    this.#batch = new Batch(slab);
    const events = new EventSink(() => {});
    // Nodes that a carrier has not got get no packet, so none of them sees that there is no such port.
    this.#context = new Context(tables, counters, ports as readonly Port[], new Trace(), events, this.#batch);
    this.#nodes = createCarrierNodes(options.handover, options.trace);
  }

  /** Throws away what the rings got before they were shared with the owner's, which has got the same frames. */
  discard(): void {
    for (const port of this.#ports) {
      for (let batches = 0; batches < DISCARDED_BATCHES; batches++) {
        this.#batch.reset();
        if (port.rx(this.#batch, BATCH_RX) === 0) break;
        port.rxRelease();
      }
    }
  }

  /** One round: a batch of every port. Returns the packets received. */
  round(): number {
    let moved = 0;
    for (let p = 0; p < this.#ports.length; p++) moved += this.#drain(this.#ports[p]);
    if (moved > 0) this.#options.counters.totals[TOTAL.rounds]++;
    return moved;
  }

  #drain(port: Port): number {
    const { clock, counters, tables, handover } = this.#options;
    this.#batch.reset();
    const n = port.rx(this.#batch, BATCH_RX);
    if (n === 0) return 0;
    this.nowMs = clock.nowMs();
    this.#context.nowMs = this.nowMs;
    counters.totals[TOTAL.received] += n;
    tables.fib4.beginRound();
    this.#context.receive(n);
    this.#context.walk(this.#nodes);
    tables.fib4.idle();
    handover.publish(); // after what the carrier sends: the owner's packets cannot overtake it
    port.rxRelease();
    return n;
  }
}

function createCarrierNodes(handover: HandoverSender, trace: Trace): GraphNode[] {
  const fastPath = createIp4FastPath();
  const input: GraphNode = {
    name: 'ethernet-input',
    process(batch, idx, n, ctx) {
      let left = n;
      if (handover.look()) left = follow(batch, idx, 0, left, ctx, handover);
      for (let runs = 0; left > 0 && runs < MOST_RUNS && !trace.active; runs++) {
        left = fastPath(batch, idx, left, ctx);
        if (left === 0) return;
        giveOrDrop(batch, idx[0], ctx, handover);
        left = follow(batch, idx, 1, left, ctx, handover);
      }
      for (let k = 0; k < left; k++) giveOrDrop(batch, idx[k], ctx, handover);
    },
  };
  return NODES.map((name) => {
    if (name === 'ethernet-input') return input;
    return name === 'interface-output' ? createInterfaceOutput() : { name, process: notHere };
  });
}

/** Gives what has to follow packets that the owner has; the others of idx[from..n-1] go to its beginning. Returns how many. */
function follow(
  batch: Batch,
  idx: Uint16Array,
  from: number,
  n: number,
  ctx: Context,
  handover: HandoverSender,
): number {
  let others = 0;
  for (let k = from; k < n; k++) {
    if (handover.mustFollow(batch, idx[k])) giveOrDrop(batch, idx[k], ctx, handover);
    else idx[others++] = idx[k];
  }
  return others;
}

function giveOrDrop(batch: Batch, i: number, ctx: Context, handover: HandoverSender): void {
  if (handover.give(batch, i)) {
    ctx.counters.totals[TOTAL.queued]++; // until the owner takes it
    return;
  }
  batch.iface[i] = NO_IFACE; // not known yet
  ctx.drop(i, REASON['handover-full']);
}

function notHere(): void {
  throw new Error('assertion failed: a carrier hands over what is not common');
}
