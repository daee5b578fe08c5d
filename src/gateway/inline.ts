// A gateway in one thread on any clock: for replay and the in-process lab. The same control plane and the same data plane as
// the running gateway, without worker, BGP sessions and socket; the caller moves the clock and runs the rounds.

import type { Clock } from '../base/clock.ts';
import { Slab } from '../base/slab.ts';
import type { Config } from '../config/config.ts';
import type { Dataplane } from '../dataplane/graph.ts';
import type { Port } from '../ports/port.ts';
import type { Handlers } from './api.ts';
import { portFacts } from './commands.ts';
import { ControlPlane } from './control-plane.ts';
import { createDataplaneHost } from './dataplane-host.ts';
import { createHandlers } from './handlers.ts';
import { adoptPortMacs } from './layout.ts';
import { type Announcer, redistribute } from './redistribute.ts';

export interface InlineGatewayOptions {
  readonly config: Config;
  readonly clock: Clock;
  /** Opens the ports of the config, in its order, over this gateway's slab. */
  readonly openPorts: (slab: Slab) => readonly Port[];
  /** Gets what the config redistributes, as BGP would announce it. */
  readonly announcer?: Announcer;
}

export interface InlineGateway {
  readonly plane: ControlPlane;
  readonly dataplane: Dataplane;
  readonly handlers: Handlers;
  readonly ports: readonly Port[];
  /** Runs rounds until one finds nothing to do; returns how many packets moved. */
  settle(): number;
  close(): void;
}

/** Packets from one settling after which something must be going in circles. */
const SETTLE_LIMIT = 10_000_000;

export function createInlineGateway(options: InlineGatewayOptions): InlineGateway {
  const { clock } = options;
  const config = { ...options.config, gateway: { ...options.config.gateway, workers: 1 } };
  const plane = new ControlPlane(config, clock);
  const slab = new Slab(config.gateway.packetMemoryMiB << 20);
  const ports = options.openPorts(slab);
  const host = createDataplaneHost({
    config,
    buffers: plane.shared.buffers,
    slab,
    clock,
    ports,
    emit: (event) => plane.onEvent(event),
  });
  plane.fdb = host.fdb;
  plane.neighbors = host.neighbors;
  adoptPortMacs(plane.interfaces, ports);
  if (options.announcer) {
    redistribute(plane.rib, config.bgp?.redistribute ?? ['mobility'], options.announcer);
  }
  plane.start((command) => host.apply(command));
  const handlers = createHandlers(plane, {
    ports: ports.map(portFacts),
    bgp: undefined,
    socket: null,
    configFile: null,
    warnings: [],
  });
  return {
    plane,
    dataplane: host.dataplane,
    handlers,
    ports,
    settle() {
      let moved = 0;
      for (let n = host.dataplane.round(); n > 0; n = host.dataplane.round()) {
        moved += n;
        if (moved > SETTLE_LIMIT) throw new Error('packets go in circles between the ports');
      }
      plane.shared.board.publish(ports);
      return moved;
    },
    close() {
      for (const port of ports) port.close();
    },
  };
}
