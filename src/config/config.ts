// The config as the gateway works with it: numbers, every default filled in, lists normalised. IPv4 addresses are u32, MACs
// {hi, lo} with the upper 16 and lower 32 bits.

import type { ParsedConfig } from './schema.ts';

export type PortConfig = ParsedConfig['ports'][number];
export type NetworkConfig = ParsedConfig['networks'][number];
export type MemberConfig = NetworkConfig['members'][number];

export interface InterfaceConfig extends Omit<ParsedConfig['interfaces'][number], 'hostStack' | 'mtu'> {
  readonly hostStack: boolean;
  readonly mtu: number;
}

export interface RouteConfig {
  readonly prefix: ParsedConfig['routes'][number]['prefix'];
  /** IPv4 next hops as u32; empty for a blackhole. */
  readonly via: readonly number[];
  readonly blackhole: boolean;
}

export interface GatewayConfig extends Omit<ParsedConfig['gateway'], 'routerId'> {
  /** BGP identifier as u32; 0 when neither given nor derivable from an interface. */
  readonly routerId: number;
}

export interface Config extends Omit<ParsedConfig, 'gateway' | 'interfaces' | 'routes'> {
  readonly gateway: GatewayConfig;
  readonly interfaces: readonly InterfaceConfig[];
  readonly routes: readonly RouteConfig[];
}

/** Whether a port is a device of the host, which the host's own stack may use as well. */
export function isHostDevice<P extends PortConfig>(
  port: P,
): port is Extract<P, { kind: 'af-packet' | 'af-xdp' | 'cap' }> {
  return port.kind === 'af-packet' || port.kind === 'af-xdp' || port.kind === 'cap';
}

/** Fills in the defaults that depend on other parts of the file. */
export function completeConfig(parsed: ParsedConfig): Config {
  const ports = new Map(parsed.ports.map((p) => [p.name, p]));
  const interfaces = parsed.interfaces.map((itf) => {
    const port = ports.get(itf.port);
    return {
      ...itf,
      mtu: itf.mtu ?? port?.mtu ?? 1500,
      hostStack: itf.hostStack ?? (port !== undefined && isHostDevice(port)),
    };
  });
  const highest = interfaces.reduce((max, itf) => Math.max(max, itf.address.address), 0);
  return {
    ...parsed,
    gateway: { ...parsed.gateway, routerId: parsed.gateway.routerId ?? highest },
    interfaces,
    routes: parsed.routes.map((r) => ({ prefix: r.prefix, via: r.via ?? [], blackhole: r.blackhole })),
  };
}
