// A RIB as one would write it down: a Map of routes, looked through from the start for each answer. All next hops have an
// interface, so that none depends on another route.

import { formatPrefix4 } from '../../src/addr/prefix.ts';
import type { IfIndex } from '../../src/base/ids.ts';
import { DISTANCE, type RibRoute, type RibRow, type RouteSource } from '../../src/control/rib-route.ts';

interface ModelRoute extends RibRoute {
  readonly sinceMs: number;
}

export class RibModel {
  readonly #routes = new Map<string, ModelRoute>();
  readonly #down = new Set<IfIndex>();

  get size(): number {
    return this.#routes.size;
  }

  add(route: RibRoute, sinceMs: number): void {
    this.#routes.set(idOf(route), { ...route, sinceMs });
  }

  remove(source: RouteSource, prefix: number, len: number, key: string): boolean {
    return this.#routes.delete(idOf({ source, prefix, len, key }));
  }

  setInterface(iface: IfIndex, up: boolean): void {
    if (up) this.#down.delete(iface);
    else this.#down.add(iface);
  }

  /** Lines about a prefix as `lineOf` writes them, those of the best routes in their order, then the others sorted. */
  lines(prefix: number, len: number): string[] {
    const routes = [...this.#routes.values()].filter((r) => r.prefix === prefix && r.len === len);
    const active = routes.filter((r) => r.nextHops.some((h) => !this.#down.has(h.iface!)));
    active.sort((a, b) => rank(a, b) || ((a.key ?? '') < (b.key ?? '') ? -1 : 1));
    const shares = (r: ModelRoute): boolean =>
      r === active[0] ||
      ((r.source === 'bgp' || r.source === 'static') &&
        r.source === active[0].source &&
        rank(r, active[0]) === 0);
    const best = active.filter(shares);
    const rest = routes.filter((r) => !best.includes(r));
    return [...best.map((r) => this.#line(r, true)), ...rest.map((r) => this.#line(r, false)).sort()];
  }

  #line(r: ModelRoute, best: boolean): string {
    const hops = r.nextHops.filter((h) => !this.#down.has(h.iface!)).map((h) => h.ip);
    return `${r.source} ${r.key} ${formatPrefix4(r.prefix, r.len)} ${r.sinceMs} ${best} ${hops.sort()}`;
  }
}

export const lineOf = (r: RibRow): string =>
  `${r.source} ${r.key} ${formatPrefix4(r.prefix, r.len)} ${r.sinceMs} ${r.best} ${r.paths.map((p) => p.ip).sort()}`;

const idOf = (r: Pick<RibRoute, 'source' | 'prefix' | 'len' | 'key'>): string =>
  `${r.source} ${r.key} ${r.prefix}/${r.len}`;

const rank = (a: RibRoute, b: RibRoute): number =>
  (a.distance ?? DISTANCE[a.source]) - (b.distance ?? DISTANCE[b.source]) ||
  (a.source === 'bgp' && b.source === 'bgp'
    ? (a.attributes as number) - (b.attributes as number)
    : DISTANCE[a.source] - DISTANCE[b.source]) ||
  (a.metric ?? 0) - (b.metric ?? 0);
