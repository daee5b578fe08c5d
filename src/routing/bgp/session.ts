// One connection to a peer: TCP below, the FSM beside it, decoded messages to the peer above.
//
//   bytes → MessageReader → Fsm → update / route refresh → peer.ts
//   peer.ts → send → TCP; a full socket stops the peer's rib-out until it drains, so that nothing piles up here.

import type { Timers } from '../../base/timers.ts';
import type { UpdateContext } from './attributes-decode.ts';
import { BgpError } from './error.ts';
import { MessageReader } from './framing.ts';
import { type DownCause, Fsm, type FsmConfig, type FsmHost, type FsmState } from './fsm.ts';
import { MESSAGE_NAMES, type MessageName, MSG_NOTIFICATION, MSG_UPDATE } from './message.ts';
import type { Family } from './nlri.ts';
import type { Negotiated } from './open.ts';
import { decodeRouteRefresh } from './route-refresh.ts';
import type { BgpConnection, BgpTransport, ConnectionHandlers, ConnectTarget } from './transport.ts';
import { decodeUpdate, type UpdateMessage } from './update.ts';

export interface SessionHost {
  /** False: another connection to the same peer is kept instead. */
  opened(session: Session, agreed: Negotiated): boolean;
  established(session: Session, agreed: Negotiated): void;
  /** May throw BgpError. */
  update(session: Session, update: UpdateMessage): void;
  routeRefresh(session: Session, family: Family): void;
  /** The socket takes more again. */
  writable(session: Session): void;
  connectFailed(session: Session, reason: string): void;
  down(session: Session, cause: DownCause): void;
  count(direction: 'sent' | 'received', message: MessageName): void;
}

export interface SessionConfig extends FsmConfig {
  readonly enforceFirstAs: boolean;
}

export class Session implements FsmHost, ConnectionHandlers {
  /** What the two OPENs agreed on; set from OpenConfirm on. */
  agreed: Negotiated | undefined;
  readonly #config: SessionConfig;
  readonly #host: SessionHost;
  readonly #timers: Timers;
  readonly #fsm: Fsm;
  readonly #dial: (() => BgpConnection) | undefined;
  #connection: BgpConnection | undefined;
  #reader: MessageReader;
  #blockedSinceMs: number | undefined;

  private constructor(
    config: SessionConfig,
    host: SessionHost,
    timers: Timers,
    random: () => number,
    dial?: (session: Session) => BgpConnection,
  ) {
    this.#config = config;
    this.#host = host;
    this.#timers = timers;
    this.#fsm = new Fsm(config, this, timers, random);
    this.#dial = dial === undefined ? undefined : () => dial(this);
    this.#reader = this.#newReader();
  }

  /** A session that opens its connection itself, again and again until it is stopped. */
  static outgoing(
    config: SessionConfig,
    host: SessionHost,
    timers: Timers,
    random: () => number,
    transport: BgpTransport,
    target: ConnectTarget,
  ): Session {
    return new Session(config, host, timers, random, (session) => transport.connect(target, session));
  }

  /** A session over a connection that the peer opened. */
  static incoming(
    config: SessionConfig,
    host: SessionHost,
    timers: Timers,
    random: () => number,
    connection: BgpConnection,
  ): Session {
    const session = new Session(config, host, timers, random);
    session.#connection = connection;
    return session;
  }

  get isOutgoing(): boolean {
    return this.#dial !== undefined;
  }
  get state(): FsmState {
    return this.#fsm.state;
  }
  /** Address of our end as text; empty while there is no connection. */
  get localAddress(): string {
    return this.#connection?.localAddress ?? '';
  }
  /** False while the socket is full: `writable` tells when it is not any more. */
  get canSend(): boolean {
    return this.#connection !== undefined && this.#blockedSinceMs === undefined;
  }

  start(): void {
    this.#fsm.start();
  }

  stop(subcode: number, reason = ''): void {
    this.#fsm.stop(subcode, reason);
  }

  // what the connection tells

  connected(): void {
    this.#reader = this.#newReader();
    this.#blockedSinceMs = undefined;
    this.#fsm.connected();
  }

  data(chunk: Uint8Array): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      this.#fsm.fault(error);
    }
  }

  drain(): void {
    this.#blockedSinceMs = undefined;
    this.#host.writable(this);
  }

  closed(reason: string): void {
    this.#connection = undefined;
    this.#fsm.closed(reason);
  }

  #newReader(): MessageReader {
    return new MessageReader((type, body) => {
      this.#host.count('received', MESSAGE_NAMES[type] as MessageName);
      this.#fsm.receive(type, body);
      return this.#connection !== undefined;
    });
  }

  // what the FSM asks for

  connect(): void {
    this.#connection = this.#dial?.();
  }

  connectFailed(reason: string): void {
    this.#host.connectFailed(this, reason);
  }

  send(type: number, message: Uint8Array): void {
    if (this.#connection === undefined) return;
    this.#host.count('sent', MESSAGE_NAMES[type] as MessageName);
    if (!this.#connection.write(message)) this.#blockedSinceMs ??= this.#timers.nowMs();
  }

  sendBlockedMs(): number {
    return this.#blockedSinceMs === undefined ? 0 : this.#timers.nowMs() - this.#blockedSinceMs;
  }

  close(notification: Uint8Array | undefined): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (notification === undefined) connection?.destroy();
    else if (connection !== undefined) {
      this.#host.count('sent', MESSAGE_NAMES[MSG_NOTIFICATION] as MessageName);
      connection.end(notification);
    }
  }

  opened(agreed: Negotiated): boolean {
    if (!this.#host.opened(this, agreed)) return false;
    this.agreed = agreed;
    // RFC 8654 §4: both sides announced it, as we always do.
    this.#reader.extended = agreed.extendedMessage;
    return true;
  }

  established(): void {
    if (this.agreed !== undefined) this.#host.established(this, this.agreed);
  }

  update(body: Uint8Array): void {
    if (this.agreed === undefined) return;
    const context: UpdateContext = { ...this.agreed, enforceFirstAs: this.#config.enforceFirstAs };
    this.#host.update(this, decodeUpdate(body, context));
  }

  routeRefresh(body: Uint8Array): void {
    const family = decodeRouteRefresh(body);
    if (family !== undefined && this.agreed?.families.includes(family)) this.#host.routeRefresh(this, family);
  }

  down(cause: DownCause): void {
    this.agreed = undefined;
    this.#host.down(this, cause);
  }

  /** Sends UPDATEs; true while the socket takes more. */
  sendUpdates(messages: readonly Uint8Array[]): boolean {
    for (const message of messages) this.send(MSG_UPDATE, message);
    return this.canSend;
  }
}
