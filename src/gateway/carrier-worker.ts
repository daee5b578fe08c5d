// A carrier in its worker: opens its share of the ports that can be split, then runs rounds until it is told to stop, as the
// owner does in worker.ts. Commands, timers and the fate of ports are the owner's.

import { systemClock } from '../base/clock.ts';
import { Slab } from '../base/slab.ts';
import type { Carrier } from '../dataplane/carrier.ts';
import { Handover } from '../ports/handover.ts';
import { createPoller, createWaker } from '../ports/poll.ts';
import { createCarrierHost } from './carrier-host.ts';
import { CONTROL, type WorkerMessage } from './commands.ts';
import { openShares } from './open-ports.ts';
import { PortBoard } from './port-board.ts';
import { Spin } from './spin.ts';
import type { CarrierData } from './worker-data.ts';

/** Looks at the ports between two looks at the clock and the control words, as the owner's. */
const SPIN_LOOKS = 64;
const BOARD_MS = 100;

export async function runCarrier(data: CarrierData, tell: (message: WorkerMessage) => void): Promise<void> {
  const { config, buffers, worker } = data;
  const slab = new Slab(config.gateway.packetMemoryMiB << 20);
  const shares = await openShares(config, data.ports, slab, systemClock);
  const ports = shares.filter((p) => p !== undefined);
  const carrier = createCarrierHost({
    ...{ config, buffers, worker, slab, owner: data },
    clock: systemClock,
    ports: shares,
    handover: new Handover(data.handover, createWaker(data.ownerWakeFd)),
  });
  const control = new Int32Array(data.control);
  const board = new PortBoard(config.ports.length, 1, buffers.board);
  const poller = createPoller(
    ports.map((p) => p.pollFd),
    data.wakeFd,
  );
  carrier.discard();
  tell({ kind: 'carrier-ready' });
  try {
    const spin = new Spin(config.gateway.spinMs);
    let boardMs = 0;
    while (Atomics.load(control, CONTROL.stop) === 0) {
      if (look(carrier)) spin.packets(carrier.nowMs);
      else if (spin.idle(systemClock.nowMs())) {
        board.publish(ports, worker);
        poller.wait(BOARD_MS);
      }
      if (carrier.nowMs >= boardMs) {
        boardMs = carrier.nowMs + BOARD_MS;
        board.publish(ports, worker);
      }
    }
    board.publish(ports, worker);
  } finally {
    poller.close();
    for (const port of ports) port.close();
  }
}

/** Runs rounds for a while; returns whether one found something. */
function look(carrier: Carrier): boolean {
  for (let i = 0; i < SPIN_LOOKS; i++) {
    if (carrier.round() > 0) return true;
  }
  return false;
}
