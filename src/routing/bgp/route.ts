// Routes as the rest of the gateway sees them: what a peer told us, what we tell, and which of two received ones is better.

import type { Ipv6 } from '../../addr/ipv6.ts';
import type { AsPath } from './as-path.ts';
import { DEFAULT_LOCAL_PREF, ORIGINS, type Origin } from './attributes.ts';

/** What a peer said of prefixes, with who it is. One object is shared by all prefixes of which it said the same. */
export interface ReceivedPath {
  /** Name of the peer in the config. */
  readonly peer: string;
  /** The peer's address as text. */
  readonly peerAddress: string;
  /** The peer's BGP Identifier as u32. */
  readonly peerId: number;
  readonly origin: Origin;
  readonly asPath: AsPath;
  readonly asPathLength: number;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  /** RFC 1997, each as u32. */
  readonly communities: readonly number[];
  /** From another AS: administrative distance 20 by custom, 200 for iBGP. */
  readonly ebgp: boolean;
}

export interface ReceivedIpv4Route {
  readonly family: 'ipv4';
  /** u32, host bits zero. */
  readonly prefix: number;
  readonly len: number;
  readonly nextHop: number;
  readonly path: ReceivedPath;
}
export interface ReceivedIpv6Route {
  readonly family: 'ipv6';
  readonly prefix: Ipv6;
  readonly len: number;
  /** The global next hop; a link-local one beside it is not used. */
  readonly nextHop: Ipv6;
  readonly path: ReceivedPath;
}
/** A route that a peer announced and that passed our checks. */
export type BgpRoute = ReceivedIpv4Route | ReceivedIpv6Route;

/** A prefix that a peer no longer announces, or that went with its session. */
export type BgpWithdrawal =
  | { readonly peer: string; readonly family: 'ipv4'; readonly prefix: number; readonly len: number }
  | { readonly peer: string; readonly family: 'ipv6'; readonly prefix: Ipv6; readonly len: number };

interface OwnRoute {
  readonly len: number;
  /** Default 'igp'. */
  readonly origin?: Origin;
  /** MULTI_EXIT_DISC, u32; absent = none is sent. */
  readonly med?: number;
  /** Sent to iBGP peers only; default 100. */
  readonly localPref?: number;
  /** RFC 1997, each as u32 (`65001 << 16 | 100` as u32); at most 255. */
  readonly communities?: readonly number[];
}
/** A route that we originate. */
export type Announcement =
  | (OwnRoute & {
      readonly prefix: number;
      /** 0 or absent = the session's local address. */
      readonly nextHop?: number;
    })
  | (OwnRoute & {
      readonly prefix: Ipv6;
      /** Absent = the session's local address; over an IPv4 session the route is then not announced. */
      readonly nextHop?: Ipv6;
    });

/**
 * Compares what makes one route to a prefix preferable to another (RFC 4271 §9.1.2.2 a to d): negative when `a` is better,
 * 0 when both may share the traffic (ECMP). MED is compared between routes of any two ASes: compared only within one AS, as
 * the RFC has it, the order of three routes depends on who came first, and a sort could not use it.
 */
export const compareBgpPreference = (a: ReceivedPath, b: ReceivedPath): number =>
  (b.localPref ?? DEFAULT_LOCAL_PREF) - (a.localPref ?? DEFAULT_LOCAL_PREF) ||
  a.asPathLength - b.asPathLength ||
  ORIGINS.indexOf(a.origin) - ORIGINS.indexOf(b.origin) ||
  (a.med ?? 0) - (b.med ?? 0) ||
  Number(b.ebgp) - Number(a.ebgp);
