// BGP over connections in memory and on virtual time: a network of addresses, links that can be cut, ends that stop reading.

import { NearhopError } from '../../../src/base/errors.ts';
import type { VirtualTimers } from '../../../src/base/timers.ts';
import type { BgpConnection, BgpTransport, ConnectionHandlers } from '../../../src/routing/bgp/transport.ts';

const LATENCY_MS = 1;
/** Bytes that an end takes before `write` says that it is full. */
const WINDOW = 16_384;

class End implements BgpConnection {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly network: MemoryNetwork;
  handlers: ConnectionHandlers | undefined;
  peer: End | undefined;
  /** What the other end has not read yet. */
  readonly outbox: Uint8Array[] = [];
  queuedBytes = 0;
  isOver = false;
  isFull = false;

  constructor(network: MemoryNetwork, localAddress: string, remoteAddress: string) {
    this.network = network;
    this.localAddress = localAddress;
    this.remoteAddress = remoteAddress;
  }

  write(bytes: Uint8Array): boolean {
    this.outbox.push(bytes.slice());
    this.queuedBytes += bytes.length;
    this.network.deliver(this);
    if (this.queuedBytes >= WINDOW) this.isFull = true;
    return !this.isFull;
  }

  end(bytes: Uint8Array): void {
    this.write(bytes);
    this.destroy();
  }

  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.network.hangUp(this);
  }
}

export class MemoryNetwork {
  readonly #timers: VirtualTimers;
  readonly #listeners = new Map<string, (connection: BgpConnection) => ConnectionHandlers | undefined>();
  /** Addresses whose links deliver nothing and refuse nothing. */
  readonly dead = new Set<string>();
  /** Addresses that do not read. */
  readonly stalled = new Set<string>();
  /** Connections that were opened. */
  connects = 0;

  constructor(timers: VirtualTimers) {
    this.#timers = timers;
  }

  #isCut(end: End): boolean {
    return this.dead.has(end.localAddress) || this.dead.has(end.remoteAddress);
  }

  /** Moves what `from` wrote to the other end, unless that one does not read; tells `from` when it is empty again. */
  deliver(from: End): void {
    this.#timers.after(LATENCY_MS, () => {
      if (this.#isCut(from) || this.stalled.has(from.remoteAddress)) return;
      const bytes = from.outbox.shift();
      if (bytes === undefined) return;
      from.queuedBytes -= bytes.length;
      const to = from.peer;
      if (to !== undefined && !to.isOver) to.handlers?.data(bytes);
      if (from.isFull && from.queuedBytes === 0 && !from.isOver) {
        from.isFull = false;
        from.handlers?.drain();
      }
    });
  }

  /** Lets an address read again. */
  resume(address: string, ends: readonly BgpConnection[]): void {
    this.stalled.delete(address);
    for (const end of ends as End[]) for (const _ of end.outbox) this.deliver(end);
  }

  hangUp(end: End): void {
    this.#timers.after(LATENCY_MS, () => {
      const to = end.peer;
      if (to === undefined || to.isOver || this.#isCut(end)) return;
      to.isOver = true;
      to.handlers?.closed('connection closed by the peer');
    });
  }

  transport(address: string, opened: BgpConnection[] = []): BgpTransport {
    return {
      connect: (target, handlers) => {
        this.connects++;
        const near = new End(this, address, target.address);
        const far = new End(this, target.address, address);
        near.peer = far;
        far.peer = near;
        near.handlers = handlers;
        opened.push(near);
        this.#timers.after(LATENCY_MS, () => {
          if (near.isOver || this.#isCut(near)) return;
          const accept = this.#listeners.get(`${target.address} ${target.port}`);
          if (accept === undefined) {
            near.isOver = true;
            handlers.closed('ECONNREFUSED (connect)');
            return;
          }
          handlers.connected();
          far.handlers = accept(far);
        });
        return near;
      },
      listen: async (at, accept) => {
        const key = `${at.address} ${at.port}`;
        if (this.#listeners.has(key)) throw new NearhopError('bgp-listen-failed', key);
        this.#listeners.set(key, (connection) => {
          opened.push(connection);
          return accept(connection);
        });
        return { port: at.port, close: () => this.#listeners.delete(key) };
      },
      idle: async () => {},
    };
  }
}
