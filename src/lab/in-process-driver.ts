// The ESG lab in this process, as a scenario drives it: simulated hosts and source router, the real control plane and data
// plane of the gateway, one thread, a virtual clock. No root, no daemons, and the same seed gives the same run. Names,
// addresses and links come from the lab's own files, the same that the namespaces are built from.

import { readFileSync } from 'node:fs';
import { formatIpv4 } from '../addr/ipv4.ts';
import { contains4, type Prefix4, parsePrefix4 } from '../addr/prefix.ts';
import { assert, NearhopError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/parse.ts';
import type { Call, Handlers } from '../gateway/api.ts';
import { guardTargetMac, leakGatewayArp, type SimFault } from '../sim/faults.ts';
import { type GatewayNode, startGatewayNode } from '../sim/gateway-node.ts';
import type { IpNode } from '../sim/ip-node.ts';
import { Peering } from '../sim/peering.ts';
import { startPing, startProbe, watchEchoes } from '../sim/probes.ts';
import { buildSite, type Legs, SITE_DELAY_MS, type Site } from '../sim/site.ts';
import { TcpReceiver } from '../sim/tcp-receiver.ts';
import { TcpSender } from '../sim/tcp-sender.ts';
import { VirtualTime } from '../sim/virtual-time.ts';
import type { FlowHandle, Hop, HostName, LabDriver, MoveKind, PingResult, VmView } from './driver.ts';
import { type LabNode, loadTopology, type Topology } from './topology.ts';

const GATEWAY = 'nearhop';
const BGP_UP_MS = 10_000;
const MAX_HOPS = 8;
const PING_INTERVAL_MS = 50;
const ANSWER_MS = 1000;
const LEARN_STEP_MS = 50;
/** How long a VM stands still at the end of a vMotion; its flows feel that as loss. */
const STUN_MS = 150;
/** What a move sets off (announcements of the VM, of the gateway, of the route) is over after this. */
const MOVE_SETTLE_MS = 100;
const FLOW_BYTES_PER_SECOND = 500_000;
/** A flow has a port of its own at both ends, above these. */
const FLOW_DST_PORT = 5200;
const FLOW_SRC_PORT = 40_000;
const FLOW_PORTS = 20_000;
const FLOW_GIVE_UP_MS = 60_000;

export interface InProcessOptions {
  /** Seed of jitter and sequence numbers. */
  readonly seed?: number;
  /** What shall go wrong. */
  readonly faults?: readonly SimFault[];
}

/** A driver that simulates the lab of a folder. Throws what is wrong with its files. */
export function createInProcessDriver(dir: string, options: InProcessOptions = {}): LabDriver {
  return new InProcessDriver(loadTopology(dir), options);
}

const CALL: Call<never> = { warn: () => {}, emit: () => true, signal: new AbortController().signal };

class InProcessDriver implements LabDriver {
  readonly engine = 'in process, everything but Nearhop simulated, virtual time';
  readonly #time = new VirtualTime();
  readonly #config: Config;
  readonly #networks: readonly Prefix4[];
  readonly #faults: ReadonlySet<SimFault>;
  readonly #site: Site;
  readonly #seed: number;
  #gateway: GatewayNode | undefined;
  #peering: Peering | undefined;
  #filter = false;
  /** Numbers for pings and flows: each has another identifier or port. */
  #serial = 0;

  constructor(topology: Topology, { seed = 1, faults = [] }: InProcessOptions) {
    this.#seed = seed;
    this.#faults = new Set(faults);
    this.#config = withoutHostStack(
      loadConfig(boundFile(topology, GATEWAY, '/etc/nearhop/nearhop.yml')).config,
    );
    this.#site = buildSite({
      ...topology,
      timers: this.#time.timers,
      seed,
      gateway: GATEWAY,
      config: this.#config,
    });
    this.#networks = announced(boundFile(topology, this.#site.router.name, '/etc/frr/frr.conf'));
    const { extension, extensionEnd } = this.#site;
    const { gateway } = this.#config.networks[0];
    guardTargetMac(extensionEnd, gateway.mac);
    if (this.#faults.has('leak-gateway-arp')) leakGatewayArp(this.#site, extensionEnd, gateway.address);
    if (this.#faults.has('cut-extension')) extension.set(false);
  }

  async up(): Promise<void> {
    await this.setProximity(false);
  }

  async setProximity(on: boolean): Promise<void> {
    this.#stopGateway();
    for (const [name, { source, target }] of this.#site.vms) {
      target.set(false);
      source.set(true);
      this.#host(name).boot();
    }
    await this.#time.run(MOVE_SETTLE_MS);
    this.#startGateway(on);
    const { handlers } = this.#running();
    const learned = async (): Promise<boolean> => {
      const routes = await handlers['show.routes']({ source: 'bgp' }, CALL);
      return routes.length >= this.#networks.length;
    };
    for (let waitedMs = 0; !(await learned()); waitedMs += LEARN_STEP_MS) {
      if (waitedMs >= BGP_UP_MS)
        throw new NearhopError('lab-bgp-down', 'no routes came from the source router');
      await this.#time.run(LEARN_STEP_MS);
    }
  }

  async move(vm: HostName, kind: MoveKind): Promise<void> {
    const { source, target } = this.#legs(vm);
    const { handlers } = this.#running();
    const migrate = async (): Promise<void> => {
      await handlers['vm.migrate']({ vm, kind }, CALL);
    };
    source.set(false);
    switch (kind) {
      case 'vmotion': // it runs on, and lands before the gateway is told
        await this.#time.run(STUN_MS);
        target.set(true);
        await migrate();
        break;
      case 'bulk': // it is off while it moves, and the gateway is told before it boots
      case 'power-cycle':
        target.set(false);
        await migrate();
        target.set(true);
        this.#host(vm).boot();
        break;
    }
    await this.#time.run(MOVE_SETTLE_MS);
  }

  async sourceHasHostRoute(vm: HostName, wanted: boolean, timeoutMs: number): Promise<boolean> {
    const has = (): boolean => this.#site.router.routes.best(this.#address(vm), 32)?.source === 'bgp';
    await this.#time.until(() => has() === wanted, timeoutMs);
    if (has() && wanted) await this.#running().handlers['vm.mark-learned']({ vm }, CALL);
    return has();
  }

  async setHostRouteFilter(on: boolean): Promise<void> {
    this.#filter = on;
    this.#peering?.filterHostRoutes(on);
  }

  async ping(from: HostName, to: HostName, count: number): Promise<PingResult> {
    const { wan, extension } = this.#site;
    const [src, dst] = [this.#address(from), this.#address(to)];
    const [onWan, onExtension] = [watchEchoes(wan, src, dst), watchEchoes(extension, src, dst)];
    const ping = startPing({
      timers: this.#time.timers,
      node: this.#host(from),
      src,
      dst,
      count,
      intervalMs: PING_INTERVAL_MS,
      timeoutMs: ANSWER_MS,
      id: ++this.#serial & 0xffff,
    });
    await this.#time.until(() => ping.done, Number.POSITIVE_INFINITY);
    onWan.stop();
    onExtension.stop();
    const times = [...ping.rttMs].sort((a, b) => a - b);
    const last = times[times.length - 1];
    return {
      sent: count,
      received: times.length,
      rttMs: last === undefined ? undefined : { min: times[0], median: times[times.length >> 1], max: last },
      wanRequests: onWan.requests,
      wanReplies: onWan.replies,
      extensionRequests: onExtension.requests,
      extensionReplies: onExtension.replies,
    };
  }

  async path(from: HostName, to: HostName): Promise<Hop[]> {
    const [src, dst] = [this.#address(from), this.#address(to)];
    const hops: Hop[] = [];
    for (let ttl = 1; ttl <= MAX_HOPS; ttl++) {
      const { timers } = this.#time;
      const probe = startProbe({ timers, node: this.#host(from), src, dst, ttl, timeoutMs: ANSWER_MS });
      await this.#time.until(() => probe.done, Number.POSITIVE_INFINITY);
      const address = probe.answer === undefined ? '*' : formatIpv4(probe.answer);
      hops.push({ ttl, address, node: this.#site.owners.get(address) ?? '?' });
      if (probe.answer === dst) break;
    }
    return hops;
  }

  async startFlow(from: HostName, to: HostName, seconds: number): Promise<FlowHandle> {
    const time = this.#time;
    const { timers } = time;
    const serial = ++this.#serial;
    const iss = Math.imul(this.#seed + serial, 0x9e3779b1) >>> 0;
    const [src, dst] = [this.#address(from), this.#address(to)];
    const dstPort = FLOW_DST_PORT + (serial % FLOW_PORTS);
    const receiver = new TcpReceiver({
      timers,
      node: this.#host(to),
      address: dst,
      port: dstPort,
      iss: ~iss >>> 0,
    });
    const sender = new TcpSender({
      timers,
      node: this.#host(from),
      src,
      dst,
      srcPort: FLOW_SRC_PORT + (serial % FLOW_PORTS),
      dstPort,
      iss,
      bytesPerSecond: FLOW_BYTES_PER_SECOND,
      durationMs: seconds * 1000,
    });
    return {
      async finish() {
        await time.until(() => sender.state !== 'open', seconds * 1000 + FLOW_GIVE_UP_MS);
        receiver.close();
        const { bytes, intervals, wrong } = receiver;
        const completed = sender.state === 'done' && receiver.closed && wrong === 0;
        return { completed, bytes, intervals: intervals.slice(0, seconds), retransmits: sender.retransmits };
      },
    };
  }

  async gatewayMac(host: HostName): Promise<string> {
    const node = this.#host(host);
    const gateway = node.routes.best(0, 0)?.via ?? 0;
    return node.interfaces[0].arp.lookup(gateway);
  }

  async vms(): Promise<VmView[]> {
    const rows = await this.#running().handlers['show.vms']({}, CALL);
    return rows.map(({ name, state, gatewaySide, route }) => ({ name, state, gatewaySide, route }));
  }

  async reasonCount(reason: string): Promise<number> {
    const { reasons } = await this.#running().handlers['show.counters']({ all: true }, CALL);
    return reasons.find((r) => r.reason === reason)?.packets ?? 0;
  }

  async wait(ms: number): Promise<void> {
    await this.#time.run(ms);
  }

  async down(): Promise<void> {
    this.#stopGateway();
  }

  #startGateway(proximity: boolean): void {
    const config: Config = {
      ...this.#config,
      networks: this.#config.networks.map((n) => ({ ...n, proximityRouting: proximity })),
    };
    const neighbor = config.bgp?.neighbors[0];
    const wan = config.interfaces.find(
      ({ address }) => neighbor !== undefined && contains4(address.address, address.len, neighbor.address),
    );
    if (neighbor === undefined || wan === undefined) {
      throw new NearhopError('lab-invalid', 'the gateway has no BGP neighbor on one of its interfaces');
    }
    this.#peering = new Peering({
      timers: this.#time.timers,
      delayMs: SITE_DELAY_MS,
      router: this.#site.router,
      gatewayIp: wan.address.address,
      routerIp: neighbor.address,
      networks: this.#networks,
      peer: neighbor.name ?? formatIpv4(neighbor.address),
      filtersHostRoutes: this.#filter,
      deaf: this.#faults.has('drop-announcements'),
      leaked: this.#faults.has('leak-host-routes') ? vmAddresses(config) : [],
    });
    const { timers } = this.#time;
    this.#gateway = startGatewayNode({ config, timers, cables: this.#site.cables, announcer: this.#peering });
    this.#peering.advertise(this.#gateway.gateway.plane.rib);
  }

  #stopGateway(): void {
    const imbalance = this.#gateway?.gateway.plane.shared.counters.imbalance() ?? 0;
    assert(imbalance === 0, `every packet has one end, but ${imbalance} have not`);
    this.#gateway?.close();
    this.#peering?.close();
    this.#gateway = undefined;
    this.#peering = undefined;
  }

  #running(): { readonly handlers: Handlers } {
    assert(this.#gateway !== undefined, 'the lab is up');
    return this.#gateway.gateway;
  }

  #host(name: string): IpNode {
    const host = this.#site.hosts.get(name);
    if (host === undefined) throw unknown(name);
    return host;
  }

  #address(name: string): number {
    const address = this.#site.addresses.get(name);
    if (address === undefined) throw unknown(name);
    return address;
  }

  #legs(name: string): Legs {
    const legs = this.#site.vms.get(name);
    if (legs === undefined) throw unknown(name);
    return legs;
  }
}

const unknown = (name: string): NearhopError =>
  new NearhopError('lab-unknown', `the lab has no host '${name}', or none that can do this`, {
    hint: 'the scenario knows lab/esg; other labs can be brought up and down as namespaces',
  });

/** Nobody has the gateway's addresses beside it here, so it answers for them itself. */
const withoutHostStack = (config: Config): Config => ({
  ...config,
  interfaces: config.interfaces.map((i) => ({ ...i, hostStack: false })),
});

const vmAddresses = (config: Config): number[] =>
  config.networks.flatMap((n) => n.vms.flatMap((vm) => vm.addresses));

/** File of the host that a node has at `path`. */
function boundFile(topology: Topology, node: string, path: string): string {
  const file = topology.nodes.find((n: LabNode) => n.name === node)?.binds.get(path);
  if (file === undefined)
    throw new NearhopError('lab-invalid', `${topology.file}: node ${node} binds no ${path}`);
  return file;
}

/** Networks that an FRR config announces by BGP. */
const announced = (file: string): Prefix4[] =>
  [...readFileSync(file, 'utf8').matchAll(/^\s*network (\S+)$/gm)].map((m) => parsePrefix4(m[1] ?? ''));
