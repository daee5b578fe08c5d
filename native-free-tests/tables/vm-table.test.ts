import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { networkId } from '../../src/base/ids.ts';
import { SIDE_SOURCE, SIDE_TARGET, VmTable } from '../../src/tables/vm-table.ts';

const HI = 0x0200;
const net = networkId;

describe('VmTable', () => {
  it('is a Map from (network, MAC) to side and address, after any sequence of operations', () => {
    const op = fc.record({
      remove: fc.boolean(),
      network: fc.nat(1),
      mac: fc.nat(7),
      side: fc.constantFrom(SIDE_SOURCE, SIDE_TARGET),
      ip: fc.nat(5),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 150 }), (ops) => {
        const table = new VmTable(16);
        const reader = new VmTable(16, table.buffer);
        const model = new Map<string, { network: number; mac: number; side: number; ip: number }>();
        for (const o of ops) {
          const key = `${o.network}/${o.mac}`;
          if (o.remove) {
            table.remove(net(o.network), HI, o.mac);
            model.delete(key);
          } else {
            table.set(net(o.network), HI, o.mac, o.side, o.ip);
            model.set(key, { network: o.network, mac: o.mac, side: o.side, ip: o.ip });
          }
        }
        for (let network = 0; network < 2; network++) {
          for (let mac = 0; mac < 8; mac++) {
            const row = reader.find(network, HI, mac);
            const known = model.get(`${network}/${mac}`);
            expect(row >= 0).toBe(known !== undefined);
            if (known !== undefined)
              expect([reader.side[row], reader.ip[row]]).toEqual([known.side, known.ip]);
          }
          for (let ip = 1; ip < 6; ip++) {
            for (const side of [SIDE_SOURCE, SIDE_TARGET]) {
              const row =
                side === SIDE_TARGET ? reader.findLocalByIp(network, ip) : reader.findPinnedByIp(network, ip);
              const macs = [...model.values()]
                .filter((v) => v.network === network && v.ip === ip && v.side === side)
                .map((v) => v.mac);
              if (row < 0) expect(macs).toEqual([]);
              else expect(macs).toContain(reader.macLo[row]);
            }
          }
        }
      }),
    );
  });

  it('finds by address however often addresses change', () => {
    const table = new VmTable(4);
    for (let ip = 1; ip < 100; ip++) {
      table.set(net(0), HI, 1, SIDE_TARGET, ip);
      const row = table.findLocalByIp(0, ip);
      expect(table.macLo[row]).toBe(1);
      expect(table.findLocalByIp(0, ip - 1)).toBe(-1);
    }
  });

  it('knows nobody by the address zero, which means unknown', () => {
    const table = new VmTable(4);
    for (let mac = 1; mac <= 4; mac++) {
      table.set(net(0), HI, mac, SIDE_TARGET, mac);
      table.set(net(0), HI, mac, SIDE_TARGET, 0);
    }
    expect(table.findLocalByIp(0, 0)).toBe(-1);
  });

  it('refuses more VMs than it has room for, but not those that come back', () => {
    const table = new VmTable(4);
    for (let mac = 1; mac <= 4; mac++) table.set(net(0), HI, mac, SIDE_SOURCE, 0);
    expect(() => table.set(net(0), HI, 5, SIDE_SOURCE, 0)).toThrow(
      expect.objectContaining({ code: 'vm-table-full' }),
    );
    for (let n = 0; n < 20; n++) {
      table.remove(net(0), HI, 2);
      expect(table.find(0, HI, 2)).toBe(-1);
      table.set(net(0), HI, 2, SIDE_TARGET, 9);
    }
    expect(table.findLocalByIp(0, 9)).toBe(table.find(0, HI, 2));
  });
});
