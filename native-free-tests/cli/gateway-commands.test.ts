import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TraceRow } from '../../src/gateway/api.ts';
import { type FakeGateway, startFakeGateway, VM, vmUnknown } from '../gateway/fake-gateway.ts';
import { nearhop } from './run-cli.ts';

const TRACE: TraceRow = {
  id: 7,
  from: 0,
  at: '2026-01-01T00:00:00.000Z',
  port: 'vm1',
  lengthBytes: 98,
  packet: 'IPv4 192.168.10.11 > 192.0.2.1: ICMP echo request',
  steps: [],
  stepsLost: 0,
  text: '#7 vm1\n  ip4-lookup \u001b]0;x\u0007 via wan',
};

let gateway: FakeGateway;
beforeAll(async () => {
  gateway = await startFakeGateway({
    'show.vms': () => [],
    'show.fdb': (_params, call) => {
      call.warn('the data plane is busy');
      return [];
    },
    'vm.add': () => VM,
    'vm.migrate': () => VM,
    'vm.set-ip': () => VM,
    'vm.remove': ({ vm }) => (vm === 'x' ? vmUnknown() : { removed: vm }),
    'trace.start': () => ({ from: 7 }),
    'trace.read': (_params, call) => {
      call.emit(TRACE);
      return { packets: 1, next: 8, lost: 2 };
    },
    events: () => ({ events: 0 }),
  });
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.asked.length = 0;
});

const at = (line: string): Promise<{ code: number; stdout: string; stderr: string }> =>
  nearhop([...line.split(' '), '--socket', gateway.path]);

describe('runCli with a gateway', () => {
  it('gives [] for an empty list in the envelope, and the head alone as text', async () => {
    expect((await at('vm ls --json')).stdout).toBe(
      '{"nearhop":1,"command":"vm ls","ok":true,"data":[],"warnings":[]}\n',
    );
    expect((await at('vm ls')).stdout).toMatch(/^VM +Network .*\n$/);
  });

  it('shows warnings of the gateway on stderr, or in the envelope', async () => {
    expect((await at('show fdb')).stderr).toBe('warning: the data plane is busy\n');
    const { stdout, stderr } = await at('show fdb --json');
    expect([JSON.parse(stdout).warnings, stderr]).toEqual([['the data plane is busy'], '']);
  });

  it.each([
    ['show routes 10.0.0.1 --source bgp', 'show.routes', { prefix: '10.0.0.1', source: 'bgp' }],
    ['show networks green', 'show.networks', { network: 'green' }],
    ['show fib', 'show.fib', { limit: 1000 }],
    ['show fib 10.0.0.1 --limit 5', 'show.fib', { address: '10.0.0.1', limit: 5 }],
    ['show counters --all', 'show.counters', { all: true }],
    ['show bgp --routes', 'show.bgp', { routes: true }],
    ['show ports', 'show.ports', {}],
    ['show neighbors', 'show.neighbors', {}],
    ['status', 'status', {}],
    ['vm migrate web power-cycle', 'vm.migrate', { vm: 'web', kind: 'power-cycle' }],
    [
      'vm set-ip web 192.168.10.11 192.168.10.12',
      'vm.set-ip',
      { vm: 'web', addresses: ['192.168.10.11', '192.168.10.12'] },
    ],
    ['vm set-ip web', 'vm.set-ip', { vm: 'web', addresses: [] }],
    ['vm mark-learned web', 'vm.mark-learned', { vm: 'web' }],
    ['vm remove web', 'vm.remove', { vm: 'web' }],
    [
      'vm add web --network green --mac 02:00:00:00:00:0b --ip 192.168.10.11 --location target --vm-gateway target',
      'vm.add',
      {
        name: 'web',
        network: 'green',
        mac: '02:00:00:00:00:0b',
        addresses: ['192.168.10.11'],
        location: 'target',
        gateway: 'target',
      },
    ],
  ])('asks for `%s`', async (line, request, params) => {
    const { code } = await at(`${line} --json`);
    expect([code, gateway.asked]).toEqual([0, [[request, params]]]);
  });

  it('fails with 1 and the error of the gateway', async () => {
    expect(await at('vm remove x')).toEqual({
      code: 1,
      stdout: '',
      stderr: "error: no VM 'x' [vm-unknown]\nhint: VMs: web\n",
    });
    expect(JSON.parse((await at('vm remove x --json')).stdout)).toEqual({
      nearhop: 1,
      command: 'vm remove',
      ok: false,
      error: { code: 'vm-unknown', message: "no VM 'x'", hint: 'VMs: web' },
    });
  });

  it('fails with 1 when no gateway runs', async () => {
    const { code, stderr } = await nearhop('show routes --socket /nonexistent/x.sock');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: no gateway answers on \/nonexistent\/x\.sock \[gateway-not-running\]\nhint: /,
    );
  });

  it('shows the VM as it is after a command', async () => {
    expect((await at('vm migrate web bulk')).stdout).toBe(
      'VM   Network  MAC                Addresses      Site    Gateway  State          Route     Seq  Port  Source  Alarm\n' +
        'web  green    02:00:00:00:00:0b  192.168.10.11  target  target   LOCAL_PENDING  injected    1  vm1   config\n',
    );
  });
});

describe('nearhop trace', () => {
  it('starts a trace with the filter, prints its packets and says how many were lost', async () => {
    const { code, stdout, stderr } = await at(
      'trace --host 192.168.10.11 --port 80 --proto tcp --vlan 0 --count 3',
    );
    expect(code).toBe(0);
    expect(gateway.asked).toEqual([
      ['trace.start', { host: '192.168.10.11', port: 80, protocol: 'tcp', vlan: 0, count: 3 }],
      ['trace.read', { from: 7, follow: true }],
    ]);
    expect(stdout).toBe('#7 vm1\n  ip4-lookup  ]0;x  via wan\n');
    expect(stderr).toBe(
      'tracing; Ctrl-C ends it\n1 packets traced, 2 more were overwritten before they could be read\n',
    );
  });

  it('writes one envelope with all packets, or one a line with --follow', async () => {
    const { stdout } = await at('trace --json');
    expect(JSON.parse(stdout)).toEqual({
      nearhop: 1,
      command: 'trace',
      ok: true,
      data: [TRACE],
      warnings: [],
    });
    const lines = (await at('trace --json --follow')).stdout.trim().split('\n');
    expect(lines.map((l) => JSON.parse(l).data.id)).toEqual([7]);
  });
});

describe('nearhop events', () => {
  it('gives [] when nothing happened', async () => {
    expect(JSON.parse((await at('events --json')).stdout).data).toEqual([]);
    expect((await at('events')).stdout).toBe('');
  });
});
