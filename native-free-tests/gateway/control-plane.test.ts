// What the control plane makes of moves, reports and events: routes, announcements, commands to the data plane, the log.

import { beforeEach, describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { formatPrefix4 } from '../../src/addr/prefix.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import type { DataplaneEvent, EventKind } from '../../src/dataplane/events.ts';
import { EVENT_KINDS } from '../../src/dataplane/events.ts';
import type { DataplaneCommand } from '../../src/gateway/commands.ts';
import { ControlPlane, initialState } from '../../src/gateway/control-plane.ts';
import { CONFIG, configOf, S, vm1, vm2, vm3 } from './inline-site.ts';

let plane: ControlPlane;
let commands: string[];

const commandText = (c: DataplaneCommand): string => {
  switch (c.op) {
    case 'resolve':
      return `resolve ${formatIpv4(plane.shared.adjacencies.nextHop[c.adj])}`;
    case 'forget-neighbor':
      return `forget ${formatIpv4(c.ip)} on ${plane.interfaces.names[c.iface]}`;
    case 'announce-vm':
      return `announce VM ${c.macLo.toString(16)} at ${c.at}`;
    case 'announce-gateway':
      return `announce gateway to ${formatIpv4(c.ip)}`;
  }
};
/** What was told to the data plane since the last look. */
const told = (): string[] => commands.splice(0);
const routes = (): string[] =>
  [...plane.rib.snapshot()]
    .filter((r) => r.best)
    .map((r) => `${formatPrefix4(r.prefix, r.len)} ${r.source} ${r.nextHops[0].kind}`);

const event = (kind: EventKind, more: Partial<DataplaneEvent> = {}): DataplaneEvent => ({
  ...{ kind, atMs: 0, iface: 4, network: 0, macHi: 0, macLo: 0, ip: 0 },
  ...more,
});
const macOf = (who: { mac: { hi: number; lo: number } }) => ({ macHi: who.mac.hi, macLo: who.mac.lo });

beforeEach(() => {
  commands = [];
  plane = new ControlPlane(configOf(CONFIG), new VirtualClock(Date.parse('2026-03-01T12:00:00Z')));
  plane.start((command) => commands.push(commandText(command)));
});

describe('ControlPlane.start', () => {
  it('fills the RIB: interfaces, the gateway as /32, static routes, the /32s of local VMs', () => {
    expect(routes()).toEqual([
      '0.0.0.0/0 static via',
      '10.66.0.0/16 static blackhole',
      '172.16.0.0/30 connected connected',
      '172.16.0.2/32 connected local',
      '192.168.10.1/32 connected local',
      '192.168.10.11/32 mobility via',
      '203.0.113.0/24 connected connected',
      '203.0.113.2/32 connected local',
    ]);
  });

  it('has no subnet of an extended network, and no gateway where proximity routing is off (invariant 1, S4)', () => {
    expect(routes().filter((r) => r.startsWith('192.168.'))).toEqual([
      '192.168.10.1/32 connected local',
      '192.168.10.11/32 mobility via',
    ]);
  });

  it('takes every VM in the state that the config says, and has its next hops resolved early', () => {
    expect(plane.inventory.list().map((v) => `${v.name} ${v.state}`)).toEqual([
      'vm1 LOCAL_PENDING',
      'vm2 PINNED',
      'vm3 AT_SOURCE',
    ]);
    expect(told()).toEqual([
      'resolve 172.16.0.1',
      'resolve 192.168.10.11',
      'announce gateway to 192.168.10.11',
    ]);
    expect([...plane.configured]).toEqual(['vm1', 'vm2', 'vm3']);
  });
});

describe('ControlPlane, moves', () => {
  it('a bulk migration: the old place is forgotten, the /32 resolved, the VM told; reverse takes all back', () => {
    told();
    plane.inventory.migrate('vm3', 'bulk');
    expect(told()).toEqual([
      `announce VM ${vm3.mac.lo.toString(16)} at target`,
      'resolve 192.168.10.13',
      'announce gateway to 192.168.10.13',
    ]);
    expect(routes()).toContain('192.168.10.13/32 mobility via');
    plane.inventory.migrate('vm3', 'reverse');
    expect(told()).toEqual([
      'forget 192.168.10.13 on bvi.green',
      `announce VM ${vm3.mac.lo.toString(16)} at source`,
    ]);
    expect(routes()).not.toContain('192.168.10.13/32 mobility via');
  });

  it('a vMotion makes no route', () => {
    const before = routes();
    told();
    plane.inventory.migrate('vm3', 'vmotion');
    expect(told()).toEqual([`announce VM ${vm3.mac.lo.toString(16)} at target`]);
    expect(routes()).toEqual(before);
  });
});

describe('ControlPlane.onEvent', () => {
  it('takes a LOCAL VM back to LOCAL_PENDING when the source delivers to it (S14)', () => {
    plane.inventory.markLearned('vm1');
    plane.onEvent(event('asymmetric-inbound', macOf(vm1)));
    expect(plane.inventory.get('vm1')).toMatchObject({
      ...{ state: 'LOCAL_PENDING', route: 'injected', alarm: expect.stringContaining('not-learned') },
    });
    expect(plane.events.rows.at(-1)).toMatchObject({
      kind: 'asymmetric-inbound',
      vm: 'vm1',
      network: 'green',
    });
  });

  it('leaves VMs alone that another event is about', () => {
    plane.inventory.markLearned('vm1');
    for (const kind of EVENT_KINDS) {
      if (kind !== 'asymmetric-inbound') plane.onEvent(event(kind, macOf(vm1)));
    }
    expect(plane.inventory.get('vm1')).toMatchObject({ state: 'LOCAL', route: 'learned', alarm: '' });
  });

  it("learns the source gateway's MAC for a network that has none", () => {
    plane.onEvent(event('source-gateway-learned', { network: 1, ...macOf(S) }));
    expect([plane.networks.sourceMacHi[1], plane.networks.sourceMacLo[1]]).toEqual([S.mac.hi, S.mac.lo]);
  });

  it.each(EVENT_KINDS)('%s: one sentence for people, with whom it is about', (kind) => {
    plane.onEvent(event(kind, { ...macOf(vm2), ip: vm2.ip }));
    const row = plane.events.rows.at(-1);
    expect(row).toMatchObject({
      ...{ kind, source: 'dataplane', at: '2026-03-01T12:00:00.000Z', network: 'green', interface: 'rack1' },
      ...{ vm: 'vm2', mac: '02:00:00:00:aa:02', address: '192.168.10.12' },
    });
    expect(row?.text).toMatch(/^\S.{20,}$/);
  });

  it('says null where an event is about no network, VM or address', () => {
    plane.onEvent(event('neighbor-failed', { iface: 0, network: -1 }));
    expect(plane.events.rows.at(-1)).toMatchObject({
      ...{ network: null, interface: 'wan', vm: null, mac: null, address: null },
    });
  });
});

describe('EventLog', () => {
  it('keeps the last thousand, and tells followers until they stop', () => {
    const heard: string[] = [];
    const stop = plane.events.follow((row) => heard.push(row.text));
    for (let i = 0; i < 1500; i++) {
      if (i === 1000) stop();
      plane.events.add({ kind: 'test', source: 'gateway', text: `event ${i}` });
    }
    expect([plane.events.rows.length, plane.events.rows[0].text]).toEqual([1000, 'event 500']);
    expect([heard.length, heard.at(-1)]).toEqual([1000, 'event 999']);
  });
});

describe('initialState', () => {
  it.each([
    ['source', undefined, true, true, 'AT_SOURCE'],
    ['target', undefined, true, true, 'PINNED'],
    ['target', 'source', true, true, 'PINNED'],
    ['target', 'target', true, true, 'LOCAL_PENDING'],
    ['target', 'target', false, true, 'NO_IP'],
    ['target', 'target', true, false, 'PINNED'],
  ] as const)(
    'at the %s with gateway %s, address %s, proximity %s: %s',
    (at, gateway, address, proximity, state) => {
      expect(initialState(at, gateway, address, proximity)).toBe(state);
    },
  );
});

describe('ControlPlane.onLink', () => {
  it('takes the routes of a routed interface out while its link is down', () => {
    const port = plane.interfaces.port[plane.interfaces.names.indexOf('wan')];
    const before = routes();
    plane.onLink(port, false);
    expect(routes()).not.toContain('172.16.0.0/30 connected connected');
    expect(routes()).toContain('192.168.10.11/32 mobility via');
    plane.onLink(port, true);
    expect(routes()).toEqual(before);
    expect(plane.events.rows.slice(-2).map((e) => e.kind)).toEqual(['link-down', 'link-up']);
  });

  it('leaves the bridge alone when the link of a member goes down', () => {
    const member = plane.networks.locals[0][0];
    const before = routes();
    plane.onLink(plane.interfaces.port[member], false);
    expect(routes()).toEqual(before);
    expect(plane.interfaces.up[member]).toBe(0);
  });
});
