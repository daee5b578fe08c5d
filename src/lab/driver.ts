// What a scenario may do to a lab, whoever runs it: the namespace engine with real daemons, or the in-process simulator.
// A driver does and observes; the scenario decides what that means.

/** Places of the ESG lab that a scenario names. */
export type HostName = 'vm1' | 'vm2' | 'vm3' | 'vm4' | 'src-host' | 'native' | 'internet';

export type MoveKind = 'bulk' | 'vmotion' | 'power-cycle';

/** Twenty echoes, and where their packets went. */
export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round-trip times in ms; empty when nothing came back. */
  readonly rttMs: { readonly min: number; readonly median: number; readonly max: number } | undefined;
  /** Echo requests of this ping that were seen on the WAN link, and on the L2 extension. */
  readonly wanRequests: number;
  readonly extensionRequests: number;
  /** Echo replies of this ping that were seen there. */
  readonly wanReplies: number;
  readonly extensionReplies: number;
}

/** A hop that answered a probe with a small TTL; the last one is the destination. */
export interface Hop {
  readonly ttl: number;
  /** IPv4 address in text, `*` when nobody answered. */
  readonly address: string;
  /** Node of the topology that has the address, where that is known. */
  readonly node: string;
}

/** A TCP flow that runs while other things happen. */
export interface FlowResult {
  /** Ended by itself, without a reset or a time-out. */
  readonly completed: boolean;
  readonly bytes: number;
  /** Bytes of each interval of about a second. */
  readonly intervals: readonly number[];
  readonly retransmits: number;
}

export interface FlowHandle {
  /** Waits for the end of the flow. */
  finish(): Promise<FlowResult>;
}

/** A VM as the gateway's `vm ls` shows it. */
export interface VmView {
  readonly name: string;
  readonly state: string;
  readonly gatewaySide: string;
  readonly route: string;
}

export interface LabDriver {
  /** How the report names the engine: "namespaces, FRR 8.4.4" or "in process, simulated". */
  readonly engine: string;
  /** Builds everything, with proximity routing off and all VMs at the source, and waits until BGP is up. */
  up(): Promise<void>;
  /** Switches proximity routing of the extended network; waits until BGP is up again. */
  setProximity(on: boolean): Promise<void>;
  /** Moves a VM to the target (bulk, vmotion) and tells the gateway; or power-cycles a VM there. */
  move(vm: HostName, kind: MoveKind): Promise<void>;
  /** Whether the source router's own table has this VM's /32 by the WAN; waits up to `timeoutMs` for `wanted`. */
  sourceHasHostRoute(vm: HostName, wanted: boolean, timeoutMs: number): Promise<boolean>;
  /** Makes the source router refuse host routes, or take them again. */
  setHostRouteFilter(on: boolean): Promise<void>;
  /** Sends `count` echoes and counts them on the links. */
  ping(from: HostName, to: HostName, count: number): Promise<PingResult>;
  /** Routers and the destination on the way, by probes with TTL 1, 2, … */
  path(from: HostName, to: HostName): Promise<readonly Hop[]>;
  /** Starts a TCP flow of about `seconds`. */
  startFlow(from: HostName, to: HostName, seconds: number): Promise<FlowHandle>;
  /** MAC that the host's ARP cache holds for the default gateway, `none` when there is none. */
  gatewayMac(host: HostName): Promise<string>;
  vms(): Promise<readonly VmView[]>;
  /** Count of a reason at the gateway (`asymmetric-inbound`, …). */
  reasonCount(reason: string): Promise<number>;
  /** Lets time pass: real time, or the simulator's. */
  wait(ms: number): Promise<void>;
  /** Takes everything down; idempotent. */
  down(): Promise<void>;
}
