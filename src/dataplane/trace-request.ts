// From what an operator asks to have traced, in words, to the numbers of the filter. Cold; runs in main.

import { parseIpv4 } from '../addr/ipv4.ts';
import { parseMac } from '../addr/mac.ts';
import { NearhopError } from '../base/errors.ts';
import { IF_BVI, type InterfaceTable } from '../tables/interface-table.ts';
import type { NetworkTable } from '../tables/network-table.ts';
import { MAX_IN_PORTS, type TraceFilter } from './trace-filter.ts';

export interface TraceRequest {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** A name of PROTOCOLS or an IPv4 protocol number. */
  readonly protocol?: string | undefined;
  readonly vlan?: number | undefined;
  readonly mac?: string | undefined;
  /** An interface by which packets come in; a network's gateway interface stands for all local members. */
  readonly interface?: string | undefined;
}

const ETHER_TYPES: Readonly<Record<string, number>> = { arp: 0x0806, ipv6: 0x86dd, ip: 0x0800 };
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
};

/** Throws a NearhopError that says which word is wrong. */
export function parseTraceRequest(
  request: TraceRequest,
  interfaces: InterfaceTable,
  networks: NetworkTable,
): TraceFilter {
  const protocol = request.protocol === undefined ? {} : parseProtocol(request.protocol.toLowerCase());
  const ingress =
    request.interface === undefined ? {} : parseInterface(request.interface, interfaces, networks);
  inRange('port', request.port, 65535);
  inRange('vlan', request.vlan, 4094);
  if (request.vlan !== undefined && ingress.vlan !== undefined && request.vlan !== ingress.vlan) {
    throw new NearhopError(
      'trace-filter-empty',
      `interface ${request.interface} has VLAN ${ingress.vlan}, not ${request.vlan}`,
      { hint: 'leave the VLAN or the interface away' },
    );
  }
  return {
    ...protocol,
    ...ingress,
    ...(request.vlan === undefined ? {} : { vlan: request.vlan }),
    ...(request.host === undefined ? {} : { host: parseIpv4(request.host) }),
    ...(request.port === undefined ? {} : { port: request.port }),
    ...(request.mac === undefined ? {} : { mac: parseMac(request.mac) }),
  };
}

function parseProtocol(word: string): TraceFilter {
  const etherType = ETHER_TYPES[word];
  if (etherType !== undefined) return { etherType };
  const protocol = PROTOCOLS[word] ?? (/^\d{1,3}$/.test(word) ? Number(word) : 256);
  if (protocol > 255) {
    const names = [...Object.keys(ETHER_TYPES), ...Object.keys(PROTOCOLS)].join(', ');
    throw new NearhopError('trace-protocol-unknown', `'${word}' is no protocol`, {
      hint: `use one of ${names}, or a protocol number`,
    });
  }
  return { protocol };
}

function parseInterface(name: string, interfaces: InterfaceTable, networks: NetworkTable): TraceFilter {
  const iface = interfaces.names.indexOf(name);
  if (iface < 0) {
    throw new NearhopError('trace-interface-unknown', `there is no interface '${name}'`, {
      hint: `interfaces are ${interfaces.names.join(', ')}`,
    });
  }
  if (interfaces.kind[iface] !== IF_BVI) {
    return { inPorts: [interfaces.port[iface]], vlan: interfaces.vlan[iface] };
  }
  const locals = [...networks.locals[interfaces.network[iface]]];
  const vlans = new Set(locals.map((l) => interfaces.vlan[l]));
  const inPorts = [...new Set(locals.map((l) => interfaces.port[l]))];
  if (inPorts.length > MAX_IN_PORTS || vlans.size > 1) {
    throw new NearhopError(
      'trace-interface-wide',
      `the members of '${name}' are too many or too different to trace at once`,
      { hint: 'name one of its members' },
    );
  }
  const [vlan] = vlans;
  return vlan === undefined ? { inPorts } : { inPorts, vlan };
}

function inRange(name: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= max)) return;
  throw new NearhopError('trace-value-range', `${name} ${value} is not a number from 0 to ${max}`, {
    hint: `give ${name} as a whole number`,
  });
}
