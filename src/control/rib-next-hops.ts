// Next-hop tracking: which path lists there are, and what their next hops resolve to.
//
// A next hop with an interface is a path while the interface is up. One without is tracked: it follows the longest
// active route that contains it, if that is
//   - not a BGP route: a peer that announces a more specific prefix of our uplink must not capture its own next hop,
//   - not the default route: what is reached "somewhere out there" is not a gateway of ours,
//   - not one that is itself reached through this next hop: that would be a loop.
// When such a route changes, the RIB asks for the next hops within its prefix (`touch`) and works them off (`next`).

import type { IfIndex } from '../base/ids.ts';
import { RibTrie4 } from '../tables/rib-trie.ts';
import type { Path, PathList, RibNextHop } from './rib-route.ts';

/** Recursion deeper than this is a mistake, not a design. */
const MAX_DEPTH = 16;
/** A next hop that changes more often than this in one go does not settle, and is given up until the next change. */
const MAX_CHANGES = 32;

/** A path list, which lives as long as somebody holds it. */
export interface TrackedList extends PathList {
  readonly id: string;
  /** Its number, from 1: what columns of the RIB have in its place. */
  readonly index: number;
  refs: number;
}

/** The RIB as the tracker sees it: prefixes are nodes of a trie. */
export interface RouteTree {
  /** Node of the longest prefix of at most `maxLen` bits that contains the address, -1 when there is none. */
  match(addr: number, maxLen: number): number;
  len(node: number): number;
  /** Where the prefix's best routes go; undefined when none is active. */
  list(node: number): TrackedList | undefined;
  /** Whether its best route is a peer's. The prefix has one. */
  isBgp(node: number): boolean;
}

interface TrackedHop {
  readonly ip: number;
  readonly lists: Set<TrackedList>;
  /** Node of the prefix through which it is reached, -1 while it is not. */
  via: number;
  paths: readonly Path[];
  why: string;
  changes: number;
}

const NO_IFACE = 0 as IfIndex;

export class NextHopTracker {
  readonly #lists = new Map<string, TrackedList>();
  readonly #byIndex: (TrackedList | undefined)[] = [undefined];
  readonly #freeIndices: number[] = [];
  readonly #hops = new Map<number, TrackedHop>();
  readonly #hopTrie = new RibTrie4();
  readonly #down = new Set<IfIndex>();
  readonly #queue = new Set<TrackedHop>();
  /** Next hops that changed since the queue was last empty. */
  readonly #moved: TrackedHop[] = [];
  readonly #routes: RouteTree;

  constructor(routes: RouteTree) {
    this.#routes = routes;
  }

  /** Lists that somebody holds. */
  get size(): number {
    return this.#lists.size;
  }

  /** The list of an index, undefined for 0. */
  at(index: number): TrackedList | undefined {
    return this.#byIndex[index];
  }

  /** The path list of these next hops, made and resolved when it is new, with a reference more. */
  acquire(nextHops: readonly RibNextHop[]): TrackedList {
    const id = nextHops
      .map((h) => `${h.kind}/${h.iface ?? ''}/${h.ip}`)
      .sort()
      .join(' ');
    let list = this.#lists.get(id);
    if (list === undefined) {
      const index = this.#freeIndices.pop() ?? this.#byIndex.length;
      list = { id, index, nextHops, paths: [], why: '', refs: 0 };
      this.#lists.set(id, list);
      this.#byIndex[index] = list;
      for (const hop of nextHops) if (isRecursive(hop)) this.#track(hop.ip).lists.add(list);
      this.resolve(list);
    }
    list.refs++;
    return list;
  }

  /** Gives a reference back; with the last one the list is forgotten. */
  release(list: TrackedList): void {
    if (--list.refs > 0) return;
    this.#lists.delete(list.id);
    this.#byIndex[list.index] = undefined;
    this.#freeIndices.push(list.index);
    for (const hop of list.nextHops) {
      if (!isRecursive(hop)) continue;
      const tracked = this.#hops.get(hop.ip);
      if (tracked === undefined) continue;
      tracked.lists.delete(list);
      if (tracked.lists.size > 0) continue;
      this.#hops.delete(hop.ip);
      this.#hopTrie.remove(hop.ip, 32);
      this.#queue.delete(tracked);
    }
  }

  /** Marks an interface up or down; returns the lists that name it. */
  setInterface(iface: IfIndex, up: boolean): TrackedList[] {
    if (this.#down.has(iface) !== up) return [];
    if (up) this.#down.delete(iface);
    else this.#down.add(iface);
    return [...this.#lists.values()].filter((l) => l.nextHops.some((h) => h.iface === iface));
  }

  /** Marks all next hops within a prefix whose route changed, to be resolved again. */
  touch(prefix: number, len: number): void {
    if (this.#hops.size === 0) return;
    for (const node of this.#hopTrie.covered(prefix, len)) {
      const hop = this.#hops.get(this.#hopTrie.prefix(node));
      if (hop !== undefined) this.#queue.add(hop);
    }
  }

  /** Resolves the next marked next hop; returns the lists that depend on it if it changed, `undefined` when none is marked. */
  next(): readonly TrackedList[] | undefined {
    if (this.#queue.size === 0 && this.#moved.length === 0) return undefined; // as for most routes: nothing to allocate for it
    for (const hop of this.#queue) {
      this.#queue.delete(hop);
      return this.#resolveHop(hop) ? [...hop.lists] : [];
    }
    for (const hop of this.#moved.splice(0)) hop.changes = 0;
    return undefined;
  }

  /** Computes a list's paths anew; returns whether they changed. */
  resolve(list: TrackedList): boolean {
    const paths: Path[] = [];
    let why = '';
    for (const hop of list.nextHops) {
      if (hop.kind === 'blackhole') paths.push({ kind: 'blackhole', iface: NO_IFACE, ip: 0 });
      else if (hop.iface === undefined) {
        const tracked = this.#track(hop.ip);
        paths.push(...tracked.paths);
        why ||= tracked.why;
      } else if (this.#down.has(hop.iface)) why ||= 'interface is down';
      else paths.push({ kind: hop.kind, iface: hop.iface, ip: hop.ip });
    }
    // In an order that does not depend on how the routes came, so that the same routes share flows out in the same way.
    const distinct = paths
      .filter((p, i) => paths.findIndex((q) => samePath(p, q)) === i)
      .sort((a, b) => a.iface - b.iface || a.ip - b.ip);
    list.why = distinct.length > 0 ? '' : why;
    if (samePaths(distinct, list.paths)) return false;
    list.paths = distinct;
    return true;
  }

  #track(ip: number): TrackedHop {
    let hop = this.#hops.get(ip);
    if (hop === undefined) {
      hop = { ip, lists: new Set(), via: -1, paths: [], why: '', changes: 0 };
      this.#hops.set(ip, hop);
      this.#hopTrie.insert(ip, 32, 0);
      this.#resolveHop(hop);
    }
    return hop;
  }

  /** Looks up where the next hop is reached; returns whether its paths changed. */
  #resolveHop(hop: TrackedHop): boolean {
    hop.via = -1;
    const routes = this.#routes;
    let why = 'no route to the next hop';
    let paths: readonly Path[] = [];
    if (hop.changes >= MAX_CHANGES) why = 'resolution of the next hop does not settle';
    else {
      for (
        let node = routes.match(hop.ip, 32);
        node >= 0 && routes.len(node) > 0;
        node = routes.match(hop.ip, routes.len(node) - 1)
      ) {
        const list = routes.list(node);
        if (list === undefined || routes.isBgp(node)) continue;
        if (this.#dependsOn(list, hop, 0)) {
          why = 'the next hop would be reached through itself';
          continue;
        }
        hop.via = node;
        [paths, why] = through(list.paths, hop.ip);
        break;
      }
    }
    hop.why = paths.length > 0 ? '' : why;
    if (samePaths(paths, hop.paths)) return false;
    hop.paths = paths;
    if (hop.changes++ === 0) this.#moved.push(hop);
    return true;
  }

  /** Whether the list is reached through `hop`, at any depth. */
  #dependsOn(list: PathList, hop: TrackedHop, depth: number): boolean {
    if (depth > MAX_DEPTH) return true;
    return list.nextHops.some((h) => {
      if (!isRecursive(h)) return false;
      const other = this.#hops.get(h.ip);
      if (other === undefined) return false;
      if (other === hop) return true;
      const beyond = other.via < 0 ? undefined : this.#routes.list(other.via);
      return beyond !== undefined && this.#dependsOn(beyond, hop, depth + 1);
    });
  }
}

/** Paths to `ip` over a route with these paths, or none and why. */
function through(paths: readonly Path[], ip: number): [readonly Path[], string] {
  if (paths.some((p) => p.kind === 'local')) return [[], 'the next hop is an address of this gateway'];
  return [paths.map((p) => (p.kind === 'connected' ? { kind: 'via', iface: p.iface, ip } : p)), ''];
}

const isRecursive = (hop: RibNextHop): boolean => hop.kind === 'via' && hop.iface === undefined;

const samePath = (a: Path, b: Path): boolean => a.kind === b.kind && a.iface === b.iface && a.ip === b.ip;

const samePaths = (a: readonly Path[], b: readonly Path[]): boolean =>
  a.length === b.length && a.every((p, i) => samePath(p, b[i]));
