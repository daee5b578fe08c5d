// What a golden world is made of: its networks, routed interfaces, ports and routes, with addresses as text.

import type { Ip4OriginOptions } from '../../src/dataplane/ip4-originate.ts';
import type { NeighborTimers } from '../../src/tables/neighbor-table.ts';
import { STALE_BRIDGE, STALE_DROP, STALE_INTERCEPT } from '../../src/tables/network-table.ts';
import type { Host } from './frames.ts';

export const STALE = { intercept: STALE_INTERCEPT, bridge: STALE_BRIDGE, drop: STALE_DROP } as const;

export interface NetworkOptions {
  readonly name: string;
  readonly subnet: string;
  /** The gateway's IP and T-MAC. */
  readonly target: Host;
  /** S-MAC; absent: not known. */
  readonly source?: Host | undefined;
  /** Local members, a port each, or a VLAN of a port: `trunk.10`. */
  readonly members: readonly string[];
  /** Port (or VLAN of a port) that leads to the source site; absent: none. */
  readonly extension?: string | undefined;
  readonly extensionMtu?: number;
  readonly proximity?: boolean;
  readonly stale?: keyof typeof STALE;
  readonly dropAsymmetric?: boolean;
  readonly mssClamp?: boolean;
  readonly floodPps?: number;
}

export interface RoutedOptions {
  /** Name of the interface and its port, or `port.vlan`. */
  readonly name: string;
  /** MAC and, with `address`, the interface's own IP. */
  readonly self: Host;
  /** Address with the subnet's length: `172.16.0.2/30`. */
  readonly address: string;
  readonly mtu?: number;
  readonly hostStack?: boolean;
}

export interface PortOptions {
  readonly mtu?: number;
  readonly offload?: boolean;
  readonly l3Only?: boolean;
  readonly slots?: number;
}

export interface WorldOptions {
  readonly networks?: readonly NetworkOptions[];
  readonly routed?: readonly RoutedOptions[];
  /** What ports are other than plain; a port stands here under its name. */
  readonly ports?: Readonly<Record<string, PortOptions>>;
  readonly origin?: Ip4OriginOptions;
  readonly timers?: Partial<NeighborTimers>;
  /** Entries of the FDB. */
  readonly fdb?: number;
}

/** `via` is a next hop's address, `out` the interface to it (a BVI is `bvi.<network>`). */
export type RouteTo =
  | { readonly via: string; readonly out: string }
  | { readonly connected: string }
  | { readonly local: string }
  | 'blackhole'
  | 'unreachable';
