// The answers of a running gateway to the requests of api.ts: reads the tables, asks mobility, starts and reads traces.

import { formatIpv4, parseIpv4 } from '../addr/ipv4.ts';
import { parseMac } from '../addr/mac.ts';
import { NearhopError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import type { BgpSpeaker } from '../routing/bgp/speaker.ts';
import { TOTAL, TOTAL_NAMES, type TotalName } from '../stats/counters.ts';
import { bgpData } from './answer-bgp.ts';
import { countersData, fdbRows, neighborRows, portRows } from './answer-dataplane.ts';
import { fibData, routeRows } from './answer-routes.ts';
import { networkRows, vmCounts, vmRow, vmRows } from './answer-vms.ts';
import type { Handlers, StatusData } from './api.ts';
import type { PortFacts } from './commands.ts';
import { type ControlPlane, initialState } from './control-plane.ts';
import { followRows } from './follow.ts';
import { createTraceHandlers } from './trace-handlers.ts';

export interface HandlerContext {
  readonly ports: readonly PortFacts[];
  readonly bgp: BgpSpeaker | undefined;
  readonly socket: string | null;
  readonly configFile: string | null;
  readonly warnings: readonly string[];
}

export function createHandlers(plane: ControlPlane, context: HandlerContext): Handlers {
  const { inventory, events } = plane;
  const { bgp } = context;
  const startedMs = plane.clock.nowMs();
  const operator = (text: string, vm: string): void =>
    events.add({ kind: 'operator', source: 'operator', text, vm });

  return {
    status: () => statusData(plane, context, startedMs),
    events: async ({ follow }, call) => ({
      events: await followRows(events.rows, follow === true ? events : undefined, call),
    }),
    'show.ports': () => portRows(plane, context.ports),
    'show.networks': ({ network }) => networkRows(plane, network),
    'show.vms': ({ network, vm }) => vmRows(plane, network, vm),
    'show.routes': ({ prefix, source }) => routeRows(plane, prefix, source),
    'show.fib': ({ address, limit }) => fibData(plane, address, limit),
    'show.fdb': ({ network }) => fdbRows(plane, network),
    'show.neighbors': () => neighborRows(plane),
    'show.counters': ({ all }) => countersData(plane, all === true),
    'show.bgp': ({ routes }) => bgpData(plane, bgp, routes === true),

    'vm.add': (params) => {
      const mac = parseMac(params.mac);
      const addresses = (params.addresses ?? []).map(parseIpv4);
      const location = siteOf('location', params.location) ?? 'source';
      const gateway = siteOf('gateway', params.gateway);
      if (location === 'source' && gateway !== undefined) {
        throw new NearhopError(
          'vm-gateway-at-source',
          `VM '${params.name}' is at the source, so its gateway is the source's (S11)`,
          { hint: 'leave the gateway out, or say that the VM is at the target' },
        );
      }
      const network = plane.networks.names.indexOf(params.network);
      const proximity = network >= 0 && plane.networks.proximity[network] === 1;
      const vm = inventory.add({
        name: params.name,
        network: params.network,
        macHi: mac.hi,
        macLo: mac.lo,
        addresses,
        state: initialState(location, gateway, addresses.length > 0, proximity),
      });
      operator(`added to network ${params.network} as ${vm.state}`, vm.name);
      return vmRow(plane, vm);
    },
    'vm.remove': ({ vm }) => {
      inventory.remove(vm);
      operator('removed', vm);
      return { removed: vm };
    },
    'vm.migrate': ({ vm, kind }) => {
      const before = inventory.get(vm).state;
      const moved = inventory.migrate(vm, kind);
      operator(`${kind}: ${before} → ${moved.state}`, vm);
      return vmRow(plane, moved);
    },
    'vm.set-ip': ({ vm, addresses }) => {
      const row = vmRow(plane, inventory.setAddresses(vm, addresses.map(parseIpv4)));
      operator(`addresses reported: ${addresses.join(', ') || 'none, the last ones stay'}`, vm);
      return row;
    },
    'vm.mark-learned': ({ vm }) => {
      const row = vmRow(plane, inventory.markLearned(vm));
      operator("its /32 was seen in the source's own table", vm);
      return row;
    },
    ...createTraceHandlers(plane),
  };
}

function siteOf(what: string, value: string | undefined): 'source' | 'target' | undefined {
  if (value === undefined || value === 'source' || value === 'target') return value;
  throw new NearhopError('parameter-invalid', `${what} is '${value}'`, {
    hint: "it is 'source' or 'target'",
  });
}

function statusData(plane: ControlPlane, context: HandlerContext, startedMs: number): StatusData {
  const { config, shared } = plane;
  const { totals } = shared.counters;
  const peers = context.bgp?.status().peers;
  return {
    name: config.gateway.name,
    version: VERSION,
    pid: process.pid,
    uptimeSeconds: Math.round((plane.clock.nowMs() - startedMs) / 1000),
    routerId: formatIpv4(config.gateway.routerId),
    config: context.configFile,
    socket: context.socket,
    ports: config.ports.length,
    networks: config.networks.length,
    vms: vmCounts(plane.inventory.list()),
    routes: plane.rib.routes,
    bgp: peers
      ? { neighbors: peers.length, established: peers.filter((p) => p.state === 'Established').length }
      : null,
    packets: Object.fromEntries(TOTAL_NAMES.map((n, i) => [n, totals[i]])) as Record<TotalName, number>,
    workers: shared.workerCounters.map((c) => ({
      received: c.totals[TOTAL.received],
      sent: c.totals[TOTAL.sent],
    })),
    imbalance: shared.counters.imbalance(),
    warnings: context.warnings,
  };
}
