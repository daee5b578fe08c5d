// Main's side of the data-plane workers: starts them, hears what they say, sends the owner commands, stops them all.
//
// The owner comes first: it opens the ports and makes the rings and groups that the carriers join. When one worker fails to
// start, all are stopped; when one dies later, the gateway is of no use any more.

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { NearhopError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { closeWakeFd, createWakeFd, createWaker } from '../ports/poll.ts';
import { Fdb } from '../tables/fdb.ts';
import { NeighborTable } from '../tables/neighbor-table.ts';
import {
  CONTROL,
  CONTROL_WORDS,
  type DataplaneCommand,
  type PortFacts,
  type WorkerMessage,
} from './commands.ts';
import type { ControlPlane } from './control-plane.ts';
import { startHostPumps } from './host-ports.ts';
import type { WorkerData } from './worker-data.ts';

export interface WorkersOptions {
  readonly log?: { warn(fields: object, message: string): void };
  /** A worker died: a bug. */
  readonly onFatal?: (error: Error) => void;
}

export interface RunningWorkers {
  /** What each port turned out to be, in the order of the config. */
  readonly ports: readonly PortFacts[];
  send(command: DataplaneCommand): void;
  stop(): Promise<void>;
}

type Ready = Extract<WorkerMessage, { kind: 'ready' | 'carrier-ready' }>;

/** The worker stands beside the bundle that this module is in: dist/, built by `npm run build`. */
const workerEntry = (): URL => new URL('./dataplane-worker.mjs', import.meta.url);

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 3000;

/** Starts the workers of a gateway. Throws what a port says when it cannot be opened; no worker is left then. */
export async function startWorkers(
  config: Config,
  plane: ControlPlane,
  options: WorkersOptions,
): Promise<RunningWorkers> {
  const control = new SharedArrayBuffer(CONTROL_WORDS * 4);
  const words = new Int32Array(control);
  const { port1: commands, port2: ownerCommands } = new MessageChannel();
  const threads: WorkerThread[] = [];
  let pumps: { close(): void } | undefined;
  let stopping = false;

  const stop = async (): Promise<void> => {
    stopping = true;
    Atomics.store(words, CONTROL.stop, 1);
    for (const thread of threads) thread.wake();
    const timer = setTimeout(() => {
      for (const thread of threads) thread.terminate();
    }, STOP_TIMEOUT_MS);
    await Promise.all(threads.map((t) => t.exited));
    clearTimeout(timer);
    pumps?.close();
    commands.close();
    for (const thread of threads) thread.close();
  };
  const start = (dataOf: (wakeFd: number) => WorkerData): WorkerThread => {
    const thread = new WorkerThread(dataOf, {
      startTimeoutMs: START_TIMEOUT_MS + longestWaitMs(config),
      onMessage: (message) => hear(message, plane, options),
      onDeath: (error) => {
        if (!stopping) options.onFatal?.(error);
      },
    });
    threads.push(thread);
    return thread;
  };

  try {
    const common = { config, buffers: plane.shared.buffers, control };
    const owner = start((wakeFd) => ({ ...common, wakeFd, role: 'owner', commands: ownerCommands }));
    const ready = (await owner.ready) as Extract<Ready, { kind: 'ready' }>;
    const { ports, fdb, neighbors } = ready;
    plane.fdb = new Fdb(undefined, undefined, fdb);
    plane.neighbors = new NeighborTable({ shared: neighbors });
    const carriers = ready.handovers.map((handover, k) =>
      start((wakeFd) => ({
        ...{ ...common, wakeFd, role: 'carrier', worker: k + 1, ownerWakeFd: owner.wakeFd },
        ...{ ports, fdb, neighbors, handover },
      })),
    );
    await Promise.all(carriers.map((c) => c.ready));
    pumps = await startHostPumps(config, ports);
    const send = (command: DataplaneCommand): void => {
      commands.postMessage(command);
      if (Atomics.exchange(words, CONTROL.commands, 1) === 0) owner.wake();
    };
    return { ports, send, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a worker that runs tells main. */
function hear(message: WorkerMessage, plane: ControlPlane, options: WorkersOptions): void {
  if (message.kind === 'event') plane.onEvent(message.event);
  else if (message.kind === 'link') plane.onLink(message.port, message.up);
  else if (message.kind === 'port-failed') {
    const text = `port ${message.port} has stopped: ${message.message}`;
    plane.events.add({ kind: 'port-failed', source: 'gateway', text });
    options.log?.warn({ port: message.port }, text);
  }
}

class WorkerThread {
  readonly wakeFd = createWakeFd();
  readonly wake = createWaker(this.wakeFd);
  /** Rejects with what the worker says when it cannot start. */
  readonly ready: Promise<Ready>;
  readonly exited: Promise<void>;
  readonly #worker: Worker;

  constructor(
    dataOf: (wakeFd: number) => WorkerData,
    on: {
      readonly startTimeoutMs: number;
      readonly onMessage: (message: WorkerMessage) => void;
      /** It died after it was ready. */
      readonly onDeath: (error: Error) => void;
    },
  ) {
    const data = dataOf(this.wakeFd);
    const transferList: MessagePort[] = data.role === 'owner' ? [data.commands] : [];
    const worker = new Worker(workerEntry(), { workerData: data, transferList });
    this.#worker = worker;
    this.exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      let ready = false;
      const timer = setTimeout(() => {
        reject(
          new NearhopError(
            'dataplane-start-timeout',
            `the data plane did not start within ${on.startTimeoutMs} ms`,
          ),
        );
      }, on.startTimeoutMs);
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'failed') {
          clearTimeout(timer);
          reject(new NearhopError(message.code, message.message, message.hint ? { hint: message.hint } : {}));
        } else if (message.kind === 'ready' || message.kind === 'carrier-ready') {
          clearTimeout(timer);
          ready = true;
          resolve(message);
        } else on.onMessage(message);
      });
      worker.once('error', (error) => {
        clearTimeout(timer);
        if (ready) on.onDeath(error as Error);
        else reject(error);
      });
    });
    this.ready.catch(() => {}); // several may fail, and one is waited for
  }

  terminate(): void {
    void this.#worker.terminate();
  }

  /** Gives the eventfd back; the worker has exited. */
  close(): void {
    closeWakeFd(this.wakeFd);
  }
}

/** The longest time that a port may wait for its device, ms. */
const longestWaitMs = (config: Config): number =>
  config.ports.reduce((max, p) => Math.max(max, 'waitSeconds' in p ? p.waitSeconds * 1000 : 0), 0);
