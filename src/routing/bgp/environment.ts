// What a peer is configured with, and what it has around it.

import type { Timers } from '../../base/timers.ts';
import type { RibTrie4 } from '../../tables/rib-trie.ts';
import type { OriginTable } from './origin-table.ts';
import type { BgpRoute, BgpWithdrawal } from './route.ts';
import type { SessionConfig } from './session.ts';
import type { BgpTransport } from './transport.ts';

export interface PeerConfig {
  readonly name: string;
  /** As sockets write it (`canonicalAddress`). */
  readonly address: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  readonly passive: boolean;
  /** Of each family. */
  readonly maxPrefixes: number;
  readonly session: SessionConfig;
}

/** The part of a pino logger that is used here. */
export interface BgpLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface BgpEvents {
  /** A route is new or has changed. */
  route(route: BgpRoute): void;
  withdraw(withdrawal: BgpWithdrawal): void;
  /** A session came up, or went down for the reason given. The withdrawals of its routes come before `up: false`. */
  session(change: { readonly peer: string; readonly up: boolean; readonly reason: string }): void;
}

export interface PeerEnvironment {
  readonly timers: Timers;
  /** Jitter, a float in [0, 1). */
  readonly random: () => number;
  readonly transport: BgpTransport;
  readonly origin: OriginTable;
  readonly events: BgpEvents;
  readonly log: BgpLog;
  /** A trie over whose tree received IPv4 prefixes are laid; absent: a tree for each peer. */
  readonly prefixes: RibTrie4 | undefined;
}
