// One configured peer: up to two connections (ours and its), of which one becomes the session; its RIBs; when to try again.
//
// A route's way in: Session → update → RibIn → events.route. A route's way out: announce → RibOut pending → flush → Session.
// With the session go all routes of the peer, at once; graceful restart is not spoken.

import { formatIpv4 } from '../../addr/ipv4.ts';
import type { Timer } from '../../base/timers.ts';
import { parseAddress } from './address.ts';
import { asPathLength } from './as-path.ts';
import type { PathAttributes } from './attributes.ts';
import type { PeerConfig, PeerEnvironment } from './environment.ts';
import {
  BgpError,
  CEASE_ADMIN_RESET,
  CEASE_COLLISION,
  CEASE_CONNECTION_REJECTED,
  CEASE_MAX_PREFIXES,
  ERR_CEASE,
} from './error.ts';
import type { DownCause, FsmState } from './fsm.ts';
import { type MessageName, MSG_ROUTE_REFRESH } from './message.ts';
import { type Address, AFI, type Family, type Nlri, type NlriKey, SAFI_UNICAST } from './nlri.ts';
import { encodeNotification } from './notification.ts';
import type { Negotiated } from './open.ts';
import type { PathSet } from './path-sets.ts';
import { RibIn, type RibInEntry, type RibInSink } from './rib-in.ts';
import { RibOut } from './rib-out.ts';
import type { BgpRoute, ReceivedPath } from './route.ts';
import { encodeRouteRefresh } from './route-refresh.ts';
import { Session, type SessionHost } from './session.ts';
import { createMessageCounters, createPeerCounters, type PeerStatus } from './status.ts';
import type { BgpConnection, ConnectionHandlers } from './transport.ts';
import type { UpdateMessage } from './update.ts';

/** First wait after a session that went down; doubled with each failure that follows. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** A session that lasted so long was a good one: the next wait is the first again. */
const GOOD_SESSION_MS = 30_000;
/** How long a peer that went over its limit stays shut out. */
const MAX_PREFIX_HOLD_MS = 300_000;

const STATE_ORDER: readonly FsmState[] = [
  'Idle',
  'Connect',
  'Active',
  'OpenSent',
  'OpenConfirm',
  'Established',
];

export class Peer implements SessionHost {
  readonly config: PeerConfig;
  readonly #env: PeerEnvironment;
  readonly #address: Address;
  readonly #outgoing: Session;
  #incoming: Session | undefined;
  /** The established one of the two, and our address in it. */
  #active: Session | undefined;
  #localAddress: Address = 0;
  readonly #ribIn: RibIn;
  readonly #ribOut: RibOut;
  readonly #counters = createPeerCounters();
  readonly #messages = { sent: createMessageCounters(), received: createMessageCounters() };
  #isStarted = false;
  #retry: Timer | undefined;
  #flushing: Timer | undefined;
  #failures = 0;
  #shutOutUntilMs = 0;
  #changedMs: number | undefined;
  #endOfRib: Family[] = [];
  #lastError: { text: string; wallMs: number } | undefined;

  constructor(config: PeerConfig, env: PeerEnvironment) {
    this.config = config;
    this.#env = env;
    this.#address = parseAddress(config.address);
    const { timers, random, transport } = env;
    this.#outgoing = Session.outgoing(config.session, this, timers, random, transport, config);
    const sink: RibInSink = {
      accepted: (nlri, set) => this.#tellRoute(nlri, set),
      withdrawn: (nlri) => env.events.withdraw({ peer: config.name, ...nlri }),
    };
    this.#ribIn = new RibIn(sink, env.prefixes);
    this.#ribOut = new RibOut(env.origin.routes);
  }

  start(): void {
    this.#isStarted = true;
    if (!this.config.passive) this.#outgoing.start();
  }

  /** Ends everything with a Cease; the peer's routes are withdrawn before this returns. */
  stop(subcode: number, reason: string): void {
    this.#isStarted = false;
    this.#retry?.cancel();
    this.#incoming?.stop(subcode, reason);
    this.#outgoing.stop(subcode, reason);
    this.#flushing?.cancel();
    this.#flushing = undefined;
  }

  /** Ends the session, forgets limits and waits, and starts again. */
  reset(reason: string): void {
    this.#shutOutUntilMs = 0;
    this.#failures = 0;
    this.#incoming?.stop(CEASE_ADMIN_RESET, reason);
    this.#outgoing.stop(CEASE_ADMIN_RESET, reason);
    this.#scheduleRetry();
  }

  /** Takes a connection that the peer opened; undefined when it was refused. */
  accept(connection: BgpConnection): ConnectionHandlers | undefined {
    const isShutOut = !this.#isStarted || this.#env.timers.nowMs() < this.#shutOutUntilMs;
    if (isShutOut || this.#active !== undefined) {
      this.#counters.connectionsRefused++;
      const subcode = isShutOut ? CEASE_CONNECTION_REJECTED : CEASE_COLLISION;
      connection.end(encodeNotification(ERR_CEASE, subcode));
      return undefined;
    }
    this.#counters.connectionsAccepted++;
    // A second one in a row: the peer has given the first one up.
    this.#incoming?.stop(CEASE_COLLISION);
    const { timers, random } = this.#env;
    const session = Session.incoming(this.config.session, this, timers, random, connection);
    this.#incoming = session;
    session.connected();
    return session;
  }

  /** A route of ours came, changed or went. */
  changed(key: NlriKey, nlri: Nlri): void {
    this.#ribOut.changed(key, nlri);
    this.#flushSoon();
  }

  /** Asks the peer for all its routes once more. False when it cannot be asked. */
  refreshIn(): boolean {
    const agreed = this.#active?.agreed;
    if (this.#active === undefined || !agreed?.routeRefresh) return false;
    for (const family of agreed.families) this.#active.send(MSG_ROUTE_REFRESH, encodeRouteRefresh(family));
    return true;
  }

  /** Tells the peer all our routes once more. */
  refreshOut(): void {
    for (const family of this.#active?.agreed?.families ?? []) this.#ribOut.refresh(family);
    this.#flushSoon();
  }

  // what sessions tell

  /** RFC 4271 §6.8 with RFC 6286 §2.3: the connection that the side with the higher BGP Identifier opened is kept. */
  opened(session: Session, agreed: Negotiated): boolean {
    if (this.#active !== undefined) return false;
    const other = session.isOutgoing ? this.#incoming : this.#outgoing;
    if (other?.state !== 'OpenConfirm') return true;
    const { routerId, as } = this.config.session;
    const weAreHigher = routerId === agreed.peerId ? as > agreed.peerAs : routerId > agreed.peerId;
    if (session.isOutgoing !== weAreHigher) return false;
    other.stop(CEASE_COLLISION);
    return true;
  }

  established(session: Session, agreed: Negotiated): void {
    this.#active = session;
    this.#retry?.cancel();
    const other = session.isOutgoing ? this.#incoming : this.#outgoing;
    other?.stop(CEASE_COLLISION);
    this.#counters.established++;
    this.#changedMs = this.#env.timers.nowMs();
    this.#endOfRib = [];
    const local = parseAddress(session.localAddress);
    this.#localAddress = local;
    const self = typeof local === 'number' ? { ipv4: local } : { ipv6: local };
    const { name: peer, address } = this.config;
    this.#ribOut.start({ agreed, as: this.config.session.as, self, peerAddress: this.#address });
    this.#env.log.info({ peer, address, as: agreed.peerAs }, 'BGP session established');
    this.#env.events.session({ peer, up: true, reason: 'established' });
    this.#flushSoon();
  }

  update(_session: Session, update: UpdateMessage): void {
    for (const { attribute, action, text } of update.faults) {
      if (action === 'attribute-discard') this.#counters.attributesDiscarded++;
      this.#env.log.warn({ peer: this.config.name, attribute, action, text }, 'bad attribute in an UPDATE');
    }
    if (update.faults.some((f) => f.action === 'treat-as-withdraw'))
      this.#counters.updatesTreatedAsWithdraw++;
    if (update.endOfRib !== undefined && !this.#endOfRib.includes(update.endOfRib)) {
      this.#endOfRib.push(update.endOfRib);
    }
    const { as, routerId } = this.config.session;
    this.#ribIn.apply(update, { as, routerId, localAddress: this.#localAddress, peerAddress: this.#address });
    for (const family of ['ipv4', 'ipv6'] as const) this.#checkLimit(family);
  }

  /** RFC 4486 §4: the data of this Cease is the family and the limit. Throws BgpError. */
  #checkLimit(family: Family): void {
    const limit = this.config.maxPrefixes;
    if (this.#ribIn.received(family) <= limit) return;
    this.#shutOutUntilMs = this.#env.timers.nowMs() + MAX_PREFIX_HOLD_MS;
    const data = new Uint8Array(7);
    const view = new DataView(data.buffer);
    view.setUint16(0, AFI[family]);
    view.setUint8(2, SAFI_UNICAST);
    view.setUint32(3, limit);
    throw new BgpError(ERR_CEASE, CEASE_MAX_PREFIXES, `more than ${limit} ${family} prefixes`, data);
  }

  routeRefresh(_session: Session, family: Family): void {
    this.#ribOut.refresh(family);
    this.#flushSoon();
  }

  writable(): void {
    this.#flushSoon();
  }

  connectFailed(_session: Session, reason: string): void {
    this.#counters.connectsFailed++;
    this.#noteError(`connect: ${reason}`, true);
  }

  down(session: Session, cause: DownCause): void {
    const isCollision = cause.code === ERR_CEASE && cause.subcode === CEASE_COLLISION;
    if (isCollision) this.#counters.collisions++;
    else if (cause.by === 'us') this.#counters.endedByUs++;
    else if (cause.by === 'peer') this.#counters.endedByPeer++;
    if (session === this.#incoming) this.#incoming = undefined;
    const text = `${cause.by === 'transport' ? '' : `${cause.by}: `}${cause.text}`;
    const wasActive = session === this.#active;
    if (!isCollision) this.#noteError(text, !wasActive && cause.by !== 'operator');
    const nowMs = this.#env.timers.nowMs();
    const wasGood = wasActive && nowMs - (this.#changedMs ?? 0) >= GOOD_SESSION_MS;
    if (wasGood || cause.by === 'operator') this.#failures = 0;
    else if (!isCollision) this.#failures++;
    if (wasActive) this.#sessionLost(text);
    this.#scheduleRetry();
  }

  count(direction: 'sent' | 'received', message: MessageName): void {
    this.#messages[direction][message]++;
  }

  #sessionLost(reason: string): void {
    const peer = this.config.name;
    this.#active = undefined;
    this.#counters.dropped++;
    this.#changedMs = this.#env.timers.nowMs();
    this.#ribOut.stop();
    this.#ribIn.clear();
    this.#env.log.warn({ peer, address: this.config.address, reason }, 'BGP session went down');
    this.#env.events.session({ peer, up: false, reason });
  }

  #scheduleRetry(): void {
    this.#retry?.cancel();
    if (!this.#isStarted || this.config.passive) return;
    const { timers, random } = this.#env;
    const backoff = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.min(this.#failures, 6));
    const shutOut = this.#shutOutUntilMs - timers.nowMs();
    this.#retry = timers.after(Math.max(shutOut, backoff * (0.75 + 0.25 * random())), () => {
      // A connection of the peer's may be on its way up; if it fails, its `down` comes here again.
      if (this.#active === undefined && this.#incoming?.state !== 'OpenConfirm') this.#outgoing.start();
    });
  }

  /** Keeps the reason for the operator; it is logged once, not with each attempt that fails in the same way. */
  #noteError(text: string, isLogged: boolean): void {
    const { name: peer, address } = this.config;
    if (isLogged && text !== this.#lastError?.text) {
      this.#env.log.warn({ peer, address, reason: text }, 'BGP session does not come up');
    }
    this.#lastError = { text, wallMs: this.#env.timers.wallMs() };
  }

  /** What changes in one turn of the event loop leaves in one batch; a full socket ends the turn until it drains. */
  #flushSoon(): void {
    if (this.#flushing !== undefined || !this.#ribOut.hasWork || !this.#active?.canSend) return;
    this.#flushing = this.#env.timers.soon(() => {
      this.#flushing = undefined;
      this.#active?.sendUpdates(this.#ribOut.flush());
      this.#flushSoon();
    });
  }

  #tellRoute(nlri: Nlri, set: PathSet): void {
    const agreed = this.#active?.agreed;
    if (agreed === undefined) return;
    set.path ??= this.#pathOf(set.attributes, agreed);
    // The decoder gives every prefix a next hop of its own family. Spelt out: `...nlri` took a microsecond and a half.
    const { family, prefix, len } = nlri;
    this.#env.events.route({ family, prefix, len, nextHop: set.nextHop, path: set.path } as BgpRoute);
  }

  #pathOf(attributes: PathAttributes, { peerId, ebgp }: Negotiated): ReceivedPath {
    const { name: peer, address: peerAddress } = this.config;
    const { origin, asPath, med, localPref, communities } = attributes;
    const length = asPathLength(asPath);
    return {
      peer,
      peerAddress,
      peerId,
      origin,
      asPath,
      asPathLength: length,
      med,
      localPref,
      communities,
      ebgp,
    };
  }

  received(): Iterable<RibInEntry> {
    return this.#ribIn.entries();
  }
  advertised(): ReturnType<RibOut['entries']> {
    return this.#ribOut.entries();
  }

  status(): PeerStatus {
    const { name, address, passive, maxPrefixes, session } = this.config;
    const nowMs = this.#env.timers.nowMs();
    const agreed = this.#active?.agreed;
    const states = [this.#outgoing.state, this.#incoming?.state ?? 'Idle'].map((s) => STATE_ORDER.indexOf(s));
    const isShutOut = nowMs < this.#shutOutUntilMs;
    let state = STATE_ORDER[Math.max(...states)];
    if (state === 'Idle' && passive && this.#isStarted && !isShutOut) state = 'Active';
    const idleReason = !this.#isStarted ? 'stopped' : isShutOut ? 'max-prefixes' : 'waiting';
    const sum = (of: (family: Family) => number): number => of('ipv4') + of('ipv6');
    return {
      name,
      address,
      as: session.peerAs,
      ebgp: session.peerAs !== session.as,
      state,
      idleReason: state === 'Idle' ? idleReason : undefined,
      direction: this.#active === undefined ? undefined : this.#active.isOutgoing ? 'outgoing' : 'incoming',
      sinceSeconds: this.#changedMs === undefined ? undefined : Math.floor((nowMs - this.#changedMs) / 1000),
      routerId: agreed === undefined ? undefined : formatIpv4(agreed.peerId),
      localAddress: this.#active?.localAddress,
      holdSeconds: agreed === undefined ? undefined : agreed.holdMs / 1000,
      keepaliveSeconds: agreed === undefined ? undefined : agreed.keepaliveMs / 1000,
      families: agreed?.families ?? session.families,
      endOfRib: [...this.#endOfRib],
      messages: { sent: { ...this.#messages.sent }, received: { ...this.#messages.received } },
      counters: { ...this.#counters },
      prefixes: {
        received: sum((f) => this.#ribIn.received(f)),
        accepted: sum((f) => this.#ribIn.accepted(f)),
        announced: sum((f) => this.#ribOut.advertised(f)),
        limit: maxPrefixes,
      },
      outQueue: this.#ribOut.pending,
      lastError: this.#lastError,
    };
  }
}
