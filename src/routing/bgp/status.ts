// What an operator sees of the speaker: `show bgp` and its details. Addresses and paths are text here, and nowhere below.

import { formatAddress } from './address.ts';
import { formatAsPath } from './as-path.ts';
import type { Origin } from './attributes.ts';
import type { FsmState } from './fsm.ts';
import type { MessageName } from './message.ts';
import type { Address, Family, Nlri } from './nlri.ts';
import type { OriginatedRoute } from './origin-table.ts';
import { REFUSALS, type RibInEntry } from './rib-in.ts';

/** Counters of a peer since the speaker's start. A row: name, the operator's sentence. */
export const PEER_COUNTERS = {
  connectsFailed: 'connections that were refused or timed out',
  connectionsAccepted: 'connections that the peer opened and we took',
  connectionsRefused:
    'connections that the peer opened and we closed: shut down, over its limit, or one stood already',
  collisions: 'connections closed because another one to the same peer was kept (RFC 4271 §6.8)',
  established: 'times that the session came up',
  dropped: 'times that an established session went down',
  endedByUs: 'connections that we ended because of what the peer sent or did not send',
  endedByPeer: 'connections that the peer ended with a NOTIFICATION',
  updatesTreatedAsWithdraw: 'UPDATEs whose prefixes were taken back because of a bad attribute (RFC 7606)',
  attributesDiscarded: 'bad attributes that were ignored (RFC 7606)',
} as const;
export type PeerCounterName = keyof typeof PEER_COUNTERS;
export type PeerCounters = Record<PeerCounterName, number>;

export const createPeerCounters = (): PeerCounters =>
  Object.fromEntries(Object.keys(PEER_COUNTERS).map((name) => [name, 0])) as PeerCounters;

export type MessageCounters = Record<MessageName, number>;

export const createMessageCounters = (): MessageCounters => ({
  open: 0,
  update: 0,
  notification: 0,
  keepalive: 0,
  routeRefresh: 0,
});

export interface PeerStatus {
  readonly name: string;
  readonly address: string;
  readonly as: number;
  readonly ebgp: boolean;
  readonly state: FsmState;
  /** Why the state is Idle; undefined in any other. */
  readonly idleReason: 'stopped' | 'max-prefixes' | 'waiting' | undefined;
  /** Who opened the established connection. */
  readonly direction: 'outgoing' | 'incoming' | undefined;
  /** Seconds since the session came up or went down; undefined when it never was up. */
  readonly sinceSeconds: number | undefined;
  /** The peer's BGP Identifier as text, and what was agreed, while the session is up. */
  readonly routerId: string | undefined;
  readonly localAddress: string | undefined;
  readonly holdSeconds: number | undefined;
  readonly keepaliveSeconds: number | undefined;
  readonly families: readonly Family[];
  /** Families whose End-of-RIB marker the peer sent: it has told all it had. */
  readonly endOfRib: readonly Family[];
  readonly messages: { readonly sent: MessageCounters; readonly received: MessageCounters };
  readonly counters: PeerCounters;
  readonly prefixes: {
    readonly received: number;
    readonly accepted: number;
    readonly announced: number;
    readonly limit: number;
  };
  /** Prefixes that the peer has not been told about yet. */
  readonly outQueue: number;
  /** Why the last connection failed or the last session went down; it stays while a later session is up. */
  readonly lastError: { readonly text: string; readonly wallMs: number } | undefined;
}

export interface SpeakerStatus {
  readonly as: number;
  readonly routerId: string;
  /** Port that the speaker listens on; undefined when it only connects. */
  readonly listenPort: number | undefined;
  /** Prefixes that we originate. */
  readonly originated: number;
  /** Connections from addresses that are no peer's. */
  readonly unknownPeerConnections: number;
  readonly peers: readonly PeerStatus[];
}

/** One row of `show bgp received` or `show bgp advertised`. */
export interface BgpRouteRow {
  readonly peer: string;
  readonly family: Family;
  readonly prefix: string;
  readonly nextHop: string;
  readonly asPath: string;
  readonly origin: Origin;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  /** "65001:100" each. */
  readonly communities: readonly string[];
  /** Why a received route is not used. */
  readonly refused: string | undefined;
}

export const receivedRow = (peer: string, entry: RibInEntry): BgpRouteRow => ({
  peer,
  family: entry.nlri.family,
  prefix: formatNlri(entry.nlri),
  nextHop: formatAddress(entry.nextHop),
  asPath: formatAsPath(entry.attributes.asPath),
  origin: entry.attributes.origin,
  med: entry.attributes.med,
  localPref: entry.attributes.localPref,
  communities: entry.attributes.communities.map(formatCommunity),
  refused: entry.refused === undefined ? undefined : REFUSALS[entry.refused],
});

export const advertisedRow = (peer: string, route: OriginatedRoute, nextHop: Address): BgpRouteRow => ({
  peer,
  family: route.nlri.family,
  prefix: formatNlri(route.nlri),
  nextHop: formatAddress(nextHop),
  asPath: '',
  origin: route.origin,
  med: route.med,
  localPref: route.localPref,
  communities: route.communities.map(formatCommunity),
  refused: undefined,
});

export const formatNlri = (nlri: Nlri): string => `${formatAddress(nlri.prefix)}/${nlri.len}`;

const formatCommunity = (community: number): string => `${community >>> 16}:${community & 0xffff}`;
