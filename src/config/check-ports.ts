// Checks of ports and of everything that refers to one: names, (port, VLAN) pairs, devices of the host.

import { formatIpv4 } from '../addr/ipv4.ts';
import { isHostDevice } from './config.ts';
import { formatPath } from './explain.ts';
import type { HostView } from './host.ts';
import { suggest } from './nearest.ts';
import type { ConfigPath } from './problem.ts';
import type { Report } from './report.ts';
import { MAX_INTERFACES, type ParsedConfig } from './schema.ts';

/** Bytes that VXLAN over IPv4 adds to an inner layer-3 packet: outer IPv4, UDP, VXLAN, inner Ethernet (RFC 7348 §5). */
export const VXLAN_OVERHEAD = 50;

interface Use {
  readonly port: string;
  readonly vlan: number;
  readonly path: ConfigPath;
  readonly bridged: boolean;
}

export function checkPorts(config: ParsedConfig, report: Report, host: HostView | undefined): void {
  report.duplicates(
    config.ports.map((p, i) => ({ key: p.name, path: ['ports', i, 'name'] })),
    'name-duplicate',
    (name) => `port name '${name}'`,
    formatPath,
  );
  checkUses(config, report);
  checkKernelDrop(config, report);
  if (host !== undefined) checkDevices(config, report, host);
}

/** Every place that names a port, in the order of the file's sections. */
function usesOf(config: ParsedConfig): Use[] {
  const uses: Use[] = [];
  config.interfaces.forEach((itf, i) => {
    uses.push({ port: itf.port, vlan: itf.vlan, path: ['interfaces', i, 'port'], bridged: false });
  });
  config.networks.forEach((network, n) => {
    if (network.extension !== undefined) {
      const { port, vlan } = network.extension;
      uses.push({ port, vlan, path: ['networks', n, 'extension', 'port'], bridged: true });
    }
    network.members.forEach((member, m) => {
      uses.push({ ...member, path: ['networks', n, 'members', m], bridged: true });
    });
  });
  return uses;
}

function checkUses(config: ParsedConfig, report: Report): void {
  const ports = new Map(config.ports.map((p) => [p.name, p]));
  const uses = usesOf(config);
  for (const use of uses) {
    const port = ports.get(use.port);
    if (port === undefined) {
      if (!report.lost.has(use.port)) {
        report.error(
          'port-unknown',
          use.path,
          `there is no port '${use.port}'`,
          suggest(use.port, ports.keys()),
        );
      }
    } else if (port.kind === 'raw-ip' && (use.bridged || use.vlan !== 0)) {
      const what = use.bridged ? 'be in a network' : 'have a VLAN';
      report.error(
        'port-unsuitable',
        use.path,
        `port '${use.port}' carries no Ethernet (raw-ip), so it cannot ${what}`,
        'a raw-ip port serves one routed interface with vlan 0',
      );
    }
  }
  report.duplicates(
    uses.map((use) => ({ key: `${use.port}/${use.vlan}`, path: use.path })),
    'port-vlan-duplicate',
    (key) => {
      const [port, vlan] = key.split('/');
      return vlan === '0' ? `port '${port}' (untagged)` : `port '${port}' with VLAN ${vlan}`;
    },
    formatPath,
  );
  const rows = uses.length + config.networks.length; // a network's gateway is an interface too
  if (rows > MAX_INTERFACES) {
    report.error('too-many-interfaces', [], `${rows} interfaces, the most is ${MAX_INTERFACES}`);
  }
  if (!report.whole('interfaces', 'networks')) return;
  const used = new Set(uses.map((u) => u.port));
  config.ports.forEach((port, i) => {
    if (!used.has(port.name)) {
      report.warn(
        'port-unused',
        ['ports', i, 'name'],
        `port '${port.name}' is used by no interface and no network`,
        'name it in interfaces, or in the members or extension of a network',
      );
    }
  });
}

/** An AF_XDP port has one queue. What the device puts into the others goes past the gateway. */
function checkQueues(
  port: { readonly device: string; readonly queue: number },
  path: ConfigPath,
  report: Report,
  host: HostView,
): void {
  const queues = host.rxQueues(port.device);
  if (port.queue >= queues) {
    report.error(
      'value-out-of-range',
      path,
      `device '${port.device}' has ${queues} receive queues, so there is no queue ${port.queue}`,
      `queues count from 0; see: ethtool -l ${port.device}`,
    );
  } else if (queues > 1) {
    report.warn(
      'queues-unused',
      path,
      `device '${port.device}' has ${queues} receive queues, and the port takes frames of queue ${port.queue} alone`,
      `use one queue: ethtool -L ${port.device} combined 1`,
    );
  }
}

/** An address that the host's stack answers for needs the frames that the port would keep from it. */
function checkKernelDrop(config: ParsedConfig, report: Report): void {
  const dropping = new Set(
    config.ports.filter((p) => p.kind === 'af-packet' && p.kernelDrop).map((p) => p.name),
  );
  config.interfaces.forEach((itf, i) => {
    if (!dropping.has(itf.port) || itf.hostStack === false) return;
    report.error(
      'kernel-drop-host-stack',
      ['interfaces', i],
      `the host's stack answers for interface '${itf.name}', and port '${itf.port}' keeps all frames from it (kernelDrop)`,
      'set hostStack: false here, or take kernelDrop from the port',
    );
  });
}

function checkDevices(config: ParsedConfig, report: Report, host: HostView): void {
  const tunnels = new Map<string, number>();
  config.ports.forEach((port, i) => {
    if (isHostDevice(port)) {
      const path = ['ports', i, 'device'];
      if (host.mtu(port.device) !== undefined) {
        if (port.kind === 'af-xdp') checkQueues(port, path, report, host);
        return;
      }
      const message = `the host has no device '${port.device}'`;
      if (port.waitSeconds > 0) {
        report.warn(
          'device-missing',
          path,
          message,
          `the gateway waits ${port.waitSeconds} s for it at start`,
        );
      } else {
        report.error('device-missing', path, message, suggest(port.device, host.devices()));
      }
    } else if (port.kind === 'vxlan') {
      const device = host.deviceOf(port.local);
      if (device === undefined) {
        const message = `no device of the host has the address ${formatIpv4(port.local)}`;
        report.warn(
          'address-not-local',
          ['ports', i, 'local'],
          message,
          'the port cannot be opened until one has',
        );
        return;
      }
      if (config.ports.some((p) => p.kind === 'af-packet' && p.device === device && p.kernelDrop)) {
        report.error(
          'kernel-drop-host-stack',
          ['ports', i, 'local'],
          `the tunnel's packets come by device '${device}', whose port keeps all frames from the host's stack (kernelDrop)`,
          'take kernelDrop from that port',
        );
      }
      tunnels.set(port.name, host.mtu(device) ?? 0);
    }
  });
  config.networks.forEach((network, n) => {
    const underlay = network.extension === undefined ? undefined : tunnels.get(network.extension.port);
    if (network.extension === undefined || underlay === undefined || underlay === 0) return;
    const room = underlay - VXLAN_OVERHEAD - (network.extension.vlan === 0 ? 0 : 4);
    if (network.extension.mtu > room) {
      report.warn(
        'extension-mtu',
        ['networks', n, 'extension'],
        `packets of ${network.extension.mtu} bytes do not fit the tunnel: its device has MTU ${underlay}, so ${room} remain`,
        `set mtu: ${room} here, or raise the device's MTU by at least ${network.extension.mtu - room}`,
      );
    }
  });
}
