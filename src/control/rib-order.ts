// Which of the routes to a prefix is better, and which share the traffic.

import type { RouteKind } from './rib-kinds.ts';
import { DISTANCE, type RibNextHop, type RibRoute } from './rib-route.ts';

type Attributed = Pick<RibRoute, 'attributes'>;
/** Compares BGP routes of equal distance; 0 lets them share the traffic. */
export type CompareBgp = (a: Attributed, b: Attributed) => number;

/** Negative when routes of kind `a` are better than those of kind `b`, 0 when nothing prefers one. */
export function compareKinds(a: RouteKind, b: RouteKind, compareBgp: CompareBgp): number {
  const bothBgp = a.source === 'bgp' && b.source === 'bgp';
  return (
    a.distance - b.distance ||
    (bothBgp ? compareBgp(a, b) : DISTANCE[a.source] - DISTANCE[b.source]) ||
    a.metric - b.metric
  );
}

/** Static and BGP routes share the traffic when nothing prefers one; an address or a VM is in one place only. */
export function sharesTraffic(a: RouteKind, b: RouteKind, compareBgp: CompareBgp): boolean {
  if (a.source !== b.source || (a.source !== 'static' && a.source !== 'bgp')) return false;
  return compareKinds(a, b, compareBgp) === 0;
}

/** Next hops of routes of several kinds, each once. */
export function unionOf(kinds: readonly RouteKind[]): RibNextHop[] {
  const all = kinds.flatMap((kind) => kind.list.nextHops);
  return all.filter(
    (h, i) => all.findIndex((g) => g.kind === h.kind && g.iface === h.iface && g.ip === h.ip) === i,
  );
}
