import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../src/base/timers.ts';
import { Rib } from '../../src/control/rib.ts';
import { IpNode } from '../../src/sim/ip-node.ts';
import { Peering, type PeeringOptions } from '../../src/sim/peering.ts';
import { ip, pass } from './cables.ts';

const VM = ip('192.168.10.11');
const NATIVE = { prefix: ip('10.20.0.0'), len: 24 };
const SOURCE = { prefix: ip('192.168.10.0'), len: 24 };

describe('Peering', () => {
  let timers: VirtualTimers;
  let router: IpNode;
  beforeEach(() => {
    timers = new VirtualTimers(1_000_000);
    router = new IpNode('src-router', timers, true);
  });
  const peering = (options: Partial<PeeringOptions> = {}): Peering =>
    new Peering({
      timers,
      delayMs: 5,
      router,
      gatewayIp: ip('172.16.0.2'),
      routerIp: ip('172.16.0.1'),
      networks: [SOURCE],
      peer: 'src-router',
      filtersHostRoutes: false,
      deaf: false,
      leaked: [],
      ...options,
    });
  const has = (prefix: number, len = 32): boolean => router.routes.best(prefix, len)?.source === 'bgp';

  it("brings what is announced into the router's table after the WAN's delay, and takes it out", () => {
    const p = peering();
    p.announce(VM, 32);
    expect(has(VM)).toBe(false);
    pass(timers, 5);
    expect(router.routes.lookup(VM)).toMatchObject({ len: 32, source: 'bgp', via: ip('172.16.0.2') });
    p.withdraw(VM, 32);
    pass(timers, 5);
    expect(router.routes.lookup(VM)).toBeUndefined();
  });

  it("brings the router's networks into the gateway's RIB", () => {
    const rib = new Rib({ clock: timers });
    peering().advertise(rib);
    expect(rib.routes).toBe(0);
    pass(timers, 5);
    expect(rib.routes).toBe(1);
  });

  it('refuses host routes alone, and applies a changed filter to what it has received', () => {
    const p = peering({ filtersHostRoutes: true });
    p.announce(VM, 32);
    p.announce(NATIVE.prefix, NATIVE.len);
    pass(timers, 5);
    expect([has(VM), has(NATIVE.prefix, NATIVE.len)]).toEqual([false, true]);
    p.filterHostRoutes(false);
    expect(has(VM)).toBe(true);
    p.filterHostRoutes(true);
    expect([has(VM), has(NATIVE.prefix, NATIVE.len)]).toEqual([false, true]);
  });

  it('takes everything out when the session is gone, what was on its way too', () => {
    const p = peering();
    p.announce(NATIVE.prefix, NATIVE.len);
    pass(timers, 5);
    p.announce(VM, 32);
    p.close();
    pass(timers, 100);
    expect([has(VM), has(NATIVE.prefix, NATIVE.len)]).toEqual([false, false]);
  });

  it('deaf, takes nothing', () => {
    peering({ deaf: true }).announce(VM, 32);
    pass(timers, 100);
    expect(has(VM)).toBe(false);
  });
});
