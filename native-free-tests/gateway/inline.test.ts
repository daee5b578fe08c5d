// The gateway in one thread: packets through both planes, moves and what they announce.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventRow } from '../../src/gateway/api.ts';
import { arpRequest, icmpEcho, udp } from '../golden/frames.ts';
import { createInlineSite, type InlineSite, meet, router, S, T, vm1, vm3, wan } from './inline-site.ts';

let site: InlineSite;
beforeEach(() => {
  site = createInlineSite();
});
afterEach(() => {
  expect(site.gateway.plane.shared.counters.imbalance(), 'conservation law').toBe(0);
  site.gateway.close();
});

describe('InlineGateway', () => {
  it('carries a packet of a local VM out, and the answer back in by the same path (S12, S14)', () => {
    meet(site);
    site.send('rack1', icmpEcho({ from: vm1, to: { ...router, ip: 0xc6336407 }, via: T }));
    expect(site.sent('wan0')).toEqual([
      expect.stringContaining('192.168.10.11 > 198.51.100.7: ICMP echo request'),
    ]);
    site.send('wan0', icmpEcho({ from: { ...router, ip: 0xc6336407 }, to: vm1, via: wan, reply: true }));
    expect(site.sent('rack1')).toEqual([
      expect.stringContaining('198.51.100.7 > 192.168.10.11: ICMP echo reply'),
    ]);
    expect([site.sent('ext0'), site.sent('rack2')]).toEqual([[], []]);
  });

  it('announces what the config redistributes, the gateway itself not', () => {
    expect(site.announced.toSorted()).toEqual(['0.0.0.0/0', '10.66.0.0/16', '192.168.10.11/32']);
  });

  it('announces the /32 of a bulk-migrated VM at once, and takes it back with the VM (S16, S18)', async () => {
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'bulk' });
    expect(site.announced).toContain('192.168.10.13/32');
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'reverse' });
    expect(site.announced).not.toContain('192.168.10.13/32');
  });

  it('announces the /32 of a vMotioned VM only after its power cycle (S19)', async () => {
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'vmotion' });
    expect(site.announced).not.toContain('192.168.10.13/32');
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'power-cycle' });
    expect(site.announced).toContain('192.168.10.13/32');
  });

  it('switches who answers ARP for the gateway with the VM (S15, S19)', async () => {
    meet(site);
    const ask = (): [string[], string[]] => {
      site.send('rack1', arpRequest({ from: vm3, for: T }));
      return [site.sent('rack1'), site.sent('ext0')];
    };
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'vmotion' });
    site.sent('ext0');
    expect(ask()).toEqual([[], [expect.stringContaining('who-has 192.168.10.1 tell 192.168.10.13')]]);
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'power-cycle' });
    site.sent('rack1');
    expect(ask()).toEqual([[expect.stringContaining('192.168.10.1 is-at 02:00:00:00:10:fe')], []]);
  });

  it('puts a LOCAL VM back to LOCAL_PENDING, with an alarm, when the source delivers to it (S14)', async () => {
    meet(site);
    expect(await site.ask('vm.mark-learned', { vm: 'vm1' })).toMatchObject({
      state: 'LOCAL',
      route: 'learned',
    });
    site.send('ext0', udp({ from: { ...S, ip: 0x0a000001 }, to: vm1, via: vm1 }));
    expect(site.sent('rack1')).toHaveLength(1); // policy: deliver
    expect(await site.ask('show.vms', { vm: 'vm1' })).toEqual([
      expect.objectContaining({
        state: 'LOCAL_PENDING',
        route: 'injected',
        alarm: expect.stringMatching(/^not-learned/),
      }),
    ]);
    const rows: EventRow[] = [];
    await site.ask('events', {}, rows);
    expect(rows.map((r) => `${r.kind} ${r.vm}`)).toContain('asymmetric-inbound vm1');
  });
});
