// Tables of what the control plane knows: routes, BGP, VMs, networks.

import type { BgpData, BgpRoute, NetworkRow, RouteNextHop, RouteRow, VmRow } from '../gateway/api.ts';
import { printable } from './output.ts';
import type { Style } from './style.ts';
import { formatAge, formatTable } from './table.ts';

const ROUTE_CODES = { connected: 'C', static: 'S', mobility: 'M', bgp: 'B' } as const;
const ROUTE_LEGEND = `Codes: C - connected, S - static, B - BGP, M - mobility (host route of a local VM),
       > - best route, * - in the FIB`;

function formatHop(hop: RouteNextHop): string {
  const out = hop.interface === null ? '' : `, ${hop.interface}`;
  switch (hop.kind) {
    case 'via':
      return `via ${hop.address}${out}`;
    case 'connected':
      return `is directly connected${out}`;
    case 'local':
      return `is local${out}`;
    case 'blackhole':
      return 'unreachable (blackhole)';
  }
}

/** The RIB, laid out as FRR's `show ip route`. */
export function formatRoutes(routes: readonly RouteRow[], style: Style): string {
  const lines = routes.flatMap((route) => {
    const flags = `${ROUTE_CODES[route.source]}${route.best ? '>' : ' '}${route.installed ? '*' : ' '}`;
    const cost = route.source === 'connected' ? '' : ` [${route.distance}/${route.metric}]`;
    const head = `${flags} ${style.bold(route.prefix)}${cost} `;
    const width = flags.length + route.prefix.length + cost.length + 2;
    const tail = [
      formatAge(route.ageSeconds),
      ...(route.origin === null ? [] : [route.origin]),
      ...(route.reason === '' ? [] : [style.warn(`(${printable(route.reason)})`)]),
    ].join(', ');
    const hops = route.nextHops.length === 0 ? ['has no next hop'] : route.nextHops.map(formatHop);
    return hops.map((hop, i) =>
      i === 0 ? `${head}${hop}, ${tail}` : `  ${route.installed ? '*' : ' '}${' '.repeat(width - 3)}${hop}`,
    );
  });
  return [ROUTE_LEGEND, '', ...lines].join('\n');
}

/** BGP neighbors, laid out as FRR's `show bgp summary`; then the routes of each, when they were asked for. */
export function formatBgp(bgp: BgpData, style: Style): string {
  const lines = [
    `BGP router identifier ${bgp.routerId}, local AS number ${bgp.as}${bgp.listening ? '' : ', not listening'}`,
    '',
  ];
  lines.push(
    formatTable(
      [
        { head: 'Neighbor' },
        { head: 'V', align: 'right' },
        { head: 'AS', align: 'right' },
        { head: 'MsgRcvd', align: 'right' },
        { head: 'MsgSent', align: 'right' },
        { head: 'Up/Down', align: 'right' },
        { head: 'State/PfxRcd', align: 'right' },
        { head: 'PfxSnt', align: 'right' },
        { head: 'Desc' },
      ],
      bgp.peers.map((p) => [
        p.address,
        4,
        p.as,
        p.messagesReceived,
        p.messagesSent,
        p.stateSeconds === null ? 'never' : formatAge(p.stateSeconds),
        p.state === 'Established' ? [String(p.prefixesReceived), style.good] : [p.state, style.warn],
        p.prefixesSent,
        p.name === p.address ? '' : p.name,
      ]),
      style,
    ),
    '',
    `Total number of neighbors ${bgp.peers.length}`,
  );
  for (const peer of bgp.peers) {
    if (peer.lastError !== null)
      lines.push(`${peer.address}: last error: ${style.warn(printable(peer.lastError))}`);
  }
  for (const peer of bgp.peers) {
    if (peer.received !== undefined)
      lines.push('', `Received from ${peer.address}:`, formatBgpRoutes(peer.received, style));
    if (peer.advertised !== undefined)
      lines.push('', `Advertised to ${peer.address}:`, formatBgpRoutes(peer.advertised, style));
  }
  return lines.join('\n');
}

const formatBgpRoutes = (routes: readonly BgpRoute[], style: Style): string =>
  formatTable(
    [{ head: 'Network' }, { head: 'Next Hop' }, { head: 'Source' }, { head: 'Path' }, { head: 'Refused' }],
    routes.map((r) => [r.prefix, r.nextHop, r.source, r.asPath, r.refused ?? '']),
    style,
  );

export function formatVms(vms: readonly VmRow[], style: Style): string {
  return formatTable(
    [
      ...['VM', 'Network', 'MAC', 'Addresses', 'Site', 'Gateway', 'State', 'Route'].map((head) => ({ head })),
      { head: 'Seq', align: 'right' },
      { head: 'Port' },
      { head: 'Source' },
      { head: 'Alarm' },
    ],
    vms.map((vm) => [
      [vm.name, style.bold],
      vm.network,
      vm.mac,
      vm.addresses.map((a) => (a.state === 'stale' ? `${a.address} (stale)` : a.address)).join(' ') || '-',
      vm.location,
      vm.gatewaySide,
      vm.state === 'LOCAL'
        ? [vm.state, style.good]
        : vm.state === 'NO_IP'
          ? [vm.state, style.warn]
          : vm.state,
      vm.route,
      vm.seq,
      vm.port ?? '-',
      vm.source,
      [vm.alarm, style.warn],
    ]),
    style,
  );
}

export function formatNetworks(networks: readonly NetworkRow[], style: Style): string {
  return networks
    .map((n) => {
      const extension =
        n.extension === null
          ? 'none'
          : `${n.extension.interface}, MTU ${n.extension.mtu}, ${n.extension.up ? style.good('up') : style.bad('down')}`;
      const members = n.members.map((m) => (m.up ? m.interface : `${m.interface} (${style.bad('down')})`));
      const states = Object.entries(n.vms).filter(([, count]) => count > 0);
      const rows: [string, string][] = [
        ['gateway', n.gateway],
        ['target MAC', n.targetMac],
        [
          'source MAC',
          n.sourceMac === null ? style.warn('not known yet') : `${n.sourceMac} (${n.sourceMacFrom})`,
        ],
        ['proximity routing', n.proximityRouting ? style.good('on') : 'off'],
        ['extension', extension],
        ['members', members.join(', ') || 'none'],
        ['VMs', states.map(([state, count]) => `${count} ${state}`).join(', ') || 'none'],
        [
          'policies',
          `stale gateway: ${n.staleGateway}, asymmetric: ${n.asymmetric}, flood: ${n.floodPps === 0 ? 'unlimited' : `${n.floodPps} pps`}`,
        ],
      ];
      const head = `${style.bold(n.name)} ${n.subnet}`;
      return [head, ...rows.map(([key, value]) => `  ${`${key}:`.padEnd(20)}${value}`)].join('\n');
    })
    .join('\n\n');
}
