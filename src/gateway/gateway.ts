// A running gateway: the data plane in workers of its own, the control plane and BGP in main, the control socket beside.
//
// Start: tables → workers open the ports and say ready → routes and VMs of the config → BGP → control socket.
// Stop, in the opposite order: no new requests, BGP says goodbye, the workers end their round and close their ports.

import { systemClock } from '../base/clock.ts';
import type { Config } from '../config/config.ts';
import type { Handlers } from './api.ts';
import { createGatewayBgp } from './bgp.ts';
import type { PortFacts } from './commands.ts';
import { ControlPlane } from './control-plane.ts';
import { openControlSocket } from './control-socket.ts';
import { createHandlers } from './handlers.ts';
import { adoptPortMacs } from './layout.ts';
import { redistribute } from './redistribute.ts';
import { startWorkers } from './workers.ts';

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

/** Starts a gateway. Throws what a port says when it cannot be opened, and `control-socket…` or `bgp-listen-failed`. */
export async function startGateway(config: Config, options: GatewayOptions = {}): Promise<Gateway> {
  const clock = systemClock;
  const plane = new ControlPlane(config, clock);
  const dataplane = await startWorkers(config, plane, options);
  const closers: (() => Promise<void> | void)[] = [() => dataplane.stop()];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      for (const close of closers.reverse()) await close();
    })();
    return stopped;
  };

  try {
    adoptPortMacs(plane.interfaces, dataplane.ports);
    const bgp = createGatewayBgp(plane, options.log);
    if (bgp && config.bgp) {
      redistribute(plane.rib, config.bgp.redistribute, {
        announce: (prefix, len) => bgp.announce({ prefix, len }),
        withdraw: (prefix, len) => bgp.withdraw(prefix, len),
      });
    }
    plane.start(dataplane.send);
    if (bgp) {
      await bgp.start();
      closers.push(() => bgp.stop());
    }
    const handlers = createHandlers(plane, {
      ports: dataplane.ports,
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
    return { handlers, ports: dataplane.ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
