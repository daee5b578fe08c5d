// One carrier over the shared tables, wherever it runs: in its worker, or in the thread of a test.

import type { Clock } from '../base/clock.ts';
import type { Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import { Carrier, type HandoverSender } from '../dataplane/carrier.ts';
import { Trace } from '../dataplane/trace.ts';
import type { Port } from '../ports/port.ts';
import { Counters } from '../stats/counters.ts';
import { AdjacencyTable } from '../tables/adjacency-table.ts';
import { Fdb } from '../tables/fdb.ts';
import { Fib4Reader } from '../tables/fib4.ts';
import { NeighborTable } from '../tables/neighbor-table.ts';
import { VmTable } from '../tables/vm-table.ts';
import { adoptPortMacs, createLayout } from './layout.ts';
import type { SharedBuffers } from './shared.ts';

/** What the owner has made or found out, and carriers need. */
export interface OwnerShared {
  /** MACs of all ports, in the order of the config. */
  readonly ports: readonly { readonly macHi: number; readonly macLo: number }[];
  readonly fdb: SharedArrayBuffer;
  readonly neighbors: SharedArrayBuffer;
}

export interface CarrierHostOptions {
  readonly config: Config;
  readonly buffers: SharedBuffers;
  /** 1 and up; the owner is worker 0. */
  readonly worker: number;
  readonly owner: OwnerShared;
  readonly slab: Slab;
  readonly clock: Clock;
  /** The ports that this worker has opened, each at its id. */
  readonly ports: readonly (Port | undefined)[];
  readonly handover: HandoverSender;
}

export function createCarrierHost(options: CarrierHostOptions): Carrier {
  const { config, buffers, worker, owner, slab, clock, ports, handover } = options;
  const { interfaces, networks } = createLayout(config);
  adoptPortMacs(interfaces, owner.ports);
  for (let i = 0; i < interfaces.count; i++) {
    if (ports[interfaces.port[i]] === undefined) interfaces.mtu[i] = 0; // no packet is common that leaves there
  }
  return new Carrier({
    slab,
    clock,
    tables: {
      interfaces,
      networks,
      vms: new VmTable(buffers.vmCapacity, buffers.vms),
      adjacencies: new AdjacencyTable({ shared: buffers.adjacencies, worker }),
      fib4: new Fib4Reader(buffers.fib4),
      fdb: new Fdb(undefined, undefined, owner.fdb),
      neighbors: new NeighborTable({ shared: owner.neighbors }),
    },
    counters: new Counters(undefined, buffers.counters[worker]),
    ports,
    trace: new Trace({ shared: buffers.trace }),
    handover,
  });
}
