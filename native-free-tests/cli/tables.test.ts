import { describe, expect, it } from 'vitest';
import { createLog, formatLogLine } from '../../src/cli/log.ts';
import { formatBgp, formatNetworks, formatRoutes } from '../../src/cli/show-control.ts';
import {
  formatCounters,
  formatFdb,
  formatFib,
  formatNeighbors,
  formatPorts,
} from '../../src/cli/show-dataplane.ts';
import { createStyle } from '../../src/cli/style.ts';
import { formatAge, formatTable } from '../../src/cli/table.ts';
import type { BgpPeerRow, RouteRow } from '../../src/gateway/api.ts';
import { createPortStats } from '../../src/ports/port.ts';
import { TOTAL_NAMES, type TotalName } from '../../src/stats/counters.ts';

const plain = createStyle({}, {});
const coloured = createStyle({ isTTY: true }, {});

const route = (row: Partial<RouteRow> & Pick<RouteRow, 'prefix' | 'source'>): RouteRow => ({
  distance: 0,
  metric: 0,
  nextHops: [],
  best: true,
  installed: true,
  reason: '',
  ageSeconds: 62,
  origin: null,
  ...row,
});

describe('formatRoutes', () => {
  it('is laid out as `show ip route`', () => {
    const via = (address: string) => ({ kind: 'via', address, interface: 'edge' }) as const;
    const text = formatRoutes(
      [
        route({
          prefix: '0.0.0.0/0',
          source: 'static',
          distance: 1,
          nextHops: [via('203.0.113.1'), via('203.0.113.3')],
        }),
        route({
          prefix: '0.0.0.0/0',
          source: 'bgp',
          distance: 20,
          metric: 2,
          nextHops: [via('203.0.113.9')],
          best: false,
          installed: false,
          origin: 'source',
        }),
        route({
          prefix: '10.66.0.0/16',
          source: 'static',
          distance: 1,
          nextHops: [{ kind: 'blackhole', address: null, interface: null }],
        }),
        route({
          prefix: '10.99.0.0/16',
          source: 'static',
          distance: 1,
          nextHops: [via('198.51.100.1')],
          installed: false,
          reason: 'next hop unresolved',
        }),
        route({
          prefix: '172.16.0.0/30',
          source: 'connected',
          nextHops: [{ kind: 'connected', address: null, interface: 'wan' }],
          ageSeconds: 100_000,
        }),
        route({
          prefix: '192.168.10.11/32',
          source: 'mobility',
          distance: 5,
          nextHops: [{ kind: 'via', address: '192.168.10.11', interface: 'bvi.green' }],
          origin: 'web',
        }),
      ],
      plain,
    );
    expect(text).toBe(`Codes: C - connected, S - static, B - BGP, M - mobility (host route of a local VM),
       > - best route, * - in the FIB

S>* 0.0.0.0/0 [1/0] via 203.0.113.1, edge, 00:01:02
  *                 via 203.0.113.3, edge
B   0.0.0.0/0 [20/2] via 203.0.113.9, edge, 00:01:02, source
S>* 10.66.0.0/16 [1/0] unreachable (blackhole), 00:01:02
S>  10.99.0.0/16 [1/0] via 198.51.100.1, edge, 00:01:02, (next hop unresolved)
C>* 172.16.0.0/30 is directly connected, wan, 1d03h46m
M>* 192.168.10.11/32 [5/0] via 192.168.10.11, bvi.green, 00:01:02, web`);
  });
});

describe('formatBgp', () => {
  const peer: BgpPeerRow = {
    name: 'source',
    address: '172.16.0.1',
    as: 65001,
    source: 'config',
    state: 'Established',
    stateSeconds: 754,
    messagesReceived: 21,
    messagesSent: 20,
    prefixesReceived: 3,
    prefixesSent: 2,
    lastError: null,
  };

  it('is laid out as `show bgp summary`', () => {
    const down: BgpPeerRow = {
      ...peer,
      name: '10.0.0.9',
      address: '10.0.0.9',
      state: 'Active',
      stateSeconds: null,
      lastError: 'connection\u001b refused',
    };
    expect(
      formatBgp({ as: 65002, routerId: '10.255.0.2', listening: true, peers: [peer, down] }, plain),
    ).toBe(`BGP router identifier 10.255.0.2, local AS number 65002

Neighbor    V     AS  MsgRcvd  MsgSent   Up/Down  State/PfxRcd  PfxSnt  Desc
172.16.0.1  4  65001       21       20  00:12:34             3       2  source
10.0.0.9    4  65001       21       20     never        Active       2

Total number of neighbors 2
10.0.0.9: last error: connection  refused`);
  });

  it('shows the routes of each neighbor when they are there', () => {
    const received = [
      { prefix: '192.168.10.0/24', nextHop: '172.16.0.1', asPath: '65001', source: 'bgp', refused: null },
      {
        prefix: '10.20.0.0/24',
        nextHop: '172.16.0.1',
        asPath: '65001 65002',
        source: 'bgp',
        refused: 'loop',
      },
    ] as const;
    const text = formatBgp(
      { as: 65002, routerId: '10.255.0.2', listening: false, peers: [{ ...peer, received, advertised: [] }] },
      plain,
    );
    expect(text).toContain('local AS number 65002, not listening');
    expect(text.split('\n').slice(-7)).toEqual([
      'Received from 172.16.0.1:',
      'Network          Next Hop    Source  Path         Refused',
      '192.168.10.0/24  172.16.0.1  bgp     65001',
      '10.20.0.0/24     172.16.0.1  bgp     65001 65002  loop',
      '',
      'Advertised to 172.16.0.1:',
      'Network  Next Hop  Source  Path  Refused',
    ]);
  });
});

describe('formatNetworks', () => {
  it('says what is not known yet and what is down', () => {
    const member = { interface: 'vm1', port: 'vm1', vlan: 0, up: true };
    const text = formatNetworks(
      [
        {
          name: 'green',
          source: 'config',
          subnet: '192.168.10.0/24',
          gateway: '192.168.10.1',
          targetMac: '02:00:00:00:10:02',
          sourceMac: null,
          sourceMacFrom: 'unknown',
          proximityRouting: true,
          extension: { interface: 'ext0', port: 'ext0', vlan: 0, up: false, mtu: 1400 },
          members: [member, { ...member, interface: 'trunk0.10', up: false }],
          staleGateway: 'intercept',
          asymmetric: 'deliver',
          floodPps: 0,
          vms: { AT_SOURCE: 2, PINNED: 0, NO_IP: 0, LOCAL_PENDING: 0, LOCAL: 1 },
        },
      ],
      plain,
    );
    expect(text).toBe(`green 192.168.10.0/24
  gateway:            192.168.10.1
  target MAC:         02:00:00:00:10:02
  source MAC:         not known yet
  proximity routing:  on
  extension:          ext0, MTU 1400, down
  members:            vm1, trunk0.10 (down)
  VMs:                2 AT_SOURCE, 1 LOCAL
  policies:           stale gateway: intercept, asymmetric: deliver, flood: unlimited`);
  });
});

describe('tables of the data plane', () => {
  it('formatFdb is laid out as `show mac address-table`', () => {
    const row = {
      network: 'green',
      mac: '02:00:00:00:00:0b',
      interface: 'trunk0.10',
      vlan: 10,
      source: 'learned',
      ageSeconds: 5,
      moves: 1,
      vm: 'web',
    } as const;
    expect(
      formatFdb(
        [row, { ...row, mac: '02:00:00:00:10:01', interface: 'ext0', vlan: 0, moves: 0, vm: null }],
        plain,
      ),
    ).toBe(`Network  Vlan  Mac Address        Type          Age  Ports      Moves  VM
green      10  02:00:00:00:00:0b  learned  00:00:05  trunk0.10      1  web
green       -  02:00:00:00:10:01  learned  00:00:05  ext0           0  -

Total Mac Addresses: 2`);
  });

  it('formatNeighbors is laid out as `show ip arp`', () => {
    expect(
      formatNeighbors(
        [
          {
            address: '172.16.0.1',
            mac: '02:00:00:00:ff:01',
            interface: 'wan',
            state: 'REACHABLE',
            source: 'learned',
            ageSeconds: 3,
          },
          {
            address: '172.16.0.9',
            mac: null,
            interface: 'wan',
            state: 'FAILED',
            source: 'learned',
            ageSeconds: null,
          },
        ],
        plain,
      ),
    ).toBe(`Address     Hardware Addr      Interface  State           Age  Source
172.16.0.1  02:00:00:00:ff:01  wan        REACHABLE  00:00:03  learned
172.16.0.9  (incomplete)       wan        FAILED            -  learned`);
  });

  it('formatFib shows every next hop, and how much the limit left out', () => {
    const hop = {
      kind: 'via',
      address: '172.16.0.1',
      interface: 'wan',
      mac: '02:00:00:00:ff:01',
      packets: 12,
      bytes: 1200,
    } as const;
    const nextHops = [hop, { ...hop, address: '172.16.0.5', mac: null, packets: 0, bytes: 0 }];
    const fib = {
      layout: 'dir-24-8',
      prefixes: 3,
      bytes: 3 << 19,
      omitted: 2,
      entries: [{ prefix: '10.0.0.0/8', source: 'bgp', nextHops }],
    } as const;
    expect(formatFib(fib, plain)).toBe(`3 prefixes, layout dir-24-8, 1.5 MiB in use

Prefix      Source  Kind  Next Hop    Interface  MAC                Packets  Bytes
10.0.0.0/8  bgp     via   172.16.0.1  wan        02:00:00:00:ff:01       12   1200
                    via   172.16.0.5  wan        unresolved               0      0
2 more: --limit shows them`);
  });

  it('formatPorts shows what each port counts', () => {
    const stats = { ...createPortStats(), rxPackets: 5, txPackets: 6, txDropped: 7 };
    const port = {
      name: 'wan0',
      kind: 'af-packet',
      source: 'config',
      up: true,
      mac: null,
      mtu: 1500,
      offload: true,
      detail: 'eth1',
      interfaces: ['wan', 'wan.10'],
      stats,
    } as const;
    expect(
      formatPorts([port], plain),
    ).toBe(`Port  Kind       State  MAC  Detail  Interfaces   MTU  RxPkts  TxPkts  RxDrop  RxTrunc  RxInval  TxDrop
wan0  af-packet  up     -    eth1    wan wan.10  1500       5       6       0        0        0       7`);
  });

  it('formatCounters says whether the conservation law holds', () => {
    const totals = Object.fromEntries(TOTAL_NAMES.map((n) => [n, 0])) as Record<TotalName, number>;
    const counters = { totals, imbalance: 0, reasons: [], interfaces: [] };
    expect(formatCounters(counters, plain)).toContain('received + originated + replicated = sent + dropped');
    expect(formatCounters({ ...counters, imbalance: 3 }, plain)).toContain('3 packets are not accounted for');
  });
});

describe('formatTable', () => {
  const columns = [{ head: 'A' }, { head: 'N', align: 'right' }, { head: 'B' }] as const;

  it('keeps columns apart whatever a cell holds, and lets no control character through', () => {
    expect(
      formatTable(
        columns,
        [
          ['x\u001b[31m\ny', 1, 'b\u202e'],
          ['z', 1000, ''],
        ],
        plain,
      ),
    ).toBe(['A            N  B', 'x [31m y     1  b', 'z         1000'].join('\n'));
  });

  it('colours cells without moving columns', () => {
    const lines = formatTable(columns, [[['x', coloured.good], 1, 'b']], coloured).split('\n');
    expect(lines[1]).toBe('\u001b[32mx\u001b[39m  1  b');
  });
});

describe('createStyle', () => {
  it.each([
    ['a terminal', true, {}, true],
    ['a pipe', false, {}, false],
    ['NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR, which does not count', true, { NO_COLOR: '' }, true],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
    ['FORCE_COLOR in a pipe', false, { FORCE_COLOR: '1' }, true],
    ['NO_COLOR against FORCE_COLOR', true, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('with %s', (_what, isTTY, env, expected) => {
    expect(createStyle({ isTTY }, env).bold('x') !== 'x').toBe(expected);
  });
});

describe('formatAge', () => {
  it.each([
    [0, '00:00:00'],
    [3661.9, '01:01:01'],
    [86_399, '23:59:59'],
    [86_400, '1d00h00m'],
    [788_645, '1w2d03h'],
    [-5, '00:00:00'],
  ])('shows %d s as %s', (seconds, text) => {
    expect(formatAge(seconds)).toBe(text);
  });
});

describe('createLog', () => {
  const written = (isTTY: boolean, level: 'info' | 'error' = 'info'): string => {
    let text = '';
    const stderr = {
      isTTY,
      write: (line: string) => {
        text += line;
      },
    };
    const log = createLog({ stdout: stderr, stderr, env: { NO_COLOR: '1' } }, level);
    log.warn({ port: 'wan0', hint: 'a\nb\u001b[31m' }, 'device is gone');
    return text;
  };

  it('writes a line for people on a terminal', () => {
    expect(written(true)).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}device is gone port=wan0 hint=a b \[31m\n$/,
    );
  });

  it('writes JSON lines elsewhere', () => {
    expect(JSON.parse(written(false))).toEqual({
      level: 'warn',
      time: expect.any(String),
      port: 'wan0',
      hint: 'a\nb\u001b[31m',
      msg: 'device is gone',
    });
  });

  it('leaves out what is below the level', () => {
    expect(written(true, 'error')).toBe('');
    expect(formatLogLine('{"level":"info","time":"2026-01-01T00:00:00.000Z"}', plain)).toBe(
      '00:00:00.000 INFO  \n',
    );
  });
});
