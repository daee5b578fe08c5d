// Answers about routes: the RIB, and the FIB that is compiled from it.

import { formatIpv4, parseIpv4 } from '../addr/ipv4.ts';
import { contains4, formatPrefix4, parsePrefix4 } from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';
import type { Path, RibEntry, RibNextHop, RibRow } from '../control/rib-route.ts';
import { ADJ_REWRITE } from '../tables/adjacency-table.ts';
import { macText } from './answer-dataplane.ts';
import type { FibData, FibEntry, RouteNextHop, RouteRow } from './api.ts';
import type { ControlPlane } from './control-plane.ts';

const SOURCES = ['connected', 'static', 'mobility', 'bgp'] as const;
const DEFAULT_LIMIT = 1000;

const nextHopRow = (plane: ControlPlane, hop: Path | RibNextHop): RouteNextHop => ({
  kind: hop.kind,
  address: hop.ip === 0 ? null : formatIpv4(hop.ip),
  interface: hop.iface === undefined || hop.kind === 'blackhole' ? null : plane.interfaces.names[hop.iface],
});

/** VM of each host route, by address. */
const vmsByAddress = (plane: ControlPlane): ReadonlyMap<number, string> =>
  new Map(plane.inventory.list().flatMap((vm) => vm.addresses.map((ip) => [ip, vm.name] as const)));

/** Whose route it is: the VM of a host route, the peer of a BGP route. */
function originOf(row: RibRow, vms: ReadonlyMap<number, string>): string | null {
  if (row.source === 'bgp') return row.key;
  return row.source === 'mobility' ? (vms.get(row.prefix) ?? null) : null;
}

/** Rows of `show routes`: all, those of the longest match of an address, or a prefix with its more specifics. */
export function routeRows(
  plane: ControlPlane,
  wanted: string | undefined,
  source: string | undefined,
): RouteRow[] {
  if (source !== undefined && !SOURCES.some((s) => s === source)) {
    throw new NearhopError('parameter-invalid', `no routes come from '${source}'`, {
      hint: `sources: ${SOURCES.join(', ')}`,
    });
  }
  const within = selector(plane, wanted);
  const wallMs = plane.clock.wallMs();
  const vms = vmsByAddress(plane);
  const rows: RouteRow[] = [];
  for (const row of plane.rib.snapshot()) {
    if (!within(row.prefix, row.len) || (source !== undefined && row.source !== source)) continue;
    const hops = row.paths.length > 0 ? row.paths : row.nextHops;
    rows.push({
      prefix: formatPrefix4(row.prefix, row.len),
      source: row.source,
      distance: row.distance,
      metric: row.metric,
      nextHops: hops.map((h) => nextHopRow(plane, h)),
      best: row.best,
      installed: row.installed,
      reason: row.reason,
      ageSeconds: Math.max(0, Math.round((wallMs - row.sinceMs) / 1000)),
      origin: originOf(row, vms),
    });
  }
  return rows;
}

function selector(plane: ControlPlane, wanted: string | undefined): (prefix: number, len: number) => boolean {
  if (wanted === undefined) return () => true;
  if (wanted.includes('/')) {
    const { prefix, len } = parsePrefix4(wanted);
    return (p, l) => l >= len && contains4(prefix, len, p);
  }
  const match = plane.rib.lookup(parseIpv4(wanted));
  return (p, l) => match !== undefined && p === match.prefix && l === match.len;
}

export function fibData(plane: ControlPlane, address: string | undefined, limit = DEFAULT_LIMIT): FibData {
  const stats = plane.shared.fib4.stats();
  const entries: FibEntry[] = [];
  const match = address === undefined ? undefined : plane.rib.lookup(parseIpv4(address));
  const wanted = address === undefined ? plane.rib.walk() : match === undefined ? [] : [match];
  for (const entry of wanted) {
    if (entries.length >= limit) break;
    if (entry.installed !== undefined && entry.best.length > 0) entries.push(fibEntry(plane, entry));
  }
  const omitted = address === undefined ? stats.prefixes - entries.length : 0;
  return { layout: stats.layout, prefixes: stats.prefixes, bytes: stats.bytesTouched, entries, omitted };
}

function fibEntry(plane: ControlPlane, entry: RibEntry): FibEntry {
  const { adjacencies } = plane.shared;
  return {
    prefix: formatPrefix4(entry.prefix, entry.len),
    source: entry.best[0].route.source,
    nextHops: (entry.installed?.members ?? []).map((adj, k) => {
      const path = entry.list?.paths[k];
      const rewrite = adjacencies.kind[adj] === ADJ_REWRITE;
      return {
        ...(path ? nextHopRow(plane, path) : { kind: 'blackhole' as const, address: null, interface: null }),
        mac:
          rewrite && adjacencies.isResolved(adj)
            ? macText(adjacencies.macHi[adj], adjacencies.macLo[adj])
            : null,
        packets: adjacencies.allPackets(adj),
        bytes: adjacencies.allBytes(adj),
      };
    }),
  };
}
