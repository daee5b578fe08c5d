// The RIB: every route that any source gave, which of them is best for its prefix, and where that sends packets.
//
// A route's way: `add` puts it beside the other routes to its prefix; its next hops become a path list, shared with all
// routes that have the same, which is resolved to interfaces (rib-next-hops.ts); `#select` chooses the best active route, or
// several that share the traffic; what changed may have been what other next hops are reached through, so those are resolved
// again until nothing changes any more; then the sink (fib-publish.ts) and the listeners hear of the outcome, once for each
// prefix or path list.

import { mask4 } from '../addr/prefix.ts';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import type { IfIndex } from '../base/ids.ts';
import { RibTrie4 } from '../tables/rib-trie.ts';
import { NextHopTracker, type TrackedList } from './rib-next-hops.ts';
import {
  type BestChange,
  type Candidate,
  DISTANCE,
  type RibEntry,
  type RibNextHop,
  type RibRoute,
  type RibRow,
  type RibSink,
  type RouteSource,
} from './rib-route.ts';

export interface RibOptions {
  readonly clock: Clock;
  /**
   * Compares two BGP routes of equal distance by their `attributes`: negative when `a` is better, 0 when they may share the
   * traffic. Absent: only the metric decides.
   */
  readonly compareBgp?: (a: RibRoute, b: RibRoute) => number;
  /** Most routes of one source that share the traffic to a prefix. */
  readonly maxPaths?: number;
}

interface Listed extends Candidate {
  readonly list: TrackedList;
}

interface Entry extends RibEntry {
  readonly slot: number;
  candidates: Listed[];
  list: TrackedList | undefined;
  /** What listeners and the sink were told last. */
  toldRoute: RibRoute | undefined;
  toldList: TrackedList | undefined;
}

export class Rib {
  readonly #clock: Clock;
  readonly #compareBgp: (a: RibRoute, b: RibRoute) => number;
  readonly #maxPaths: number;
  readonly #trie = new RibTrie4();
  readonly #entries: (Entry | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #hops = new NextHopTracker((addr, maxLen) => this.#entryAt(this.#trie.match(addr, maxLen)));
  readonly #changed = new Set<Entry>();
  readonly #rerouted = new Set<TrackedList>();
  #sink: RibSink | undefined;
  readonly #listeners: ((change: BestChange) => void)[] = [];
  #routes = 0;

  constructor(options: RibOptions) {
    this.#clock = options.clock;
    this.#compareBgp = options.compareBgp ?? (() => 0);
    this.#maxPaths = options.maxPaths ?? 16;
  }

  /** Routes of all sources, best or not. */
  get routes(): number {
    return this.#routes;
  }

  /** Prefixes that have a route. */
  get prefixes(): number {
    return this.#trie.size;
  }

  /** Who forwards by the outcome. To be set before the first route. */
  attach(sink: RibSink): void {
    assert(this.#routes === 0, 'the sink is attached before the first route');
    this.#sink = sink;
  }

  /** Calls back for each prefix whose best route or next hops changed; the routes are those that lead the list. */
  onBestChange(listener: (change: BestChange) => void): void {
    this.#listeners.push(listener);
  }

  /** Adds a route, or replaces the one of the same source, prefix and key. */
  add(route: RibRoute): void {
    assert(route.nextHops.length > 0, 'a route has a next hop');
    const prefix = (route.prefix & mask4(route.len)) >>> 0;
    const entry = this.#entryAt(this.#trie.find(prefix, route.len)) ?? this.#create(prefix, route.len);
    const key = route.key ?? '';
    const at = entry.candidates.findIndex((c) => c.route.source === route.source && c.key === key);
    const list = this.#hops.list(route.nextHops);
    const candidate: Listed = {
      route,
      key,
      distance: route.distance ?? DISTANCE[route.source],
      metric: route.metric ?? 0,
      sinceMs: this.#clock.wallMs(),
      list,
    };
    list.users.add(entry);
    if (at < 0) {
      entry.candidates = [...entry.candidates, candidate]; // `push` reserves room for 16 more, which most prefixes never need
      this.#routes++;
      this.#select(entry);
    } else {
      const old = entry.candidates[at];
      entry.candidates[at] = candidate;
      this.#select(entry);
      this.#leave(entry, old.list);
    }
    this.#settle();
  }

  /** Takes a route out; returns whether it was there. */
  remove(source: RouteSource, prefix: number, len: number, key = ''): boolean {
    const entry = this.#entryAt(this.#trie.find(prefix, len));
    const at = entry?.candidates.findIndex((c) => c.route.source === source && c.key === key) ?? -1;
    if (entry === undefined || at < 0) return false;
    const [old] = entry.candidates.splice(at, 1);
    this.#routes--;
    this.#select(entry);
    this.#leave(entry, old.list);
    if (entry.candidates.length === 0) {
      this.#trie.remove(entry.prefix, entry.len);
      this.#entries[entry.slot] = undefined;
      this.#freeSlots.push(entry.slot);
    }
    this.#settle();
    return true;
  }

  /** An interface went up or down: its connected routes, and all next hops on it, become active or inactive. */
  setInterface(iface: IfIndex, up: boolean): void {
    for (const list of this.#hops.setInterface(iface, up)) this.#reroute(list);
    this.#settle();
  }

  /** The longest prefix with an active route that contains the address. */
  lookup(addr: number): RibEntry | undefined {
    let entry = this.#entryAt(this.#trie.match(addr, 32));
    while (entry !== undefined && entry.list === undefined) {
      entry = this.#entryAt(this.#trie.cover(addr, entry.len));
    }
    return entry;
  }

  /** All prefixes, ascending, shorter ones first. The RIB must not change meanwhile. */
  *walk(): Generator<RibEntry> {
    for (const node of this.#trie.nodes()) yield this.#entries[this.#trie.value[node]]!;
  }

  /** All routes for `show routes`, the best of each prefix first. */
  *snapshot(): Generator<RibRow> {
    for (const entry of this.walk()) {
      const rest = entry.candidates.filter((c) => !entry.best.includes(c));
      for (const c of [...entry.best, ...rest]) {
        const best = entry.best.includes(c);
        const inactive = c.list.paths.length === 0;
        yield {
          prefix: entry.prefix,
          len: entry.len,
          source: c.route.source,
          key: c.key,
          distance: c.distance,
          metric: c.metric,
          nextHops: c.route.nextHops,
          paths: c.list.paths,
          sinceMs: c.sinceMs,
          best,
          installed: best && entry.installed !== undefined && entry.fibError === '',
          reason: best ? entry.fibError : inactive ? c.list.why : 'another route is better',
        };
      }
    }
  }

  #entryAt(node: number): Entry | undefined {
    return node < 0 ? undefined : this.#entries[this.#trie.value[node]];
  }

  #create(prefix: number, len: number): Entry {
    const slot = this.#freeSlots.pop() ?? this.#entries.length;
    const entry: Entry = {
      prefix,
      len,
      slot,
      candidates: [],
      best: [],
      list: undefined,
      installed: undefined,
      fibError: '',
      toldRoute: undefined,
      toldList: undefined,
    };
    this.#entries[slot] = entry;
    this.#trie.insert(prefix, len, slot);
    return entry;
  }

  /** Chooses the best routes of a prefix anew. */
  #select(entry: Entry): void {
    const active = entry.candidates.filter((c) => c.list.paths.length > 0);
    active.sort((a, b) => this.#compare(a, b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const first = active[0];
    const best = active.filter((c) => c === first || this.#shares(c, first)).slice(0, this.#maxPaths);
    const before = entry.list;
    const wasIgp = before !== undefined && entry.best[0].route.source !== 'bgp';
    const list = best.length > 1 ? this.#hops.list(union(best)) : first?.list;
    const same =
      list === before && best.length === entry.best.length && best.every((c, i) => c === entry.best[i]);
    if (same) return;
    entry.best = best;
    entry.list = list;
    list?.users.add(entry);
    if (before !== undefined) this.#leave(entry, before);
    this.#changed.add(entry);
    const isIgp = first !== undefined && first.route.source !== 'bgp';
    if (wasIgp || isIgp) this.#hops.touch(entry.prefix, entry.len);
  }

  #compare(a: Listed, b: Listed): number {
    const bothBgp = a.route.source === 'bgp' && b.route.source === 'bgp';
    return (
      a.distance - b.distance ||
      (bothBgp ? this.#compareBgp(a.route, b.route) : DISTANCE[a.route.source] - DISTANCE[b.route.source]) ||
      a.metric - b.metric
    );
  }

  /** Static and BGP routes share the traffic when nothing prefers one; an address or a VM is in one place only. */
  #shares(a: Listed, b: Listed): boolean {
    const { source } = a.route;
    if (source !== b.route.source || (source !== 'static' && source !== 'bgp')) return false;
    return this.#compare(a, b) === 0;
  }

  /** Ends an entry's use of a list, if none of its routes needs it any more. */
  #leave(entry: Entry, list: TrackedList): void {
    if (entry.list === list || entry.candidates.some((c) => c.list === list)) return;
    list.users.delete(entry);
    this.#hops.drop(list);
  }

  /** Resolves a list anew, and carries what follows from it to the routes that use it. */
  #reroute(list: TrackedList): void {
    const wasActive = list.paths.length > 0;
    if (!this.#hops.resolve(list)) return;
    const isActive = list.paths.length > 0;
    if (isActive && wasActive) this.#rerouted.add(list);
    for (const user of [...list.users] as Entry[]) {
      if (isActive !== wasActive) this.#select(user);
      else if (user.list === list && user.best[0].route.source !== 'bgp') {
        this.#hops.touch(user.prefix, user.len);
      }
    }
  }

  /** Works off all next hops that a change has touched, then tells the outcome. */
  #settle(): void {
    for (let lists = this.#hops.next(); lists !== undefined; lists = this.#hops.next()) {
      for (const list of lists) this.#reroute(list);
    }
    for (const list of this.#rerouted) if (list.paths.length > 0) this.#sink?.pathsChanged(list);
    for (const entry of this.#changed) this.#tell(entry);
    this.#rerouted.clear();
    this.#changed.clear();
    this.#sink?.settled();
  }

  #tell(entry: Entry): void {
    const { list, toldRoute: previous, toldList } = entry;
    const best = entry.best[0]?.route;
    if (best === previous && list === toldList) return;
    entry.toldRoute = best;
    entry.toldList = list;
    if (list !== toldList) this.#sink?.entryChanged(entry);
    for (const listener of this.#listeners) {
      listener({ prefix: entry.prefix, len: entry.len, best, previous });
    }
  }
}

/** Next hops of several routes, each once. */
function union(routes: readonly Candidate[]): RibNextHop[] {
  const all = routes.flatMap((c) => c.route.nextHops);
  return all.filter(
    (h, i) => all.findIndex((g) => g.kind === h.kind && g.iface === h.iface && g.ip === h.ip) === i,
  );
}
