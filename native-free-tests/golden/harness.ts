// A golden case: a gateway (tables and memory ports), frames in, and then what left by which port and what was counted.
//
//   const w = world({ networks: [{ name: 'green', … }] });
//   w.send({ vm1: [arpRequest({ from: vm1, for: gateway })] });
//   expect(w.sent()).toEqual(frames({ vm1: [arpReply({ from: targetGateway, to: vm1 })] }));
//   expect(w.counted()).toEqual({ 'arp-gateway-answered': 1 });
//
// Frames are compared as text, one line each: what tcpdump would say, and the bytes. After every case the conservation law
// must hold in every world that it made.

import { afterEach, expect } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseInterfaceAddress4, parsePrefix4 } from '../../src/addr/prefix.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { type IfIndex, type NetworkId, portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { type DataplaneEvent, EventSink } from '../../src/dataplane/events.ts';
import { type Context, Dataplane } from '../../src/dataplane/graph.ts';
import { setPermanentNeighbor } from '../../src/dataplane/neighbor-resolution.ts';
import { createNodes } from '../../src/dataplane/nodes.ts';
import { Trace } from '../../src/dataplane/trace.ts';
import { createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import {
  Counters,
  IF_COUNTER,
  IF_COUNTER_STRIDE,
  type IfCounterName,
  TOTAL,
  type TotalName,
} from '../../src/stats/counters.ts';
import { REASONS } from '../../src/stats/reasons.ts';
import {
  ADJ_BLACKHOLE,
  ADJ_GLEAN,
  ADJ_LOCAL,
  ADJ_REWRITE,
  ADJ_UNREACHABLE,
  AdjacencyTable,
} from '../../src/tables/adjacency-table.ts';
import { Epoch } from '../../src/tables/epoch.ts';
import { Fdb } from '../../src/tables/fdb.ts';
import { Fib4, Fib4Reader } from '../../src/tables/fib4.ts';
import {
  IF_BRIDGED,
  IF_BVI,
  IF_EXTENSION,
  IF_ROUTED,
  InterfaceTable,
} from '../../src/tables/interface-table.ts';
import { NeighborTable } from '../../src/tables/neighbor-table.ts';
import { NetworkTable } from '../../src/tables/network-table.ts';
import { NextHopTable } from '../../src/tables/next-hop-table.ts';
import { SIDE_SOURCE, SIDE_TARGET, VmTable } from '../../src/tables/vm-table.ts';
import { formatFrameVerbose } from '../../src/wire/format.ts';
import { type Host, unpadded } from './frames.ts';
import {
  type NetworkOptions,
  type PortOptions,
  type RoutedOptions,
  type RouteTo,
  STALE,
  type WorldOptions,
} from './world-options.ts';

export type { NetworkOptions, PortOptions, RoutedOptions, RouteTo, WorldOptions } from './world-options.ts';

/** Frames by port, as text; ports without frames are absent. */
export type Frames = Record<string, string[]>;

/** One frame as text: what tcpdump would say, and its bytes without padding. */
export function frameText(frame: Uint8Array): string {
  const bytes = unpadded(frame);
  return `${formatFrameVerbose(bytes, 0, bytes.length)} | ${Buffer.from(bytes).toString('hex')}`;
}

/** Expected frames as `World.sent` gives them. */
export function frames(byPort: Record<string, Uint8Array[]>): Frames {
  return Object.fromEntries(
    Object.entries(byPort)
      .filter(([, list]) => list.length > 0)
      .map(([port, list]) => [port, list.map(frameText)]),
  );
}

const worlds = new Set<World>();
afterEach(() => {
  for (const w of worlds) w.checkConservation();
  worlds.clear();
});

export const world = (options: WorldOptions): World => new World(options);

const parseMember = (text: string): { port: string; vlan: number } => {
  const [port, vlan] = text.split('.');
  return { port: port as string, vlan: Number(vlan ?? 0) };
};

export class World {
  readonly clock = new VirtualClock(1_000_000);
  readonly slab = new Slab(96 << 20);
  readonly interfaces = new InterfaceTable();
  readonly networks = new NetworkTable();
  readonly vms = new VmTable(1024);
  readonly adjacencies = new AdjacencyTable();
  readonly counters = new Counters();
  readonly fdb: Fdb;
  readonly neighbors: NeighborTable;
  readonly trace = new Trace({ clock: this.clock });
  readonly ports: MemoryPort[] = [];
  readonly dataplane: Dataplane;
  /** What the data plane told main, oldest first. */
  readonly events: DataplaneEvent[] = [];

  readonly #portOptions: Readonly<Record<string, PortOptions>>;
  readonly #networkIds = new Map<string, NetworkId>();
  readonly #ifaces = new Map<string, IfIndex>();
  readonly #epoch = new Epoch();
  readonly #nextHops = new NextHopTable(this.#epoch);
  readonly #fib4 = new Fib4({ nextHops: this.#nextHops, epoch: this.#epoch, groups24: 64, groups16: 256 });
  #counted = new Float64Array(REASONS.length);

  constructor(options: WorldOptions) {
    this.#portOptions = options.ports ?? {};
    this.fdb = new Fdb(options.fdb ?? 1024);
    this.neighbors = new NeighborTable({ slab: this.slab, timers: options.timers ?? {} });
    for (const r of options.routed ?? []) this.#addRouted(r);
    for (const n of options.networks ?? []) this.#addNetwork(n);
    this.dataplane = new Dataplane({
      slab: this.slab,
      clock: this.clock,
      tables: {
        interfaces: this.interfaces,
        networks: this.networks,
        vms: this.vms,
        adjacencies: this.adjacencies,
        fib4: new Fib4Reader(this.#fib4.shared),
        fdb: this.fdb,
        neighbors: this.neighbors,
      },
      counters: this.counters,
      ports: this.ports,
      nodes: createNodes(options.origin ?? {}),
      trace: this.trace,
      events: new EventSink((e) => this.events.push(e)),
    });
    worlds.add(this);
  }

  // ── the tables, before the frames ──

  /** The VM is in the inventory, and this is the side of its gateway. With `at`, the FDB knows it behind that interface. */
  vm(network: string, vm: Host, side: 'source' | 'target', at?: string): this {
    const sideOf = side === 'target' ? SIDE_TARGET : SIDE_SOURCE;
    this.vms.set(this.networkId(network), vm.mac.hi, vm.mac.lo, sideOf, vm.ip);
    return at === undefined ? this : this.seen(network, vm, at);
  }

  /** The FDB knows this MAC behind this interface. */
  seen(network: string, who: Host, at: string): this {
    this.fdb.nowMs = this.clock.nowMs();
    this.fdb.learn(this.networkId(network), who.mac.hi, who.mac.lo, this.iface(at));
    return this;
  }

  /** The neighbor's MAC is known on this interface. */
  neighbor(out: string, who: Host): this {
    this.dataplane.originate((ctx) =>
      setPermanentNeighbor(ctx, this.iface(out), who.ip, who.mac.hi, who.mac.lo),
    );
    return this;
  }

  route(prefix: string, ...to: RouteTo[]): this {
    const { prefix: address, len } = parsePrefix4(prefix);
    const members = to.map((t) => {
      if (t === 'blackhole') return this.adjacencies.acquire(ADJ_BLACKHOLE, 0 as IfIndex, 0);
      if (t === 'unreachable') return this.adjacencies.acquire(ADJ_UNREACHABLE, 0 as IfIndex, 0);
      if ('local' in t) return this.adjacencies.acquire(ADJ_LOCAL, this.iface(t.local), 0);
      if ('connected' in t) return this.adjacencies.acquire(ADJ_GLEAN, this.iface(t.connected), 0);
      return this.adjacencies.acquire(ADJ_REWRITE, this.iface(t.out), parseIpv4(t.via));
    });
    this.#fib4.set(address, len, this.#nextHops.add(members));
    return this;
  }

  /** The host route of a local VM, toward its network (S16). */
  hostRoute(network: string, vm: Host): this {
    const ip = formatIpv4(vm.ip);
    return this.route(`${ip}/32`, { via: ip, out: `bvi.${network}` });
  }

  // ── the frames ──

  /** Frames come in, port by port, and are carried to their ends. */
  send(byPort: Record<string, readonly Uint8Array[]>): this {
    for (const [port, list] of Object.entries(byPort)) {
      for (const frame of list) expect(this.port(port).injectFrame(frame), `${port} has room`).toBe(true);
    }
    while (this.dataplane.round() > 0);
    return this;
  }

  /** One offloaded frame comes in: `vnet` is its virtio header. */
  sendOffload(port: string, vnet: Uint8Array, frame: Uint8Array, offload: number): this {
    const u8 = new Uint8Array([...vnet, ...frame]);
    const ok = this.port(port).inject(u8, new DataView(u8.buffer), vnet.length, frame.length, offload);
    expect(ok, `${port} has room`).toBe(true);
    while (this.dataplane.round() > 0);
    return this;
  }

  /** Lets the control plane's part of the data plane make packets. */
  originate(make: (ctx: Context, w: World) => void): this {
    this.dataplane.originate((ctx) => make(ctx, this));
    return this;
  }

  /** Time passes, with the timers of the data plane running. */
  wait(ms: number, stepMs = 100): this {
    const end = this.clock.nowMs() + ms;
    while (this.clock.nowMs() < end) {
      this.clock.advanceTo(Math.min(end, this.clock.nowMs() + stepMs));
      while (this.dataplane.round() > 0);
    }
    return this;
  }

  // ── what came of it ──

  /** The bytes that left, by port, since the last look; ports without frames are absent. */
  taken(): Record<string, Uint8Array[]> {
    const all: Record<string, Uint8Array[]> = {};
    for (const port of this.ports) {
      for (let f = port.take(); f !== undefined; f = port.take()) (all[port.name] ??= []).push(f.bytes);
    }
    return all;
  }

  /** As `taken`, as text that `frames` makes too. */
  sent(): Frames {
    return frames(this.taken());
  }

  /** What was counted since the last look, by reason; zeros are absent. */
  counted(): Record<string, number> {
    const now = Float64Array.from(this.counters.reasons);
    const before = this.#counted;
    this.#counted = now;
    return Object.fromEntries(
      REASONS.map((r) => [r.name, now[r.index] - before[r.index]] as const).filter(([, n]) => n !== 0),
    );
  }

  total(name: TotalName): number {
    return this.counters.totals[TOTAL[name]];
  }

  ifaceCounter(iface: string, name: IfCounterName): number {
    return this.counters.ifaces[this.iface(iface) * IF_COUNTER_STRIDE + IF_COUNTER[name]];
  }

  /** Kinds of the events since the last look, with whom they are about. */
  told(): string[] {
    return this.events
      .splice(0)
      .map((e) => `${e.kind} ${e.macHi.toString(16)}:${e.macLo.toString(16)} ${formatIpv4(e.ip)}`);
  }

  /** received + originated + replicated = sent + dropped + consumed + queued, and the reasons add up to the last two. */
  checkConservation(): void {
    expect(this.counters.imbalance(), 'conservation law').toBe(0);
    const sum = (cls: string): number =>
      REASONS.filter((r) => r.cls === cls).reduce((n, r) => n + this.counters.reasons[r.index], 0);
    expect(sum('drop'), 'drop reasons').toBe(this.total('dropped'));
    expect(sum('consume'), 'consume reasons').toBe(this.total('consumed'));
  }

  hasIface(name: string): boolean {
    return this.#ifaces.has(name);
  }

  iface(name: string): IfIndex {
    const found = this.#ifaces.get(name);
    if (found === undefined) throw new Error(`no interface ${name}`);
    return found;
  }

  networkId(name: string): NetworkId {
    const found = this.#networkIds.get(name);
    if (found === undefined) throw new Error(`no network ${name}`);
    return found;
  }

  port(name: string): MemoryPort {
    const found = this.ports.find((p) => p.name === name);
    if (found === undefined) throw new Error(`no port ${name}`);
    return found;
  }

  #portFor(name: string): MemoryPort {
    const known = this.ports.find((p) => p.name === name);
    if (known !== undefined) return known;
    const port = createMemoryPort(
      { slots: 64, ...this.#portOptions[name], id: portId(this.ports.length), name },
      this.slab,
    );
    this.ports.push(port);
    return port;
  }

  #addRouted(r: RoutedOptions): void {
    const { address, len } = parseInterfaceAddress4(r.address);
    const { port, vlan } = parseMember(r.name);
    const p = this.#portFor(port);
    const itf = this.interfaces.add({
      name: r.name,
      kind: IF_ROUTED,
      port: p.id,
      vlan,
      macHi: r.self.mac.hi,
      macLo: r.self.mac.lo,
      ip: address,
      prefixLen: len,
      mtu: r.mtu ?? p.mtu,
      hostStack: r.hostStack ?? false,
    });
    this.#ifaces.set(r.name, itf);
    this.route(`${formatIpv4((address & this.interfaces.mask[itf]) >>> 0)}/${len}`, { connected: r.name });
    this.route(`${formatIpv4(address)}/32`, { local: r.name });
  }

  #addNetwork(n: NetworkOptions): void {
    const { prefix, len } = parsePrefix4(n.subnet);
    const { hi, lo } = n.target.mac;
    const network = this.networks.add({
      name: n.name,
      subnet: prefix,
      prefixLen: len,
      gatewayIp: n.target.ip,
      targetMacHi: hi,
      targetMacLo: lo,
      sourceMacHi: n.source?.mac.hi ?? 0,
      sourceMacLo: n.source?.mac.lo ?? 0,
      proximity: n.proximity ?? true,
      stale: STALE[n.stale ?? 'intercept'],
      dropAsymmetric: n.dropAsymmetric ?? false,
      mssClamp: n.mssClamp ?? false,
      floodPps: n.floodPps ?? 0,
    });
    this.#networkIds.set(n.name, network);
    const base = { network, macHi: 0, macLo: 0, ip: 0, prefixLen: 0, hostStack: false } as const;
    const bvi = this.interfaces.add({
      ...base,
      name: `bvi.${n.name}`,
      kind: IF_BVI,
      vlan: 0,
      macHi: hi,
      macLo: lo,
      ip: n.target.ip,
      prefixLen: 32,
      mtu: 1500,
    });
    this.#ifaces.set(`bvi.${n.name}`, bvi);
    this.networks.setBvi(network, bvi);
    const member = (name: string, kind: typeof IF_BRIDGED | typeof IF_EXTENSION, mtu?: number): IfIndex => {
      const { port, vlan } = parseMember(name);
      const p = this.#portFor(port);
      const itf = this.interfaces.add({ ...base, name, kind, port: p.id, vlan, mtu: mtu ?? p.mtu });
      this.#ifaces.set(name, itf);
      return itf;
    };
    if (n.extension !== undefined) {
      this.networks.setExtension(network, member(n.extension, IF_EXTENSION, n.extensionMtu));
    }
    for (const m of n.members) this.networks.addLocal(network, member(m, IF_BRIDGED));
    this.route(`${formatIpv4(n.target.ip)}/32`, { local: `bvi.${n.name}` });
  }
}
