// What main tells the data plane, a few times a second at most. A command is plain data: it crosses to the worker as a
// message, or is applied at once where the data plane runs in the same thread.

import type { DataplaneEvent } from '../dataplane/events.ts';
import type { FaultPort } from '../ports/fault.ts';
import type { HandoverShared } from '../ports/handover.ts';
import type { HostRingPort, HostRingShared } from '../ports/host-ring.ts';
import type { Port } from '../ports/port.ts';

export type DataplaneCommand =
  /** Resolve this adjacency's next hop now, before the first packet needs it. */
  | { readonly op: 'resolve'; readonly adj: number }
  /** Forget a neighbor on an interface: its VM is gone, or has another gateway now. */
  | { readonly op: 'forget-neighbor'; readonly iface: number; readonly ip: number }
  | {
      readonly op: 'announce-vm';
      readonly network: number;
      readonly macHi: number;
      readonly macLo: number;
      /** Site where the VM is now. */
      readonly at: 'source' | 'target';
    }
  | {
      readonly op: 'announce-gateway';
      readonly network: number;
      readonly macHi: number;
      readonly macLo: number;
      /** The VM's IPv4 address as u32. */
      readonly ip: number;
    };

/** What the worker tells main. */
export type WorkerMessage =
  | {
      readonly kind: 'ready';
      readonly ports: readonly PortFacts[];
      /** Memory of the tables that the data plane writes. */
      readonly fdb: SharedArrayBuffer;
      readonly neighbors: SharedArrayBuffer;
      /** A ring for each carrier. */
      readonly handovers: readonly HandoverShared[];
    }
  /** A carrier has opened its share of the ports. */
  | { readonly kind: 'carrier-ready' }
  | { readonly kind: 'event'; readonly event: DataplaneEvent }
  /** The device of a port (PortId) lost its carrier, or has it again. */
  | { readonly kind: 'link'; readonly port: number; readonly up: boolean }
  /** A port has stopped for good: a broken capture, a full disk. */
  | { readonly kind: 'port-failed'; readonly port: string; readonly message: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly hint: string };

/** What is known of a port once it is open. */
export interface PortFacts {
  readonly macHi: number;
  readonly macLo: number;
  readonly mtu: number;
  readonly offload: boolean;
  readonly l3Only: boolean;
  /** Rings of a port whose addon main has to run. */
  readonly hostRing: HostRingShared | undefined;
  /** By this number carriers open their share of the port, undefined where it is the owner's alone. */
  readonly share: number | undefined;
}

export function portFacts(port: Port): PortFacts {
  const inner = 'inner' in port ? (port as FaultPort).inner : port;
  return {
    macHi: port.macHi,
    macLo: port.macLo,
    mtu: port.mtu,
    offload: port.offload,
    l3Only: port.l3Only,
    share: port.share,
    hostRing: 'shared' in inner ? (inner as HostRingPort).shared : undefined,
  };
}

/** Words of the control buffer, shared by main and the worker. */
export const CONTROL = { stop: 0, commands: 1 } as const;
export const CONTROL_WORDS = 16;
