// Extended networks: each is a bridge domain with a gateway. Main and the data plane build it alike from the config.

import { type IfIndex, type NetworkId, networkId } from '../base/ids.ts';

export const MAX_NETWORKS = 64;

/** What to do with a local VM's frame to the source gateway's MAC. */
export const STALE_INTERCEPT = 0;
export const STALE_BRIDGE = 1;
export const STALE_DROP = 2;

export interface NetworkSpec {
  readonly name: string;
  /** Subnet as u32, and its length. */
  readonly subnet: number;
  readonly prefixLen: number;
  readonly gatewayIp: number;
  /** T-MAC: the gateway's MAC at the target. */
  readonly targetMacHi: number;
  readonly targetMacLo: number;
  /** S-MAC: the gateway's MAC at the source; 0/0 while it is not known (it is then learned from the extension). */
  readonly sourceMacHi: number;
  readonly sourceMacLo: number;
  /** Proximity routing: off means that every VM stays on the source gateway and the target gateway is silent. */
  readonly proximity: boolean;
  readonly stale: typeof STALE_INTERCEPT | typeof STALE_BRIDGE | typeof STALE_DROP;
  /** Drop what the source gateway delivers to a local VM, instead of delivering it. */
  readonly dropAsymmetric: boolean;
  /** Clamp TCP MSS on SYNs that cross the extension. */
  readonly mssClamp: boolean;
  /** Flooded packets a second, 0 = unlimited. */
  readonly floodPps: number;
}

export class NetworkTable {
  readonly names: string[] = [];
  readonly subnet = new Uint32Array(MAX_NETWORKS);
  readonly mask = new Uint32Array(MAX_NETWORKS);
  readonly prefixLen = new Uint8Array(MAX_NETWORKS);
  readonly gatewayIp = new Uint32Array(MAX_NETWORKS);
  readonly targetMacHi = new Uint16Array(MAX_NETWORKS);
  readonly targetMacLo = new Uint32Array(MAX_NETWORKS);
  readonly sourceMacHi = new Uint16Array(MAX_NETWORKS);
  readonly sourceMacLo = new Uint32Array(MAX_NETWORKS);
  readonly proximity = new Uint8Array(MAX_NETWORKS);
  readonly stale = new Uint8Array(MAX_NETWORKS);
  readonly dropAsymmetric = new Uint8Array(MAX_NETWORKS);
  readonly mssClamp = new Uint8Array(MAX_NETWORKS);
  readonly floodPps = new Uint32Array(MAX_NETWORKS);
  /** IfIndex of the network's BVI; 0xffff for none. */
  readonly bvi = new Uint16Array(MAX_NETWORKS).fill(0xffff);
  /** IfIndex of the extension; 0xffff for none. */
  readonly extension = new Uint16Array(MAX_NETWORKS).fill(0xffff);
  /** IfIndexes of the local (target) members, by network. */
  readonly locals: Uint16Array[] = [];

  get count(): number {
    return this.names.length;
  }

  add(spec: NetworkSpec): NetworkId {
    const i = this.names.length;
    this.names.push(spec.name);
    this.subnet[i] = spec.subnet;
    this.prefixLen[i] = spec.prefixLen;
    this.mask[i] = spec.prefixLen === 0 ? 0 : (0xffffffff << (32 - spec.prefixLen)) >>> 0;
    this.gatewayIp[i] = spec.gatewayIp;
    this.targetMacHi[i] = spec.targetMacHi;
    this.targetMacLo[i] = spec.targetMacLo;
    this.sourceMacHi[i] = spec.sourceMacHi;
    this.sourceMacLo[i] = spec.sourceMacLo;
    this.proximity[i] = spec.proximity ? 1 : 0;
    this.stale[i] = spec.stale;
    this.dropAsymmetric[i] = spec.dropAsymmetric ? 1 : 0;
    this.mssClamp[i] = spec.mssClamp ? 1 : 0;
    this.floodPps[i] = spec.floodPps;
    this.locals[i] = new Uint16Array(0);
    return networkId(i);
  }

  setBvi(network: NetworkId, bvi: IfIndex): void {
    this.bvi[network] = bvi;
  }

  setExtension(network: NetworkId, extension: IfIndex): void {
    this.extension[network] = extension;
  }

  addLocal(network: NetworkId, member: IfIndex): void {
    this.locals[network] = Uint16Array.of(...this.locals[network], member);
  }
}
