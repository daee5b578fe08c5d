// The inventory of VMs, and what a move does. For every move the order matters and stands here once:
//
//   to the target gateway   side = target in the data plane, then the VM's own announcement if it moved, then the /32 into
//                           the RIB, then a GARP of T to the VM
//   away from it            withdraw the /32, then side = source, then the VM's own announcement if it moved
//
// so that no frame of a local VM ever meets a gateway that is not yet, or no longer, its own (S18, S19). The announcement
// makes the FDB forget the old place: what the gateway sends to the VM after it must not be sent to the site that it left.

import { macIsGroup } from '../addr/mac.ts';
import { NearhopError } from '../base/errors.ts';
import { type NetworkId, networkId } from '../base/ids.ts';
import type { NetworkTable } from '../tables/network-table.ts';
import { SIDE_SOURCE, SIDE_TARGET, type VmTable } from '../tables/vm-table.ts';
import { type MigrateKind, nextState, type Vm, type VmState, vmIsLocal, vmLocation } from './vm.ts';

/** What mobility asks of the rest of the gateway. */
export interface MobilityActions {
  /** Puts the /32 into the RIB with source `mobility`, out of the network's BVI; BGP announces it from there. */
  injectRoute(network: NetworkId, ip: number): void;
  withdrawRoute(network: NetworkId, ip: number): void;
  /** Tells the switches of the site that the VM left where its MAC is now (RARP of the VM), and forgets where it was. */
  announceVm(network: NetworkId, macHi: number, macLo: number, at: 'source' | 'target'): void;
  /** Unicast gratuitous ARP of the target gateway to this VM, so that its cache holds T-MAC at once. */
  announceGateway(network: NetworkId, macHi: number, macLo: number, ip: number): void;
}

const keyOf = (network: number, ...rest: readonly number[]): string => `${network}/${rest.join('/')}`;

export interface VmSpec {
  readonly name: string;
  readonly network: string;
  readonly macHi: number;
  readonly macLo: number;
  readonly addresses: readonly number[];
  readonly state: VmState;
}

export class VmInventory {
  readonly #vms = new Map<string, Vm>();
  /** The same VMs by network and MAC, and by network and address: with 16,384 VMs a walk for each is seconds. */
  readonly #byMac = new Map<string, Vm>();
  readonly #byAddress = new Map<string, Vm>();
  readonly #networks: NetworkTable;
  readonly #table: VmTable;
  readonly #actions: MobilityActions;

  constructor(networks: NetworkTable, table: VmTable, actions: MobilityActions) {
    this.#networks = networks;
    this.#table = table;
    this.#actions = actions;
  }

  /**
   * Adds a VM in the state it is found in. Throws `network-unknown`, `vm-duplicate`, `mac-unsuitable`, `address-outside` or
   * `vm-table-full`, and has changed nothing then.
   */
  add(spec: VmSpec): Vm {
    const network = this.#networks.names.indexOf(spec.network);
    if (network < 0) {
      throw new NearhopError('network-unknown', `no network '${spec.network}'`, {
        hint: `networks: ${this.#networks.names.join(', ') || 'none'}`,
      });
    }
    if (this.#vms.has(spec.name))
      throw new NearhopError('vm-duplicate', `there is a VM '${spec.name}' already`);
    const mac = keyOf(network, spec.macHi, spec.macLo);
    const clash =
      this.#byMac.get(mac) ??
      spec.addresses.map((ip) => this.#byAddress.get(keyOf(network, ip))).find((vm) => vm !== undefined);
    if (clash) {
      throw new NearhopError(
        'vm-duplicate',
        `'${spec.name}' has the MAC or an address of VM '${clash.name}'`,
      );
    }
    this.#checkMac(networkId(network), spec.macHi, spec.macLo);
    for (const ip of spec.addresses) this.#checkAddress(networkId(network), ip);
    const vm: Vm = {
      name: spec.name,
      network: networkId(network),
      macHi: spec.macHi,
      macLo: spec.macLo,
      addresses: [...new Set(spec.addresses)],
      stale: false,
      state: 'AT_SOURCE',
      route: 'none',
      seq: 0,
      alarm: '',
    };
    this.#enter(vm, spec.state);
    this.#vms.set(vm.name, vm);
    this.#byMac.set(mac, vm);
    for (const ip of vm.addresses) this.#byAddress.set(keyOf(network, ip), vm);
    return vm;
  }

  /** Takes a VM out of the inventory, its routes first. */
  remove(name: string): void {
    const vm = this.get(name);
    this.#leaveTarget(vm);
    this.#table.remove(vm.network, vm.macHi, vm.macLo);
    this.#vms.delete(name);
    this.#byMac.delete(keyOf(vm.network, vm.macHi, vm.macLo));
    for (const ip of vm.addresses) this.#byAddress.delete(keyOf(vm.network, ip));
  }

  /** The VM of this name. Throws `vm-unknown`. */
  get(name: string): Vm {
    const vm = this.#vms.get(name);
    if (vm) return vm;
    throw new NearhopError('vm-unknown', `no VM '${name}'`, {
      hint:
        this.#vms.size > 0
          ? `VMs: ${[...this.#vms.keys()].slice(0, 20).join(', ')}`
          : 'the inventory is empty',
    });
  }

  /** The VM with this MAC in this network. */
  withMac(network: number, macHi: number, macLo: number): Vm | undefined {
    return this.#byMac.get(keyOf(network, macHi, macLo));
  }

  list(): Vm[] {
    return [...this.#vms.values()];
  }

  /** Does what `kind` says happened. Throws `transition-invalid`. */
  migrate(name: string, kind: MigrateKind): Vm {
    const vm = this.get(name);
    const next = nextState(vm, kind, this.#networks.proximity[vm.network] === 1);
    if (next === vm.state) return vm;
    const moved = (vm.state === 'AT_SOURCE') !== (next === 'AT_SOURCE');
    if (moved) vm.seq++;
    this.#enter(vm, next, moved);
    return vm;
  }

  /** A reported address list: routes follow it (S23). An empty list keeps the last one, as stale: a lost report is not a move. */
  setAddresses(name: string, addresses: readonly number[]): Vm {
    const vm = this.get(name);
    vm.stale = addresses.length === 0 && vm.addresses.length > 0;
    if (addresses.length === 0) return vm;
    for (const ip of addresses) this.#checkAddress(vm.network, ip);
    const taken = addresses
      .map((ip) => this.#byAddress.get(keyOf(vm.network, ip)))
      .find((other) => other !== undefined && other !== vm);
    if (taken)
      throw new NearhopError('vm-duplicate', `an address of '${name}' is VM '${taken.name}''s already`);
    const fresh = [...new Set(addresses)].filter((ip) => !vm.addresses.includes(ip));
    const local = vmIsLocal(vm);
    if (local) {
      for (const ip of vm.addresses) if (!addresses.includes(ip)) this.#actions.withdrawRoute(vm.network, ip);
      for (const ip of fresh) this.#actions.injectRoute(vm.network, ip);
      if (fresh.length > 0) vm.route = 'injected'; // nobody has seen the new /32 at the source yet
    }
    for (const ip of vm.addresses) this.#byAddress.delete(keyOf(vm.network, ip));
    vm.addresses = [...new Set(addresses)];
    for (const ip of vm.addresses) this.#byAddress.set(keyOf(vm.network, ip), vm);
    const pending = vm.state === 'NO_IP' || (local && fresh.length > 0);
    this.#enter(vm, pending ? 'LOCAL_PENDING' : vm.state);
    return vm;
  }

  /** Somebody saw the VM's /32 in the source's own table (S17, S25). */
  markLearned(name: string): Vm {
    const vm = this.get(name);
    if (!vmIsLocal(vm)) {
      throw new NearhopError(
        'transition-invalid',
        `${name} is ${vm.state}: it has no /32 that could be learned`,
      );
    }
    vm.state = 'LOCAL';
    vm.route = 'learned';
    vm.alarm = '';
    return vm;
  }

  /** The source gateway delivered to a local VM: its router does not use the /32, whatever was believed (S14). */
  sawAsymmetric(network: NetworkId, macHi: number, macLo: number): Vm | undefined {
    const vm = this.withMac(network, macHi, macLo);
    if (vm === undefined || !vmIsLocal(vm)) return undefined;
    vm.state = 'LOCAL_PENDING';
    vm.route = 'injected';
    vm.alarm = 'not-learned: inbound traffic comes over the extension';
    return vm;
  }

  /** Brings the VM into `state`; `moved` when it runs at the other site now. */
  #enter(vm: Vm, state: VmState, moved = false): void {
    const wasLocal = vmIsLocal(vm);
    if (wasLocal && state !== 'LOCAL' && state !== 'LOCAL_PENDING') this.#leaveTarget(vm);
    vm.state = state;
    const local = vmIsLocal(vm);
    const side = local ? SIDE_TARGET : SIDE_SOURCE;
    this.#table.set(vm.network, vm.macHi, vm.macLo, side, vm.addresses[0] ?? 0);
    if (moved) this.#actions.announceVm(vm.network, vm.macHi, vm.macLo, vmLocation(vm));
    if (!local || wasLocal) return;
    for (const ip of vm.addresses) this.#actions.injectRoute(vm.network, ip);
    vm.route = 'injected';
    this.#actions.announceGateway(vm.network, vm.macHi, vm.macLo, vm.addresses[0] ?? 0);
  }

  #leaveTarget(vm: Vm): void {
    if (!vmIsLocal(vm)) return;
    for (const ip of vm.addresses) this.#actions.withdrawRoute(vm.network, ip);
    vm.route = 'none';
    vm.alarm = '';
  }

  /** A VM with a gateway's MAC would take that gateway's frames; a group MAC or zero is nobody's. */
  #checkMac(network: NetworkId, hi: number, lo: number): void {
    const { names, targetMacHi, targetMacLo, sourceMacHi, sourceMacLo } = this.#networks;
    const gateway =
      (hi === targetMacHi[network] && lo === targetMacLo[network]) ||
      (hi === sourceMacHi[network] && lo === sourceMacLo[network]);
    if (!gateway && !macIsGroup(hi) && (hi !== 0 || lo !== 0)) return;
    throw new NearhopError(
      'mac-unsuitable',
      `a VM's MAC must be its own: no group MAC, not zero, and not of a gateway of network '${names[network]}'`,
    );
  }

  #checkAddress(network: NetworkId, ip: number): void {
    const { names, subnet, mask, prefixLen, gatewayIp } = this.#networks;
    const host = (ip & ~mask[network]) >>> 0;
    const reserved = prefixLen[network] < 31 && (host === 0 || host === ~mask[network] >>> 0);
    const inside = (ip & mask[network]) >>> 0 === subnet[network];
    if (inside && !reserved && ip !== gatewayIp[network]) return;
    throw new NearhopError(
      'address-outside',
      `a VM's address must be a host's in the subnet of network '${names[network]}' and not be its gateway's`,
    );
  }
}
