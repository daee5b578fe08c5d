// The route table of a simulated node: a list, longest prefix first, of at most a few dozen routes.

import { contains4 } from '../addr/prefix.ts';

export type SimRouteSource = 'connected' | 'static' | 'bgp';

export interface SimRoute {
  /** u32 without bits behind `len`. */
  readonly prefix: number;
  readonly len: number;
  readonly source: SimRouteSource;
  /** Next hop as u32, 0 when the destination is itself the neighbor. */
  readonly via: number;
}

/** Administrative distances, as FRR has them. */
const DISTANCE: Readonly<Record<SimRouteSource, number>> = { connected: 0, static: 1, bgp: 20 };

export class SimRouteTable {
  #routes: SimRoute[] = [];

  /** Adds a route; one of the same source to the same prefix is replaced. */
  add(route: SimRoute): void {
    this.remove(route.source, route.prefix, route.len);
    this.#routes.push(route);
    this.#routes.sort((x, y) => y.len - x.len || DISTANCE[x.source] - DISTANCE[y.source]);
  }

  remove(source: SimRouteSource, prefix: number, len: number): void {
    this.#routes = this.#routes.filter((r) => r.source !== source || r.prefix !== prefix || r.len !== len);
  }

  /** The route for an address: longest prefix, then lowest distance. */
  lookup(ip: number): SimRoute | undefined {
    return this.#routes.find((r) => contains4(r.prefix, r.len, ip));
  }

  /** The best route to exactly this prefix. */
  best(prefix: number, len: number): SimRoute | undefined {
    return this.#routes.find((r) => r.prefix === prefix && r.len === len);
  }
}
