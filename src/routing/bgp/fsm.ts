// The finite state machine of one connection (RFC 4271 §8). It knows messages and time, and neither sockets nor routes:
// those are its host's (session.ts). Timers are the RFC's ConnectRetryTimer, HoldTimer and KeepaliveTimer.
//
//   Idle → Connect ⇄ Active → OpenSent → OpenConfirm → Established; whatever goes wrong leads back to Idle, and the host
// (peer.ts) decides when to start again. A refused connection leads to Active, as every implementation has it, not to Idle.

import type { Timer, Timers } from '../../base/timers.ts';
import {
  BgpError,
  CEASE_COLLISION,
  ERR_CEASE,
  ERR_FSM,
  ERR_HOLD_TIMER,
  ERR_SEND_HOLD_TIMER,
  notificationText,
} from './error.ts';
import {
  encodeKeepalive,
  MESSAGE_NAMES,
  MSG_KEEPALIVE,
  MSG_NOTIFICATION,
  MSG_OPEN,
  MSG_ROUTE_REFRESH,
  MSG_UPDATE,
} from './message.ts';
import { decodeNotification, encodeCease, encodeNotification } from './notification.ts';
import { decodeOpen, encodeOpen, type LocalOpen, type Negotiated, negotiate } from './open.ts';

export type FsmState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** Hold timer until the peer's OPEN tells a better value, RFC 4271 §8.2.2. */
const OPEN_HOLD_MS = 240_000;
/** A connection that took no byte for so long is dead, though the peer may still talk: RFC 9687 §3.1. */
const SEND_HOLD_MS = 480_000;
/** A hold timer that fires this late was held up by ourselves: what the peer sent meanwhile is read first. */
const LATE_MS = 100;

/** Why a connection went down. */
export interface DownCause {
  readonly by: 'us' | 'peer' | 'transport' | 'operator';
  /** Code and subcode of the NOTIFICATION that was sent or received; 0 for none. */
  readonly code: number;
  readonly subcode: number;
  readonly text: string;
}

export interface FsmHost {
  /** Opens the TCP connection; `connected` or `failed` follows. */
  connect(): void;
  connectFailed(reason: string): void;
  send(type: number, message: Uint8Array): void;
  /** Milliseconds for which TCP has taken no byte; 0 when nothing waits. */
  sendBlockedMs(): number;
  /** Closes the connection, after a NOTIFICATION where there is one. */
  close(notification: Uint8Array | undefined): void;
  /** The peer's OPEN is good. False: another connection to this peer is kept instead (RFC 4271 §6.8). */
  opened(agreed: Negotiated): boolean;
  established(): void;
  /** May throw BgpError. The body is only valid during the call. */
  update(body: Uint8Array): void;
  routeRefresh(body: Uint8Array): void;
  /** The FSM is back in Idle. */
  down(cause: DownCause): void;
}

export interface FsmConfig extends LocalOpen {
  readonly connectRetryMs: number;
}

export class Fsm {
  #state: FsmState = 'Idle';
  #agreed: Negotiated | undefined;
  #connectRetry: Timer | undefined;
  #hold: Timer | undefined;
  #keepalive: Timer | undefined;
  #heardMs = 0;
  readonly #config: FsmConfig;
  readonly #host: FsmHost;
  readonly #timers: Timers;
  readonly #random: () => number;

  /** @param random jitter of the timers (RFC 4271 §10), a float in [0, 1). */
  constructor(config: FsmConfig, host: FsmHost, timers: Timers, random: () => number) {
    this.#config = config;
    this.#host = host;
    this.#timers = timers;
    this.#random = random;
  }

  get state(): FsmState {
    return this.#state;
  }

  /** Event 1 or 3: connects, and goes on trying until it is stopped. */
  start(): void {
    if (this.#state === 'Idle') this.#connect();
  }

  #connect(): void {
    this.#state = 'Connect';
    this.#armConnectRetry();
    this.#host.connect();
  }

  /** Events 16 and 17: the TCP connection stands, whoever opened it. */
  connected(): void {
    this.#connectRetry?.cancel();
    this.#state = 'OpenSent';
    const { as, routerId, holdSeconds, families } = this.#config;
    const capabilities = { routeRefresh: true, extendedMessage: true };
    this.#heardMs = this.#timers.nowMs();
    this.#armHold(OPEN_HOLD_MS);
    this.#host.send(MSG_OPEN, encodeOpen({ as, routerId, holdSeconds, families, ...capabilities }));
  }

  /** Event 18: the connection was refused, failed, or was closed by the peer. */
  closed(reason: string): void {
    if (this.#state === 'Connect') {
      this.#state = 'Active';
      this.#armConnectRetry();
      this.#host.connectFailed(reason);
    } else if (this.#state !== 'Idle') {
      this.#down({ by: 'transport', code: 0, subcode: 0, text: reason }, undefined);
    }
  }

  /** Event 2 with a Cease subcode and the operator's reason. Does nothing in Idle. */
  stop(subcode: number, reason = ''): void {
    if (this.#state === 'Idle') return;
    const hasPeer = this.#state !== 'Connect' && this.#state !== 'Active';
    const by = subcode === CEASE_COLLISION ? 'us' : 'operator';
    const cause: DownCause = { by, code: ERR_CEASE, subcode, text: notificationText(ERR_CEASE, subcode) };
    this.#down(cause, hasPeer ? encodeCease(subcode, reason) : undefined);
  }

  /** A fault of the peer that somebody else found (framing). */
  fault(error: BgpError): void {
    if (this.#state === 'Idle') return;
    const { code, subcode, message: text } = error;
    this.#down({ by: 'us', code, subcode, text }, encodeNotification(code, subcode, error.data));
  }

  /** Events 19 to 28: a message. A BgpError of any decoder ends the session with its NOTIFICATION. */
  receive(type: number, body: Uint8Array): void {
    this.#heardMs = this.#timers.nowMs();
    try {
      if (type === MSG_NOTIFICATION) {
        const { code, subcode, text } = decodeNotification(body);
        this.#down({ by: 'peer', code, subcode, text }, undefined);
      } else if (this.#state === 'OpenSent') this.#inOpenSent(type, body);
      else if (this.#state === 'OpenConfirm') this.#inOpenConfirm(type);
      else if (this.#state === 'Established') this.#inEstablished(type, body);
    } catch (error) {
      if (!(error instanceof BgpError)) throw error;
      this.fault(error);
    }
  }

  #inOpenSent(type: number, body: Uint8Array): void {
    if (type !== MSG_OPEN) throw new BgpError(ERR_FSM, 1, MESSAGE_NAMES[type]);
    const agreed = negotiate(this.#config, decodeOpen(body));
    if (!this.#host.opened(agreed)) {
      this.stop(CEASE_COLLISION);
      return;
    }
    this.#agreed = agreed;
    this.#state = 'OpenConfirm';
    this.#hold?.cancel();
    if (agreed.holdMs > 0) this.#armHold(agreed.holdMs);
    this.#sendKeepalive();
  }

  #inOpenConfirm(type: number): void {
    if (type !== MSG_KEEPALIVE) throw new BgpError(ERR_FSM, 2, MESSAGE_NAMES[type]);
    this.#state = 'Established';
    this.#host.established();
  }

  #inEstablished(type: number, body: Uint8Array): void {
    if (type === MSG_UPDATE) this.#host.update(body);
    else if (type === MSG_ROUTE_REFRESH) this.#host.routeRefresh(body);
    else if (type === MSG_OPEN) throw new BgpError(ERR_FSM, 3, MESSAGE_NAMES[type]);
  }

  #armConnectRetry(): void {
    this.#connectRetry?.cancel();
    this.#connectRetry = this.#timers.after(this.#jittered(this.#config.connectRetryMs), () => {
      // Event 9: an attempt that hangs is given up (RFC 4271 §8.2.2, Connect and Active).
      if (this.#state === 'Connect') {
        this.#host.close(undefined);
        this.#host.connectFailed('no answer');
      }
      this.#connect();
    });
  }

  /** One timer a session, not one a message: it looks when it was last heard from, and sleeps for the rest. */
  #armHold(holdMs: number): void {
    const dueMs = Math.max(this.#heardMs + holdMs, this.#timers.nowMs());
    this.#hold = this.#timers.after(dueMs - this.#timers.nowMs(), () => {
      const lateMs = this.#timers.nowMs() - dueMs;
      if (this.#heardMs + holdMs > dueMs || lateMs > LATE_MS) this.#armHold(holdMs);
      else this.fault(new BgpError(ERR_HOLD_TIMER, 0));
    });
  }

  #sendKeepalive(): void {
    const agreed = this.#agreed;
    this.#host.send(MSG_KEEPALIVE, encodeKeepalive());
    if (agreed === undefined || agreed.keepaliveMs === 0) return;
    this.#keepalive = this.#timers.after(this.#jittered(agreed.keepaliveMs), () => {
      if (this.#host.sendBlockedMs() > Math.max(SEND_HOLD_MS, 2 * agreed.holdMs)) {
        // RFC 9687 §3.2: a NOTIFICATION could not be sent either.
        const text = notificationText(ERR_SEND_HOLD_TIMER, 0);
        this.#down({ by: 'us', code: ERR_SEND_HOLD_TIMER, subcode: 0, text }, undefined);
      } else this.#sendKeepalive();
    });
  }

  #jittered(ms: number): number {
    return ms * (0.75 + 0.25 * this.#random());
  }

  #down(cause: DownCause, notification: Uint8Array | undefined): void {
    this.#connectRetry?.cancel();
    this.#hold?.cancel();
    this.#keepalive?.cancel();
    this.#agreed = undefined;
    this.#state = 'Idle';
    this.#host.close(notification);
    this.#host.down(cause);
  }
}
