import { describe, expect, it } from 'vitest';
import { Epoch, EpochReader } from '../../src/tables/epoch.ts';

describe('Epoch', () => {
  it('reclaim: gives back at once when there is no reader, or all are idle', () => {
    const epoch = new Epoch();
    const reader = new EpochReader(epoch.buffer);
    const freed: number[] = [];
    epoch.retire(() => freed.push(1));
    expect(epoch.reclaim()).toBe(1);
    reader.beginRound();
    reader.idle();
    epoch.retire(() => freed.push(2));
    expect(epoch.reclaim()).toBe(1);
    expect(freed).toEqual([1, 2]);
  });

  it('reclaim: waits for the reader whose round began before the retirement, and for no other', () => {
    const epoch = new Epoch();
    const early = new EpochReader(epoch.buffer);
    const late = new EpochReader(epoch.buffer);
    const freed: number[] = [];
    early.beginRound();
    epoch.retire(() => freed.push(1));
    expect(epoch.reclaim()).toBe(0);
    late.beginRound();
    expect(epoch.reclaim()).toBe(0);
    expect(epoch.pending).toBe(1);
    early.beginRound();
    expect(epoch.reclaim()).toBe(1);
    epoch.retire(() => freed.push(2));
    late.close();
    expect(epoch.reclaim()).toBe(0);
    early.idle();
    expect(epoch.reclaim()).toBe(1);
    expect(freed).toEqual([1, 2]);
  });

  it('reclaim: keeps the order, and frees only what is old enough', () => {
    const epoch = new Epoch();
    const reader = new EpochReader(epoch.buffer);
    const freed: number[] = [];
    epoch.retire(() => freed.push(1));
    epoch.advance();
    reader.beginRound();
    epoch.retire(() => freed.push(2));
    expect(epoch.reclaim()).toBe(1);
    expect(freed).toEqual([1]);
    reader.beginRound();
    expect(epoch.reclaim()).toBe(1);
    expect(freed).toEqual([1, 2]);
  });

  it('synchronize: gives up when a reader stays in its round, and succeeds when none is in one', () => {
    const epoch = new Epoch();
    const reader = new EpochReader(epoch.buffer);
    reader.beginRound();
    expect(epoch.synchronize(5)).toBe(false);
    reader.idle();
    expect(epoch.synchronize(5)).toBe(true);
    epoch.retire(() => {});
    expect(epoch.reclaimNow(5)).toBe(1);
  });

  it('goes on when the number of the epoch wraps', () => {
    const epoch = new Epoch();
    const reader = new EpochReader(epoch.buffer);
    new Int32Array(epoch.buffer)[0] = 0x7fffffff;
    reader.beginRound();
    let freed = 0;
    epoch.retire(() => freed++);
    expect(epoch.reclaim()).toBe(0);
    reader.beginRound();
    expect(epoch.reclaim()).toBe(1);
    new Int32Array(epoch.buffer)[0] = -1;
    reader.beginRound();
    epoch.retire(() => freed++);
    expect(epoch.reclaim()).toBe(0);
    expect(epoch.passed(epoch.advance())).toBe(false);
    reader.beginRound();
    expect(epoch.reclaim()).toBe(1);
    expect(freed).toBe(2);
  });

  it('EpochReader: a row that is given back can be taken again', () => {
    const epoch = new Epoch();
    for (let i = 0; i < 1000; i++) new EpochReader(epoch.buffer).close();
    expect(epoch.passed(epoch.advance())).toBe(true);
  });
});
