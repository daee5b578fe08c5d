// The BGP-4 speaker (RFC 4271): announces the gateway's own routes to its peers and tells the gateway what they announce.
//
// It is an end, not a transit: a route of one peer is never passed to another, and it reflects nothing. What it originates
// it announces to every peer whose session carries the family, with its own address as next hop unless the route has one.
// Which of several received routes to a prefix is used is for the RIB to say (`compareBgpPreference`).

import { isIP } from 'node:net';
import { formatIpv4 } from '../../addr/ipv4.ts';
import { NearhopError } from '../../base/errors.ts';
import { systemTimers, type Timers } from '../../base/timers.ts';
import type { RibTrie4 } from '../../tables/rib-trie.ts';
import { canonicalAddress } from './address.ts';
import type { BgpEvents, BgpLog, PeerConfig } from './environment.ts';
import { CEASE_ADMIN_SHUTDOWN, CEASE_CONNECTION_REJECTED, ERR_CEASE } from './error.ts';
import { BGP_PORT } from './message.ts';
import type { Address, Family } from './nlri.ts';
import { encodeNotification } from './notification.ts';
import { OriginTable } from './origin-table.ts';
import { Peer } from './peer.ts';
import type { Announcement } from './route.ts';
import { advertisedRow, type BgpRouteRow, receivedRow, type SpeakerStatus } from './status.ts';
import { type BgpConnection, type BgpListener, type BgpTransport, createTcpTransport } from './transport.ts';

export interface BgpPeerOptions {
  /** Name in logs, events and status; unique. */
  readonly name: string;
  /** IPv4 or IPv6 address as text; unique. */
  readonly address: string;
  readonly as: number;
  /** Address to connect from; absent = what the host's routing chooses. */
  readonly localAddress?: string;
  /** TCP port to connect to. Default 179. */
  readonly port?: number;
  /** Only wait for the peer's connection. Default false: connect and accept. */
  readonly passive?: boolean;
  /** 0 (no keepalives) or 3 to 65535 seconds; default 90. The lower of both sides' counts. */
  readonly holdSeconds?: number;
  /** Default a third of the hold time, which is also its highest value. */
  readonly keepaliveSeconds?: number;
  /** Seconds between two attempts to connect. Default 5. */
  readonly connectRetrySeconds?: number;
  /** Default IPv4 alone. */
  readonly families?: readonly Family[];
  /** More prefixes of one family than this end the session, for five minutes. Default 200,000. */
  readonly maxPrefixes?: number;
  /** Refuse routes whose path does not begin with the peer's AS. Default true; a route server needs false. */
  readonly enforceFirstAs?: boolean;
}

export interface BgpSpeakerOptions {
  readonly as: number;
  /** BGP Identifier as u32, not 0. */
  readonly routerId: number;
  readonly peers: readonly BgpPeerOptions[];
  /** Where to accept connections; absent = only connect. Port default 179; '::' takes IPv4 too. */
  readonly listen?: { readonly address: string; readonly port?: number };
  readonly events: BgpEvents;
  /** A trie that has nearly the same IPv4 prefixes as peers announce: they are then laid over its tree. */
  readonly prefixes?: RibTrie4;
  readonly log?: BgpLog;
  readonly timers?: Timers;
  readonly transport?: BgpTransport;
  /** Jitter, a float in [0, 1). */
  readonly random?: () => number;
}

export interface BgpSpeaker {
  /** Listens and connects. Rejects with `bgp-listen-failed`; nothing runs then. */
  start(): Promise<void>;
  /** Ends all sessions with Cease/Administrative Shutdown and resolves when the peers have it, a second at most. */
  stop(reason?: string): Promise<void>;
  /** Announces a route to all peers, or changes it. Throws `bgp-announcement-invalid`. */
  announce(route: Announcement): void;
  /** Takes a route back; nothing happens when there is none. */
  withdraw(prefix: Address, len: number): void;
  /** Asks a peer to send all its routes again (RFC 2918). False when it cannot. Throws `bgp-peer-unknown`. */
  refreshIn(peer: string): boolean;
  /** Sends all our routes to a peer again. Throws `bgp-peer-unknown`. */
  refreshOut(peer: string): void;
  /** Ends a session and starts it anew. Throws `bgp-peer-unknown`. */
  reset(peer: string, reason?: string): void;
  status(): SpeakerStatus;
  /** What peers announced, refused routes included. Throws `bgp-peer-unknown`. */
  received(peer?: string): BgpRouteRow[];
  /** What peers were told. Throws `bgp-peer-unknown`. */
  advertised(peer?: string): BgpRouteRow[];
}

const SILENT: BgpLog = { info() {}, warn() {} };

/** Makes a speaker; nothing happens before `start`. Throws `bgp-config-invalid`. */
export const createBgpSpeaker = (options: BgpSpeakerOptions): BgpSpeaker => {
  const { as, routerId, events, random = Math.random, timers = systemTimers, log = SILENT } = options;
  const transport = options.transport ?? createTcpTransport();
  checkOptions(options);
  const origin = new OriginTable();
  const env = { timers, random, transport, origin, events, log, prefixes: options.prefixes };
  const peers = new Map<string, Peer>();
  const byAddress = new Map<string, Peer>();
  for (const peer of options.peers) {
    const config = peerConfig(options, peer);
    const made = new Peer(config, env);
    peers.set(config.name, made);
    byAddress.set(config.address, made);
  }
  let listener: BgpListener | undefined;
  let unknownPeerConnections = 0;

  const accept = (connection: BgpConnection) => {
    const peer = byAddress.get(connection.remoteAddress);
    if (peer !== undefined) return peer.accept(connection);
    unknownPeerConnections++;
    log.warn({ address: connection.remoteAddress }, 'BGP connection from an address that is no peer');
    connection.end(encodeNotification(ERR_CEASE, CEASE_CONNECTION_REJECTED));
    return undefined;
  };

  const find = (name: string): Peer => {
    const peer = peers.get(name);
    if (peer === undefined) {
      throw new NearhopError('bgp-peer-unknown', `there is no BGP peer '${name}'`, {
        hint: `peers are: ${[...peers.keys()].join(', ') || 'none'}`,
      });
    }
    return peer;
  };
  const chosen = (name: string | undefined): Iterable<Peer> =>
    name === undefined ? peers.values() : [find(name)];

  return {
    async start() {
      if (options.listen !== undefined) {
        const { address, port = BGP_PORT } = options.listen;
        listener = await transport.listen({ address, port }, accept);
      }
      for (const peer of peers.values()) peer.start();
    },
    async stop(reason = '') {
      listener?.close();
      listener = undefined;
      for (const peer of peers.values()) peer.stop(CEASE_ADMIN_SHUTDOWN, reason);
      await transport.idle();
    },
    announce(route) {
      const change = origin.announce(route);
      if (change !== undefined) for (const peer of peers.values()) peer.changed(change.key, change.nlri);
    },
    withdraw(prefix, len) {
      const change = origin.withdraw(prefix, len);
      if (change !== undefined) for (const peer of peers.values()) peer.changed(change.key, change.nlri);
    },
    refreshIn: (name) => find(name).refreshIn(),
    refreshOut: (name) => find(name).refreshOut(),
    reset: (name, reason = '') => find(name).reset(reason),
    status: () => ({
      as,
      routerId: formatIpv4(routerId),
      listenPort: listener?.port,
      originated: origin.routes.size,
      unknownPeerConnections,
      peers: [...peers.values()].map((peer) => peer.status()),
    }),
    received: (name) =>
      [...chosen(name)].flatMap((peer) =>
        Array.from(peer.received(), (entry) => receivedRow(peer.config.name, entry)),
      ),
    advertised: (name) =>
      [...chosen(name)].flatMap((peer) =>
        Array.from(peer.advertised(), ({ route, nextHop }) =>
          advertisedRow(peer.config.name, route, nextHop),
        ),
      ),
  };
};

const peerConfig = (options: BgpSpeakerOptions, peer: BgpPeerOptions): PeerConfig => {
  const holdSeconds = peer.holdSeconds ?? 90;
  return {
    name: peer.name,
    address: canonicalAddress(peer.address),
    port: peer.port ?? BGP_PORT,
    localAddress: peer.localAddress,
    passive: peer.passive ?? false,
    maxPrefixes: peer.maxPrefixes ?? 200_000,
    session: {
      as: options.as,
      routerId: options.routerId,
      peerAs: peer.as,
      holdSeconds,
      keepaliveSeconds: peer.keepaliveSeconds ?? holdSeconds / 3,
      families: peer.families ?? (['ipv4'] as const),
      connectRetryMs: (peer.connectRetrySeconds ?? 5) * 1000,
      enforceFirstAs: peer.enforceFirstAs ?? true,
    },
  };
};

const checkOptions = (options: BgpSpeakerOptions): void => {
  const fail = (message: string, hint: string): never => {
    throw new NearhopError('bgp-config-invalid', message, { hint });
  };
  const isAs = (n: number): boolean => Number.isInteger(n) && n > 0 && n < 0xffffffff;
  if (!isAs(options.as)) fail(`AS ${options.as}`, 'AS numbers are 1 to 4294967294');
  if (options.routerId === 0)
    fail('router id 0.0.0.0', 'give the router id any other value, unique in its AS');
  const names = new Set<string>();
  const addresses = new Set<string>();
  for (const { name, address, as, holdSeconds = 90 } of options.peers) {
    if (isIP(address) === 0)
      fail(`peer '${name}': '${address}' is no address`, 'write an IPv4 or IPv6 address');
    if (!isAs(as)) fail(`peer '${name}': AS ${as}`, 'AS numbers are 1 to 4294967294');
    const isHold =
      Number.isInteger(holdSeconds) && (holdSeconds === 0 || holdSeconds >= 3) && holdSeconds < 65536;
    if (!isHold)
      fail(`peer '${name}': hold time ${holdSeconds} s`, 'use 0 or 3 to 65535 seconds (RFC 4271 §4.2)');
    if (names.has(name)) fail(`two peers are named '${name}'`, 'give each a name of its own');
    const canonical = canonicalAddress(address);
    if (addresses.has(canonical)) fail(`two peers have the address ${address}`, 'one peer for each address');
    names.add(name);
    addresses.add(canonical);
  }
};
