// Answers about what the data plane has: ports, FDB, neighbors, counters.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import type { PortConfig } from '../config/config.ts';
import {
  IF_COUNTER_NAMES,
  IF_COUNTER_STRIDE,
  type IfCounterName,
  TOTAL_NAMES,
  type TotalName,
} from '../stats/counters.ts';
import { REASONS } from '../stats/reasons.ts';
import type { CountersData, FdbRow, NeighborRow, PortRow } from './api.ts';
import type { PortFacts } from './commands.ts';
import type { ControlPlane } from './control-plane.ts';

/** A MAC as text; null for none. */
export const macText = (hi: number, lo: number): string | null =>
  hi === 0 && lo === 0 ? null : formatMac(hi, lo);

/** What is behind a port, in words. */
function portDetail(port: PortConfig): string {
  switch (port.kind) {
    case 'af-packet':
    case 'af-xdp':
    case 'cap':
    case 'tap':
      return `device ${port.device}`;
    case 'vxlan':
      return `VNI ${port.vni}, ${formatIpv4(port.local)} to ${port.remotes.map(formatIpv4).join(', ')}, UDP ${port.udpPort}`;
    case 'pcap-file':
      return [port.in && `in ${port.in}`, port.out && `out ${port.out}`].filter(Boolean).join(', ');
    case 'raw-ip':
      return "the host's IP stack";
    case 'memory':
      return '';
  }
}

export function portRows(plane: ControlPlane, facts: readonly PortFacts[]): PortRow[] {
  const { interfaces, config, shared } = plane;
  return config.ports.map((port, p) => {
    const names = interfaces.names.filter((_, i) => interfaces.port[i] === p);
    const up = interfaces.names.some((_, i) => interfaces.port[i] === p && interfaces.up[i] === 1);
    return {
      name: port.name,
      kind: port.kind,
      source: 'config',
      up: names.length === 0 || up,
      mac: macText(facts[p].macHi, facts[p].macLo),
      mtu: facts[p].mtu,
      offload: facts[p].offload,
      detail: portDetail(port),
      interfaces: names,
      stats: shared.board.read(p),
    };
  });
}

export function fdbRows(plane: ControlPlane, network: string | undefined): FdbRow[] {
  const { interfaces, networks, inventory, clock } = plane;
  const nowMs = clock.nowMs();
  const vms = new Map(inventory.list().map((v) => [`${v.network}/${v.macHi}/${v.macLo}`, v.name]));
  const rows: FdbRow[] = [];
  for (const entry of plane.fdb?.entries() ?? []) {
    const name = networks.names[entry.network];
    if (network !== undefined && network !== name) continue;
    rows.push({
      network: name,
      mac: formatMac(entry.macHi, entry.macLo),
      interface: interfaces.names[entry.iface],
      vlan: interfaces.vlan[entry.iface],
      source: entry.source,
      ageSeconds: Math.max(0, Math.round((nowMs - entry.seenMs) / 1000)),
      moves: entry.moves,
      vm: vms.get(`${entry.network}/${entry.macHi}/${entry.macLo}`) ?? null,
    });
  }
  return rows.sort((a, b) => (a.network + a.mac < b.network + b.mac ? -1 : 1));
}

export function neighborRows(plane: ControlPlane): NeighborRow[] {
  const rows = plane.neighbors?.list() ?? [];
  return rows
    .filter((n) => n.state !== 'FREE')
    .sort((a, b) => a.iface - b.iface || a.ip - b.ip)
    .map((n) => ({
      address: formatIpv4(n.ip),
      mac: macText(n.macHi, n.macLo),
      interface: plane.interfaces.names[n.iface],
      state: n.state as NeighborRow['state'],
      source: n.source,
      ageSeconds: n.ageMs < 0 ? null : Math.round(n.ageMs / 1000),
    }));
}

export function countersData(plane: ControlPlane, all: boolean): CountersData {
  const { totals, reasons, ifaces } = plane.shared.counters;
  return {
    totals: Object.fromEntries(TOTAL_NAMES.map((n, i) => [n, totals[i]])) as Record<TotalName, number>,
    imbalance: plane.shared.counters.imbalance(),
    reasons: REASONS.filter((r) => r.index !== 0 && (all || reasons[r.index] > 0)).map((r) => ({
      reason: r.name,
      class: r.cls,
      packets: reasons[r.index],
      rule: r.rule,
      text: r.text,
    })),
    interfaces: plane.interfaces.names.map((name, i) => ({
      name,
      ...(Object.fromEntries(
        IF_COUNTER_NAMES.map((n, k) => [n, ifaces[i * IF_COUNTER_STRIDE + k]]),
      ) as Record<IfCounterName, number>),
    })),
  };
}
