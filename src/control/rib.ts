// The RIB: every route that any source gave, which of them is best for its prefix, and where that sends packets.
//
// A route's way: `add` makes a row of it beside the other routes to its prefix (rib-table.ts); all but its prefix and its age it
// has in common with others (rib-kinds.ts), above all the path list of its next hops, which is resolved to interfaces
// (rib-next-hops.ts); `#select` chooses the best active route, or several that share the traffic; what changed may have been
// what other next hops are reached through, so those are resolved again until nothing changes any more; then the sink
// (fib-publish.ts) and the listeners hear of the outcome, once for each prefix or path list.

import { mask4 } from '../addr/prefix.ts';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { IfIndex } from '../base/ids.ts';
import { grown } from '../tables/columns.ts';
import type { RibTrie4 } from '../tables/rib-trie.ts';
import type { RouteKind } from './rib-kinds.ts';
import type { TrackedList } from './rib-next-hops.ts';
import { type CompareBgp, compareKinds, sharesTraffic, unionOf } from './rib-order.ts';
import type { BestChange, RibEntry, RibRoute, RibRow, RibSink, RouteSource } from './rib-route.ts';
import { RibTable } from './rib-table.ts';

export interface RibOptions {
  readonly clock: Clock;
  /**
   * Compares two BGP routes of equal distance by their `attributes`: negative when `a` is better, 0 when they may share the
   * traffic. Absent: only the metric decides.
   */
  readonly compareBgp?: CompareBgp;
  /** Most routes of one source that share the traffic to a prefix. */
  readonly maxPaths?: number;
  /** A trie over whose tree the RIB's own is laid: the FIB's, as both have nearly the same prefixes. Absent: a tree of its own. */
  readonly over?: RibTrie4;
}

/** What of a prefix a change may alter, as it was before. */
interface Before {
  readonly node: number;
  /** First of the best rows, -1 when there was none, and its kind. */
  readonly row: number;
  readonly kind: RouteKind | undefined;
  readonly list: TrackedList | undefined;
}

export class Rib {
  readonly #clock: Clock;
  readonly #compareBgp: CompareBgp;
  readonly #maxPaths: number;
  readonly #table: RibTable;
  /** What listeners and the sink were told last of each node that a change has come to, and which nodes those are. */
  readonly #changed: Before[] = [];
  #isChanged = new Uint8Array(64);
  readonly #rerouted = new Set<TrackedList>();
  /** Row that is being removed: no longer active. */
  #going = -1;
  /** Row that is another route now, of the same source, prefix and key. */
  #replaced = -1;
  readonly #listeners: ((change: BestChange) => void)[] = [];

  constructor(options: RibOptions) {
    this.#clock = options.clock;
    this.#compareBgp = options.compareBgp ?? (() => 0);
    this.#maxPaths = options.maxPaths ?? 16;
    this.#table = new RibTable(options.over);
  }

  /** Routes of all sources, best or not. */
  get routes(): number {
    return this.#table.rows.size;
  }

  /** Prefixes that have a route. */
  get prefixes(): number {
    return this.#table.trie.size;
  }

  /** Kinds of routes and path lists that the routes have between them. */
  usage(): { readonly kinds: number; readonly lists: number } {
    return { kinds: this.#table.kinds.size, lists: this.#table.hops.size };
  }

  /** Who forwards by the outcome. To be set before the first route. */
  attach(sink: RibSink): void {
    assert(this.routes === 0, 'the sink is attached before the first route');
    this.#table.sink = sink;
  }

  /** Calls back for each prefix whose best route or next hops changed; the routes are those that lead the list. */
  onBestChange(listener: (change: BestChange) => void): void {
    this.#listeners.push(listener);
  }

  /** Adds a route, or replaces the one of the same source, prefix and key. */
  add(route: RibRoute): void {
    assert(route.nextHops.length > 0, 'a route has a next hop');
    const { trie, rows, kinds } = this.#table;
    const prefix = (route.prefix & mask4(route.len)) >>> 0;
    const kind = kinds.acquire(route);
    let node = trie.find(prefix, route.len);
    const row = this.#table.rowOf(node, kind.source, kind.key);
    if (row < 0) {
      node = this.#table.append(prefix, route.len, kind, this.#clock.wallMs());
      this.#select(node);
    } else {
      const old = this.#table.kindOf(row);
      this.#note(node);
      this.#replaced = row;
      rows.set(row, kind.index, this.#clock.wallMs());
      this.#select(node);
      kinds.release(old);
    }
    this.#settle();
    this.#replaced = -1;
  }

  /** Takes a route out; returns whether it was there. */
  remove(source: RouteSource, prefix: number, len: number, key = ''): boolean {
    const { trie, rows, kinds } = this.#table;
    const node = trie.find(prefix, len);
    const row = this.#table.rowOf(node, source, key);
    if (row < 0) return false;
    const kind = this.#table.kindOf(row);
    // It stays in its chain until all that follows is told, so that the prefix is still to be found.
    this.#going = row;
    this.#select(node);
    this.#settle();
    this.#going = -1;
    const rest = rows.chain(trie.value[node]).filter((other) => other !== row);
    if (rest.length === 0) trie.remove(prefix, len);
    else trie.value[node] = rows.link(rest, rest.filter((other) => rows.best[other] === 1).length);
    rows.free(row);
    kinds.release(kind);
    return true;
  }

  /** An interface went up or down: its connected routes, and all next hops on it, become active or inactive. */
  setInterface(iface: IfIndex, up: boolean): void {
    this.#reroute(this.#table.hops.setInterface(iface, up));
    this.#settle();
  }

  /** The longest prefix with an active route that contains the address. */
  lookup(addr: number): RibEntry | undefined {
    const table = this.#table;
    let node = table.match(addr, 32);
    while (node >= 0 && table.list(node) === undefined) node = table.trie.cover(addr, table.len(node));
    return node < 0 ? undefined : table.entry(node);
  }

  /** All prefixes, ascending, shorter ones first. The RIB must not change meanwhile. */
  *walk(): Generator<RibEntry> {
    for (const node of this.#table.trie.nodes()) yield this.#table.entry(node);
  }

  /** All routes for `show routes`, the best of each prefix first. */
  *snapshot(): Generator<RibRow> {
    for (const node of this.#table.trie.nodes()) yield* this.#table.lines(node);
  }

  /** Keeps what was told of a node, before its first change. */
  #note(node: number): void {
    const table = this.#table;
    if (node >= this.#isChanged.length) this.#isChanged = grown(this.#isChanged, table.trie.value.length);
    if (this.#isChanged[node] === 1) return;
    this.#isChanged[node] = 1;
    const row = table.bestOf(node);
    const kind = row < 0 ? undefined : table.kindOf(row);
    this.#changed.push({ node, row, kind, list: table.list(node) });
  }

  /** Chooses the best routes of a prefix anew. */
  #select(node: number): void {
    const { trie, rows, hops } = this.#table;
    this.#note(node);
    const chain = rows.chain(trie.value[node]);
    const bests = chain.filter((row) => rows.best[row] === 1);
    const best = this.#bestOf(chain);
    const kinds = best.map((row) => this.#table.kindOf(row));
    const old = this.#table.list(node);
    const list = best.length > 1 ? hops.acquire(unionOf(kinds)) : kinds[0]?.list;
    const isSame = (row: number, i: number): boolean => row === bests[i] && row !== this.#replaced;
    if (list === old && best.length === bests.length && best.every(isSame)) {
      if (best.length > 1) hops.release(list!);
      return;
    }
    const wasIgp = bests.length > 0 && this.#table.kindOf(bests[0]).source !== 'bgp';
    trie.value[node] = rows.link([...best, ...chain.filter((row) => !best.includes(row))], best.length);
    this.#table.setList(node, list);
    if (bests.length > 1) hops.release(old!);
    const isIgp = kinds.length > 0 && kinds[0].source !== 'bgp';
    if (wasIgp || isIgp) hops.touch(trie.prefix(node), trie.len[node]);
  }

  /** Those of the rows that are active and best, in an order that does not depend on when they came. */
  #bestOf(candidates: readonly number[]): number[] {
    const of = (row: number): RouteKind => this.#table.kindOf(row);
    const active = candidates.filter((row) => row !== this.#going && of(row).list.paths.length > 0);
    if (active.length < 2) return active;
    active.sort((r, s) => {
      const [a, b] = [of(r), of(s)];
      return compareKinds(a, b, this.#compareBgp) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
    });
    const first = of(active[0]);
    return active
      .filter((row, i) => i === 0 || sharesTraffic(of(row), first, this.#compareBgp))
      .slice(0, this.#maxPaths);
  }

  /** Resolves lists anew, and carries what follows from it to the routes that use them, which all rows are searched for. */
  #reroute(lists: readonly TrackedList[]): void {
    const { hops, kinds, rows, trie } = this.#table;
    const changed = new Set<TrackedList>();
    for (const list of lists) {
      const wasActive = list.paths.length > 0;
      if (!hops.resolve(list)) continue;
      changed.add(list);
      if (wasActive && list.paths.length > 0) this.#rerouted.add(list);
    }
    if (changed.size === 0) return;
    for (const node of rows.nodesOf(kinds.flags((kind) => changed.has(kind.list)))) {
      this.#select(node);
      const best = this.#table.bestOf(node);
      if (best >= 0 && !this.#table.isBgp(node)) hops.touch(trie.prefix(node), trie.len[node]);
    }
  }

  /** Works off all next hops that a change has touched, then tells the outcome. */
  #settle(): void {
    const { hops, sink } = this.#table;
    for (let lists = hops.next(); lists !== undefined; lists = hops.next()) this.#reroute(lists);
    if (this.#rerouted.size > 0) {
      for (const list of this.#rerouted) {
        if (list.paths.length > 0) sink?.pathsChanged(list, () => this.#usersOf(list));
      }
      this.#rerouted.clear();
    }
    // Not a Map that is cleared: each `clear` makes another table, and the tables of a million routes, each of which the one
    // before points to, stayed in memory until the next full garbage collection.
    for (const before of this.#changed) {
      this.#isChanged[before.node] = 0;
      this.#tell(before);
    }
    this.#changed.length = 0;
    sink?.settled();
  }

  *#usersOf(list: TrackedList): Generator<RibEntry> {
    for (const entry of this.walk()) if (entry.list === list) yield entry;
  }

  #tell(before: Before): void {
    const { node } = before;
    const row = this.#table.bestOf(node);
    const kind = row < 0 ? undefined : this.#table.kindOf(row);
    const list = this.#table.list(node);
    const isReplaced = row >= 0 && row === this.#replaced;
    if (row === before.row && kind === before.kind && list === before.list && !isReplaced) return;
    const entry = this.#table.entry(node);
    if (list !== before.list) this.#table.sink?.entryChanged(entry);
    if (this.#listeners.length === 0) return;
    const routeOf = (of: RouteKind | undefined) => of && this.#table.route(node, of);
    const { prefix, len } = entry;
    const change = { prefix, len, best: routeOf(kind), previous: routeOf(before.kind) };
    for (const listener of this.#listeners) listener(change);
  }
}
