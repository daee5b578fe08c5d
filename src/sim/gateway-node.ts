// The gateway as a node of the in-process lab: the real control plane and data plane in this thread, with a memory port for
// each port of its config, on cables. What arrives at one instant is one round; timers run every 10 ms of virtual time.

import { portId } from '../base/ids.ts';
import type { Timers } from '../base/timers.ts';
import type { Config } from '../config/config.ts';
import { createInlineGateway, type InlineGateway } from '../gateway/inline.ts';
import { madeMac } from '../gateway/made-mac.ts';
import type { Announcer } from '../gateway/redistribute.ts';
import { createMemoryPort } from '../ports/memory.ts';
import { viewOf } from './frames.ts';
import type { LinkEnd } from './link.ts';

const TICK_MS = 10;
/** Frames that can wait at a port: those of one instant. */
const SLOTS = 256;

export interface GatewayNodeOptions {
  readonly config: Config;
  readonly timers: Timers;
  /** Cable of each port; a tunnel's carries the inner frames. */
  readonly cables: ReadonlyMap<string, LinkEnd>;
  readonly announcer: Announcer;
}

export interface GatewayNode {
  readonly gateway: InlineGateway;
  /** Unplugs it and stops its timers. */
  close(): void;
}

export function startGatewayNode({ config, timers, cables, announcer }: GatewayNodeOptions): GatewayNode {
  let running: InlineGateway | undefined;
  let due = false;
  const settleSoon = (): void => {
    if (due) return;
    due = true;
    timers.soon(() => {
      due = false;
      running?.settle();
    });
  };
  const plugged: LinkEnd[] = [];
  const gateway = createInlineGateway({
    config,
    clock: timers,
    announcer,
    openPorts: (slab) =>
      config.ports.map((port, i) => {
        const { hi, lo } = port.mac ?? madeMac(port.name);
        const memory = createMemoryPort(
          { id: portId(i), name: port.name, macHi: hi, macLo: lo, mtu: port.mtu ?? 1500, slots: SLOTS },
          slab,
        );
        const end = cables.get(port.name);
        if (end !== undefined) {
          plugged.push(end);
          memory.connect((u8, _view, off, len) => {
            end.send(u8.slice(off, off + len));
            return true;
          });
          end.receive = (frame) => {
            memory.inject(frame, viewOf(frame), 0, frame.length);
            settleSoon();
          };
        }
        return memory;
      }),
  });
  running = gateway;
  const tick = (): void => {
    if (running === undefined) return;
    running.settle();
    timers.after(TICK_MS, tick);
  };
  tick();
  return {
    gateway,
    close() {
      running = undefined;
      for (const end of plugged) end.receive = () => {};
      gateway.close();
    },
  };
}
