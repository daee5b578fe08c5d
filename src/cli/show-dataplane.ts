// Tables of what the data plane knows: ports, MAC addresses, neighbors, the FIB, counters.

import type { CountersData, FdbRow, FibData, NeighborRow, PortRow } from '../gateway/api.ts';
import type { Style } from './style.ts';
import { type Cell, formatAge, formatTable } from './table.ts';

const right = (head: string): { head: string; align: 'right' } => ({ head, align: 'right' });
const left = (head: string): { head: string } => ({ head });

export function formatPorts(ports: readonly PortRow[], style: Style): string {
  return formatTable(
    [
      ...['Port', 'Kind', 'State', 'MAC', 'Detail', 'Interfaces'].map(left),
      ...['MTU', 'RxPkts', 'TxPkts', 'RxDrop', 'RxTrunc', 'RxInval', 'TxDrop'].map(right),
    ],
    ports.map((p) => [
      [p.name, style.bold],
      p.kind,
      p.up ? ['up', style.good] : ['down', style.bad],
      p.mac ?? '-',
      p.detail || '-',
      p.interfaces.join(' ') || '-',
      p.mtu,
      p.stats.rxPackets,
      p.stats.txPackets,
      p.stats.rxDropped,
      p.stats.rxTruncated,
      p.stats.rxInvalid,
      p.stats.txDropped,
    ]),
    style,
  );
}

/** The forwarding database, laid out as `show mac address-table`. */
export function formatFdb(rows: readonly FdbRow[], style: Style): string {
  const table = formatTable(
    [
      left('Network'),
      right('Vlan'),
      left('Mac Address'),
      left('Type'),
      right('Age'),
      left('Ports'),
      right('Moves'),
      left('VM'),
    ],
    rows.map((r) => [
      r.network,
      r.vlan === 0 ? '-' : r.vlan,
      r.mac,
      r.source,
      formatAge(r.ageSeconds),
      r.interface,
      r.moves,
      r.vm ?? '-',
    ]),
    style,
  );
  return `${table}\n\nTotal Mac Addresses: ${rows.length}`;
}

/** Neighbors, laid out as `show ip arp`, with the states of `ip neighbor`. */
export function formatNeighbors(rows: readonly NeighborRow[], style: Style): string {
  const colour = (state: NeighborRow['state']): Cell =>
    state === 'REACHABLE' || state === 'PERMANENT'
      ? [state, style.good]
      : state === 'FAILED' || state === 'INCOMPLETE'
        ? [state, style.bad]
        : state;
  return formatTable(
    [left('Address'), left('Hardware Addr'), left('Interface'), left('State'), right('Age'), left('Source')],
    rows.map((r) => [
      r.address,
      r.mac ?? '(incomplete)',
      r.interface,
      colour(r.state),
      r.ageSeconds === null ? '-' : formatAge(r.ageSeconds),
      r.source,
    ]),
    style,
  );
}

export function formatFib(fib: FibData, style: Style): string {
  const rows = fib.entries.flatMap((entry): Cell[][] =>
    entry.nextHops.map((hop, i) => [
      i === 0 ? ([entry.prefix, style.bold] as const) : '',
      i === 0 ? entry.source : '',
      hop.kind,
      hop.address ?? '-',
      hop.interface ?? '-',
      hop.mac ?? (hop.kind === 'via' ? (['unresolved', style.warn] as const) : '-'),
      hop.packets,
      hop.bytes,
    ]),
  );
  const table = formatTable(
    [
      ...['Prefix', 'Source', 'Kind', 'Next Hop', 'Interface', 'MAC'].map(left),
      right('Packets'),
      right('Bytes'),
    ],
    rows,
    style,
  );
  const summary = `${fib.prefixes} prefixes, layout ${fib.layout}, ${(fib.bytes / 2 ** 20).toFixed(1)} MiB in use`;
  const omitted = fib.omitted === 0 ? '' : `\n${fib.omitted} more: --limit shows them`;
  return `${summary}\n\n${table}${omitted}`;
}

export function formatCounters(counters: CountersData, style: Style): string {
  const { totals, imbalance, reasons, interfaces } = counters;
  const law =
    imbalance === 0
      ? style.good('received + originated + replicated = sent + dropped + consumed + queued')
      : style.bad(`${imbalance} packets are not accounted for`);
  const blocks = [
    formatTable([left('Total'), right('Packets')], Object.entries(totals), style),
    law,
    formatTable(
      [right('Packets'), left('Class'), left('Reason'), left('Rule'), left('What happened')],
      reasons.map((r) => [
        r.packets,
        r.class === 'drop' ? ([r.class, style.warn] as const) : r.class,
        r.reason,
        r.rule,
        r.text,
      ]),
      style,
    ),
    formatTable(
      [left('Interface'), ...['RxPkts', 'RxBytes', 'TxPkts', 'TxBytes', 'RxDrops', 'TxDrops'].map(right)],
      interfaces.map((i) => [
        [i.name, style.bold],
        i.rxPackets,
        i.rxBytes,
        i.txPackets,
        i.txBytes,
        i.rxDrops,
        i.txDrops,
      ]),
      style,
    ),
  ];
  return blocks.join('\n\n');
}
