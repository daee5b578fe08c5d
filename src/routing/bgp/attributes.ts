// Path attributes (RFC 4271 §5): what they are, and how ours are written. attributes-decode.ts reads a peer's.

import { type AsPath, encodeAsPath } from './as-path.ts';
import type { Address } from './nlri.ts';

export const ATTR_ORIGIN = 1;
export const ATTR_AS_PATH = 2;
export const ATTR_NEXT_HOP = 3;
export const ATTR_MED = 4;
export const ATTR_LOCAL_PREF = 5;
export const ATTR_ATOMIC_AGGREGATE = 6;
export const ATTR_AGGREGATOR = 7;
export const ATTR_COMMUNITIES = 8; // RFC 1997
export const ATTR_ORIGINATOR_ID = 9; // RFC 4456
export const ATTR_CLUSTER_LIST = 10; // RFC 4456
export const ATTR_MP_REACH = 14; // RFC 4760
export const ATTR_MP_UNREACH = 15; // RFC 4760
export const ATTR_EXT_COMMUNITIES = 16; // RFC 4360
export const ATTR_AS4_PATH = 17; // RFC 6793
export const ATTR_AS4_AGGREGATOR = 18; // RFC 6793
export const ATTR_LARGE_COMMUNITIES = 32; // RFC 8092

export const FLAG_OPTIONAL = 0x80;
export const FLAG_TRANSITIVE = 0x40;
export const FLAG_EXTENDED_LENGTH = 0x10;

/** ORIGIN by its value on the wire; the lower is preferred (RFC 4271 §9.1.2.2 b). */
export const ORIGINS = ['igp', 'egp', 'incomplete'] as const;
export type Origin = (typeof ORIGINS)[number];

/** LOCAL_PREF of a route that came without one. RFC 4271 leaves the value open; every implementation takes 100. */
export const DEFAULT_LOCAL_PREF = 100;

/** What a received route says of itself. One object is shared by all prefixes of an UPDATE. */
export interface PathAttributes {
  readonly origin: Origin;
  readonly asPath: AsPath;
  readonly med: number | undefined;
  /** Undefined from an eBGP peer, whose LOCAL_PREF is ignored (RFC 4271 §5.1.5). */
  readonly localPref: number | undefined;
  readonly atomicAggregate: boolean;
  /** RFC 1997, each as u32. */
  readonly communities: readonly number[];
  /** BGP Identifier of the router that brought the route into our AS (RFC 4456 §8). */
  readonly originatorId: number | undefined;
  readonly clusterList: readonly number[];
}

/** Whether two routes say the same; a repeated announcement that changes nothing is no news. */
export const sameAttributes = (a: PathAttributes, b: PathAttributes): boolean =>
  a === b ||
  (a.origin === b.origin &&
    a.med === b.med &&
    a.localPref === b.localPref &&
    a.atomicAggregate === b.atomicAggregate &&
    a.originatorId === b.originatorId &&
    sameNumbers(a.communities, b.communities) &&
    sameNumbers(a.clusterList, b.clusterList) &&
    a.asPath.length === b.asPath.length &&
    a.asPath.every((s, i) => s.type === b.asPath[i].type && sameNumbers(s.ases, b.asPath[i].ases)));

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** What we say of a route that we originate, beside the next hop. */
export interface OwnAttributes {
  readonly origin: Origin;
  readonly asPath: AsPath;
  readonly med: number | undefined;
  /** Only to iBGP peers, where it is mandatory (RFC 4271 §5.1.5). */
  readonly localPref: number | undefined;
  readonly communities: readonly number[];
}

/**
 * The attributes as bytes, in ascending order of their codes (RFC 4271 §5). `nextHop` is the NEXT_HOP attribute, undefined
 * for a route whose next hop stands in MP_REACH_NLRI.
 * @param fourOctetAs whether the peer speaks 4-octet AS numbers; if not, AS4_PATH is added where it is needed.
 */
export const encodeAttributes = (
  attributes: OwnAttributes,
  nextHop: number | undefined,
  fourOctetAs: boolean,
): Uint8Array => {
  const { asPath, med, localPref, communities } = attributes;
  const out: number[] = [];
  pushAttribute(out, FLAG_TRANSITIVE, ATTR_ORIGIN, [ORIGINS.indexOf(attributes.origin)]);
  pushAttribute(out, FLAG_TRANSITIVE, ATTR_AS_PATH, encodeAsPath(asPath, fourOctetAs ? 4 : 2));
  if (nextHop !== undefined) pushAttribute(out, FLAG_TRANSITIVE, ATTR_NEXT_HOP, addressBytes(nextHop));
  if (med !== undefined) pushAttribute(out, FLAG_OPTIONAL, ATTR_MED, addressBytes(med));
  if (localPref !== undefined) pushAttribute(out, FLAG_TRANSITIVE, ATTR_LOCAL_PREF, addressBytes(localPref));
  if (communities.length > 0) {
    pushAttribute(
      out,
      FLAG_OPTIONAL | FLAG_TRANSITIVE,
      ATTR_COMMUNITIES,
      communities.flatMap((c) => addressBytes(c)),
    );
  }
  if (!fourOctetAs && asPath.some((s) => s.ases.some((as) => as > 0xffff))) {
    pushAttribute(out, FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_AS4_PATH, encodeAsPath(asPath, 4));
  }
  return Uint8Array.from(out);
};

const pushAttribute = (out: number[], flags: number, type: number, value: readonly number[]): void => {
  if (value.length > 255)
    out.push(flags | FLAG_EXTENDED_LENGTH, type, value.length >>> 8, value.length & 0xff);
  else out.push(flags, type, value.length);
  out.push(...value);
};

/** An address in network byte order: 4 bytes, or 16. */
export const addressBytes = (address: Address): number[] =>
  typeof address === 'number'
    ? [address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff]
    : address.flatMap((w) => addressBytes(w));
