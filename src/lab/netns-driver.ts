// The ESG lab in namespaces, as a scenario drives it: real FRR, kernel VXLAN at the source, Nearhop at the target, and the
// programs an operator would use to look (ping, tcpdump, iperf3, vtysh, ip).

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import { NearhopError } from '../base/errors.ts';
import { ask } from '../gateway/control-client.ts';
import type {
  FlowHandle,
  FlowResult,
  Hop,
  HostName,
  LabDriver,
  MoveKind,
  PingResult,
  VmView,
} from './driver.ts';
import { vtysh } from './frr-node.ts';
import { labFolder } from './lab-state.ts';
import { watchEchoes } from './link-watch.ts';
import {
  engineDown,
  engineUp,
  inNode,
  namespaceOf,
  nearhopDown,
  nearhopUp,
  nodeSocket,
} from './netns-engine.ts';
import { must, run } from './shell.ts';
import type { LabNode, Topology } from './topology.ts';

const WAN = { node: 'src-router', device: 'eth3' } as const;
const EXTENSION = { node: 'src-sw', device: 'vxlan10' } as const;
const BGP_UP_MS = 20_000;
const MAX_HOPS = 8;

/** Addresses of the hosts, and of what answers on the way. The gateway's own errors come from its site address. */
const ADDRESS: Readonly<Record<HostName, string>> = {
  vm1: '192.168.10.11',
  vm2: '192.168.10.12',
  vm3: '192.168.10.13',
  vm4: '192.168.10.14',
  'src-host': '192.168.20.10',
  native: '10.20.0.10',
  internet: '198.51.100.10',
};
const NODE_OF: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(ADDRESS).map(([node, address]) => [address, node])),
  '192.168.10.1': 'src-router',
  '192.168.20.1': 'src-router',
  '172.16.0.1': 'src-router',
  '10.255.0.2': 'nearhop',
  '172.16.0.2': 'nearhop',
  '10.20.0.1': 'nearhop',
  '203.0.113.1': 'nearhop',
};
const MOVING: readonly HostName[] = ['vm1', 'vm2', 'vm3'];
const HOST_ROUTE_FILTER = 'route-map FROM-TARGET deny 5';

/** `signal`, when aborted, ends whatever the driver waits for. */
export function createNetnsDriver(
  topology: Topology,
  say: (text: string) => void,
  signal: AbortSignal,
): LabDriver {
  return new NetnsDriver(topology, say, signal);
}

class NetnsDriver implements LabDriver {
  engine = 'network namespaces';
  readonly #topology: Topology;
  readonly #say: (text: string) => void;
  readonly #nearhop: LabNode;
  readonly #socket: string;
  readonly #signal: AbortSignal;
  /** A lab that somebody else has up is not ours to take down. */
  #built = false;

  constructor(topology: Topology, say: (text: string) => void, signal: AbortSignal) {
    const nearhop = topology.nodes.find((n) => n.name === 'nearhop');
    if (nearhop === undefined) {
      throw new NearhopError('lab-unknown', `${topology.file} is not the ESG lab: it has no node nearhop`, {
        hint: 'the scenario knows lab/esg; other labs can be brought up and down',
      });
    }
    this.#topology = topology;
    this.#say = say;
    this.#signal = signal;
    this.#nearhop = nearhop;
    this.#socket = nodeSocket(topology, 'nearhop');
  }

  async up(): Promise<void> {
    await engineUp(this.#topology, { say: this.#say, signal: this.#signal, phase: 'running' });
    this.#built = true;
    const version = await vtysh(this.#ns('src-router'), 'show version');
    this.engine = `network namespaces, ${version.split(' (')[0]}, kernel VXLAN`;
    await this.setProximity(false);
  }

  async setProximity(on: boolean): Promise<void> {
    this.#signal.throwIfAborted();
    await nearhopDown(this.#topology, 'nearhop');
    for (const vm of MOVING) {
      await this.#leg(vm, 'eth2', 'down');
      await this.#leg(vm, 'eth1', 'up');
      await this.#forgetNeighbors(vm);
    }
    await nearhopUp(this.#topology, this.#nearhop, this.#configWith(on));
    await this.#bgpUp();
  }

  async move(vm: HostName, kind: MoveKind): Promise<void> {
    if (kind === 'power-cycle') {
      await this.#leg(vm, 'eth2', 'down');
      await ask(this.#socket, 'vm.migrate', { vm, kind });
      await this.#forgetNeighbors(vm);
      await this.#leg(vm, 'eth2', 'up');
      return;
    }
    // Bulk: the VM is off while it moves, and the gateway is told before it boots. vMotion: it runs on, and lands first.
    await this.#leg(vm, 'eth1', 'down');
    if (kind === 'bulk') {
      await ask(this.#socket, 'vm.migrate', { vm, kind });
      await this.#forgetNeighbors(vm);
    }
    await this.#leg(vm, 'eth2', 'up');
    if (kind === 'vmotion') await ask(this.#socket, 'vm.migrate', { vm, kind });
  }

  async sourceHasHostRoute(vm: HostName, wanted: boolean, timeoutMs: number): Promise<boolean> {
    const prefix = `${ADDRESS[vm]}/32`;
    for (const deadline = Date.now() + timeoutMs; ; await this.wait(50)) {
      const text = await vtysh(this.#ns('src-router'), `show ip route ${prefix} json`);
      const routes = (
        JSON.parse(text || '{}') as Record<string, { installed?: boolean; protocol?: string }[]>
      )[prefix];
      const has = routes?.some((r) => r.protocol === 'bgp' && r.installed === true) === true;
      if (has && wanted) await ask(this.#socket, 'vm.mark-learned', { vm });
      if (has === wanted || Date.now() >= deadline) return has;
    }
  }

  async setHostRouteFilter(on: boolean): Promise<void> {
    const ns = this.#ns('src-router');
    if (on)
      await vtysh(ns, 'configure terminal', HOST_ROUTE_FILTER, 'match ip address prefix-list HOST-ROUTES');
    else await vtysh(ns, 'configure terminal', `no ${HOST_ROUTE_FILTER}`);
    await vtysh(ns, 'clear ip bgp * soft in');
  }

  async ping(from: HostName, to: HostName, count: number): Promise<PingResult> {
    const watch = (at: { node: string; device: string }) =>
      watchEchoes(this.#in(at.node), at.device, ADDRESS[from], ADDRESS[to]);
    const [wan, extension] = await Promise.all([watch(WAN), watch(EXTENSION)]);
    const { stdout } = await run([
      ...this.#in(from, 'ping', '-n', '-c', String(count), '-i', '0.05', '-W', '1'),
      ...(from === 'internet' ? ['-I', ADDRESS.internet] : []),
      ADDRESS[to],
    ]);
    const [onWan, onExtension] = await Promise.all([wan.stop(), extension.stop()]);
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map((m) => Number(m[1])).sort((a, b) => a - b);
    return {
      sent: count,
      received: times.length,
      rttMs:
        times.length === 0
          ? undefined
          : { min: times[0], median: times[times.length >> 1], max: times[times.length - 1] },
      wanRequests: onWan.requests,
      wanReplies: onWan.replies,
      extensionRequests: onExtension.requests,
      extensionReplies: onExtension.replies,
    };
  }

  async path(from: HostName, to: HostName): Promise<Hop[]> {
    const hops: Hop[] = [];
    for (let ttl = 1; ttl <= MAX_HOPS; ttl++) {
      const { stdout } = await run(
        this.#in(from, 'ping', '-n', '-c', '1', '-W', '1', '-t', String(ttl), ADDRESS[to]),
      );
      const address = /^(?:From|\d+ bytes from) ([\d.]+)/m.exec(stdout)?.[1] ?? '*';
      hops.push({ ttl, address, node: NODE_OF[address] ?? '?' });
      if (address === ADDRESS[to]) break;
    }
    return hops;
  }

  async startFlow(from: HostName, to: HostName, seconds: number): Promise<FlowHandle> {
    const options = { timeoutMs: (seconds + 20) * 1000, signal: this.#signal };
    const server = run(this.#in(to, 'iperf3', '-s', '-1', '--idle-timeout', String(seconds + 10)), options);
    await this.wait(300); // the server says nothing when it listens
    const client = run(
      this.#in(from, 'iperf3', '-c', ADDRESS[to], '-t', String(seconds), '-b', '20M', '-J'),
      options,
    );
    const signal = this.#signal;
    return {
      async finish(): Promise<FlowResult> {
        const { status, stdout } = await client;
        await server;
        signal.throwIfAborted();
        const report = JSON.parse(stdout || '{}') as IperfReport;
        return {
          completed: status === 0 && report.error === undefined,
          bytes: report.end?.sum_received?.bytes ?? 0,
          intervals: (report.intervals ?? []).map((i) => i.sum.bytes),
          retransmits: report.end?.sum_sent?.retransmits ?? 0,
        };
      },
    };
  }

  async gatewayMac(host: HostName): Promise<string> {
    const text = await must(this.#in(host, 'ip', '-j', 'neigh', 'show', '192.168.10.1'));
    const entries = JSON.parse(text || '[]') as { lladdr?: string }[];
    return entries.find((e) => e.lladdr !== undefined)?.lladdr ?? 'none';
  }

  async vms(): Promise<VmView[]> {
    const { data } = await ask(this.#socket, 'show.vms', {});
    return data.map(({ name, state, gatewaySide, route }) => ({ name, state, gatewaySide, route }));
  }

  async reasonCount(reason: string): Promise<number> {
    const { data } = await ask(this.#socket, 'show.counters', { all: true });
    return data.reasons.find((r) => r.reason === reason)?.packets ?? 0;
  }

  async wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal });
  }

  async down(): Promise<void> {
    if (this.#built) await engineDown(this.#topology.name);
  }

  #ns(node: string): string {
    return namespaceOf(this.#topology, node);
  }

  #in(node: string, ...argv: string[]): string[] {
    return inNode(this.#topology, node, ...argv);
  }

  async #leg(vm: string, device: string, state: 'up' | 'down'): Promise<void> {
    await must(this.#in(vm, 'ip', 'link', 'set', device, state));
  }

  /** A guest that boots knows no neighbor. */
  async #forgetNeighbors(vm: string): Promise<void> {
    await must(this.#in(vm, 'ip', 'neigh', 'flush', 'all'));
  }

  /** Nearhop's config with proximity routing of the network on or off, in the lab's own folder. */
  #configWith(proximity: boolean): string {
    const source = this.#nearhop.binds.get('/etc/nearhop/nearhop.yml');
    if (source === undefined) {
      throw new NearhopError(
        'lab-invalid',
        `node nearhop of ${this.#topology.file} binds no /etc/nearhop/nearhop.yml`,
      );
    }
    const doc = parseDocument(readFileSync(source, 'utf8'));
    doc.setIn(['networks', 0, 'proximityRouting'], proximity);
    const file = `${labFolder(this.#topology.name)}/nearhop.yml`;
    writeFileSync(file, String(doc));
    return file;
  }

  async #bgpUp(): Promise<void> {
    for (const deadline = Date.now() + BGP_UP_MS; Date.now() < deadline; await this.wait(50)) {
      const { data } = await ask(this.#socket, 'show.bgp', {});
      const routes = await ask(this.#socket, 'show.routes', { source: 'bgp' });
      if (data.peers.every((p) => p.state === 'Established') && routes.data.length >= 2) return;
    }
    throw new NearhopError('lab-bgp-down', `BGP did not come up within ${BGP_UP_MS / 1000} s`, {
      hint: `see ${labFolder(this.#topology.name)}/nearhop.log`,
    });
  }
}

interface IperfReport {
  readonly error?: string;
  readonly intervals?: readonly { readonly sum: { readonly bytes: number } }[];
  readonly end?: {
    readonly sum_sent?: { readonly retransmits?: number };
    readonly sum_received?: { readonly bytes?: number };
  };
}
