import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FDB_MIGRATED,
  FDB_STATIC,
  Fdb,
  LEARN_FULL,
  LEARN_KNOWN,
  LEARN_MOVED,
  LEARN_NEW,
  LEARN_STATIC,
} from '../../src/tables/fdb.ts';

const HI = 0x0200;

const learnAt = (fdb: Fdb, network: number, hi: number, lo: number, iface: number, nowMs: number): number => {
  fdb.nowMs = nowMs;
  return fdb.learn(network, hi, lo, iface);
};

describe('Fdb', () => {
  it('learns, knows, and sees a move', () => {
    const fdb = new Fdb(8);
    expect(fdb.find(1, HI, 7)).toBe(-1);
    expect(learnAt(fdb, 1, HI, 7, 3, 0)).toBe(LEARN_NEW);
    expect(learnAt(fdb, 1, HI, 7, 3, 5)).toBe(LEARN_KNOWN);
    expect(learnAt(fdb, 1, HI, 7, 4, 6)).toBe(LEARN_MOVED);
    expect(fdb.movedFrom).toBe(3);
    expect(fdb.iface[fdb.find(1, HI, 7)]).toBe(4);
    expect([...fdb.entries()]).toEqual([
      { network: 1, macHi: HI, macLo: 7, iface: 4, source: 'learned', seenMs: 6, moves: 1 },
    ]);
  });

  it('keeps networks apart', () => {
    const fdb = new Fdb(8);
    learnAt(fdb, 1, HI, 7, 3, 0);
    expect(fdb.find(2, HI, 7)).toBe(-1);
    expect(learnAt(fdb, 2, HI, 7, 5, 0)).toBe(LEARN_NEW);
    expect(fdb.iface[fdb.find(1, HI, 7)]).toBe(3);
  });

  it('ages what is learned or migrated, never what is static', () => {
    const fdb = new Fdb(8, 300);
    learnAt(fdb, 0, HI, 1, 1, 0);
    fdb.set(0, HI, 2, 1, FDB_MIGRATED, 0);
    fdb.set(0, HI, 3, 1, FDB_STATIC, 0);
    learnAt(fdb, 0, HI, 4, 1, 200);
    fdb.age(300);
    expect(fdb.size).toBe(4);
    fdb.age(1301);
    expect([...fdb.entries()].map((e) => [e.macLo, e.source])).toEqual([[3, 'static']]);
    expect(fdb.aged).toBe(3);
  });

  it('age looks at every row within a second, however often it is called', () => {
    const fdb = new Fdb(256, 100);
    fdb.age(0);
    for (let mac = 0; mac < 256; mac++) learnAt(fdb, 0, HI, mac, 1, 0);
    for (let ms = 200; ms <= 1200; ms += 10) fdb.age(ms);
    expect(fdb.size).toBe(0);
  });

  it('refuses what has no room, and keeps what it has', () => {
    const fdb = new Fdb(4);
    for (let mac = 0; mac < 4; mac++) expect(learnAt(fdb, 0, HI, mac, 1, 0)).toBe(LEARN_NEW);
    expect(learnAt(fdb, 0, HI, 9, 1, 0)).toBe(LEARN_FULL);
    expect(fdb.learnedRow).toBe(-1);
    expect(fdb.set(0, HI, 9, 1, FDB_STATIC, 0)).toBe(false);
    expect(fdb.refused).toBe(2);
    for (let mac = 0; mac < 4; mac++) expect(fdb.find(0, HI, mac)).toBeGreaterThanOrEqual(0);
    fdb.remove(0, HI, 2);
    expect(learnAt(fdb, 0, HI, 9, 1, 0)).toBe(LEARN_NEW);
  });

  it('a static entry does not move', () => {
    const fdb = new Fdb(4);
    fdb.set(0, HI, 1, 1, FDB_STATIC, 0);
    expect(learnAt(fdb, 0, HI, 1, 2, 0)).toBe(LEARN_STATIC);
    expect(learnAt(fdb, 0, HI, 1, 1, 0)).toBe(LEARN_KNOWN);
    expect(fdb.iface[fdb.find(0, HI, 1)]).toBe(1);
  });

  it("a migrated entry becomes learned by the VM's own frames", () => {
    const fdb = new Fdb(4);
    fdb.set(0, HI, 1, 1, FDB_MIGRATED, 0);
    learnAt(fdb, 0, HI, 1, 1, 5);
    expect([...fdb.entries()][0]).toMatchObject({ source: 'learned', seenMs: 5, moves: 0 });
  });

  it('flush forgets what is behind one interface, static entries excepted', () => {
    const fdb = new Fdb(16);
    for (let mac = 0; mac < 6; mac++) learnAt(fdb, 0, HI, mac, mac % 2, 0);
    fdb.set(0, HI, 9, 1, FDB_STATIC, 0);
    expect(fdb.flush(1)).toBe(3);
    expect([...fdb.entries()].map((e) => e.macLo).sort()).toEqual([0, 2, 4, 9]);
  });

  it('entries of another view read what the writer has', () => {
    const fdb = new Fdb(16);
    learnAt(fdb, 3, HI, 0xfeedbeef, 2, 77);
    const reader = new Fdb(16, 300_000, fdb.buffer);
    expect([...reader.entries()]).toEqual([...fdb.entries()]);
    expect(reader.size).toBe(1);
  });

  it('is a Map from (network, MAC) with a bound, after any sequence of operations', () => {
    const op = fc.record({
      kind: fc.constantFrom('learn', 'static', 'migrated', 'remove', 'flush', 'age'),
      network: fc.nat(1),
      mac: fc.nat(11),
      iface: fc.nat(3),
      stepMs: fc.nat(400),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 200 }), (ops) => {
        const ageing = 1000;
        const fdb = new Fdb(16, ageing);
        const model = new Map<string, { iface: number; fixed: boolean; seen: number }>();
        let now = 0;
        for (const o of ops) {
          now += o.stepMs;
          const key = `${o.network}/${o.mac}`;
          const known = model.get(key);
          const room = known !== undefined || model.size < 16;
          if (o.kind === 'learn') {
            learnAt(fdb, o.network, HI, o.mac, o.iface, now);
            if (room && !known?.fixed) model.set(key, { iface: o.iface, fixed: false, seen: now });
          } else if (o.kind === 'remove') {
            expect(fdb.remove(o.network, HI, o.mac)).toBe(model.delete(key));
          } else if (o.kind === 'flush') {
            let n = 0;
            for (const [k, e] of model) if (e.iface === o.iface && !e.fixed) n += Number(model.delete(k));
            expect(fdb.flush(o.iface)).toBe(n);
          } else if (o.kind === 'age') {
            now += 1000; // a sweep over all rows
            fdb.age(now);
            for (const [k, e] of model) if (!e.fixed && e.seen < now - ageing) model.delete(k);
          } else {
            const fixed = o.kind === 'static';
            expect(fdb.set(o.network, HI, o.mac, o.iface, fixed ? FDB_STATIC : FDB_MIGRATED, now)).toBe(room);
            if (room) model.set(key, { iface: o.iface, fixed, seen: now });
          }
          expect(fdb.size).toBe(model.size);
        }
        const rows = [...fdb.entries()].map((e) => [`${e.network}/${e.macLo}`, e.iface] as const);
        expect(new Map(rows)).toEqual(new Map([...model].map(([k, e]) => [k, e.iface])));
        for (let iface = 0; iface < 4; iface++) {
          const listed: string[] = [];
          for (let r = fdb.firstOn(iface); r >= 0; r = fdb.nextOn(r))
            listed.push(`${fdb.network[r]}/${fdb.macLo[r]}`);
          expect(listed.sort()).toEqual(
            rows
              .filter(([, i]) => i === iface)
              .map(([k]) => k)
              .sort(),
          );
        }
      }),
    );
  });
});
