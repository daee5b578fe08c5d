// What main and the data-plane workers share. Main makes it and owns what it writes; each worker gets the buffers and makes its
// own views of them. The tables that the data plane writes (FDB, neighbors) the first worker makes itself and hands back.

import type { Config } from '../config/config.ts';
import type { Trace } from '../dataplane/trace.ts';
import { Counters, sumCounters } from '../stats/counters.ts';
import { type AdjacencyShared, AdjacencyTable } from '../tables/adjacency-table.ts';
import { Epoch } from '../tables/epoch.ts';
import { Fib4, type Fib4Shared } from '../tables/fib4.ts';
import { NextHopTable } from '../tables/next-hop-table.ts';
import { VmTable } from '../tables/vm-table.ts';
import { PortBoard } from './port-board.ts';

/** Main's side: the writers. */
export class SharedTables {
  readonly epoch = new Epoch();
  readonly adjacencies: AdjacencyTable;
  readonly nextHops = new NextHopTable(this.epoch);
  readonly fib4 = new Fib4({ nextHops: this.nextHops, epoch: this.epoch });
  readonly trace: Trace;
  readonly vms: VmTable;
  readonly board: PortBoard;
  /** What each worker has counted. */
  readonly workerCounters: readonly Counters[];

  constructor(config: Config, trace: Trace) {
    const { workers } = config.gateway;
    this.trace = trace;
    this.adjacencies = new AdjacencyTable({ workers });
    this.workerCounters = Array.from({ length: workers }, () => new Counters());
    this.vms = new VmTable(2 ** Math.ceil(Math.log2(config.gateway.maxVms)));
    this.board = new PortBoard(config.ports.length, workers);
  }

  /** What all workers have counted. */
  get counters(): Counters {
    return sumCounters(this.workerCounters);
  }

  get buffers(): SharedBuffers {
    return {
      counters: this.workerCounters.map((c) => c.buffer),
      adjacencies: this.adjacencies.shared,
      fib4: this.fib4.shared,
      trace: this.trace.buffer,
      vms: this.vms.buffer,
      vmCapacity: this.vms.capacity,
      board: this.board.buffers,
      epoch: this.epoch.buffer,
    };
  }
}

/** What crosses to the data plane. */
export interface SharedBuffers {
  /** A block for each worker. */
  readonly counters: readonly SharedArrayBuffer[];
  readonly adjacencies: AdjacencyShared;
  readonly fib4: Fib4Shared;
  readonly trace: SharedArrayBuffer;
  readonly vms: SharedArrayBuffer;
  readonly vmCapacity: number;
  readonly board: readonly SharedArrayBuffer[];
  readonly epoch: SharedArrayBuffer;
}
