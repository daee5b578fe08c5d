// Two sites for the tests of a running gateway: the built command in a namespace of its own, and around it what it meets.
// Everything but the gateway is the kernel's; offloads are as the kernel sets them.
//
//   vm1 (local) ─┐                         ┌─ native 10.20.0.10
//   vm2 (pinned) ┼─ gateway, T-MAC ────────┘
//   vm3, tap ────┘   │ wan 172.16.0.0/30   │ extension: VXLAN over 172.16.1.0/30
//                    └──────── source ─────┘   S-MAC 192.168.10.1, kernel bridge, router with static routes
//                      host 192.168.20.10 ─┴─ vm4 192.168.10.14
//
// VMs ask ARP anew every 50 ms, so that a test does not wait for them.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuild } from '../../scripts/setup.mjs';
import { createNetns, type LabProcess, type Netns } from './netns.ts';

const BUNDLE = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));

export const S_MAC = '02:00:00:00:10:01';
export const T_MAC = '02:00:00:00:10:fe';
export const GATEWAY_IP = '192.168.10.1';
export const NATIVE_IP = '10.20.0.10';
export const SOURCE_HOST_IP = '192.168.20.10';
export const VM_IP = {
  vm1: '192.168.10.11',
  vm2: '192.168.10.12',
  vm3: '192.168.10.13',
  vm4: '192.168.10.14',
  tap: '192.168.10.15',
} as const;
export type VmName = keyof typeof VM_IP;
const VM_MAC: Readonly<Record<VmName, string>> = {
  vm1: '02:00:00:00:aa:01',
  vm2: '02:00:00:00:aa:02',
  vm3: '02:00:00:00:aa:03',
  vm4: '02:00:00:00:aa:04',
  tap: '02:00:00:00:aa:05',
};

/** What `--json` prints. */
export interface Envelope<Data> {
  readonly ok: boolean;
  readonly data: Data;
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start of the process to its end, ms. */
  readonly tookMs: number;
}

export interface SiteOptions {
  /** Kind of vm1's port. Default af-packet. */
  readonly vm1Port?: 'af-packet' | 'cap';
  /** The gateway gets a port of kind tap for a fifth VM. */
  readonly tap?: boolean;
  /** MTU of the link under the extension, and of the extension. Default 1600 and 1500. */
  readonly underlayMtu?: number;
  readonly extensionMtu?: number;
  /** The extension's `gsoDevice`. Default none. */
  readonly gsoDevice?: string;
}

export interface Site {
  readonly net: Netns;
  readonly directory: string;
  readonly socket: string;
  /** Namespaces by their short names. */
  readonly ns: Readonly<Record<'gw' | 'source' | 'host' | 'native' | VmName, string>>;
  /** The gateway's config; tests may write another one with `run`. */
  readonly config: Config;
  /** Starts `nearhop run`; does not wait until it is up. */
  run(config?: object): LabProcess;
  /** Starts the gateway, waits until it is up, and puts the TAP device into its VM. */
  up(config?: object): Promise<LabProcess>;
  /** Runs the command in the gateway's namespace to its end. */
  nearhop(...args: readonly string[]): Promise<Ran>;
  /** Asks the gateway by the command and gives the data; throws what the command says. */
  ask<Data>(...args: readonly string[]): Promise<Data>;
  /** Waits until `to` answers a ping of `from`. */
  reach(from: string, to: string): Promise<void>;
  cleanup(): Promise<void>;
}

type Config = ReturnType<typeof siteConfig>;

function siteConfig(options: SiteOptions) {
  const vm = (name: VmName, more: object = {}) => ({
    name,
    mac: VM_MAC[name],
    addresses: [VM_IP[name]],
    ...more,
  });
  const local = { location: 'target', gateway: 'target' };
  const afPacket = (name: string) => ({ name, kind: 'af-packet', device: name });
  return {
    gateway: { name: 'site' },
    ports: [
      afPacket('wan'),
      {
        ...{ name: 'ext', kind: 'vxlan', vni: 10, local: '172.16.1.2', remotes: ['172.16.1.1'] },
        mtu: options.extensionMtu ?? 1500,
        ...(options.gsoDevice === undefined ? {} : { gsoDevice: options.gsoDevice }),
      },
      { ...afPacket('p1'), kind: options.vm1Port ?? 'af-packet' },
      afPacket('p2'),
      afPacket('p3'),
      afPacket('nat'),
      ...(options.tap ? [{ name: 'tap', kind: 'tap', device: 'tap0' }] : []),
    ],
    interfaces: [
      { name: 'wan', port: 'wan', address: '172.16.0.2/30', hostStack: false },
      { name: 'native', port: 'nat', address: '10.20.0.1/24', hostStack: false },
    ],
    networks: [
      {
        name: 'green',
        subnet: '192.168.10.0/24',
        gateway: { address: GATEWAY_IP, mac: T_MAC, sourceMac: S_MAC },
        extension: { port: 'ext', mtu: options.extensionMtu ?? 1500 },
        members: ['p1', 'p2', 'p3', ...(options.tap ? ['tap'] : [])],
        vms: [
          vm('vm1', local),
          vm('vm2', { location: 'target' }),
          vm('vm3'),
          vm('vm4'),
          ...(options.tap ? [vm('tap', local)] : []),
        ],
      },
    ],
    routes: ['192.168.10.0/24', '192.168.20.0/24'].map((prefix) => ({ prefix, via: '172.16.0.1' })),
  };
}

/** Builds the sites, without starting the gateway. Call `cleanup` whatever happens. */
export function createSite(prefix: string, options: SiteOptions = {}): Site {
  ensureBuild();
  const net = createNetns(prefix);
  const directory = mkdtempSync(join(tmpdir(), 'nearhop-site-'));
  const ns = {
    ...{ gw: net.ns('gw'), source: net.ns('source'), host: net.ns('host'), native: net.ns('native') },
    ...{ vm1: net.ns('vm1'), vm2: net.ns('vm2'), vm3: net.ns('vm3'), vm4: net.ns('vm4'), tap: net.ns('tap') },
  };
  const socket = join(directory, 'site.sock');
  const config = siteConfig(options);

  const vmOf = (name: VmName) => ({
    ...{ ns: ns[name], dev: 'eth0', mac: VM_MAC[name], ip: `${VM_IP[name]}/24` },
  });
  const askQuickly = 'echo 50 > /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms';
  const underlayMtu = options.underlayMtu ?? 1600;
  try {
    net.veth(vmOf('vm1'), { ns: ns.gw, dev: 'p1' });
    net.veth(vmOf('vm2'), { ns: ns.gw, dev: 'p2' });
    net.veth(vmOf('vm3'), { ns: ns.gw, dev: 'p3' });
    net.veth({ ns: ns.native, dev: 'eth0', ip: `${NATIVE_IP}/24` }, { ns: ns.gw, dev: 'nat' });
    net.veth({ ns: ns.source, dev: 'wan', ip: '172.16.0.1/30' }, { ns: ns.gw, dev: 'wan' });
    net.veth(
      { ns: ns.source, dev: 'und', ip: '172.16.1.1/30', mtu: underlayMtu },
      { ns: ns.gw, dev: 'und', ip: '172.16.1.2/30', mtu: underlayMtu },
    );
    net.veth(vmOf('vm4'), { ns: ns.source, dev: 'p4' });
    net.veth(
      { ns: ns.host, dev: 'eth0', ip: `${SOURCE_HOST_IP}/24` },
      { ns: ns.source, dev: 'lan', ip: '192.168.20.1/24' },
    );
    net.exec(
      ns.source,
      [
        'ip link add br0 type bridge stp_state 0 mcast_snooping 0',
        `ip link add vx0 type vxlan id 10 local 172.16.1.1 remote 172.16.1.2 dstport 4789 dev und`,
        // The bridge's own MTU stays 1500: S is a router on it, and its other members are no tunnels.
        `ip link set vx0 mtu ${options.extensionMtu ?? 1500} master br0 up`,
        'ip link set p4 master br0',
        `ip link set br0 address ${S_MAC} mtu 1500 up`,
        `ip addr add ${GATEWAY_IP}/24 dev br0`,
        'echo 1 > /proc/sys/net/ipv4/ip_forward',
        'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done',
        'for f in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 > $f; done',
        // what dynamic routing would have taught it
        'ip route add 10.20.0.0/24 via 172.16.0.2',
        `ip route add ${VM_IP.vm1}/32 via 172.16.0.2`,
        `ip route add ${VM_IP.tap}/32 via 172.16.0.2`,
      ].join(' && '),
    );
    for (const name of ['vm1', 'vm2', 'vm3', 'vm4'] as const) {
      net.exec(ns[name], `ip route add default via ${GATEWAY_IP} && ${askQuickly}`);
    }
    net.exec(ns.native, `ip route add default via 10.20.0.1 && ${askQuickly}`);
    net.exec(ns.host, `ip route add default via 192.168.20.1 && ${askQuickly}`);
  } catch (error) {
    void net.cleanup();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }

  const run = (other: object = config): LabProcess => {
    const file = join(directory, 'site.yml');
    writeFileSync(file, JSON.stringify(other));
    return net.spawn(ns.gw, [process.execPath, BUNDLE, 'run', '-c', file, '--socket', socket]);
  };
  const nearhop = (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const startMs = performance.now();
      const argv = ['netns', 'exec', ns.gw, process.execPath, BUNDLE, ...args];
      const child = execFile('ip', argv, { maxBuffer: 64 << 20 }, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr, tookMs: performance.now() - startMs }),
      );
    });

  return {
    net,
    directory,
    socket,
    ns,
    config,
    run,
    nearhop,
    async up(other) {
      const gateway = run(other);
      await gateway.waitFor(/is up/, 20_000);
      if (options.tap) {
        net.exec(ns.gw, `ip link set tap0 netns ${ns.tap}`);
        net.exec(
          ns.tap,
          [
            `ip link set tap0 name eth0 address ${VM_MAC.tap}`,
            'ip link set eth0 up',
            `ip addr add ${VM_IP.tap}/24 dev eth0`,
            `ip route add default via ${GATEWAY_IP}`,
            askQuickly,
          ].join(' && '),
        );
      }
      return gateway;
    },
    async ask<Data>(...args: readonly string[]): Promise<Data> {
      const { stdout, stderr } = await nearhop(...args, '--json', '--socket', socket);
      const envelope = JSON.parse(stdout || '{}') as Partial<Envelope<Data>>;
      if (envelope.ok !== true) throw new Error(`nearhop ${args.join(' ')}: ${stdout}${stderr}`);
      return envelope.data as Data;
    },
    async reach(from, to) {
      await net.run(
        from,
        `for i in 1 2 3 4 5 6 7 8; do ping -nqc1 -W1 ${to} >/dev/null && exit; done; exit 1`,
      );
    },
    async cleanup() {
      await net.cleanup();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
