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
import type { Path, PathList, RibEntry, RibNextHop } from './rib-route.ts';

/** Recursion deeper than this is a mistake, not a design. */
const MAX_DEPTH = 16;
/** A next hop that changes more often than this in one go does not settle, and is given up until the next change. */
const MAX_CHANGES = 32;

/** A path list with those who depend on it. */
export interface TrackedList extends PathList {
  readonly id: string;
  readonly users: Set<RibEntry>;
}

interface TrackedHop {
  readonly ip: number;
  readonly lists: Set<TrackedList>;
  /** Route through which it is reached, absent while it is not. */
  via: RibEntry | undefined;
  paths: readonly Path[];
  why: string;
  changes: number;
}

const NO_IFACE = 0 as IfIndex;

export class NextHopTracker {
  readonly #lists = new Map<string, TrackedList>();
  readonly #hops = new Map<number, TrackedHop>();
  readonly #hopTrie = new RibTrie4();
  readonly #down = new Set<IfIndex>();
  readonly #queue = new Set<TrackedHop>();
  /** Next hops that changed since the queue was last empty. */
  readonly #moved: TrackedHop[] = [];
  /** Entry that contains the address, of at most `maxLen` bits; the RIB's tree. */
  readonly #match: (addr: number, maxLen: number) => RibEntry | undefined;

  constructor(match: (addr: number, maxLen: number) => RibEntry | undefined) {
    this.#match = match;
  }

  /** The path list of these next hops, made and resolved when it is new. It lives as long as it has users. */
  list(nextHops: readonly RibNextHop[]): TrackedList {
    const id = nextHops
      .map((h) => `${h.kind}/${h.iface ?? ''}/${h.ip}`)
      .sort()
      .join(' ');
    let list = this.#lists.get(id);
    if (list === undefined) {
      list = { id, nextHops, paths: [], why: '', users: new Set() };
      this.#lists.set(id, list);
      for (const hop of nextHops) if (isRecursive(hop)) this.#track(hop.ip).lists.add(list);
      this.resolve(list);
    }
    return list;
  }

  /** Forgets a list that has no users left. */
  drop(list: TrackedList): void {
    if (list.users.size > 0 || !this.#lists.delete(list.id)) return;
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
      hop = { ip, lists: new Set(), via: undefined, paths: [], why: '', changes: 0 };
      this.#hops.set(ip, hop);
      this.#hopTrie.insert(ip, 32, 0);
      this.#resolveHop(hop);
    }
    return hop;
  }

  /** Looks up where the next hop is reached; returns whether its paths changed. */
  #resolveHop(hop: TrackedHop): boolean {
    hop.via = undefined;
    let why = 'no route to the next hop';
    let paths: readonly Path[] = [];
    if (hop.changes >= MAX_CHANGES) why = 'resolution of the next hop does not settle';
    else {
      for (
        let entry = this.#match(hop.ip, 32);
        entry !== undefined && entry.len > 0;
        entry = this.#match(hop.ip, entry.len - 1)
      ) {
        if (entry.list === undefined || entry.best[0].route.source === 'bgp') continue;
        if (this.#dependsOn(entry.list, hop, 0)) {
          why = 'the next hop would be reached through itself';
          continue;
        }
        hop.via = entry;
        [paths, why] = through(entry.list.paths, hop.ip);
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
      return other.via?.list !== undefined && this.#dependsOn(other.via.list, hop, depth + 1);
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
