// The data-plane worker: opens the ports, then runs rounds until it is told to stop. It never returns to its event loop, so
// nothing but the ports and the control words reaches it: commands are read off a message port when their word says so.
// Where there are several workers this one is the owner; the others are in carrier-worker.ts.
//
// Between packets it spins for a while (spin.ts) and then sleeps in one poll() over all ports.

import { setFlagsFromString } from 'node:v8';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { assert, NearhopError } from '../base/errors.ts';
import { Slab } from '../base/slab.ts';
import type { Dataplane } from '../dataplane/graph.ts';
import type { HandoverInlet } from '../ports/handover.ts';
import { createPoller } from '../ports/poll.ts';
import type { Port } from '../ports/port.ts';
import { runCarrier } from './carrier-worker.ts';
import { CONTROL, type DataplaneCommand, portFacts, type WorkerMessage } from './commands.ts';
import { createDataplaneHost, type DataplaneHost } from './dataplane-host.ts';
import { openPorts } from './open-ports.ts';
import { PortBoard } from './port-board.ts';
import { Spin } from './spin.ts';
import type { OwnerData, WorkerData } from './worker-data.ts';

/** Looks at the ports between two looks at the clock, the timers and the control words. */
const SPIN_LOOKS = 64;
const BOARD_MS = 100;
/** Longest sleep: the shortest of the nodes' timers is looked at every 100 ms. Each waking costs about 100 µs of CPU time. */
const SLEEP_MS = 50;

const tell = (message: WorkerMessage): void => parentPort?.postMessage(message);

async function runOwner(data: OwnerData): Promise<void> {
  const { config, buffers } = data;
  const slab = new Slab(config.gateway.packetMemoryMiB << 20);
  const ports = await openPorts(config, slab, systemClock);
  const host = createDataplaneHost({
    config,
    buffers,
    slab,
    clock: systemClock,
    ports,
    emit: (event) => tell({ kind: 'event', event }),
  });
  tell({
    kind: 'ready',
    ports: ports.map(portFacts),
    fdb: host.fdb.buffer,
    neighbors: host.neighbors.buffer,
    handovers: host.handovers.map((h) => h.shared),
  });
  try {
    run(data, host, ports);
  } finally {
    for (const port of ports) port.close();
  }
}

/** Runs rounds until the stop word is set. */
function run(data: OwnerData, host: DataplaneHost, ports: readonly Port[]): void {
  const { config } = data;
  const { dataplane } = host;
  const control = new Int32Array(data.control);
  const board = new PortBoard(ports.length, 1, data.buffers.board);
  const poller = createPoller(
    ports.map((p) => p.pollFd),
    data.wakeFd,
  );
  const spin = new Spin(config.gateway.spinMs);
  let boardMs = 0;
  const failed = new Set<Port>();
  const linkUp = ports.map(() => true);
  while (Atomics.load(control, CONTROL.stop) === 0) {
    if (Atomics.exchange(control, CONTROL.commands, 0) !== 0) applyAll(data.commands, host);
    if (dataplane.round() > 0 || look(dataplane)) {
      spin.packets(dataplane.context.nowMs);
    } else {
      const now = systemClock.nowMs();
      if (spin.idle(now) && nothingHandedOver(host.handovers)) {
        poller.wait(nextDueMs(now + SLEEP_MS, ports) - now);
      }
    }
    if (dataplane.context.nowMs >= boardMs) {
      boardMs = dataplane.context.nowMs + BOARD_MS;
      board.publish(ports);
      tellFailures(ports, failed);
      tellLinks(ports, linkUp);
    }
  }
  board.publish(ports);
  poller.close();
}

/**
 * Asks the ports for a while, without the timers. Returns whether they had something. Reading the clock would cost more than the
 * look, and each reading is a number on the heap: 80 MB a second, and the pauses of the collector with them.
 */
function look(dataplane: Dataplane): boolean {
  for (let i = 0; i < SPIN_LOOKS; i++) {
    if (dataplane.poll() > 0) return true;
  }
  return false;
}

/** Has the carriers wake this worker from now on; returns whether it may sleep. */
function nothingHandedOver(handovers: readonly HandoverInlet[]): boolean {
  let nothing = true;
  for (const handover of handovers) nothing = handover.arm() && nothing;
  return nothing;
}

/** When something is due though no frame arrives: the timers, or frames that a port holds back. */
function nextDueMs(tickMs: number, ports: readonly Port[]): number {
  let due = tickMs;
  for (let p = 0; p < ports.length; p++) due = Math.min(due, ports[p].nextDueMs ?? due);
  return due;
}

/** Tells main of each port that has stopped for good, once. */
function tellFailures(ports: readonly Port[], failed: Set<Port>): void {
  for (const port of ports) {
    if (port.failure === undefined || failed.has(port)) continue;
    failed.add(port);
    tell({ kind: 'port-failed', port: port.name, message: port.failure.message });
  }
}

/** Tells main of each link whose state is another than what main knows. */
function tellLinks(ports: readonly Port[], known: boolean[]): void {
  ports.forEach(({ linkUp = true }, port) => {
    if (linkUp === known[port]) return;
    known[port] = linkUp;
    tell({ kind: 'link', port, up: linkUp });
  });
}

function applyAll(commands: MessagePort, host: DataplaneHost): void {
  for (let m = receiveMessageOnPort(commands); m !== undefined; m = receiveMessageOnPort(commands)) {
    host.apply(m.message as DataplaneCommand);
  }
}

// So many bytes of bytecode V8 lets a function execute between two looks whether to optimize it; by itself 67584. A gateway of a
// few packets a second was slow for its first thousands then: 1000 echoes after the start took 128 µs, later ones 56, and with
// this 57 from the start. V8 reads it anew after each look, so it holds for code that ran before too; and as its flags are the
// process's, for the main thread.
setFlagsFromString('--interrupt-budget=8000');

assert(parentPort !== null, 'the worker is started by a gateway');
const data = workerData as WorkerData;
const running = data.role === 'owner' ? runOwner(data) : runCarrier(data, tell);
running.catch((error: unknown) => {
  if (!(error instanceof NearhopError)) throw error; // a bug: crash loudly
  tell({ kind: 'failed', code: error.code, message: error.message, hint: error.hint ?? '' });
});
