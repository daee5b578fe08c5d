import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { closeWakeFd, createPoller, createWakeFd, createWaker } from '../../src/ports/poll.ts';
import { describeRoot } from './netns.ts';

describeRoot('poll', [], () => {
  test('wait returns at once after a wake, and only once', () => {
    const wakeFd = createWakeFd();
    const poller = createPoller([-1], wakeFd);
    createWaker(wakeFd)();
    createWaker(wakeFd)();
    let start = performance.now();
    expect(poller.wait(1000)).toBe(0);
    expect(performance.now() - start).toBeLessThan(500);
    start = performance.now();
    expect(poller.wait(50)).toBe(0);
    expect(performance.now() - start).toBeGreaterThan(45);
    poller.close();
    closeWakeFd(wakeFd);
  });

  test('wait counts the descriptors with data, and never sleeps longer than a second', () => {
    const [wakeFd, a, b] = [createWakeFd(), createWakeFd(), createWakeFd()];
    const poller = createPoller([a, b], wakeFd);
    const start = performance.now();
    expect(poller.wait(60_000)).toBe(0);
    expect(performance.now() - start).toBeLessThan(1500);
    createWaker(b)();
    expect(poller.wait(1000)).toBe(1);
    expect(poller.wait(1000)).toBe(1); // whoever owns the descriptor empties it
    createWaker(a)();
    expect(poller.wait(1000)).toBe(2);
    for (const fd of [wakeFd, a, b]) closeWakeFd(fd);
  });

  test('wait does not spin on a descriptor that only reports errors, and looks at it again', () => {
    const [wakeFd, broken] = [createWakeFd(), createWakeFd()];
    closeWakeFd(broken); // POLLNVAL from now on
    const poller = createPoller([broken], wakeFd);
    const start = performance.now();
    for (let i = 0; i < 10; i++) expect(poller.wait(100)).toBe(0);
    expect(performance.now() - start).toBeGreaterThan(50);
    closeWakeFd(wakeFd);
  });

  test('a worker that sleeps in wait is woken by the main thread, and then ends by a flag', async () => {
    const wakeFd = createWakeFd();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const url = new URL('../../src/ports/poll.ts', import.meta.url).href;
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       import('tsx/esm/api').then(({ tsImport }) => tsImport(workerData.url, workerData.url)).then(({ createPoller }) => {
         const poller = createPoller([], workerData.wakeFd);
         parentPort.postMessage('ready');
         let sleeps = 0;
         while (Atomics.load(workerData.stop, 0) === 0) { poller.wait(1000); sleeps++; }
         parentPort.postMessage(sleeps);
       });`,
      { eval: true, workerData: { url, wakeFd, stop } },
    );
    expect(await once(worker, 'message')).toEqual(['ready']);
    await new Promise((done) => setTimeout(done, 20));
    const start = performance.now();
    Atomics.store(stop, 0, 1);
    createWaker(wakeFd)();
    const exited = once(worker, 'exit');
    const [sleeps] = await once(worker, 'message');
    expect(performance.now() - start).toBeLessThan(500);
    expect(sleeps).toBeLessThanOrEqual(2);
    await exited;
    closeWakeFd(wakeFd);
  });
});
