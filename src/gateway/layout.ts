// From the config to the tables of interfaces and networks. Main and the data plane both run this over the same config, so
// both get the same indices and need not share these tables.
//
// Ports stand in the order of the config. Interfaces: first the routed ones, then for each network its BVI, its extension
// and its members.

import { portId } from '../base/ids.ts';
import type { Config, MemberConfig } from '../config/config.ts';
import { IF_BRIDGED, IF_BVI, IF_EXTENSION, IF_ROUTED, InterfaceTable } from '../tables/interface-table.ts';
import { NetworkTable, STALE_BRIDGE, STALE_DROP, STALE_INTERCEPT } from '../tables/network-table.ts';

const STALE = { intercept: STALE_INTERCEPT, bridge: STALE_BRIDGE, drop: STALE_DROP } as const;
const BVI_MTU = 1500;

export interface Layout {
  readonly interfaces: InterfaceTable;
  readonly networks: NetworkTable;
}

/** Name of a member or extension interface: its port's, with the VLAN where it has one (`trunk0.10`). */
const memberName = (m: { port: string; vlan: number }): string =>
  m.vlan === 0 ? m.port : `${m.port}.${m.vlan}`;

/** Builds both tables. The config has been checked: every port it names is there. */
export function createLayout(config: Config): Layout {
  const interfaces = new InterfaceTable();
  const networks = new NetworkTable();
  const ports = new Map(config.ports.map((p, i) => [p.name, { id: portId(i), mtu: p.mtu ?? 1500 }]));
  const portOf = (name: string): { id: ReturnType<typeof portId>; mtu: number } => {
    const port = ports.get(name);
    if (port === undefined) throw new Error(`config names port ${name}, which it has not`);
    return port;
  };

  for (const itf of config.interfaces) {
    interfaces.add({
      name: itf.name,
      kind: IF_ROUTED,
      port: portOf(itf.port).id,
      vlan: itf.vlan,
      macHi: itf.mac?.hi ?? 0,
      macLo: itf.mac?.lo ?? 0,
      ip: itf.address.address,
      prefixLen: itf.address.len,
      mtu: itf.mtu,
      hostStack: itf.hostStack,
    });
  }
  for (const net of config.networks) {
    const network = networks.add({
      name: net.name,
      subnet: net.subnet.prefix,
      prefixLen: net.subnet.len,
      gatewayIp: net.gateway.address,
      targetMacHi: net.gateway.mac.hi,
      targetMacLo: net.gateway.mac.lo,
      sourceMacHi: net.gateway.sourceMac?.hi ?? 0,
      sourceMacLo: net.gateway.sourceMac?.lo ?? 0,
      proximity: net.proximityRouting,
      stale: STALE[net.staleGateway],
      dropAsymmetric: net.asymmetric === 'drop',
      mssClamp: net.extension?.mssClamp ?? false,
      floodPps: net.floodPps,
    });
    const bridged = { network, macHi: 0, macLo: 0, ip: 0, prefixLen: 0, hostStack: false } as const;
    networks.setBvi(
      network,
      interfaces.add({
        ...bridged,
        name: `bvi.${net.name}`,
        kind: IF_BVI,
        vlan: 0,
        macHi: net.gateway.mac.hi,
        macLo: net.gateway.mac.lo,
        ip: net.gateway.address,
        prefixLen: 32, // never the subnet: invariant 1 of the forwarding rules
        mtu: BVI_MTU,
      }),
    );
    const member = (m: MemberConfig, kind: typeof IF_BRIDGED | typeof IF_EXTENSION, mtu: number) =>
      interfaces.add({ ...bridged, name: memberName(m), kind, port: portOf(m.port).id, vlan: m.vlan, mtu });
    if (net.extension) {
      networks.setExtension(network, member(net.extension, IF_EXTENSION, net.extension.mtu));
    }
    for (const m of net.members) networks.addLocal(network, member(m, IF_BRIDGED, portOf(m.port).mtu));
  }
  return { interfaces, networks };
}

/** Gives routed interfaces without a MAC of their own the one of their port. Called when the ports are open. */
export function adoptPortMacs(
  interfaces: InterfaceTable,
  ports: readonly { readonly macHi: number; readonly macLo: number }[],
): void {
  for (let i = 0; i < interfaces.count; i++) {
    if (interfaces.kind[i] !== IF_ROUTED || interfaces.macHi[i] !== 0 || interfaces.macLo[i] !== 0) continue;
    interfaces.macHi[i] = ports[interfaces.port[i]].macHi;
    interfaces.macLo[i] = ports[interfaces.port[i]].macLo;
  }
}
