// The packet trace over the control socket: main compiles the filter into shared memory and reads the rows that the data
// plane has committed.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseIpv4 } from '../addr/ipv4.ts';
import { parseMac } from '../addr/mac.ts';
import { NearhopError } from '../base/errors.ts';
import { TRACE_ROWS } from '../dataplane/trace.ts';
import { compileTraceFilter, type TraceFilter } from '../dataplane/trace-filter.ts';
import { formatTrace } from '../dataplane/trace-format.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from '../wire/ethernet.ts';
import type { Handlers, Params } from './api.ts';
import type { ControlPlane } from './control-plane.ts';

const DEFAULT_COUNT = 100;
const READ_EVERY_MS = 50;

const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  ospf: 89,
  vrrp: 112,
};
const ETHER_TYPES: Readonly<Record<string, number>> = {
  arp: ETHERTYPE_ARP,
  ip6: ETHERTYPE_IPV6,
  ipv6: ETHERTYPE_IPV6,
};

type TraceRequest = 'trace.start' | 'trace.read' | 'trace.stop';

export function createTraceHandlers(plane: ControlPlane): Pick<Handlers, TraceRequest> {
  const { trace } = plane.shared;
  const names = {
    port: (port: number) => plane.config.ports[port]?.name ?? 'gateway',
    iface: (iface: number) => plane.interfaces.names[iface] ?? `interface ${iface}`,
  };
  /** Id before the first packet of the trace that runs. */
  let startedAt = 0;

  return {
    'trace.start': (params) => {
      trace.stop();
      compileTraceFilter(trace.filter, filterOf(plane, params));
      startedAt = trace.committed;
      trace.start(params.count ?? DEFAULT_COUNT);
      return { from: startedAt + 1 };
    },
    'trace.read': async ({ from, follow }, call) => {
      let next = Math.max(1, from ?? 1);
      let packets = 0;
      let lost = 0;
      for (;;) {
        const last = trace.committed;
        if (last - next >= TRACE_ROWS) {
          lost += last - TRACE_ROWS + 1 - next;
          next = last - TRACE_ROWS + 1;
        }
        for (; next <= last; next++) {
          const row = trace.read(next);
          if (row === null) lost++;
          else {
            const record = formatTrace(row, names);
            if (call.emit(record)) packets++;
            else lost++;
          }
        }
        if (follow !== true || call.signal.aborted || (!trace.active && next > trace.committed)) break;
        await sleep(READ_EVERY_MS);
      }
      return { packets, next, lost };
    },
    'trace.stop': () => {
      trace.stop();
      return { packets: trace.committed - startedAt };
    },
  };
}

/** The operator's words as the filter's numbers. Throws `parameter-invalid` and what the parsers say. */
function filterOf(plane: ControlPlane, params: Params<'trace.start'>): TraceFilter {
  const { host, port, protocol, vlan, mac, interface: iface } = params;
  const { interfaces } = plane;
  const filter: { -readonly [K in keyof TraceFilter]: TraceFilter[K] } = {};
  if (host !== undefined) filter.host = parseIpv4(host);
  if (mac !== undefined) filter.mac = parseMac(mac);
  if (port !== undefined) filter.port = within('port', port, 65535);
  if (vlan !== undefined) filter.vlan = within('vlan', vlan, 4094);
  if (protocol !== undefined) {
    const etherType = ETHER_TYPES[protocol.toLowerCase()];
    if (etherType !== undefined) filter.etherType = etherType;
    else filter.protocol = IP_PROTOCOLS[protocol.toLowerCase()] ?? within('protocol', Number(protocol), 255);
  }
  if (iface !== undefined) {
    const i = interfaces.names.indexOf(iface);
    if (i < 0 || interfaces.port[i] === 0xffff) {
      throw new NearhopError('parameter-invalid', `no interface '${iface}' that packets come in by`, {
        hint: `interfaces: ${interfaces.names.filter((_, k) => interfaces.port[k] !== 0xffff).join(', ')}`,
      });
    }
    filter.inPorts = [interfaces.port[i]];
    if (vlan === undefined) filter.vlan = interfaces.vlan[i];
  }
  return filter;
}

function within(what: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new NearhopError('parameter-invalid', `${what} ${value} is not a number from 0 to ${max}`);
}
