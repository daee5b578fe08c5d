// Interfaces: where ports meet the router. A row is a port, or one VLAN of a port, or the gateway side of a network (BVI).
// Main and the data plane build it alike from the config, so it needs no sharing; read by every node.

import { type IfIndex, ifIndex, type NetworkId, type PortId } from '../base/ids.ts';

export const IF_BRIDGED = 1; // member of an extended network at the target: VMs
export const IF_EXTENSION = 2; // the extended network's way to the source site
export const IF_ROUTED = 3; // layer-3 interface with an address of its own
export const IF_BVI = 4; // the target gateway's interface in an extended network; has no port

export const MAX_INTERFACES = 256;
const NONE = 0xffff;

export interface InterfaceSpec {
  readonly name: string;
  readonly kind: typeof IF_BRIDGED | typeof IF_EXTENSION | typeof IF_ROUTED | typeof IF_BVI;
  /** Absent for a BVI. */
  readonly port?: PortId;
  /** 802.1Q VLAN id 1..4094 that the port's frames carry for this interface; 0 = untagged. */
  readonly vlan: number;
  /** Absent for a routed interface. */
  readonly network?: NetworkId;
  readonly macHi: number;
  readonly macLo: number;
  /** IPv4 address as u32, 0 = none. */
  readonly ip: number;
  readonly prefixLen: number;
  /** Largest L3 packet in bytes. */
  readonly mtu: number;
  /** The host's stack owns the interface's address: it answers ARP, ping and TCP there, and the data plane leaves that alone. */
  readonly hostStack: boolean;
}

export class InterfaceTable {
  readonly names: string[] = [];
  readonly kind = new Uint8Array(MAX_INTERFACES);
  readonly up = new Uint8Array(MAX_INTERFACES);
  /** PortId, 0xffff for a BVI. */
  readonly port = new Uint16Array(MAX_INTERFACES).fill(NONE);
  readonly vlan = new Uint16Array(MAX_INTERFACES);
  /** NetworkId, 0xffff for a routed interface. */
  readonly network = new Uint16Array(MAX_INTERFACES).fill(NONE);
  /** Upper 16 bits of the interface's MAC. */
  readonly macHi = new Uint16Array(MAX_INTERFACES);
  readonly macLo = new Uint32Array(MAX_INTERFACES);
  readonly ip = new Uint32Array(MAX_INTERFACES);
  readonly prefixLen = new Uint8Array(MAX_INTERFACES);
  /** The subnet's mask as u32, 0 where there is no address. */
  readonly mask = new Uint32Array(MAX_INTERFACES);
  readonly mtu = new Uint32Array(MAX_INTERFACES);
  readonly hostStack = new Uint8Array(MAX_INTERFACES);
  /** (port, VLAN) → IfIndex, row 4096 * port + vlan; 0xffff where no interface has it. Grown as ports are added. */
  classify = new Uint16Array(0);

  get count(): number {
    return this.names.length;
  }

  /** Adds a row; the first row has index 0. The caller (config) has checked the values and that (port, vlan) is free. */
  add(spec: InterfaceSpec): IfIndex {
    const i = this.names.length;
    this.names.push(spec.name);
    this.kind[i] = spec.kind;
    this.up[i] = 1;
    this.port[i] = spec.port ?? NONE;
    this.vlan[i] = spec.vlan;
    this.network[i] = spec.network ?? NONE;
    this.macHi[i] = spec.macHi;
    this.macLo[i] = spec.macLo;
    this.ip[i] = spec.ip;
    this.prefixLen[i] = spec.prefixLen;
    this.mask[i] = spec.prefixLen === 0 ? 0 : (0xffffffff << (32 - spec.prefixLen)) >>> 0;
    this.mtu[i] = spec.mtu;
    this.hostStack[i] = spec.hostStack ? 1 : 0;
    if (spec.port !== undefined) {
      const need = (spec.port + 1) * 4096;
      if (this.classify.length < need) {
        const grown = new Uint16Array(need).fill(NONE);
        grown.set(this.classify);
        this.classify = grown;
      }
      this.classify[spec.port * 4096 + spec.vlan] = i;
    }
    return ifIndex(i);
  }
}
