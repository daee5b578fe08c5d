// What main and the data plane share. Main makes it and owns what it writes; the data plane gets the buffers and makes its
// own views of them. The tables that the data plane writes (FDB, neighbors) it makes itself and hands back.

import type { Config } from '../config/config.ts';
import type { Trace } from '../dataplane/trace.ts';
import { Counters } from '../stats/counters.ts';
import { AdjacencyTable } from '../tables/adjacency-table.ts';
import { Epoch } from '../tables/epoch.ts';
import { Fib4, type Fib4Shared } from '../tables/fib4.ts';
import { NextHopTable } from '../tables/next-hop-table.ts';
import { VmTable } from '../tables/vm-table.ts';
import { PortBoard } from './port-board.ts';

/** Main's side: the writers. */
export class SharedTables {
  readonly epoch = new Epoch();
  readonly counters = new Counters();
  readonly adjacencies = new AdjacencyTable();
  readonly nextHops = new NextHopTable(this.epoch);
  readonly fib4 = new Fib4({ nextHops: this.nextHops, epoch: this.epoch });
  readonly trace: Trace;
  readonly vms: VmTable;
  readonly board: PortBoard;

  constructor(config: Config, trace: Trace) {
    this.trace = trace;
    this.vms = new VmTable(2 ** Math.ceil(Math.log2(config.gateway.maxVms)));
    this.board = new PortBoard(config.ports.length);
  }

  get buffers(): SharedBuffers {
    return {
      counters: this.counters.buffer,
      adjacencies: this.adjacencies.buffer,
      fib4: this.fib4.shared,
      trace: this.trace.buffer,
      vms: this.vms.buffer,
      vmCapacity: this.vms.capacity,
      board: this.board.buffer,
    };
  }
}

/** What crosses to the data plane. */
export interface SharedBuffers {
  readonly counters: SharedArrayBuffer;
  readonly adjacencies: SharedArrayBuffer;
  readonly fib4: Fib4Shared;
  readonly trace: SharedArrayBuffer;
  readonly vms: SharedArrayBuffer;
  readonly vmCapacity: number;
  readonly board: SharedArrayBuffer;
}
