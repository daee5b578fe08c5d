import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../src/base/timers.ts';
import { loadConfig } from '../../src/config/parse.ts';
import { startGatewayNode } from '../../src/sim/gateway-node.ts';
import { startPing } from '../../src/sim/probes.ts';
import { cable, host, ip, pass } from './cables.ts';

const { config } = loadConfig(fileURLToPath(new URL('../../lab/esg/nearhop.yml', import.meta.url)));

describe('startGatewayNode', () => {
  const world = () => {
    const timers = new VirtualTimers(1_000_000);
    const native = cable(timers);
    const node = host(timers, 'native', '10.20.0.10/24', '02:00:00:00:00:0a', native.b);
    const announced: string[] = [];
    const gateway = startGatewayNode({
      config,
      timers,
      cables: new Map([['nat0', native.a]]),
      announcer: {
        announce: (prefix, len) => announced.push(`${prefix}/${len}`),
        withdraw: (prefix, len) => announced.push(`-${prefix}/${len}`),
      },
    });
    const ping = (count: number) => {
      const [src, dst] = [ip('10.20.0.10'), ip('10.20.0.1')];
      const run = startPing({ timers, node, src, dst, count, intervalMs: 10, timeoutMs: 500, id: 1 });
      pass(timers, 1000);
      return run.rttMs.length;
    };
    return { timers, gateway, announced, ping };
  };

  it("has the config's ports in its order, a tunnel's too, and answers on the cable that is plugged in", () => {
    const { gateway, ping } = world();
    expect(gateway.gateway.ports.map((p) => `${p.id} ${p.name} ${p.kind}`)).toEqual(
      config.ports.map((p, i) => `${i} ${p.name} memory`),
    );
    expect(ping(20)).toBe(20);
    expect(gateway.gateway.plane.shared.counters.imbalance()).toBe(0);
  });

  it('announces what the config redistributes, and the /32 of a VM when it moves', () => {
    const { gateway, announced } = world();
    const before = announced.length;
    expect(announced).toContain(`${ip('10.20.0.0')}/24`);
    gateway.gateway.plane.inventory.migrate('vm1', 'bulk');
    expect(announced.slice(before)).toEqual([`${ip('192.168.10.11')}/32`]);
  });

  it('closed, answers nothing and leaves no timer', () => {
    const { gateway, ping, timers } = world();
    gateway.close();
    expect(ping(3)).toBe(0);
    pass(timers, 10_000);
    expect(timers.pending).toBe(0);
  });
});
