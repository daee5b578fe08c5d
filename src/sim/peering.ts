// BGP between the gateway and the source router, without sessions and messages: what the gateway would announce comes here,
// travels for the WAN's delay, meets the router's filter, and stands in its route table; the router's networks go the other
// way into the gateway's RIB. What was received is kept, so that a changed filter can be applied to it (RFC 2918's purpose,
// "soft reconfiguration" at FRR).

import type { Prefix4 } from '../addr/prefix.ts';
import type { Timers } from '../base/timers.ts';
import type { Rib } from '../control/rib.ts';
import type { Announcer } from '../gateway/redistribute.ts';
import type { IpNode } from './ip-node.ts';

export interface PeeringOptions {
  readonly timers: Timers;
  /** One way, ms. */
  readonly delayMs: number;
  readonly router: IpNode;
  /** Next hop of what the gateway announces: its address on the WAN. */
  readonly gatewayIp: number;
  readonly routerIp: number;
  /** Networks that the router announces. */
  readonly networks: readonly Prefix4[];
  /** Name of the peer at the gateway. */
  readonly peer: string;
  /** Whether the router refuses host routes. */
  readonly filtersHostRoutes: boolean;
  /** A fault: what the gateway announces never arrives. */
  readonly deaf: boolean;
  /** A fault: host routes that the router has though nobody announced them. */
  readonly leaked: readonly number[];
}

export class Peering implements Announcer {
  readonly #options: PeeringOptions;
  /** What the router has received and not been told to forget: its Adj-RIB-In. */
  readonly #received = new Map<string, Prefix4>();
  #filter: boolean;
  #closed = false;

  constructor(options: PeeringOptions) {
    this.#options = options;
    this.#filter = options.filtersHostRoutes;
  }

  /** The router announces its networks to the gateway, as a session does when it comes up. */
  advertise(rib: Rib): void {
    const { networks, routerIp, peer, leaked } = this.#options;
    this.#later(() => {
      for (const { prefix, len } of networks) {
        rib.add({ source: 'bgp', key: peer, prefix, len, nextHops: [{ kind: 'via', ip: routerIp }] });
      }
      for (const ip of leaked) this.#accept({ prefix: ip, len: 32 });
    });
  }

  announce(prefix: number, len: number): void {
    this.#later(() => {
      if (!this.#options.deaf) this.#accept({ prefix, len });
    });
  }

  withdraw(prefix: number, len: number): void {
    this.#later(() => {
      this.#received.delete(`${prefix}/${len}`);
      this.#options.router.routes.remove('bgp', prefix, len);
    });
  }

  /** Makes the router refuse host routes or take them again, those that it has received already too. */
  filterHostRoutes(on: boolean): void {
    this.#filter = on;
    for (const route of this.#received.values()) this.#install(route);
  }

  /** The session is gone, and with it all that came by it. */
  close(): void {
    this.#closed = true;
    for (const { prefix, len } of this.#received.values()) {
      this.#options.router.routes.remove('bgp', prefix, len);
    }
    this.#received.clear();
  }

  #accept(route: Prefix4): void {
    this.#received.set(`${route.prefix}/${route.len}`, route);
    this.#install(route);
  }

  #install({ prefix, len }: Prefix4): void {
    const { router, gatewayIp } = this.#options;
    if (this.#filter && len === 32) router.routes.remove('bgp', prefix, len);
    else router.routes.add({ prefix, len, source: 'bgp', via: gatewayIp });
  }

  #later(fn: () => void): void {
    this.#options.timers.after(this.#options.delayMs, () => {
      if (!this.#closed) fn();
    });
  }
}
