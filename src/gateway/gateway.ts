// A running gateway: the data plane in a worker of its own, the control plane and BGP in main, the control socket beside.
//
// Start: tables → worker opens the ports and says ready → routes and VMs of the config → BGP → control socket.
// Stop, in the opposite order: no new requests, BGP says goodbye, the worker ends its round and closes its ports.

import { MessageChannel, Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { closeWakeFd, createWakeFd, createWaker } from '../ports/poll.ts';
import { Fdb } from '../tables/fdb.ts';
import { NeighborTable } from '../tables/neighbor-table.ts';
import type { Handlers } from './api.ts';
import { createGatewayBgp, redistribute } from './bgp.ts';
import {
  CONTROL,
  CONTROL_WORDS,
  type DataplaneCommand,
  type PortFacts,
  type WorkerMessage,
} from './commands.ts';
import { ControlPlane } from './control-plane.ts';
import { openControlSocket } from './control-socket.ts';
import { createHandlers } from './handlers.ts';
import { startHostPumps } from './host-ports.ts';
import { adoptPortMacs } from './layout.ts';
import type { WorkerData } from './worker.ts';

export interface GatewayOptions {
  /** Path of the control socket; absent = none. */
  readonly socketPath?: string;
  /** File that the config was read from, for `status`. */
  readonly configFile?: string;
  /** Warnings about the config, for `status`. */
  readonly warnings?: readonly string[];
  readonly log?: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** The data plane died: a bug. The gateway is of no use any more. */
  readonly onFatal?: (error: Error) => void;
}

export interface Gateway {
  readonly handlers: Handlers;
  /** What each port turned out to be, in the order of the config. */
  readonly ports: readonly PortFacts[];
  /** Ends everything; idempotent. */
  stop(): Promise<void>;
}

/** The worker stands beside the bundle that this module is in: dist/, built by `npm run build`. */
const workerEntry = (): URL => new URL('./dataplane-worker.mjs', import.meta.url);

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 3000;

/** Starts a gateway. Throws what a port says when it cannot be opened, and `control-socket…` or `bgp-listen-failed`. */
export async function startGateway(config: Config, options: GatewayOptions = {}): Promise<Gateway> {
  const clock = systemClock;
  const plane = new ControlPlane(config, clock);
  const worker = await startWorker(config, plane, options);
  const closers: (() => Promise<void> | void)[] = [() => worker.stop()];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      for (const close of closers.reverse()) await close();
    })();
    return stopped;
  };

  try {
    adoptPortMacs(plane.interfaces, worker.ports);
    const bgp = createGatewayBgp(config, plane.rib, plane.events, options.log);
    if (bgp && config.bgp) {
      redistribute(plane.rib, config.bgp.redistribute, {
        announce: (prefix, len) => bgp.announce({ prefix, len }),
        withdraw: (prefix, len) => bgp.withdraw(prefix, len),
      });
    }
    plane.start(worker.send);
    if (bgp) {
      await bgp.start();
      closers.push(() => bgp.stop());
    }
    const handlers = createHandlers(plane, {
      ports: worker.ports,
      bgp,
      socket: options.socketPath ?? null,
      configFile: options.configFile ?? null,
      warnings: options.warnings ?? [],
    });
    if (options.socketPath !== undefined) {
      const server = await openControlSocket({
        path: options.socketPath,
        handlers,
        onBug: (error) => options.onFatal?.(error instanceof Error ? error : new Error(String(error))),
      });
      closers.push(() => server.close());
    }
    plane.events.add({ kind: 'started', source: 'gateway', text: `gateway ${config.gateway.name} is up` });
    return { handlers, ports: worker.ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface RunningWorker {
  readonly ports: readonly PortFacts[];
  send(command: DataplaneCommand): void;
  stop(): Promise<void>;
}

async function startWorker(
  config: Config,
  plane: ControlPlane,
  options: GatewayOptions,
): Promise<RunningWorker> {
  const control = new SharedArrayBuffer(CONTROL_WORDS * 4);
  const words = new Int32Array(control);
  const wakeFd = createWakeFd();
  const wake = createWaker(wakeFd);
  const { port1: commands, port2: workerCommands } = new MessageChannel();
  let pumps: { close(): void } | undefined;
  const data: WorkerData = {
    config,
    buffers: plane.shared.buffers,
    control,
    commands: workerCommands,
    wakeFd,
  };
  const worker = new Worker(workerEntry(), { workerData: data, transferList: [workerCommands] });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let ready = false;
  let stopping = false;

  const stop = async (): Promise<void> => {
    stopping = true;
    Atomics.store(words, CONTROL.stop, 1);
    wake();
    const timer = setTimeout(() => void worker.terminate(), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    pumps?.close();
    commands.close();
    closeWakeFd(wakeFd);
  };

  const ports = await new Promise<readonly PortFacts[]>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new NearhopError(
          'dataplane-start-timeout',
          `the data plane did not start within ${START_TIMEOUT_MS} ms`,
        ),
      );
    }, START_TIMEOUT_MS + longestWaitMs(config));
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'event') plane.onEvent(message.event);
      else if (message.kind === 'link') plane.onLink(message.port, message.up);
      else if (message.kind === 'port-failed') {
        const text = `port ${message.port} has stopped: ${message.message}`;
        plane.events.add({ kind: 'port-failed', source: 'gateway', text });
        options.log?.warn({ port: message.port }, text);
      } else if (message.kind === 'failed') {
        clearTimeout(timer);
        reject(new NearhopError(message.code, message.message, message.hint ? { hint: message.hint } : {}));
      } else {
        clearTimeout(timer);
        ready = true;
        plane.fdb = new Fdb(undefined, undefined, message.fdb);
        plane.neighbors = new NeighborTable({ shared: message.neighbors });
        resolve(message.ports);
      }
    });
    worker.once('error', (error) => {
      clearTimeout(timer);
      if (ready && !stopping) options.onFatal?.(error as Error);
      reject(error);
    });
  }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  try {
    pumps = await startHostPumps(config, ports);
  } catch (error) {
    await stop();
    throw error;
  }
  const send = (command: DataplaneCommand): void => {
    commands.postMessage(command);
    if (Atomics.exchange(words, CONTROL.commands, 1) === 0) wake();
  };
  return { ports, send, stop };
}

/** The longest time that a port may wait for its device, ms. */
const longestWaitMs = (config: Config): number =>
  config.ports.reduce((max, p) => Math.max(max, 'waitSeconds' in p ? p.waitSeconds * 1000 : 0), 0);
