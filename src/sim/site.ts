// Builds the simulated lab from a topology's nodes and links: cables with delays, the switch, hosts, VMs and the source router.
// The gateway's own place is left free: `cables` says which cable each port of its config gets.
//
// What a node is, its exec lines say: a bridge without an address is a switch, a node that forwards is a router, an address on
// a bridge makes a VM whose legs are the bridge's members, and everything else is a host.

import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import { createPrng } from '../base/prng.ts';
import type { Timers } from '../base/timers.ts';
import type { Config, PortConfig } from '../config/config.ts';
import { madeMac } from '../gateway/made-mac.ts';
import { type NodeSetup, readExecLines } from './exec-lines.ts';
import { IpNode } from './ip-node.ts';
import { LearningSwitch } from './learning-switch.ts';
import { Link, type LinkEnd } from './link.ts';

/** Inside of a site, and between the sites: two data centres some 1000 km of fibre apart. */
const LAN_DELAY_MS = 0.05;
export const SITE_DELAY_MS = 5;

export interface SiteNode {
  readonly name: string;
  readonly exec: readonly string[];
}

export interface SiteEndpoint {
  readonly node: string;
  readonly device: string;
}

export interface SiteOptions {
  readonly timers: Timers;
  readonly seed: number;
  readonly nodes: readonly SiteNode[];
  readonly links: readonly (readonly [SiteEndpoint, SiteEndpoint])[];
  /** Name of the node that is the gateway. */
  readonly gateway: string;
  readonly config: Config;
}

/** A VM's two places. */
export interface Legs {
  readonly source: Link;
  readonly target: Link;
  /** The gateway's end of `target`. */
  readonly gatewayEnd: LinkEnd;
}

export interface Site {
  readonly hosts: ReadonlyMap<string, IpNode>;
  /** The address by which others know a host: that of its loopback when it has one. */
  readonly addresses: ReadonlyMap<string, number>;
  /** Dotted quad → node that has the address. */
  readonly owners: ReadonlyMap<string, string>;
  readonly vms: ReadonlyMap<string, Legs>;
  readonly router: IpNode;
  /** Cable of the L3 WAN, and that of the L2 extension, which carries inner frames. */
  readonly wan: Link;
  readonly extension: Link;
  /** The gateway's end of the extension. */
  readonly extensionEnd: LinkEnd;
  /** The gateway's end of each cable, by the name of its port. */
  readonly cables: ReadonlyMap<string, LinkEnd>;
}

export function buildSite(options: SiteOptions): Site {
  const { timers, config, gateway } = options;
  const setups = options.nodes.map(({ name, exec }) => readExecLines(name, exec));
  const named = new Map(setups.map((s) => [s.name, s]));
  const ends = lay(options, named);
  const endOf = (node: string, device: string): LinkEnd => {
    const end = ends.get(`${node}:${device}`);
    if (end === undefined) throw invalid(`node ${node} has no link at ${device}`);
    return end;
  };

  const hosts = new Map<string, IpNode>();
  const addresses = new Map<string, number>();
  const owners = new Map<string, string>();
  const vms = new Map<string, Legs>();
  for (const setup of setups) {
    for (const { address } of setup.addresses) owners.set(formatIpv4(address), setup.name);
    if (setup.name === gateway) continue;
    if ([...setup.bridges].some((bridge) => setup.addresses.every((a) => a.device !== bridge))) {
      const bridge = new LearningSwitch(timers);
      for (const device of setup.masters.keys()) {
        bridge.plug(endOf(setup.name, setup.tunnels.get(device) ?? device));
      }
      continue;
    }
    const node = new IpNode(setup.name, timers, setup.forwards);
    hosts.set(setup.name, node);
    addresses.set(
      setup.name,
      equip(node, setup, (device) => endOf(setup.name, device)),
    );
    const legs = legsOf(setup, gateway, options, endOf);
    if (legs !== undefined) vms.set(setup.name, legs);
  }
  const gatewaySetup = named.get(gateway);
  if (gatewaySetup === undefined) throw invalid(`there is no node ${gateway}`);
  for (const { address } of config.interfaces) owners.set(formatIpv4(address.address), gateway);
  if (config.gateway.siteAddress !== undefined) owners.set(formatIpv4(config.gateway.siteAddress), gateway);
  const cables = new Map(
    config.ports.map((port) => [port.name, endOf(gateway, deviceOf(port, gatewaySetup))]),
  );

  const router = setups.find((s) => s.forwards);
  const wan = options.links.find((l) => joins(l, router?.name, gateway));
  const extensionEnd = cables.get(config.networks[0]?.extension?.port ?? '');
  const routerNode = hosts.get(router?.name ?? '');
  if (routerNode === undefined || wan === undefined || extensionEnd === undefined) {
    throw invalid('the simulator needs a router with a link to the gateway, and an extended network');
  }
  return {
    hosts,
    addresses,
    owners,
    vms,
    router: routerNode,
    wan: endOf(wan[0].node, wan[0].device).link,
    extension: extensionEnd.link,
    extensionEnd,
    cables,
  };
}

const invalid = (text: string): NearhopError =>
  new NearhopError('lab-invalid', text, { hint: 'the simulator builds labs like lab/esg' });

const joins = (
  [x, y]: readonly [SiteEndpoint, SiteEndpoint],
  a: string | undefined,
  b: string | undefined,
): boolean => (x.node === a && y.node === b) || (x.node === b && y.node === a);

/** Lays all cables; their ends by `node:device`. */
function lay(options: SiteOptions, setups: ReadonlyMap<string, NodeSetup>): Map<string, LinkEnd> {
  const { timers, seed, links, gateway } = options;
  const ends = new Map<string, LinkEnd>();
  links.forEach((pair, i) => {
    // Between the sites go the cable that carries a tunnel, and the one from a router to the gateway.
    const far = pair.find((end) => end.node !== gateway);
    const setup = setups.get(far?.node ?? '');
    const between = pair.some((end) => end.node === gateway);
    const tunnel = [...(setup?.tunnels.values() ?? [])].includes(far?.device ?? '');
    const delayMs = between && (tunnel || setup?.forwards === true) ? SITE_DELAY_MS : LAN_DELAY_MS;
    const link = new Link({ timers, delayMs, random: createPrng(seed + i) });
    ends.set(`${pair[0].node}:${pair[0].device}`, link.a);
    ends.set(`${pair[1].node}:${pair[1].device}`, link.b);
    if (pair.some((end) => setups.get(end.node)?.down.has(end.device))) link.set(false);
  });
  return ends;
}

/** Gives a node its interfaces, addresses and default route; returns the address by which others know it. */
function equip(node: IpNode, setup: NodeSetup, endOf: (device: string) => LinkEnd): number {
  let known: number | undefined;
  for (const { device, address, len } of setup.addresses) {
    if (device === 'lo') {
      node.addAddress(address);
      known = address;
      continue;
    }
    const legs = setup.bridges.has(device)
      ? [...setup.masters].filter(([, bridge]) => bridge === device).map(([member]) => endOf(member))
      : [endOf(device)];
    const mac = setup.macs.get(device) ?? madeMac(`${setup.name}:${device}`);
    node.addInterface(mac, address, len, legs);
    known ??= address;
  }
  if (setup.defaultVia !== undefined) {
    node.routes.add({ prefix: 0, len: 0, source: 'static', via: setup.defaultVia });
  }
  if (known === undefined) throw invalid(`node ${setup.name} has no address`);
  return known;
}

/** The legs of a VM that can move: one to the gateway, one elsewhere. */
function legsOf(
  setup: NodeSetup,
  gateway: string,
  { links }: SiteOptions,
  endOf: (node: string, device: string) => LinkEnd,
): Legs | undefined {
  if (setup.bridges.size === 0) return undefined;
  const mine = links.filter((l) => l.some((end) => end.node === setup.name));
  const target = mine.find((l) => joins(l, setup.name, gateway));
  const source = mine.find((l) => l !== target);
  if (target === undefined || source === undefined) return undefined;
  const gatewaySide = target.find((end) => end.node === gateway) as SiteEndpoint;
  const gatewayEnd = endOf(gatewaySide.node, gatewaySide.device);
  return { source: endOf(source[0].node, source[0].device).link, target: gatewayEnd.link, gatewayEnd };
}

/** Device of the gateway's node that a port uses. */
function deviceOf(port: PortConfig, setup: NodeSetup): string {
  if (port.kind === 'af-packet' || port.kind === 'af-xdp') return port.device;
  const device =
    port.kind === 'vxlan' ? setup.addresses.find((a) => a.address === port.local)?.device : undefined;
  if (device === undefined) throw invalid(`port ${port.name}: no device of node ${setup.name} carries it`);
  return device;
}
