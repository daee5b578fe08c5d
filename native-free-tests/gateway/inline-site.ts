// A gateway in one thread over memory ports, for the tests of its control plane, its answers and its moves of VMs: the
// extended network "green" with two places for VMs, the network "plain" without proximity routing on VLANs of a trunk, a WAN.

import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { Answers, Call, Params, RequestName } from '../../src/gateway/api.ts';
import { createInlineGateway, type InlineGateway } from '../../src/gateway/inline.ts';
import { createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import { formatFrame } from '../../src/wire/format.ts';
import { arpReply, arpRequest, gratuitousArp, host } from '../golden/frames.ts';

export const S = host('S', '02:00:00:00:10:01', '192.168.10.1');
export const T = host('T', '02:00:00:00:10:fe', '192.168.10.1');
export const vm1 = host('vm1', '02:00:00:00:aa:01', '192.168.10.11');
export const vm2 = host('vm2', '02:00:00:00:aa:02', '192.168.10.12');
export const vm3 = host('vm3', '02:00:00:00:aa:03', '192.168.10.13');
export const router = host('router', '02:00:00:00:ac:01', '172.16.0.1');
export const wan = host('wan', '02:00:00:00:ac:02', '172.16.0.2');

export const CONFIG = `gateway: { name: esg, routerId: 10.255.0.2, packetMemoryMiB: 64 }
ports:
  - { name: wan0, kind: memory, mac: "02:00:00:00:ac:02" }
  - { name: ext0, kind: memory, mtu: 1600 }
  - { name: rack1, kind: memory }
  - { name: rack2, kind: memory }
  - { name: trunk0, kind: memory, mtu: 9000 }
interfaces:
  - { name: wan, port: wan0, address: 172.16.0.2/30 }
  - { name: edge, port: trunk0, vlan: 30, address: 203.0.113.2/24, mac: "02:00:00:00:30:01", mtu: 1400 }
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: "02:00:00:00:10:fe", sourceMac: "02:00:00:00:10:01" }
    extension: { port: ext0, mtu: 1500 }
    members: [rack1, rack2]
    vms:
      - { name: vm1, mac: "02:00:00:00:aa:01", addresses: [192.168.10.11], location: target, gateway: target }
      - { name: vm2, mac: "02:00:00:00:aa:02", addresses: [192.168.10.12], location: target }
      - { name: vm3, mac: "02:00:00:00:aa:03", addresses: [192.168.10.13] }
  - name: plain
    subnet: 192.168.20.0/24
    gateway: { address: 192.168.20.1, mac: "02:00:00:00:20:fe" }
    proximityRouting: false
    staleGateway: bridge
    asymmetric: drop
    floodPps: 500
    extension: { port: ext0, vlan: 20, mssClamp: false }
    members: [{ port: trunk0, vlan: 20 }]
routes:
  - { prefix: 0.0.0.0/0, via: 172.16.0.1 }
  - { prefix: 10.66.0.0/16, blackhole: true }
bgp: { as: 65002, listen: false, redistribute: [mobility, static] }
`;

export function configOf(text: string): Config {
  const { config, errors } = parseConfig(text);
  if (config === undefined) throw new Error(errors.map((e) => e.message).join('\n'));
  return config;
}

export interface InlineSite {
  readonly gateway: InlineGateway;
  readonly clock: VirtualClock;
  /** What is announced now, in the order in which it was. */
  readonly announced: readonly string[];
  /** Asks the gateway; `rows` gets what it emits. */
  ask<R extends RequestName>(
    request: R,
    params: Params<R>,
    rows?: unknown[],
    signal?: AbortSignal,
  ): Promise<Answers[R]>;
  /** A frame comes in and is carried to its end. */
  send(port: string, frame: Uint8Array): void;
  /** What left by this port since the last look, as text. */
  sent(port: string): string[];
  /** Lets time pass, with the timers of the data plane running. */
  wait(ms: number): void;
}

export function createInlineSite(text = CONFIG): InlineSite {
  const config = configOf(text);
  const clock = new VirtualClock(Date.parse('2026-03-01T12:00:00Z'));
  const ports = new Map<string, MemoryPort>();
  const announced: string[] = [];
  const prefix = (address: number, len: number): string =>
    `${[24, 16, 8, 0].map((s) => (address >>> s) & 0xff).join('.')}/${len}`;
  const gateway = createInlineGateway({
    config,
    clock,
    openPorts: (slab) =>
      config.ports.map((p, i) => {
        const mac = p.mac ?? { hi: 0x0200, lo: 0x5000 + i };
        const port = createMemoryPort(
          { id: portId(i), name: p.name, macHi: mac.hi, macLo: mac.lo, ...(p.mtu ? { mtu: p.mtu } : {}) },
          slab,
        );
        ports.set(p.name, port);
        return port;
      }),
    announcer: {
      announce: (address, len) => void announced.push(prefix(address, len)),
      withdraw: (address, len) => void announced.splice(announced.indexOf(prefix(address, len)), 1),
    },
  });
  const port = (name: string): MemoryPort => {
    const found = ports.get(name);
    if (found === undefined) throw new Error(`no port ${name}`);
    return found;
  };
  return {
    gateway,
    clock,
    announced,
    async ask(request, params, rows = [], signal = new AbortController().signal) {
      const call: Call = { warn: () => {}, emit: (row) => rows.push(row) > 0, signal };
      return gateway.handlers[request](params, call as never);
    },
    send(name, frame) {
      if (!port(name).injectFrame(frame)) throw new Error(`${name} has no room`);
      gateway.settle();
    },
    sent(name) {
      gateway.settle();
      const lines: string[] = [];
      for (let f = port(name).take(); f !== undefined; f = port(name).take()) {
        lines.push(formatFrame(f.bytes, 0, f.bytes.length));
      }
      return lines;
    },
    wait(ms) {
      for (const end = clock.nowMs() + ms; clock.nowMs() < end; ) {
        clock.advanceTo(Math.min(end, clock.nowMs() + 100));
        gateway.settle();
      }
    },
  };
}

/** Everybody is known: the router on the WAN, vm1 and vm2 at their places, vm3 behind the extension. */
export function meet(site: InlineSite): void {
  site.send('wan0', arpReply({ from: router, to: wan }));
  site.send('rack1', arpRequest({ from: vm1, for: T }));
  site.send('rack2', gratuitousArp({ from: vm2 }));
  site.send('ext0', gratuitousArp({ from: vm3 }));
  for (const port of ['wan0', 'ext0', 'rack1', 'rack2']) site.sent(port);
}
