// Checks of extended networks: the subnet, the gateway at both sites, the VMs.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac, type Mac } from '../addr/mac.ts';
import { contains4, formatPrefix4, mask4, overlaps4, type Prefix4 } from '../addr/prefix.ts';
import { formatPath } from './explain.ts';
import type { ConfigPath } from './problem.ts';
import type { Report } from './report.ts';
import type { ParsedConfig } from './schema.ts';

type Network = ParsedConfig['networks'][number];
type Vm = Network['vms'][number];

/** The prefix as text. */
export const formatPrefix = ({ prefix, len }: Prefix4): string => formatPrefix4(prefix, len);
/** Whether the address lies in the prefix. */
export const within = (address: number, { prefix, len }: Prefix4): boolean => contains4(prefix, len, address);
const sameMac = (a: Mac, b: Mac | undefined): boolean => b !== undefined && a.hi === b.hi && a.lo === b.lo;

/** Why an address cannot be a host's in this subnet, or undefined. A /31 has no reserved addresses (RFC 3021). */
export function reservedIn(address: number, { prefix, len }: Prefix4): string | undefined {
  if (len >= 31) return undefined;
  if (address === prefix) return 'the network address';
  return address === (prefix | ~mask4(len)) >>> 0 ? 'the broadcast address' : undefined;
}

export function checkNetworks(config: ParsedConfig, report: Report): void {
  report.duplicates(
    config.networks.map((n, i) => ({ key: n.name, path: ['networks', i, 'name'] })),
    'name-duplicate',
    (name) => `network name '${name}'`,
    formatPath,
  );
  config.networks.forEach((network, n) => {
    const path: ConfigPath = ['networks', n];
    checkSubnet(network, path, report);
    config.networks.slice(0, n).forEach((other) => {
      if (!overlaps4(network.subnet, other.subnet)) return;
      const message = `${formatPrefix(network.subnet)} overlaps ${formatPrefix(other.subnet)} of network '${other.name}'`;
      report.error('subnet-overlap', [...path, 'subnet'], message, 'extended networks share no address');
    });
    checkGateway(network, [...path, 'gateway'], report);
    network.vms.forEach((vm, v) => {
      checkVm(vm, network, [...path, 'vms', v], report);
    });
    checkReach(network, path, report);
  });
  checkVmsTogether(config, report);
  checkProximity(config, report);
}

function checkSubnet({ subnet }: Network, path: ConfigPath, report: Report): void {
  const first = subnet.prefix >>> 24;
  if (subnet.len > 30 || subnet.len < 8 || first === 0 || first === 127 || first >= 224) {
    report.error(
      'subnet-unsuitable',
      [...path, 'subnet'],
      `${formatPrefix(subnet)} cannot be the subnet of VMs`,
      'a unicast prefix of /8 to /30',
    );
  }
}

function checkGateway({ gateway, subnet }: Network, path: ConfigPath, report: Report): void {
  const at = [...path, 'address'];
  if (!within(gateway.address, subnet)) {
    report.error(
      'gateway-outside-subnet',
      at,
      `the gateway ${formatIpv4(gateway.address)} is outside its subnet ${formatPrefix(subnet)}`,
      `the usual address is ${formatIpv4(subnet.prefix + 1)}`,
    );
  } else {
    const reserved = reservedIn(gateway.address, subnet);
    if (reserved !== undefined) {
      const message = `the gateway ${formatIpv4(gateway.address)} is ${reserved} of ${formatPrefix(subnet)}`;
      report.error('gateway-reserved', at, message, `the usual address is ${formatIpv4(subnet.prefix + 1)}`);
    }
  }
  if (sameMac(gateway.mac, gateway.sourceMac)) {
    report.error(
      'gateway-mac-same',
      [...path, 'sourceMac'],
      'the gateways of source and target have the same MAC',
      "they must differ: give 'mac' another one, for example with 02 as its first byte",
    );
  }
}

function checkVm(vm: Vm, network: Network, path: ConfigPath, report: Report): void {
  const { gateway, subnet } = network;
  if (sameMac(vm.mac, gateway.mac) || sameMac(vm.mac, gateway.sourceMac)) {
    const message = `VM '${vm.name}' has the MAC of the gateway, ${formatMac(vm.mac.hi, vm.mac.lo)}`;
    report.error('vm-mac-gateway', [...path, 'mac'], message);
  }
  vm.addresses.forEach((address, a) => {
    const at = [...path, 'addresses', a];
    const what = `address ${formatIpv4(address)} of VM '${vm.name}'`;
    const reserved = within(address, subnet) ? reservedIn(address, subnet) : undefined;
    if (!within(address, subnet)) {
      const hint = `the subnet of network '${network.name}' is ${formatPrefix(subnet)}`;
      report.error('vm-outside-subnet', at, `${what} is outside the subnet`, hint);
    } else if (address === gateway.address) {
      report.error('vm-address-gateway', at, `${what} is the gateway's`);
    } else if (reserved !== undefined) {
      report.error('vm-address-reserved', at, `${what} is ${reserved} of ${formatPrefix(subnet)}`);
    }
  });
  if (vm.gateway === undefined) return;
  if (vm.location === 'source') {
    report.error(
      'vm-gateway-at-source',
      [...path, 'gateway'],
      `VM '${vm.name}' is at the source, so its gateway is the source's (S11)`,
      "leave 'gateway' out, or set location: target",
    );
  } else if (vm.gateway === 'target' && vm.addresses.length === 0 && report.whole('networks')) {
    report.error(
      'vm-without-address',
      [...path, 'gateway'],
      `VM '${vm.name}' has no address, so it cannot use the target gateway (S23, S24)`,
      "add 'addresses', or leave 'gateway' out until one is reported",
    );
  } else if (vm.gateway === 'target' && !network.proximityRouting) {
    report.warn(
      'vm-gateway-without-proximity',
      [...path, 'gateway'],
      `proximity routing is off in network '${network.name}': VM '${vm.name}' stays on the source gateway`,
      'set proximityRouting: true',
    );
  }
}

function checkReach(network: Network, path: ConfigPath, report: Report): void {
  if (!report.whole('networks')) return;
  const atTarget = network.vms.filter((vm) => vm.location === 'target');
  if (atTarget.length > 0 && network.members.length === 0) {
    report.warn(
      'network-without-members',
      path,
      `network '${network.name}' has VMs at the target but no port for them`,
      "name their ports in 'members'",
    );
  }
  const pinned = atTarget.find((vm) => vm.gateway !== 'target' || !network.proximityRouting);
  if (pinned !== undefined && network.extension === undefined) {
    report.warn(
      'network-without-extension',
      path,
      `VM '${pinned.name}' uses the source gateway, but network '${network.name}' has no extension to reach it by`,
      "add 'extension', or set gateway: target for the VM",
    );
  }
}

function checkVmsTogether(config: ParsedConfig, report: Report): void {
  const all = config.networks.flatMap((network, n) =>
    network.vms.map((vm, v) => ({ vm, n, path: ['networks', n, 'vms', v] as ConfigPath })),
  );
  if (all.length > config.gateway.maxVms) {
    const hint = `raise maxVms to at least ${all.length}`;
    report.error(
      'too-many-vms',
      ['gateway'],
      `${all.length} VMs, gateway.maxVms is ${config.gateway.maxVms}`,
      hint,
    );
  }
  report.duplicates(
    all.map(({ vm, path }) => ({ key: vm.name, path: [...path, 'name'] })),
    'name-duplicate',
    (name) => `VM name '${name}'`,
    formatPath,
  );
  report.duplicates(
    all.map(({ vm, n, path }) => ({
      key: `${n}/${formatMac(vm.mac.hi, vm.mac.lo)}`,
      path: [...path, 'mac'],
    })),
    'mac-duplicate',
    (key) => `MAC ${key.slice(key.indexOf('/') + 1)}`,
    formatPath,
  );
  report.duplicates(
    all.flatMap(({ vm, path }) => vm.addresses.map((key, a) => ({ key, path: [...path, 'addresses', a] }))),
    'address-duplicate',
    (address) => `address ${formatIpv4(address)}`,
    formatPath,
  );
}

/** S28: proximity routing can always be enabled, but says loudly when nobody will learn the /32s. */
function checkProximity(config: ParsedConfig, report: Report): void {
  const { bgp } = config;
  if (!report.whole('bgp')) return;
  const lack =
    bgp === undefined
      ? 'there is no dynamic routing'
      : bgp.neighbors.length === 0
        ? 'BGP has no neighbor'
        : bgp.redistribute.includes('mobility')
          ? undefined
          : 'BGP does not redistribute mobility routes';
  if (lack === undefined) return;
  config.networks.forEach((network, n) => {
    if (!network.proximityRouting) return;
    report.warn(
      'proximity-without-routing',
      ['networks', n, 'proximityRouting'],
      `PROXIMITY ROUTING WILL NOT WORK in network '${network.name}': ${lack}, so no router learns the /32 of a local VM, ` +
        'and what comes in for it takes the way over the source gateway (S28)',
      'add a BGP neighbor and redistribute mobility, or set proximityRouting: false',
    );
  });
}
