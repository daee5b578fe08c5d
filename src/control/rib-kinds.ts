// What routes to many prefixes have in common: all of a route but its prefix and its age. A full table of a million routes has
// a few hundred kinds, or as many as its peer has sets of path attributes; a route holds the number of its kind.

import type { NextHopTracker, TrackedList } from './rib-next-hops.ts';
import { DISTANCE, type RibNextHop, type RibRoute, type RouteSource } from './rib-route.ts';

export interface RouteKind {
  readonly index: number;
  readonly source: RouteSource;
  readonly key: string;
  readonly distance: number;
  readonly metric: number;
  readonly attributes: unknown;
  readonly list: TrackedList;
  /** Routes of this kind. */
  refs: number;
  /** Next kind with the same attributes, or path list where there are none. */
  next: RouteKind | undefined;
}

export class RouteKinds {
  readonly #hops: NextHopTracker;
  readonly #kinds: (RouteKind | undefined)[] = [];
  readonly #free: number[] = [];
  /** First kind by attributes, or by path list where there are none: what few kinds have in common. */
  readonly #alike = new Map<unknown, RouteKind>();
  /** The prefixes of an UPDATE are of one kind and come in a row: the next hops that came last, and their kind. */
  #hopsOfLast: readonly RibNextHop[] | undefined;
  #last: RouteKind | undefined;

  constructor(hops: NextHopTracker) {
    this.#hops = hops;
  }

  /** Kinds that routes have. */
  get size(): number {
    return this.#kinds.length - this.#free.length;
  }

  /** The kind of a number that is in use. */
  at(index: number): RouteKind {
    return this.#kinds[index]!;
  }

  /** Numbers of the kinds for which `test` holds, as flags by number. */
  flags(test: (kind: RouteKind) => boolean): Uint8Array {
    return Uint8Array.from(this.#kinds, (kind) => Number(kind !== undefined && test(kind)));
  }

  /** The kind of a route, made if it is new, with a reference more. */
  acquire(route: RibRoute): RouteKind {
    const last = this.#last;
    if (last !== undefined && this.#hopsOfLast === route.nextHops && isOf(last, route)) {
      last.refs++;
      return last;
    }
    const list = this.#hops.acquire(route.nextHops);
    const what = route.attributes ?? list;
    const first = this.#alike.get(what);
    let kind = first;
    while (kind !== undefined && (kind.list !== list || !isOf(kind, route))) kind = kind.next;
    if (kind !== undefined) this.#hops.release(list);
    else {
      const { source, key = '', attributes } = route;
      const { distance = DISTANCE[source], metric = 0 } = route;
      const index = this.#free.pop() ?? this.#kinds.length;
      kind = { index, source, key, distance, metric, attributes, list, refs: 0, next: first };
      this.#kinds[index] = kind;
      this.#alike.set(what, kind);
    }
    kind.refs++;
    this.#last = kind;
    this.#hopsOfLast = route.nextHops;
    return kind;
  }

  /** Gives a reference back; with the last one the kind is forgotten. */
  release(kind: RouteKind): void {
    if (--kind.refs > 0) return;
    const what = kind.attributes ?? kind.list;
    const first = this.#alike.get(what)!;
    if (first !== kind) {
      let before = first;
      while (before.next !== kind) before = before.next!;
      before.next = kind.next;
    } else if (kind.next === undefined) this.#alike.delete(what);
    else this.#alike.set(what, kind.next);
    this.#kinds[kind.index] = undefined;
    this.#free.push(kind.index);
    if (this.#last === kind) this.#last = undefined;
    this.#hops.release(kind.list);
  }
}

/** Whether the route is of this kind, if its next hops are. */
const isOf = (kind: RouteKind, route: RibRoute): boolean =>
  kind.source === route.source &&
  kind.key === (route.key ?? '') &&
  kind.attributes === route.attributes &&
  kind.distance === (route.distance ?? DISTANCE[route.source]) &&
  kind.metric === (route.metric ?? 0);
