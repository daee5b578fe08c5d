// Every move, with what it asks of the rest of the gateway and in which order. The side of the VM in the data plane's table
// is written down beside each action, as it stands at that moment.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import { NearhopError } from '../../src/base/errors.ts';
import { MIGRATE_KINDS, type VmState, vmIsLocal } from '../../src/mobility/vm.ts';
import { type MobilityActions, VmInventory, type VmSpec } from '../../src/mobility/vm-inventory.ts';
import { NetworkTable, STALE_INTERCEPT } from '../../src/tables/network-table.ts';
import { SIDE_TARGET, VmTable } from '../../src/tables/vm-table.ts';

const HI = 0x0200;
const WEB = 0xaa01;
const WEB_IP = parseIpv4('192.168.10.11');

let networks: NetworkTable;
let table: VmTable;
let inventory: VmInventory;
let done: string[];

/** What was done since the last look. */
const actions = (): string[] => done.splice(0);
const sideOf = (macLo: number): string => {
  const row = table.find(0, HI, macLo);
  return row < 0 ? 'absent' : table.side[row] === SIDE_TARGET ? 'target' : 'source';
};

function network(name: string, subnet: string, prefixLen: number, proximity: boolean): void {
  const prefix = parseIpv4(subnet);
  networks.add({
    ...{ name, subnet: prefix, prefixLen, gatewayIp: prefix + 1, proximity, stale: STALE_INTERCEPT },
    ...{ targetMacHi: HI, targetMacLo: 0x10fe, sourceMacHi: HI, sourceMacLo: 0x1001 },
    ...{ dropAsymmetric: false, mssClamp: false, floodPps: 0 },
  });
}

const spec = (more: Partial<VmSpec> = {}): VmSpec => ({
  ...{ name: 'web', network: 'green', macHi: HI, macLo: WEB, addresses: [WEB_IP], state: 'AT_SOURCE' },
  ...more,
});

beforeEach(() => {
  done = [];
  networks = new NetworkTable();
  network('green', '192.168.10.0', 24, true);
  network('plain', '192.168.20.0', 24, false);
  network('pair', '192.168.30.0', 31, true);
  table = new VmTable(4);
  const note = (text: string, macLo?: number): void => {
    done.push(macLo === undefined ? text : `${text}, side ${sideOf(macLo)}`);
  };
  const recording: MobilityActions = {
    injectRoute: (_network, ip) => note(`inject ${formatIpv4(ip)}`, WEB),
    withdrawRoute: (_network, ip) => note(`withdraw ${formatIpv4(ip)}`, WEB),
    announceVm: (_network, _hi, macLo, at) => note(`announce VM at ${at}`, macLo),
    announceGateway: (_network, _hi, macLo, ip) => note(`announce gateway to ${formatIpv4(ip)}`, macLo),
  };
  inventory = new VmInventory(networks, table, recording);
});

const LOCAL_ACTIONS = ['inject 192.168.10.11, side target', 'announce gateway to 192.168.10.11, side target'];

describe('VmInventory.add', () => {
  it.each<[VmState, string, string[]]>([
    ['AT_SOURCE', 'none', []],
    ['PINNED', 'none', []],
    ['NO_IP', 'none', []],
    ['LOCAL_PENDING', 'injected', LOCAL_ACTIONS],
  ])('a VM that is %s', (state, route, expected) => {
    expect(inventory.add(spec({ state }))).toMatchObject({ state, route, seq: 0, alarm: '' });
    expect(sideOf(WEB)).toBe(state === 'LOCAL_PENDING' ? 'target' : 'source');
    expect(actions()).toEqual(expected);
  });

  it('keeps an address that is named twice once', () => {
    const vm = inventory.add(spec({ state: 'LOCAL_PENDING', addresses: [WEB_IP, WEB_IP] }));
    expect(vm.addresses).toEqual([WEB_IP]);
    expect(actions()).toEqual(LOCAL_ACTIONS);
  });

  it.each<[string, string, Partial<VmSpec>]>([
    ['an unknown network', 'network-unknown', { network: 'blue' }],
    ['a name that is there', 'vm-duplicate', { name: 'db', macLo: 9, addresses: [] }],
    ['a MAC that is there', 'vm-duplicate', { macLo: 0xdb, addresses: [] }],
    ['an address that is there', 'vm-duplicate', { addresses: [WEB_IP + 1] }],
    ["the target gateway's MAC", 'mac-unsuitable', { macLo: 0x10fe }],
    ["the source gateway's MAC", 'mac-unsuitable', { macLo: 0x1001 }],
    ['a group MAC', 'mac-unsuitable', { macHi: 0x0100 }],
    ['the MAC 0', 'mac-unsuitable', { macHi: 0, macLo: 0 }],
    ['an address of another subnet', 'address-outside', { addresses: [parseIpv4('192.168.11.11')] }],
    ["the gateway's address", 'address-outside', { addresses: [parseIpv4('192.168.10.1')] }],
    ["the subnet's own address", 'address-outside', { addresses: [parseIpv4('192.168.10.0')] }],
    ["the subnet's broadcast address", 'address-outside', { addresses: [parseIpv4('192.168.10.255')] }],
    ['one bad address among good ones', 'address-outside', { addresses: [WEB_IP, 0] }],
  ])('refuses %s, and has changed nothing', (_what, code, more) => {
    inventory.add(spec({ name: 'db', macLo: 0xdb, addresses: [WEB_IP + 1] }));
    expect(() => inventory.add(spec({ state: 'LOCAL_PENDING', ...more }))).toThrow(
      expect.objectContaining({ code }),
    );
    expect(inventory.list().map((vm) => vm.name)).toEqual(['db']);
    expect([actions(), sideOf(WEB)]).toEqual([[], 'absent']);
  });

  it('takes the same MAC and address in another network: they are other VMs', () => {
    inventory.add(spec());
    const other = { name: 'other', network: 'plain', addresses: [parseIpv4('192.168.20.11')] };
    expect(inventory.add(spec(other)).network).toBe(1);
  });

  it('takes both addresses of a /31 but the gateway (RFC 3021)', () => {
    const pair = { network: 'pair', addresses: [parseIpv4('192.168.30.0')] };
    expect(inventory.add(spec(pair)).addresses).toEqual([parseIpv4('192.168.30.0')]);
  });

  it('refuses a VM beyond the capacity of the table, and does not list it', () => {
    for (let i = 0; i < 4; i++) inventory.add(spec({ name: `vm${i}`, macLo: i + 1, addresses: [] }));
    expect(() => inventory.add(spec())).toThrow(expect.objectContaining({ code: 'vm-table-full' }));
    expect(inventory.list()).toHaveLength(4);
    expect(() => inventory.get('web')).toThrow(expect.objectContaining({ code: 'vm-unknown' }));
  });
});

describe('VmInventory.migrate', () => {
  it.each(['bulk', 'dr'] as const)(
    '%s: side first, then the way there, the route, the gateway (S18)',
    (kind) => {
      inventory.add(spec());
      expect(inventory.migrate('web', kind)).toMatchObject({
        ...{ state: 'LOCAL_PENDING', route: 'injected', seq: 1 },
      });
      expect(actions()).toEqual(['announce VM at target, side target', ...LOCAL_ACTIONS]);
    },
  );

  it('vmotion moves the VM and nothing else; its power cycle switches it (S19)', () => {
    inventory.add(spec());
    expect(inventory.migrate('web', 'vmotion')).toMatchObject({ state: 'PINNED', route: 'none', seq: 1 });
    expect(actions()).toEqual(['announce VM at target, side source']);
    expect(inventory.migrate('web', 'power-cycle')).toMatchObject({
      ...{ state: 'LOCAL_PENDING', route: 'injected', seq: 1 },
    });
    expect(actions()).toEqual(LOCAL_ACTIONS);
    inventory.migrate('web', 'power-cycle');
    expect(actions()).toEqual([]);
  });

  it('a VM without a known IP waits for the report of one (S23, S24)', () => {
    inventory.add(spec({ addresses: [] }));
    expect(inventory.migrate('web', 'bulk')).toMatchObject({ state: 'NO_IP', route: 'none', seq: 1 });
    expect(actions()).toEqual(['announce VM at target, side source']);
    expect(inventory.setAddresses('web', [WEB_IP])).toMatchObject({
      ...{ state: 'LOCAL_PENDING', route: 'injected' },
    });
    expect(actions()).toEqual(LOCAL_ACTIONS);
    expect(table.findLocalByIp(0, WEB_IP)).toBe(table.find(0, HI, WEB));
  });

  it.each(['LOCAL_PENDING', 'LOCAL'] as const)(
    'reverse of a %s VM withdraws first, then switches',
    (state) => {
      inventory.add(spec({ state: 'LOCAL_PENDING' }));
      if (state === 'LOCAL') inventory.markLearned('web');
      actions();
      expect(inventory.migrate('web', 'reverse')).toMatchObject({
        state: 'AT_SOURCE',
        route: 'none',
        seq: 1,
      });
      expect(actions()).toEqual([
        'withdraw 192.168.10.11, side target',
        'announce VM at source, side source',
      ]);
    },
  );

  it.each(['PINNED', 'NO_IP'] as const)('reverse of a %s VM has no route to withdraw', (state) => {
    inventory.add(spec({ state }));
    inventory.migrate('web', 'reverse');
    expect(actions()).toEqual(['announce VM at source, side source']);
  });

  it('counts every move, there and back, as one', () => {
    inventory.add(spec());
    const kinds = ['bulk', 'reverse', 'vmotion', 'power-cycle', 'reverse'] as const;
    expect(kinds.map((kind) => inventory.migrate('web', kind).seq)).toEqual([1, 2, 3, 3, 4]);
  });

  it('gives each address of a VM a route of its own', () => {
    inventory.add(spec({ addresses: [WEB_IP, WEB_IP + 1] }));
    inventory.migrate('web', 'bulk');
    expect(actions().filter((a) => a.startsWith('inject'))).toEqual([
      'inject 192.168.10.11, side target',
      'inject 192.168.10.12, side target',
    ]);
    inventory.migrate('web', 'reverse');
    expect(actions().filter((a) => a.startsWith('withdraw'))).toHaveLength(2);
  });

  it('pins the VM where proximity routing is off (S3)', () => {
    inventory.add(spec({ network: 'plain', addresses: [parseIpv4('192.168.20.11')] }));
    expect(inventory.migrate('web', 'bulk')).toMatchObject({ state: 'PINNED', route: 'none' });
  });

  it('refuses what cannot be and changes nothing', () => {
    const vm = { ...inventory.add(spec()) };
    expect(() => inventory.migrate('web', 'power-cycle')).toThrow(
      expect.objectContaining({ code: 'transition-invalid' }),
    );
    expect(() => inventory.migrate('nobody', 'bulk')).toThrow(
      expect.objectContaining({ code: 'vm-unknown', hint: 'VMs: web' }),
    );
    expect([inventory.get('web'), actions()]).toEqual([vm, []]);
  });
});

describe('VmInventory.setAddresses', () => {
  it('withdraws the old route and injects the new one, which nobody has learned yet', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    inventory.markLearned('web');
    actions();
    expect(inventory.setAddresses('web', [WEB_IP + 4])).toMatchObject({
      ...{ addresses: [WEB_IP + 4], state: 'LOCAL_PENDING', route: 'injected' },
    });
    expect(actions()).toEqual(['withdraw 192.168.10.11, side target', 'inject 192.168.10.15, side target']);
    expect(table.findLocalByIp(0, WEB_IP)).toBe(-1);
    expect(table.findLocalByIp(0, WEB_IP + 4)).toBe(table.find(0, HI, WEB));
  });

  it('touches only the routes of addresses that came or went', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    inventory.markLearned('web');
    actions();
    inventory.setAddresses('web', [WEB_IP, WEB_IP + 4]);
    expect(actions()).toEqual(['inject 192.168.10.15, side target']);
    inventory.markLearned('web');
    expect(inventory.setAddresses('web', [WEB_IP])).toMatchObject({ state: 'LOCAL', route: 'learned' });
    expect(actions()).toEqual(['withdraw 192.168.10.15, side target']);
  });

  it('keeps the last addresses when the report is lost: that is no move', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    actions();
    expect(inventory.setAddresses('web', [])).toMatchObject({ addresses: [WEB_IP], state: 'LOCAL_PENDING' });
    expect(actions()).toEqual([]);
    expect(inventory.get('web').stale).toBe(true);
    inventory.setAddresses('web', [...inventory.get('web').addresses]);
    expect(inventory.get('web').stale).toBe(false);
  });

  it.each<VmState>(['AT_SOURCE', 'PINNED'])('of a %s VM makes no route', (state) => {
    inventory.add(spec({ state, addresses: [] }));
    expect(inventory.setAddresses('web', [WEB_IP])).toMatchObject({ state, addresses: [WEB_IP] });
    expect([actions(), table.findPinnedByIp(0, WEB_IP)]).toEqual([[], table.find(0, HI, WEB)]);
  });

  it('refuses an address outside of the subnet, or of another VM, and changes nothing', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    inventory.add(spec({ name: 'db', macLo: 0xdb, addresses: [WEB_IP + 1] }));
    actions();
    const refuse = (ip: number, code: string): void => {
      expect(() => inventory.setAddresses('web', [WEB_IP + 5, ip])).toThrow(
        expect.objectContaining({ code }),
      );
    };
    refuse(parseIpv4('10.0.0.1'), 'address-outside');
    refuse(parseIpv4('192.168.10.255'), 'address-outside');
    refuse(WEB_IP + 1, 'vm-duplicate');
    expect([inventory.get('web').addresses, actions()]).toEqual([[WEB_IP], []]);
  });
});

describe('VmInventory, what was seen', () => {
  it('markLearned makes a local VM LOCAL, and no other (S17, S25)', () => {
    inventory.add(spec());
    expect(() => inventory.markLearned('web')).toThrow(
      expect.objectContaining({ code: 'transition-invalid' }),
    );
    inventory.migrate('web', 'bulk');
    expect(inventory.markLearned('web')).toMatchObject({ state: 'LOCAL', route: 'learned', alarm: '' });
  });

  it('sawAsymmetric takes a LOCAL VM back to LOCAL_PENDING with an alarm, until it is learned (S14)', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    const { network } = inventory.markLearned('web');
    actions();
    expect(inventory.sawAsymmetric(network, HI, WEB)).toMatchObject({
      ...{ state: 'LOCAL_PENDING', route: 'injected', alarm: expect.stringContaining('not-learned') },
    });
    expect([actions(), sideOf(WEB)]).toEqual([[], 'target']);
    expect(inventory.markLearned('web').alarm).toBe('');
  });

  it('sawAsymmetric leaves a VM that is not local, or not known', () => {
    const { network } = inventory.add(spec({ state: 'PINNED' }));
    expect(inventory.sawAsymmetric(network, HI, WEB)).toBeUndefined();
    expect(inventory.sawAsymmetric(network, HI, 0x77)).toBeUndefined();
    expect(inventory.get('web')).toMatchObject({ state: 'PINNED', alarm: '' });
  });

  it('remove withdraws the routes before the VM is forgotten', () => {
    inventory.add(spec({ state: 'LOCAL_PENDING' }));
    actions();
    inventory.remove('web');
    expect([actions(), sideOf(WEB)]).toEqual([['withdraw 192.168.10.11, side target'], 'absent']);
    expect(() => inventory.remove('web')).toThrow(
      expect.objectContaining({ code: 'vm-unknown', hint: 'the inventory is empty' }),
    );
  });
});

describe('VmInventory, after any sequence of moves', () => {
  it('has one route for each address of each local VM, and the side that its state says', () => {
    const step = fc.record({
      vm: fc.nat(2),
      what: fc.constantFrom(...MIGRATE_KINDS, 'learned', 'asymmetric', 'addresses', 'remove', 'add'),
      addresses: fc.uniqueArray(fc.integer({ min: 2, max: 20 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const routes = new Map<number, number>();
        const bump = (ip: number, by: number): void => void routes.set(ip, (routes.get(ip) ?? 0) + by);
        const vms = new VmTable(16);
        const all = new VmInventory(networks, vms, {
          injectRoute: (_n, ip) => bump(ip, 1),
          withdrawRoute: (_n, ip) => bump(ip, -1),
          announceVm: () => {},
          announceGateway: () => {},
        });
        for (const { vm, what, addresses } of steps) {
          const name = `vm${vm}`;
          const ips = addresses.map((a) => parseIpv4('192.168.10.0') + a);
          try {
            if (what === 'add') all.add(spec({ name, macLo: vm + 1, addresses: ips }));
            else if (what === 'remove') all.remove(name);
            else if (what === 'learned') all.markLearned(name);
            else if (what === 'asymmetric') all.sawAsymmetric(all.get(name).network, HI, vm + 1);
            else if (what === 'addresses') all.setAddresses(name, ips);
            else all.migrate(name, what);
          } catch (error) {
            if (!(error instanceof NearhopError)) throw error;
          }
        }
        const expected = new Map<number, number>();
        for (const vm of all.list()) {
          const row = vms.find(vm.network, vm.macHi, vm.macLo);
          expect(vms.side[row] === SIDE_TARGET, `${vm.name} ${vm.state}`).toBe(vmIsLocal(vm));
          expect(vm.route === 'none', `${vm.name} ${vm.state}`).toBe(!vmIsLocal(vm));
          if (vm.state === 'NO_IP') expect(vm.addresses).toEqual([]);
          if (vmIsLocal(vm)) for (const ip of vm.addresses) expected.set(ip, 1);
        }
        expect(new Map([...routes].filter(([, count]) => count !== 0))).toEqual(expected);
      }),
    );
  });
});
