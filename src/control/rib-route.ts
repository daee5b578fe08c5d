// Routes as the RIB keeps them: what a source gives, and what becomes of it.

import type { AdjIndex, IfIndex } from '../base/ids.ts';

export type RouteSource = 'connected' | 'static' | 'mobility' | 'bgp';

/**
 * Administrative distances: of two routes to one prefix the lower wins. Connected, static and eBGP as Cisco and FRR have
 * them. Mobility stands at 5: a local VM's host route beats whatever a routing protocol says about that address (the source
 * may still announce it, or reflect our own /32), but not a static route, which an operator wrote for this very prefix.
 */
export const DISTANCE: Readonly<Record<RouteSource, number>> = {
  connected: 0,
  static: 1,
  mobility: 5,
  bgp: 20,
};
/** Distance of a BGP route from a peer in our own AS. */
export const IBGP_DISTANCE = 200;

/**
 * `via` a gateway address; `connected`, the destination is itself the neighbor; `local`, an address of this gateway;
 * `blackhole`, dropped.
 */
export type NextHopKind = 'via' | 'connected' | 'local' | 'blackhole';

export interface RibNextHop {
  readonly kind: NextHopKind;
  /** Needed for `connected` and `local`; a `via` without it is resolved through other routes. */
  readonly iface?: IfIndex;
  /** Gateway address of `via`, own address of `local`, as u32; 0 otherwise. */
  readonly ip: number;
}

/** What a source gives to the RIB. (source, prefix, len, key) names it; adding it again replaces it. */
export interface RibRoute {
  readonly source: RouteSource;
  /** Tells routes of one source to the same prefix apart: a BGP peer, a VM. Absent = ''. */
  readonly key?: string;
  /** u32; bits beyond `len` are ignored. */
  readonly prefix: number;
  readonly len: number;
  /** Several are used together (ECMP). At least one. */
  readonly nextHops: readonly RibNextHop[];
  /** Absent = DISTANCE of the source. */
  readonly distance?: number;
  /** Absent = 0. Lower is better. */
  readonly metric?: number;
  /** What the source's own comparison looks at (`RibOptions.compareBgp`), and its owner's business otherwise. */
  readonly attributes?: unknown;
}

/** A next hop that is resolved to an interface. */
export interface Path {
  readonly kind: NextHopKind;
  /** 0 for a blackhole, where it says nothing. */
  readonly iface: IfIndex;
  /** Neighbor on that interface for `via`, own address for `local`; 0 otherwise. */
  readonly ip: number;
}

/** A set of next hops, shared by all routes that have the same; resolved once for all of them. */
export interface PathList {
  readonly nextHops: readonly RibNextHop[];
  /** Empty while no next hop resolves: routes over it are then inactive. */
  paths: readonly Path[];
  /** Why `paths` is empty, '' when it is not. */
  why: string;
}

/** A route in the RIB, with its defaults filled in. */
export interface Candidate {
  readonly route: RibRoute;
  readonly key: string;
  readonly distance: number;
  readonly metric: number;
  /** When it came, ms since the Unix epoch, to the second. */
  readonly sinceMs: number;
  readonly list: PathList;
}

/** A prefix with all its routes: a view, which shows what the RIB has at the time; valid while the prefix has a route. */
export interface RibEntry {
  /** u32, host bits zero. */
  readonly prefix: number;
  readonly len: number;
  readonly candidates: readonly Candidate[];
  /** The best routes, several when they share the traffic; empty when none is active. */
  readonly best: readonly Candidate[];
  /** Where packets go: the next hops of all best routes. */
  readonly list: PathList | undefined;
  /** FIB entry; absent = not in the FIB. */
  readonly installed: FibSlot | undefined;
  /** Why the best route is not in the FIB, '' when it is. */
  readonly fibError: string;
}

/** A next-hop index and what it points to; kept by the publisher. */
export interface FibSlot {
  readonly nh: number;
  list: PathList;
  members: readonly AdjIndex[];
  /** Prefixes in the FIB that have this index. */
  refs: number;
}

/** A change of what is best for a prefix. `best` absent = there is no active route any more. */
export interface BestChange {
  readonly prefix: number;
  readonly len: number;
  readonly best: RibRoute | undefined;
  readonly previous: RibRoute | undefined;
}

/** Whom the RIB tells what to forward by. Calls come when all consequences of a change are known. */
export interface RibSink {
  /**
   * The next hops of a list resolve to other paths than before; at least one is left. `users` are the prefixes whose packets
   * go there: it looks at all prefixes for them.
   */
  pathsChanged(list: PathList, users: () => Iterable<RibEntry>): void;
  /** `entry.best` or `entry.list` changed. */
  entryChanged(entry: RibEntry): void;
  /** All of one change has been told. */
  settled(): void;
  /** What the prefix has in the FIB, absent = nothing. */
  installed(prefix: number, len: number): FibSlot | undefined;
  /** Why its best route is not in the FIB, '' when it is. */
  fibError(prefix: number, len: number): string;
}

/** A line of `show routes`. */
export interface RibRow {
  readonly prefix: number;
  readonly len: number;
  readonly source: RouteSource;
  readonly key: string;
  readonly distance: number;
  readonly metric: number;
  readonly nextHops: readonly RibNextHop[];
  /** What the next hops resolve to now. */
  readonly paths: readonly Path[];
  readonly sinceMs: number;
  readonly best: boolean;
  readonly installed: boolean;
  /** Why it is not best, or best and not in the FIB; '' otherwise. */
  readonly reason: string;
}
