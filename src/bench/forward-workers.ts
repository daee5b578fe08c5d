// `nearhop bench forward --workers N`: the forward loop in memory by one data-plane worker, and by N at the same time: the owner and
// carriers, each in a thread of its own with frames of its own, over the same tables.
//
//   main: fills the tables, starts the threads, and lets one or all of them run for a while, in turns
//   thread: runs rounds over its frames while it may, and says how many packets that were
//
// All threads are there all the time; those that are not measured sleep. What a thread has carried is checked after each turn.

import { Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import { ControlPlane } from '../gateway/control-plane.ts';
import { type ThreadData, TURN, TURN_WORDS } from './forward-thread.ts';
import { worldConfig } from './forward-world.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface ForwardWorkersOptions {
  readonly rounds: number;
  readonly workers: number;
}

export interface ForwardWorkersCase {
  readonly memory: 'hot' | 'cold';
  /** Millions of packets a second, of the owner alone and of all workers together. */
  readonly one: Spread;
  readonly all: Spread;
  /** All ÷ one, of the same round. */
  readonly ratio: Spread;
}

export interface ForwardWorkersReport {
  readonly machine: Machine;
  readonly rounds: number;
  readonly workers: number;
  /** How long one turn takes. */
  readonly turnMs: number;
  readonly cases: readonly ForwardWorkersCase[];
}

const TURN_MS = 300;
const WARM_UP_ROUNDS = 2;

export async function benchForwardWorkers(options: ForwardWorkersOptions): Promise<ForwardWorkersReport> {
  const { rounds, workers } = options;
  const base = worldConfig('l3');
  const config = { ...base, gateway: { ...base.gateway, workers } };
  const plane = new ControlPlane(config, systemClock);
  const adjacencies: number[] = [];
  plane.start((command) => {
    if (command.op === 'resolve') adjacencies.push(command.adj);
  });
  const turn = new SharedArrayBuffer(TURN_WORDS * 4);
  const rates = new SharedArrayBuffer(workers * 8);
  const common = { thread: 'forward', config, buffers: plane.shared.buffers, turn, rates } as const;
  const threads: Worker[] = [];
  const start = async (data: ThreadData): Promise<ThreadData['owner']> => {
    const thread = new Worker(new URL(import.meta.url), { workerData: data });
    threads.push(thread);
    return new Promise((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
  };
  const results = { hot: { one: [], all: [] }, cold: { one: [], all: [] } } as Record<
    ForwardWorkersCase['memory'],
    { one: number[]; all: number[] }
  >;
  try {
    const owner = await start({ ...common, worker: 0, adjacencies, owner: undefined });
    for (let worker = 1; worker < workers; worker++) await start({ ...common, worker, adjacencies, owner });
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const memory of ['hot', 'cold'] as const) {
        const one = await takeTurn(turn, rates, 1, memory);
        const all = await takeTurn(turn, rates, workers, memory);
        if (round < 0) continue;
        results[memory].one.push(one);
        results[memory].all.push(all);
      }
    }
    assert(plane.shared.counters.imbalance() === 0, 'the conservation law');
  } finally {
    for (const thread of threads) await thread.terminate();
  }
  const cases = (['hot', 'cold'] as const).map((memory) => {
    const { one, all } = results[memory];
    const ratio = all.map((rate, i) => rate / one[i]);
    return { memory, one: spreadOf(one), all: spreadOf(all), ratio: spreadOf(ratio) };
  });
  return { machine: describeMachine(), rounds, workers, turnMs: TURN_MS, cases };
}

/** Lets the first `active` threads run together; returns what they carried, millions of packets a second. */
async function takeTurn(
  turn: SharedArrayBuffer,
  rates: SharedArrayBuffer,
  active: number,
  memory: ForwardWorkersCase['memory'],
): Promise<number> {
  const words = new Int32Array(turn);
  words[TURN.active] = active;
  words[TURN.cold] = memory === 'cold' ? 1 : 0;
  words[TURN.ready] = 0;
  words[TURN.done] = 0;
  Atomics.add(words, TURN.number, 1);
  Atomics.notify(words, TURN.number);
  await reaches(words, TURN.ready, active);
  Atomics.store(words, TURN.go, 1);
  await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  Atomics.store(words, TURN.go, 0);
  await reaches(words, TURN.done, active);
  return new Float64Array(rates).subarray(0, active).reduce((sum, rate) => sum + rate, 0);
}

/** Waits without a busy main thread: all cores are the threads'. */
async function reaches(words: Int32Array, word: number, value: number): Promise<void> {
  while (Atomics.load(words, word) < value) await new Promise((resolve) => setTimeout(resolve, 1));
}
