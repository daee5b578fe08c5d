import { expect, it } from 'vitest';
import { ifIndex } from '../../src/base/ids.ts';
import { ADJ_REWRITE, AdjacencyTable, RESOLVED } from '../../src/tables/adjacency-table.ts';
import { Epoch, EpochReader } from '../../src/tables/epoch.ts';

const HI = 0x0200;

function pair() {
  const epoch = new Epoch();
  const main = new AdjacencyTable({ workers: 2 });
  const owner = new AdjacencyTable({ shared: main.shared, epoch: new Epoch(epoch.buffer) });
  const carrier = new AdjacencyTable({ shared: main.shared, worker: 1 });
  return { main, owner, carrier, reader: new EpochReader(epoch.buffer) };
}

it('AdjacencyTable.settle shows other workers what the owner has resolved', () => {
  const { main, owner, carrier } = pair();
  const adj = main.acquire(ADJ_REWRITE, ifIndex(1), 7);
  expect(owner.resolve(adj, HI, 1)).toBe(true);
  expect([owner.isResolved(adj), carrier.resolved[adj] === RESOLVED]).toEqual([true, false]);
  owner.settle();
  expect(carrier.resolved[adj]).toBe(RESOLVED);
});

it('AdjacencyTable.settle leaves a row alone that was taken away in the same round', () => {
  const { main, owner, carrier } = pair();
  const adj = main.acquire(ADJ_REWRITE, ifIndex(1), 7);
  owner.resolve(adj, HI, 1);
  owner.unresolve(adj);
  owner.settle();
  expect(carrier.resolved[adj]).toBe(0);
});

it('AdjacencyTable.resolve changes a MAC only when every worker has begun a round without it', () => {
  const { main, owner, carrier, reader } = pair();
  const adj = main.acquire(ADJ_REWRITE, ifIndex(1), 7);
  owner.resolve(adj, HI, 1);
  owner.settle();
  reader.beginRound();
  expect(owner.resolve(adj, HI, 2)).toBe(false);
  expect([carrier.resolved[adj], carrier.macLo[adj]]).toEqual([0, 1]);
  expect(owner.resolve(adj, HI, 2)).toBe(false);
  expect(owner.resolve(adj, HI, 1), 'the MAC that it had').toBe(true);
  expect(owner.resolve(adj, HI, 2)).toBe(false);
  reader.beginRound();
  expect(owner.resolve(adj, HI, 2)).toBe(true);
  owner.settle();
  expect([carrier.resolved[adj], carrier.macLo[adj]]).toEqual([RESOLVED, 2]);
});

it('AdjacencyTable counts each worker in columns of its own, and acquire clears all of them', () => {
  const { main, owner, carrier } = pair();
  const adj = main.acquire(ADJ_REWRITE, ifIndex(1), 7);
  owner.packets[adj] += 2;
  owner.bytes[adj] += 120;
  carrier.packets[adj] += 3;
  carrier.bytes[adj] += 180;
  expect([main.allPackets(adj), main.allBytes(adj)]).toEqual([5, 300]);
  main.release(adj);
  main.recycle(adj);
  expect(main.acquire(ADJ_REWRITE, ifIndex(2), 8)).toBe(adj);
  expect([main.allPackets(adj), main.allBytes(adj)]).toEqual([0, 0]);
});
