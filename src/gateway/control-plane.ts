// The control plane of one gateway, whatever carries its packets: tables, RIB, inventory, events. It gets the config, fills
// the tables, and from then on turns what happens (a VM moved, a peer's route came, the data plane saw something) into
// routes, rows and commands.

import type { Clock } from '../base/clock.ts';
import { ifIndex, type NetworkId, networkId } from '../base/ids.ts';
import type { Config } from '../config/config.ts';
import { FibPublisher } from '../control/fib-publish.ts';
import { Rib } from '../control/rib.ts';
import type { CompareBgp } from '../control/rib-order.ts';
import type { DataplaneEvent } from '../dataplane/events.ts';
import { Trace } from '../dataplane/trace.ts';
import type { VmState } from '../mobility/vm.ts';
import type { MobilityActions } from '../mobility/vm-inventory.ts';
import { VmInventory } from '../mobility/vm-inventory.ts';
import { compareBgpPreference, type ReceivedPath } from '../routing/bgp/route.ts';
import type { Fdb } from '../tables/fdb.ts';
import { IF_ROUTED, type InterfaceTable } from '../tables/interface-table.ts';
import type { NeighborTable } from '../tables/neighbor-table.ts';
import type { NetworkTable } from '../tables/network-table.ts';
import type { DataplaneCommand } from './commands.ts';
import { EventLog } from './event-log.ts';
import { createLayout } from './layout.ts';
import { SharedTables } from './shared.ts';

/** Compares two routes that BGP peers gave; 0 lets both share the traffic. */
const compareBgp: CompareBgp = (a, b) =>
  compareBgpPreference(a.attributes as ReceivedPath, b.attributes as ReceivedPath);

export class ControlPlane {
  readonly config: Config;
  readonly clock: Clock;
  readonly shared: SharedTables;
  readonly interfaces: InterfaceTable;
  readonly networks: NetworkTable;
  readonly rib: Rib;
  readonly inventory: VmInventory;
  readonly events: EventLog;
  /** VMs by name that the config has. */
  readonly configured = new Set<string>();
  /** Tables of the data plane, to read; known when it is ready. */
  fdb: Fdb | undefined;
  neighbors: NeighborTable | undefined;

  #send: (command: DataplaneCommand) => void = () => {};

  constructor(config: Config, clock: Clock) {
    this.config = config;
    this.clock = clock;
    this.shared = new SharedTables(config, new Trace({ clock }));
    const { interfaces, networks } = createLayout(config);
    this.interfaces = interfaces;
    this.networks = networks;
    this.events = new EventLog(clock);
    this.rib = new Rib({ clock, compareBgp, over: this.shared.fib4.trie });
    const { adjacencies, nextHops, fib4, epoch } = this.shared;
    this.rib.attach(
      new FibPublisher({
        adjacencies,
        nextHops,
        fib4,
        epoch,
        adjacencyAdded: (adj) => this.#send({ op: 'resolve', adj }),
      }),
    );
    this.inventory = new VmInventory(networks, this.shared.vms, this.#mobilityActions());
  }

  /**
   * Fills the RIB and the inventory from the config. To be called once the data plane takes commands (`send`), so that
   * next hops are resolved early and announcements go out.
   */
  start(send: (command: DataplaneCommand) => void): void {
    this.#send = send;
    this.#addInterfaceRoutes();
    for (const { prefix, via, blackhole } of this.config.routes) {
      this.rib.add({
        source: 'static',
        prefix: prefix.prefix,
        len: prefix.len,
        nextHops: blackhole ? [{ kind: 'blackhole', ip: 0 }] : via.map((ip) => ({ kind: 'via', ip })),
      });
    }
    for (const net of this.config.networks) {
      for (const vm of net.vms) {
        this.configured.add(vm.name);
        this.inventory.add({
          name: vm.name,
          network: net.name,
          macHi: vm.mac.hi,
          macLo: vm.mac.lo,
          addresses: vm.addresses,
          state: initialState(vm.location, vm.gateway, vm.addresses.length > 0, net.proximityRouting),
        });
      }
    }
  }

  /** Takes an event of the data plane: into the log, and to whom it concerns. */
  onEvent(event: DataplaneEvent): void {
    const vm = this.inventory.withMac(event.network, event.macHi, event.macLo);
    if (event.kind === 'asymmetric-inbound' && event.network >= 0) {
      this.inventory.sawAsymmetric(networkId(event.network), event.macHi, event.macLo);
    }
    if (event.kind === 'source-gateway-learned') {
      this.networks.sourceMacHi[event.network] = event.macHi;
      this.networks.sourceMacLo[event.network] = event.macLo;
    }
    this.events.addDataplane(event, this.interfaces, this.networks, vm?.name ?? null);
  }

  /**
   * A port's link went down or came back. Routes out of its routed interfaces become inactive or active with it. A bridged
   * member needs nothing of the kind: what is behind it says so itself by its next frame.
   */
  onLink(port: number, up: boolean): void {
    const { interfaces } = this;
    for (let i = 0; i < interfaces.count; i++) {
      if (interfaces.port[i] !== port) continue;
      interfaces.up[i] = up ? 1 : 0;
      if (interfaces.kind[i] === IF_ROUTED) this.rib.setInterface(ifIndex(i), up);
    }
    const { name } = this.config.ports[port];
    const text = up ? `port ${name} has its link again` : `port ${name} has lost its link`;
    this.events.add({ kind: up ? 'link-up' : 'link-down', source: 'gateway', text });
  }

  #addInterfaceRoutes(): void {
    const { interfaces, networks, rib } = this;
    for (let i = 0; i < interfaces.count; i++) {
      if (interfaces.kind[i] !== IF_ROUTED || interfaces.ip[i] === 0) continue;
      const iface = ifIndex(i);
      const ip = interfaces.ip[i];
      rib.add({
        source: 'connected',
        prefix: ip,
        len: interfaces.prefixLen[i],
        nextHops: [{ kind: 'connected', iface, ip: 0 }],
      });
      rib.add({
        source: 'connected',
        key: 'local',
        prefix: ip,
        len: 32,
        nextHops: [{ kind: 'local', iface, ip }],
      });
    }
    // The gateway of an extended network is a /32 and nothing more: a connected subnet would send traffic for source VMs
    // over the extension (invariant 1). With proximity routing off the target gateway does not exist.
    for (let n = 0; n < networks.count; n++) {
      if (networks.proximity[n] === 0) continue;
      const ip = networks.gatewayIp[n];
      rib.add({
        source: 'connected',
        key: 'local',
        prefix: ip,
        len: 32,
        nextHops: [{ kind: 'local', iface: ifIndex(networks.bvi[n]), ip }],
      });
    }
  }

  #mobilityActions(): MobilityActions {
    const vmRoute = (network: NetworkId, ip: number) =>
      ({
        source: 'mobility',
        prefix: ip,
        len: 32,
        nextHops: [{ kind: 'via', iface: ifIndex(this.networks.bvi[network]), ip }],
      }) as const;
    return {
      injectRoute: (network, ip) => this.rib.add(vmRoute(network, ip)),
      withdrawRoute: (network, ip) => {
        this.rib.remove('mobility', ip, 32);
        this.#send({ op: 'forget-neighbor', iface: this.networks.bvi[network], ip });
      },
      announceVm: (network, macHi, macLo, at) => this.#send({ op: 'announce-vm', network, macHi, macLo, at }),
      announceGateway: (network, macHi, macLo, ip) =>
        this.#send({ op: 'announce-gateway', network, macHi, macLo, ip }),
    };
  }
}

/** State of a VM of the config: where it is, and whose gateway it has. */
export function initialState(
  location: 'source' | 'target',
  gateway: 'source' | 'target' | undefined,
  hasAddress: boolean,
  proximity: boolean,
): VmState {
  if (location === 'source') return 'AT_SOURCE';
  if (gateway !== 'target' || !proximity) return 'PINNED';
  return hasAddress ? 'LOCAL_PENDING' : 'NO_IP';
}
