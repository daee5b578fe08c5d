// What can be asked of a running gateway: one closed list of requests with their parameters, and the types of the answers.
// The control socket, the CLI and the gateway's handlers all follow it. Addresses, prefixes and MACs are text here, as these
// rows are for people and for JSON; every row says where it came from.

import type { TraceRecord } from '../dataplane/trace-format.ts';
import { MIGRATE_KINDS, type MigrateKind, type VmRouteState, type VmState } from '../mobility/vm.ts';
import type { PortKind, PortStats } from '../ports/port.ts';
import type { IfCounterName, TotalName } from '../stats/counters.ts';
import type { ReasonClass, ReasonName } from '../stats/reasons.ts';

/** Kind of a parameter: its type, `?` when it may be absent, or the list of the words that it may be. */
export type ParamKind =
  | 'string'
  | 'string?'
  | 'strings'
  | 'strings?'
  | 'number?'
  | 'boolean?'
  | readonly string[];

export interface RequestSpec {
  readonly text: string;
  readonly params: Readonly<Record<string, ParamKind>>;
}

const request = <const P extends Readonly<Record<string, ParamKind>>>(text: string, params: P) => ({
  text,
  params,
});

/** Every request, what it does, and its parameters. */
export const REQUESTS = {
  status: request('state of the gateway', {}),
  events: request('what happened: the last events, then new ones while `follow`', { follow: 'boolean?' }),
  'show.ports': request('ports and their counters', {}),
  'show.networks': request('extended networks', { network: 'string?' }),
  'show.vms': request('VMs with their state and host routes', { network: 'string?', vm: 'string?' }),
  'show.routes': request(
    'the RIB; `prefix` is an address (longest match) or a prefix (it and more specific ones)',
    {
      prefix: 'string?',
      source: 'string?',
    },
  ),
  'show.fib': request('what the data plane looks up; `address` asks for the entry of one destination', {
    address: 'string?',
    limit: 'number?',
  }),
  'show.fdb': request('MAC addresses and where they are', { network: 'string?' }),
  'show.neighbors': request('ARP entries', {}),
  'show.counters': request('totals, reasons and interfaces; `all` with those that are 0', {
    all: 'boolean?',
  }),
  'show.bgp': request('BGP neighbors; with `routes` also what each sent and got', { routes: 'boolean?' }),
  'vm.add': request('adds a VM to the inventory', {
    name: 'string',
    network: 'string',
    mac: 'string',
    addresses: 'strings?',
    location: 'string?',
    gateway: 'string?',
  }),
  'vm.remove': request('takes a VM out of the inventory, its routes first', { vm: 'string' }),
  'vm.migrate': request('does what this kind of move does to a VM', { vm: 'string', kind: MIGRATE_KINDS }),
  'vm.set-ip': request('reports the addresses of a VM', { vm: 'string', addresses: 'strings' }),
  'vm.mark-learned': request("says that the VM's /32 was seen in the source's own table", { vm: 'string' }),
  'trace.start': request('traces packets that match all of the parameters', {
    host: 'string?',
    port: 'number?',
    protocol: 'string?',
    vlan: 'number?',
    mac: 'string?',
    interface: 'string?',
    count: 'number?',
  }),
  'trace.read': request(
    'traced packets from number `from` on; with `follow` new ones until `count` or stop',
    {
      from: 'number?',
      follow: 'boolean?',
    },
  ),
  'trace.stop': request('no further packets are traced', {}),
} as const satisfies Record<string, RequestSpec>;

export type RequestName = keyof typeof REQUESTS;
export const REQUEST_NAMES = Object.keys(REQUESTS) as RequestName[];

type Values = { string: string; strings: readonly string[]; number: number; boolean: boolean };
type ValueOf<K> = K extends readonly (infer Word)[]
  ? Word
  : K extends `${infer Base extends keyof Values}?`
    ? Values[Base]
    : K extends keyof Values
      ? Values[K]
      : never;
type ParamsOf<P> = {
  readonly [K in keyof P as P[K] extends `${string}?` ? never : K]: ValueOf<P[K]>;
} & { readonly [K in keyof P as P[K] extends `${string}?` ? K : never]?: ValueOf<P[K]> | undefined };

/** Parameters of a request, as a handler gets them: already checked against REQUESTS. */
export type Params<R extends RequestName> = ParamsOf<(typeof REQUESTS)[R]['params']>;

/** What a handler has besides the parameters. */
export interface Call<Row = unknown> {
  /** Adds a warning to the answer. */
  warn(text: string): void;
  /** Sends a row before the answer. False: the client is slow and the row was not sent (count it, or wait a little). */
  emit(row: Row): boolean;
  /** Aborted when the client is gone or the server closes: end a `follow` then. */
  readonly signal: AbortSignal;
}

export type Handlers = {
  readonly [R in RequestName]: (
    params: Params<R>,
    call: Call<R extends keyof StreamRows ? StreamRows[R] : never>,
  ) => Answers[R] | Promise<Answers[R]>;
};

/** Rows that a request sends before its answer. */
export interface StreamRows {
  events: EventRow;
  'trace.read': TraceRow;
}

export interface Answers {
  status: StatusData;
  /** Rows come before it. */
  events: { readonly events: number };
  'show.ports': readonly PortRow[];
  'show.networks': readonly NetworkRow[];
  'show.vms': readonly VmRow[];
  'show.routes': readonly RouteRow[];
  'show.fib': FibData;
  'show.fdb': readonly FdbRow[];
  'show.neighbors': readonly NeighborRow[];
  'show.counters': CountersData;
  'show.bgp': BgpData;
  'vm.add': VmRow;
  'vm.remove': { readonly removed: string };
  'vm.migrate': VmRow;
  'vm.set-ip': VmRow;
  'vm.mark-learned': VmRow;
  /** Number of the first packet that this trace can have: pass it to trace.read. */
  'trace.start': { readonly from: number };
  /** `next` is where a later read goes on; `lost` packets were overwritten before they were read. */
  'trace.read': { readonly packets: number; readonly next: number; readonly lost: number };
  'trace.stop': { readonly packets: number };
}

export interface StatusData {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly routerId: string;
  /** Config file, null when there is none. */
  readonly config: string | null;
  readonly socket: string | null;
  readonly ports: number;
  readonly networks: number;
  readonly vms: Readonly<Record<VmState, number>>;
  readonly routes: number;
  readonly bgp: { readonly neighbors: number; readonly established: number } | null;
  readonly packets: Readonly<Record<TotalName, number>>;
  /** Packets by data-plane worker; the first one is the owner. */
  readonly workers: readonly { readonly received: number; readonly sent: number }[];
  /** What the conservation law lacks; 0 between two rounds, so a lasting other value is a bug. */
  readonly imbalance: number;
  readonly warnings: readonly string[];
}

export interface EventRow {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly kind: string;
  /** One sentence. */
  readonly text: string;
  readonly source: 'dataplane' | 'mobility' | 'bgp' | 'operator' | 'gateway';
  readonly network: string | null;
  readonly interface: string | null;
  readonly vm: string | null;
  readonly mac: string | null;
  readonly address: string | null;
}

export interface PortRow {
  readonly name: string;
  readonly kind: PortKind;
  readonly source: 'config';
  readonly up: boolean;
  /** Null for a port without Ethernet. */
  readonly mac: string | null;
  readonly mtu: number;
  /** Takes unfinished checksums and frames that are to be segmented. */
  readonly offload: boolean;
  /** What is behind it: device, tunnel, file; empty when there is nothing to say. */
  readonly detail: string;
  /** Names of the interfaces on it. */
  readonly interfaces: readonly string[];
  readonly stats: Readonly<PortStats>;
}

export interface MemberRow {
  readonly interface: string;
  readonly port: string;
  readonly vlan: number;
  readonly up: boolean;
}

export interface NetworkRow {
  readonly name: string;
  readonly source: 'config';
  readonly subnet: string;
  readonly gateway: string;
  readonly targetMac: string;
  /** S-MAC; null while it is not known. */
  readonly sourceMac: string | null;
  readonly sourceMacFrom: 'config' | 'learned' | 'unknown';
  readonly proximityRouting: boolean;
  readonly extension: (MemberRow & { readonly mtu: number }) | null;
  readonly members: readonly MemberRow[];
  readonly staleGateway: 'intercept' | 'bridge' | 'drop';
  readonly asymmetric: 'deliver' | 'drop';
  readonly floodPps: number;
  readonly vms: Readonly<Record<VmState, number>>;
}

export interface VmRow {
  readonly name: string;
  readonly mac: string;
  readonly network: string;
  readonly addresses: readonly { readonly address: string; readonly state: 'reported' | 'stale' }[];
  readonly location: 'source' | 'target';
  readonly gatewaySide: 'source' | 'target';
  readonly state: VmState;
  readonly route: VmRouteState;
  readonly seq: number;
  /** Interface behind which it was last seen, null when nowhere. */
  readonly port: string | null;
  /** Why somebody should look, empty when all is well. */
  readonly alarm: string;
  /** Where the row came from. */
  readonly source: 'config' | 'operator' | 'migrated';
}

export type RouteSourceName = 'connected' | 'static' | 'mobility' | 'bgp';

export interface RouteNextHop {
  readonly kind: 'via' | 'connected' | 'local' | 'blackhole';
  /** Next hop, null where there is none. */
  readonly address: string | null;
  readonly interface: string | null;
}

export interface RouteRow {
  readonly prefix: string;
  readonly source: RouteSourceName;
  readonly distance: number;
  readonly metric: number;
  readonly nextHops: readonly RouteNextHop[];
  readonly best: boolean;
  /** In the FIB. */
  readonly installed: boolean;
  /** Why a best route is not in the FIB, or a route not best; empty otherwise. */
  readonly reason: string;
  readonly ageSeconds: number;
  /** What it belongs to: a VM, a BGP neighbor; null where there is nothing. */
  readonly origin: string | null;
}

export interface FibEntry {
  readonly prefix: string;
  readonly source: RouteSourceName;
  /** `packets` and `bytes` were rewritten to this next hop, whatever prefix led to it. */
  readonly nextHops: readonly (RouteNextHop & {
    readonly mac: string | null;
    readonly packets: number;
    readonly bytes: number;
  })[];
}

export interface FibData {
  readonly layout: string;
  readonly prefixes: number;
  readonly bytes: number;
  readonly entries: readonly FibEntry[];
  /** Entries that `limit` left out. */
  readonly omitted: number;
}

export interface FdbRow {
  readonly network: string;
  readonly mac: string;
  readonly interface: string;
  readonly vlan: number;
  readonly source: 'learned' | 'static' | 'migrated';
  readonly ageSeconds: number;
  /** How often it changed its interface. */
  readonly moves: number;
  /** VM that has this MAC, null when none is known. */
  readonly vm: string | null;
}

export interface NeighborRow {
  readonly address: string;
  readonly mac: string | null;
  readonly interface: string;
  readonly state: 'INCOMPLETE' | 'REACHABLE' | 'STALE' | 'DELAY' | 'PROBE' | 'FAILED' | 'PERMANENT';
  readonly source: 'learned' | 'static';
  /** Since the MAC was last confirmed; null = never. */
  readonly ageSeconds: number | null;
}

export interface CountersData {
  readonly totals: Readonly<Record<TotalName, number>>;
  readonly imbalance: number;
  readonly reasons: readonly {
    readonly reason: ReasonName;
    readonly class: ReasonClass;
    readonly packets: number;
    readonly rule: string;
    readonly text: string;
  }[];
  readonly interfaces: readonly ({ readonly name: string } & Readonly<Record<IfCounterName, number>>)[];
}

export interface BgpRoute {
  readonly prefix: string;
  readonly nextHop: string;
  /** AS path as text, empty for our own routes. */
  readonly asPath: string;
  readonly source: 'bgp' | 'mobility' | 'connected' | 'static';
  /** Why a received route is not used, null when it is. */
  readonly refused: string | null;
}

export interface BgpPeerRow {
  readonly name: string;
  readonly address: string;
  readonly as: number;
  readonly source: 'config';
  readonly state: 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';
  /** In this state, seconds; null = never left the first one. */
  readonly stateSeconds: number | null;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  readonly prefixesReceived: number;
  readonly prefixesSent: number;
  readonly lastError: string | null;
  readonly received?: readonly BgpRoute[];
  readonly advertised?: readonly BgpRoute[];
}

export interface BgpData {
  readonly as: number;
  readonly routerId: string;
  readonly listening: boolean;
  readonly peers: readonly BgpPeerRow[];
}

/** A traced packet with the steps of its way, and all of it as text. */
export type TraceRow = TraceRecord;

export type { MigrateKind, VmRouteState, VmState };
