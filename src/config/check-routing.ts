// Checks of layer 3: interface addresses, static routes, BGP neighbors.

import { formatIpv4 } from '../addr/ipv4.ts';
import { mask4, overlaps4, type Prefix4 } from '../addr/prefix.ts';
import { formatPrefix, reservedIn, within } from './check-networks.ts';
import { formatPath } from './explain.ts';
import type { ConfigPath } from './problem.ts';
import type { Report } from './report.ts';
import type { ParsedConfig } from './schema.ts';

type Interface = ParsedConfig['interfaces'][number];

const subnetOf = ({ address: { address, len } }: Interface): Prefix4 => ({
  prefix: (address & mask4(len)) >>> 0,
  len,
});

export function checkRouting(config: ParsedConfig, report: Report): void {
  report.duplicates(
    config.interfaces.map((itf, i) => ({ key: itf.name, path: ['interfaces', i, 'name'] })),
    'name-duplicate',
    (name) => `interface name '${name}'`,
    formatPath,
  );
  config.interfaces.forEach((itf, i) => {
    checkInterface(itf, i, config, report);
  });
  checkRoutes(config, report);
  checkBgp(config, report);
}

function checkInterface(itf: Interface, i: number, config: ParsedConfig, report: Report): void {
  const at: ConfigPath = ['interfaces', i, 'address'];
  const { address } = itf.address;
  const subnet = subnetOf(itf);
  const first = address >>> 24;
  if (first === 0 || first === 127 || first >= 224) {
    report.error('address-unsuitable', at, `${formatIpv4(address)} cannot be the address of an interface`);
    return;
  }
  const reserved = reservedIn(address, subnet);
  if (reserved !== undefined) {
    const message = `${formatIpv4(address)} is ${reserved} of ${formatPrefix(subnet)}`;
    report.error('address-unsuitable', at, message);
  }
  for (const other of config.interfaces.slice(0, i)) {
    if (!overlaps4(subnet, subnetOf(other))) continue;
    const same = address === other.address.address;
    report.error(
      same ? 'address-duplicate' : 'subnet-overlap',
      at,
      same
        ? `address ${formatIpv4(address)} is used twice`
        : `${formatPrefix(subnet)} overlaps ${formatPrefix(subnetOf(other))} of interface '${other.name}'`,
      same ? `interface '${other.name}' has it` : 'every routed interface has a subnet of its own',
    );
  }
  for (const network of config.networks) {
    if (!overlaps4(subnet, network.subnet)) continue;
    report.error(
      'interface-in-extended-subnet',
      at,
      `${formatPrefix(subnet)} lies in ${formatPrefix(network.subnet)} of extended network '${network.name}'`,
      'the target has only host routes into an extended network, never a connected subnet (S14); use another subnet',
    );
  }
}

function checkRoutes(config: ParsedConfig, report: Report): void {
  report.duplicates(
    config.routes.map((r, i) => ({ key: formatPrefix(r.prefix), path: ['routes', i, 'prefix'] })),
    'route-duplicate',
    (prefix) => `route to ${prefix}`,
    formatPath,
  );
  config.routes.forEach((route, i) => {
    const path: ConfigPath = ['routes', i];
    if (route.blackhole === (route.via !== undefined)) {
      const both = route.blackhole;
      report.error(
        both ? 'route-contradicts' : 'route-without-next-hop',
        path,
        `the route to ${formatPrefix(route.prefix)} has ${both ? 'both via and blackhole' : 'no next hop'}`,
        both ? 'leave one of the two out' : "add 'via: ADDRESS', or 'blackhole: true'",
      );
      return;
    }
    const hops = route.via ?? [];
    report.duplicates(
      hops.map((key, v) => ({ key, path: [...path, 'via', v] })),
      'next-hop-duplicate',
      (hop) => `next hop ${formatIpv4(hop)}`,
      formatPath,
    );
    hops.forEach((hop, v) => {
      checkNextHop(hop, i, [...path, 'via', v], config, report);
    });
  });
}

function checkNextHop(
  hop: number,
  route: number,
  at: ConfigPath,
  config: ParsedConfig,
  report: Report,
): void {
  const owner = config.interfaces.find((itf) => itf.address.address === hop);
  if (owner !== undefined) {
    const message = `next hop ${formatIpv4(hop)} is the address of the gateway's own interface '${owner.name}'`;
    report.error('next-hop-own', at, message, 'name the router at the other end');
    return;
  }
  if (!report.whole('interfaces', 'networks', 'routes')) return;
  if (config.interfaces.some((itf) => within(hop, subnetOf(itf)))) return;
  if (config.networks.some((network) => within(hop, network.subnet))) return; // reachable by a VM's host route
  const other = config.routes.some((r, i) => i !== route && r.prefix.len > 0 && within(hop, r.prefix));
  const message = `next hop ${formatIpv4(hop)} is on no connected subnet`;
  const subnets = config.interfaces.map((itf) => formatPrefix(subnetOf(itf)));
  const hint = subnets.length === 0 ? 'there is no interface' : `connected: ${subnets.join(', ')}`;
  if (other) return;
  if (config.bgp === undefined) report.error('next-hop-unreachable', at, message, hint);
  else report.warn('next-hop-unreachable', at, `${message}: the route waits for one by BGP`, hint);
}

function checkBgp({ bgp, gateway, interfaces, routes }: ParsedConfig, report: Report): void {
  if (bgp === undefined) return;
  report.duplicates(
    bgp.neighbors.map((n, i) => ({ key: n.address, path: ['bgp', 'neighbors', i, 'address'] })),
    'neighbor-duplicate',
    (address) => `neighbor ${formatIpv4(address)}`,
    formatPath,
  );
  report.duplicates(
    bgp.neighbors.flatMap((n, i) =>
      n.name === undefined ? [] : [{ key: n.name, path: ['bgp', 'neighbors', i, 'name'] }],
    ),
    'name-duplicate',
    (name) => `neighbor name '${name}'`,
    formatPath,
  );
  if (report.whole('gateway', 'interfaces')) {
    if (gateway.routerId === 0 || (gateway.routerId === undefined && interfaces.length === 0)) {
      report.error(
        'router-id-missing',
        ['bgp'],
        'BGP needs a router id',
        'set gateway.routerId to an IPv4 address',
      );
    }
    bgp.neighbors.forEach((neighbor, i) => {
      const at: ConfigPath = ['bgp', 'neighbors', i, 'address'];
      const address = formatIpv4(neighbor.address);
      if (interfaces.some((itf) => itf.address.address === neighbor.address)) {
        report.error('neighbor-own', at, `neighbor ${address} is an address of the gateway itself`);
      } else if (
        !interfaces.some((itf) => within(neighbor.address, subnetOf(itf))) &&
        !routes.some((r) => within(neighbor.address, r.prefix))
      ) {
        const hint = 'the session comes up only if the host itself can reach it';
        report.warn('neighbor-not-connected', at, `neighbor ${address} is on no connected subnet`, hint);
      }
    });
  }
}
