// What a data-plane worker gets from main when it starts.

import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import type { HandoverShared } from '../ports/handover.ts';
import type { PortFacts } from './commands.ts';
import type { SharedBuffers } from './shared.ts';

interface AnyWorkerData {
  readonly config: Config;
  readonly buffers: SharedBuffers;
  readonly control: SharedArrayBuffer;
  /** eventfd that the worker sleeps on beside its ports. */
  readonly wakeFd: number;
}

/** Worker 0: the whole graph, the commands, and where there is no other worker everything. */
export interface OwnerData extends AnyWorkerData {
  readonly role: 'owner';
  readonly commands: MessagePort;
}

/** Any other worker: the fast path. It starts when the owner is ready. */
export interface CarrierData extends AnyWorkerData {
  readonly role: 'carrier';
  /** 1 and up. */
  readonly worker: number;
  readonly ports: readonly PortFacts[];
  readonly fdb: SharedArrayBuffer;
  readonly neighbors: SharedArrayBuffer;
  readonly handover: HandoverShared;
  readonly ownerWakeFd: number;
}

export type WorkerData = OwnerData | CarrierData;
