// The answer of a gateway to every request of api.ts, and the code of what is wrong with one.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventRow, REQUEST_NAMES, type RequestName, type TraceRow } from '../../src/gateway/api.ts';
import { icmpEcho, udp } from '../golden/frames.ts';
import { createInlineSite, type InlineSite, meet, router, T, vm1, wan } from './inline-site.ts';

let site: InlineSite;
beforeEach(() => {
  site = createInlineSite();
});
afterEach(() => {
  expect(site.gateway.plane.shared.counters.imbalance(), 'conservation law').toBe(0);
  site.gateway.close();
});

// One case for every request of api.ts: its parameters, and what is certain about its answer.
const NULL_OR_STRING = expect.toSatisfy((v: unknown) => v === null || typeof v === 'string');
const vmAnswer = (name: string, more: object = {}) =>
  expect.objectContaining({
    ...{ name, mac: expect.stringMatching(/^02:/), network: 'green', location: expect.any(String) },
    ...{ gatewaySide: expect.any(String), state: expect.any(String), route: expect.any(String) },
    ...{
      seq: expect.any(Number),
      port: NULL_OR_STRING,
      alarm: expect.any(String),
      source: expect.any(String),
    },
    ...more,
  });
const ANSWERS: { readonly [R in RequestName]: readonly [params: object, answer: unknown] } = {
  status: [
    {},
    expect.objectContaining({
      ...{
        name: 'esg',
        routerId: '10.255.0.2',
        config: null,
        socket: null,
        ports: 5,
        networks: 2,
        bgp: null,
      },
      ...{ vms: { AT_SOURCE: 1, PINNED: 1, NO_IP: 0, LOCAL_PENDING: 1, LOCAL: 0 }, routes: 8, imbalance: 0 },
      ...{
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        pid: process.pid,
        uptimeSeconds: 0,
        warnings: [],
      },
    }),
  ],
  events: [{}, { events: expect.any(Number) }],
  'show.ports': [
    {},
    ['wan0', 'ext0', 'rack1', 'rack2', 'trunk0'].map((name) =>
      expect.objectContaining({
        name,
        kind: 'memory',
        source: 'config',
        up: true,
        offload: false,
        detail: '',
      }),
    ),
  ],
  'show.networks': [
    { network: 'green' },
    [
      expect.objectContaining({
        ...{ name: 'green', subnet: '192.168.10.0/24', gateway: '192.168.10.1', proximityRouting: true },
        ...{ targetMac: '02:00:00:00:10:fe', sourceMac: '02:00:00:00:10:01', sourceMacFrom: 'config' },
        ...{ staleGateway: 'intercept', asymmetric: 'deliver', floodPps: 10_000 },
        extension: { interface: 'ext0', port: 'ext0', vlan: 0, up: true, mtu: 1500 },
        members: ['rack1', 'rack2'].map((name) => ({ interface: name, port: name, vlan: 0, up: true })),
        vms: { AT_SOURCE: 1, PINNED: 1, NO_IP: 0, LOCAL_PENDING: 1, LOCAL: 0 },
      }),
    ],
  ],
  'show.vms': [
    { network: 'green' },
    [
      vmAnswer('vm1', { port: 'rack1', source: 'config', gatewaySide: 'target' }),
      vmAnswer('vm2', { port: 'rack2', gatewaySide: 'source', location: 'target' }),
      vmAnswer('vm3', { port: 'ext0', location: 'source' }),
    ],
  ],
  'show.routes': [
    { prefix: '192.168.0.0/16', source: 'mobility' },
    [
      {
        ...{
          prefix: '192.168.10.11/32',
          source: 'mobility',
          distance: 5,
          metric: 0,
          best: true,
          installed: true,
        },
        nextHops: [{ kind: 'via', address: '192.168.10.11', interface: 'bvi.green' }],
        ...{ reason: '', ageSeconds: 0, origin: 'vm1' },
      },
    ],
  ],
  'show.fib': [
    { address: '192.168.10.11' },
    expect.objectContaining({
      omitted: 0,
      entries: [
        {
          ...{ prefix: '192.168.10.11/32', source: 'mobility' },
          nextHops: [
            expect.objectContaining({ kind: 'via', mac: '02:00:00:00:aa:01', packets: 0, bytes: 0 }),
          ],
        },
      ],
    }),
  ],
  'show.fdb': [
    { network: 'green' },
    [
      ['vm1', 'rack1'],
      ['vm2', 'rack2'],
      ['vm3', 'ext0'],
    ].map(([vm, iface]) =>
      expect.objectContaining({
        vm,
        interface: iface,
        network: 'green',
        vlan: 0,
        source: 'learned',
        moves: 0,
      }),
    ),
  ],
  'show.neighbors': [
    {},
    expect.arrayContaining([
      expect.objectContaining({ address: '172.16.0.1', mac: '02:00:00:00:ac:01', interface: 'wan' }),
      expect.objectContaining({ address: '192.168.10.11', mac: '02:00:00:00:aa:01', interface: 'bvi.green' }),
    ]),
  ],
  'show.counters': [
    { all: true },
    expect.objectContaining({
      totals: expect.objectContaining({ received: 4, queued: 0 }),
      imbalance: 0,
      reasons: expect.arrayContaining([
        expect.objectContaining({ reason: 'arp-gateway-answered', packets: 1 }),
      ]),
      interfaces: expect.arrayContaining([expect.objectContaining({ name: 'rack1', rxPackets: 1 })]),
    }),
  ],
  'show.bgp': [{}, expect.objectContaining({ code: 'bgp-not-configured' })],
  'vm.add': [
    {
      name: 'new',
      network: 'green',
      mac: '0200.0000.aa09',
      addresses: ['192.168.10.19'],
      location: 'target',
      gateway: 'target',
    },
    vmAnswer('new', {
      state: 'LOCAL_PENDING',
      route: 'injected',
      source: 'operator',
      mac: '02:00:00:00:aa:09',
    }),
  ],
  'vm.remove': [{ vm: 'vm1' }, { removed: 'vm1' }],
  'vm.migrate': [
    { vm: 'vm3', kind: 'dr' },
    vmAnswer('vm3', { state: 'LOCAL_PENDING', seq: 1, source: 'migrated', location: 'target' }),
  ],
  'vm.set-ip': [
    { vm: 'vm1', addresses: ['192.168.10.21'] },
    vmAnswer('vm1', { addresses: [{ address: '192.168.10.21', state: 'reported' }] }),
  ],
  'vm.mark-learned': [{ vm: 'vm1' }, vmAnswer('vm1', { state: 'LOCAL', route: 'learned' })],
  'trace.start': [{ host: '192.168.10.11', count: 5 }, { from: 1 }],
  'trace.read': [{ from: 1 }, { packets: 0, next: 1, lost: 0 }],
  'trace.stop': [{}, { packets: 0 }],
};

describe('Handlers', () => {
  it.each(REQUEST_NAMES)('%s', async (request) => {
    meet(site);
    const [params, answer] = ANSWERS[request];
    const got = await site.ask(request, params as never).catch((error: unknown) => error);
    expect(got).toEqual(answer);
  });

  it.each<[RequestName, object, string]>([
    ['show.networks', { network: 'blue' }, 'network-unknown'],
    ['show.vms', { network: 'blue' }, 'network-unknown'],
    ['show.vms', { vm: 'nobody' }, 'vm-unknown'],
    ['show.routes', { source: 'rip' }, 'parameter-invalid'],
    ['show.routes', { prefix: '10.0.0.0/33' }, 'prefix-malformed'],
    ['show.fib', { address: '10.0.0' }, 'ipv4-malformed'],
    ['vm.add', { name: 'x', network: 'green', mac: 'zz' }, 'mac-malformed'],
    ['vm.add', { name: 'x', network: 'blue', mac: '02:00:00:00:aa:09' }, 'network-unknown'],
    ['vm.add', { name: 'x', network: 'green', mac: '02:00:00:00:10:fe' }, 'mac-unsuitable'],
    [
      'vm.add',
      { name: 'x', network: 'green', mac: '02:00:00:00:aa:09', location: 'moon' },
      'parameter-invalid',
    ],
    [
      'vm.add',
      { name: 'x', network: 'green', mac: '02:00:00:00:aa:09', gateway: 'moon' },
      'parameter-invalid',
    ],
    [
      'vm.add',
      { name: 'x', network: 'green', mac: '02:00:00:00:aa:09', gateway: 'target' },
      'vm-gateway-at-source',
    ],
    ['vm.remove', { vm: 'nobody' }, 'vm-unknown'],
    ['vm.migrate', { vm: 'vm3', kind: 'reverse' }, 'transition-invalid'],
    ['vm.set-ip', { vm: 'vm1', addresses: ['192.168.11.1'] }, 'address-outside'],
    ['vm.mark-learned', { vm: 'vm2' }, 'transition-invalid'],
    ['trace.start', { port: 70_000 }, 'parameter-invalid'],
    ['trace.start', { protocol: 'smoke' }, 'parameter-invalid'],
    ['trace.start', { interface: 'bvi.green' }, 'parameter-invalid'],
    ['trace.start', { host: 'vm1' }, 'ipv4-malformed'],
  ])('%s of %o: %s', async (request, params, code) => {
    await expect((async () => site.ask(request, params as never))()).rejects.toMatchObject({ code });
  });

  it('the operator and what he did stand in the log', async () => {
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'vmotion' });
    await site.ask('vm.set-ip', { vm: 'vm3', addresses: [] });
    await site.ask('vm.remove', { vm: 'vm3' });
    const rows: EventRow[] = [];
    expect(await site.ask('events', {}, rows)).toEqual({ events: rows.length });
    expect(rows.map((r) => `${r.source} ${r.vm}: ${r.text}`)).toEqual([
      'operator vm3: vmotion: AT_SOURCE → PINNED',
      'operator vm3: addresses reported: none, the last ones stay',
      'operator vm3: removed',
    ]);
  });

  it('events with follow goes on until the client goes', async () => {
    const rows: EventRow[] = [];
    const client = new AbortController();
    const answer = site.ask('events', { follow: true }, rows, client.signal);
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'bulk' });
    client.abort();
    expect(await answer).toEqual({ events: 1 });
    await site.ask('vm.migrate', { vm: 'vm3', kind: 'reverse' });
    expect(rows.map((r) => r.text)).toEqual(['bulk: AT_SOURCE → LOCAL_PENDING']);
  });

  it('show.fib leaves out what is beyond the limit, and says how much', async () => {
    const { entries, omitted } = await site.ask('show.fib', { limit: 3 });
    expect([entries.length, omitted]).toEqual([3, 5]);
  });

  it('show.routes of an address gives the longest match; of a prefix, it and what is more specific', async () => {
    const prefixes = async (prefix: string): Promise<string[]> =>
      (await site.ask('show.routes', { prefix })).map((r) => r.prefix);
    expect(await prefixes('192.168.10.11')).toEqual(['192.168.10.11/32']);
    expect(await prefixes('192.168.10.12')).toEqual(['0.0.0.0/0']);
    expect(await prefixes('203.0.113.0/24')).toEqual(['203.0.113.0/24', '203.0.113.2/32']);
  });

  it('a trace has the packets that match, with their steps and rules', async () => {
    meet(site);
    const { from } = await site.ask('trace.start', {
      host: '198.51.100.7',
      protocol: 'icmp',
      interface: 'rack1',
    });
    const far = { ...router, ip: 0xc6336407 };
    site.send('rack1', udp({ from: vm1, to: far, via: T }));
    site.send('rack1', icmpEcho({ from: vm1, to: far, via: T }));
    site.send('wan0', icmpEcho({ from: far, to: vm1, via: wan, reply: true }));
    expect(await site.ask('trace.stop', {})).toEqual({ packets: 1 });
    const rows: TraceRow[] = [];
    expect(await site.ask('trace.read', { from, follow: true }, rows)).toEqual({
      packets: 1,
      next: from + 1,
      lost: 0,
    });
    expect(rows[0]).toMatchObject({ port: 'rack1', from: 0, stepsLost: 0 });
    expect(rows[0].steps.map((s) => s.node)).toContain('ip4-lookup');
    expect(rows[0].steps.map((s) => s.rule).join(' ')).toContain('S13');
  });
});
