// One data plane over shared tables, wherever it runs: in its worker, or in main for replay and the in-process lab. Where
// there are several workers it is the owner's, which makes the rings by which the carriers hand packets over.

import type { Clock } from '../base/clock.ts';
import { adjIndex, ifIndex } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import { announceGateway, announceVm } from '../dataplane/announce.ts';
import { type DataplaneEvent, EventSink } from '../dataplane/events.ts';
import { Dataplane } from '../dataplane/graph.ts';
import { forgetNeighbor, resolveAdjacency } from '../dataplane/neighbor-resolution.ts';
import { createNodes } from '../dataplane/nodes.ts';
import { Trace } from '../dataplane/trace.ts';
import { createHandovers, type HandoverInlet } from '../ports/handover.ts';
import type { Port } from '../ports/port.ts';
import { Counters } from '../stats/counters.ts';
import { AdjacencyTable } from '../tables/adjacency-table.ts';
import { Epoch } from '../tables/epoch.ts';
import { Fdb } from '../tables/fdb.ts';
import { Fib4Reader } from '../tables/fib4.ts';
import { NeighborTable } from '../tables/neighbor-table.ts';
import { VmTable } from '../tables/vm-table.ts';
import type { DataplaneCommand } from './commands.ts';
import { adoptPortMacs, createLayout } from './layout.ts';
import type { SharedBuffers } from './shared.ts';

export interface DataplaneHostOptions {
  readonly config: Config;
  readonly buffers: SharedBuffers;
  readonly slab: Slab;
  readonly clock: Clock;
  readonly ports: readonly Port[];
  readonly emit: (event: DataplaneEvent) => void;
}

export interface DataplaneHost {
  readonly dataplane: Dataplane;
  readonly fdb: Fdb;
  readonly neighbors: NeighborTable;
  /** One for each carrier. */
  readonly handovers: readonly HandoverInlet[];
  apply(command: DataplaneCommand): void;
}

export function createDataplaneHost(options: DataplaneHostOptions): DataplaneHost {
  const { config, buffers, slab, clock, ports } = options;
  const { interfaces, networks } = createLayout(config);
  adoptPortMacs(interfaces, ports);
  const fdb = new Fdb();
  const neighbors = new NeighborTable({ slab });
  const carriers = buffers.counters.length - 1;
  const handovers = createHandovers(slab, carriers);
  const dataplane = new Dataplane({
    slab,
    clock,
    tables: {
      interfaces,
      networks,
      vms: new VmTable(buffers.vmCapacity, buffers.vms),
      adjacencies: new AdjacencyTable({
        shared: buffers.adjacencies,
        ...(carriers > 0 ? { epoch: new Epoch(buffers.epoch) } : {}),
      }),
      fib4: new Fib4Reader(buffers.fib4),
      fdb,
      neighbors,
    },
    counters: new Counters(undefined, buffers.counters[0]),
    ports,
    handovers,
    nodes: createNodes({ siteAddress: config.gateway.siteAddress ?? 0 }),
    trace: new Trace({ shared: buffers.trace, clock }),
    events: new EventSink(options.emit),
  });
  const apply = (command: DataplaneCommand): void => {
    dataplane.originate((ctx) => {
      switch (command.op) {
        case 'resolve':
          resolveAdjacency(ctx, adjIndex(command.adj));
          break;
        case 'forget-neighbor':
          forgetNeighbor(ctx, ifIndex(command.iface), command.ip);
          break;
        case 'announce-vm':
          announceVm(ctx, command.network, command.macHi, command.macLo, command.at);
          break;
        case 'announce-gateway':
          announceGateway(ctx, command.network, command.macHi, command.macLo, command.ip);
          break;
      }
    });
  };
  return { dataplane, fdb, neighbors, handovers, apply };
}
