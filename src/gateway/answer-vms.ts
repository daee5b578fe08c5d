// Answers about extended networks and their VMs.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import { formatPrefix4 } from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';
import { type Vm, type VmState, vmIsLocal, vmLocation } from '../mobility/vm.ts';
import { macText } from './answer-dataplane.ts';
import type { MemberRow, NetworkRow, VmRow } from './api.ts';
import type { ControlPlane } from './control-plane.ts';

export function vmCounts(vms: readonly Vm[]): Record<VmState, number> {
  const counts: Record<VmState, number> = { AT_SOURCE: 0, PINNED: 0, NO_IP: 0, LOCAL_PENDING: 0, LOCAL: 0 };
  for (const vm of vms) counts[vm.state]++;
  return counts;
}

/** Index of the network of this name. Throws `network-unknown`. */
function networkNamed(plane: ControlPlane, name: string): number {
  const n = plane.networks.names.indexOf(name);
  if (n >= 0) return n;
  throw new NearhopError('network-unknown', `no network '${name}'`, {
    hint: `networks: ${plane.networks.names.join(', ') || 'none'}`,
  });
}

/** Interface behind which each MAC was last seen. One walk of the FDB for all VMs: it is 32,768 rows, used or not. */
function placesOf(plane: ControlPlane): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const { network, macHi, macLo, iface } of plane.fdb?.entries() ?? []) {
    places.set(`${network}/${macHi}/${macLo}`, plane.interfaces.names[iface]);
  }
  return places;
}

export function vmRow(plane: ControlPlane, vm: Vm, places = placesOf(plane)): VmRow {
  return {
    name: vm.name,
    mac: formatMac(vm.macHi, vm.macLo),
    network: plane.networks.names[vm.network],
    addresses: vm.addresses.map((a) => ({
      address: formatIpv4(a),
      state: vm.stale ? 'stale' : 'reported',
    })),
    location: vmLocation(vm),
    gatewaySide: vmIsLocal(vm) ? 'target' : 'source',
    state: vm.state,
    route: vm.route,
    seq: vm.seq,
    port: places.get(`${vm.network}/${vm.macHi}/${vm.macLo}`) ?? null,
    alarm: vm.alarm,
    source: vm.seq > 0 ? 'migrated' : plane.configured.has(vm.name) ? 'config' : 'operator',
  };
}

export function vmRows(plane: ControlPlane, network: string | undefined, vm: string | undefined): VmRow[] {
  const wanted = network === undefined ? undefined : networkNamed(plane, network);
  const vms = vm === undefined ? plane.inventory.list() : [plane.inventory.get(vm)];
  const places = placesOf(plane);
  return vms.filter((v) => wanted === undefined || v.network === wanted).map((v) => vmRow(plane, v, places));
}

export function networkRows(plane: ControlPlane, network: string | undefined): NetworkRow[] {
  const { networks, interfaces, config } = plane;
  const wanted = network === undefined ? undefined : networkNamed(plane, network);
  const member = (i: number): MemberRow => ({
    interface: interfaces.names[i],
    port: config.ports[interfaces.port[i]].name,
    vlan: interfaces.vlan[i],
    up: interfaces.up[i] === 1,
  });
  return config.networks.flatMap((net, n): NetworkRow[] => {
    if (wanted !== undefined && wanted !== n) return [];
    const extension = networks.extension[n];
    const sourceMac = macText(networks.sourceMacHi[n], networks.sourceMacLo[n]);
    return [
      {
        name: net.name,
        source: 'config',
        subnet: formatPrefix4(net.subnet.prefix, net.subnet.len),
        gateway: formatIpv4(net.gateway.address),
        targetMac: formatMac(net.gateway.mac.hi, net.gateway.mac.lo),
        sourceMac,
        sourceMacFrom: net.gateway.sourceMac ? 'config' : sourceMac === null ? 'unknown' : 'learned',
        proximityRouting: net.proximityRouting,
        extension: extension === 0xffff ? null : { ...member(extension), mtu: interfaces.mtu[extension] },
        members: [...networks.locals[n]].map(member),
        staleGateway: net.staleGateway,
        asymmetric: net.asymmetric,
        floodPps: net.floodPps,
        vms: vmCounts(plane.inventory.list().filter((v) => v.network === n)),
      },
    ];
  });
}
