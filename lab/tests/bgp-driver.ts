// Runs a speaker inside a network namespace for the BGP tests, which cannot enter one themselves. Options come as JSON in the
// first argument, commands as JSON lines on stdin ({ id, op, ... }), answers and events leave as JSON lines on stdout.

import { createInterface } from 'node:readline';
import type { Announcement } from '../../src/routing/bgp/route.ts';
import { type BgpSpeakerOptions, createBgpSpeaker } from '../../src/routing/bgp/speaker.ts';

export interface DriverCommand {
  readonly op: 'announce' | 'withdraw' | 'status' | 'received' | 'refreshIn' | 'reset' | 'stop';
  /** Announced or withdrawn: `count` prefixes from this one on. */
  readonly route?: Announcement;
  readonly count?: number;
  readonly peer?: string;
}

const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const options = JSON.parse(process.argv[2] ?? '{}') as BgpSpeakerOptions;
const speaker = createBgpSpeaker({
  ...options,
  events: {
    route: (route) => say({ event: 'route', ...route }),
    withdraw: (withdrawal) => say({ event: 'withdraw', ...withdrawal }),
    session: (change) => say({ event: 'session', ...change }),
  },
});
await speaker.start();
say({ event: 'started' });

const run = async (command: DriverCommand): Promise<unknown> => {
  const { op, route, count = 1, peer = '' } = command;
  switch (op) {
    case 'announce':
    case 'withdraw':
      for (let i = 0; i < count && route !== undefined; i++) {
        const one = typeof route.prefix === 'number' ? { ...route, prefix: route.prefix + i } : route;
        if (op === 'announce') speaker.announce(one as Announcement);
        else speaker.withdraw(one.prefix, one.len);
      }
      return count;
    case 'status':
      return speaker.status();
    case 'received':
      return speaker.received();
    case 'refreshIn':
      return speaker.refreshIn(peer);
    case 'reset':
      return speaker.reset(peer);
    case 'stop':
      return speaker.stop('test is over');
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as DriverCommand & { id: number };
  say({ reply: command.id, result: (await run(command)) ?? null });
}
