// Small networks for the simulator's tests: nodes on cables, on one virtual clock.

import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseMac } from '../../src/addr/mac.ts';
import { createPrng } from '../../src/base/prng.ts';
import { VirtualTimers } from '../../src/base/timers.ts';
import { IpNode } from '../../src/sim/ip-node.ts';
import { Link, type LinkEnd } from '../../src/sim/link.ts';

export const ip = parseIpv4;
export const mac = parseMac;

export function cable(
  timers: VirtualTimers,
  options: { delayMs?: number; loss?: number; seed?: number } = {},
): Link {
  const { delayMs = 1, loss = 0, seed = 1 } = options;
  return new Link({ timers, delayMs, loss, random: createPrng(seed) });
}

export function host(timers: VirtualTimers, name: string, at: string, hw: string, end: LinkEnd): IpNode {
  const node = new IpNode(name, timers, false);
  const [address = '', len = '24'] = at.split('/');
  node.addInterface(mac(hw), ip(address), Number(len), [end]);
  return node;
}

/** Two hosts of one subnet on a cable. */
export function twoHosts(options: { delayMs?: number; loss?: number; seed?: number } = {}) {
  const timers = new VirtualTimers(1_000_000);
  const link = cable(timers, options);
  const a = host(timers, 'a', '192.0.2.1/24', '02:00:00:00:00:0a', link.a);
  const b = host(timers, 'b', '192.0.2.2/24', '02:00:00:00:00:0b', link.b);
  return { timers, link, a, b, aIp: ip('192.0.2.1'), bIp: ip('192.0.2.2') };
}

/** a — router — b, each in a subnet of its own. */
export function throughRouter() {
  const timers = new VirtualTimers(1_000_000);
  const [left, right] = [cable(timers), cable(timers, { seed: 2 })];
  const a = host(timers, 'a', '192.0.2.1/24', '02:00:00:00:00:0a', left.a);
  const b = host(timers, 'b', '198.51.100.1/24', '02:00:00:00:00:0b', right.b);
  const router = new IpNode('r', timers, true);
  router.addInterface(mac('02:00:00:00:00:01'), ip('192.0.2.254'), 24, [left.b]);
  router.addInterface(mac('02:00:00:00:00:02'), ip('198.51.100.254'), 24, [right.a]);
  for (const [node, via] of [
    [a, '192.0.2.254'],
    [b, '198.51.100.254'],
  ] as const) {
    node.routes.add({ prefix: 0, len: 0, source: 'static', via: ip(via) });
  }
  return { timers, left, right, a, b, router, aIp: ip('192.0.2.1'), bIp: ip('198.51.100.1') };
}

export const pass = (timers: VirtualTimers, ms: number): void => timers.advanceTo(timers.nowMs() + ms);
