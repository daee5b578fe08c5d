// Counts the packets of one conversation on one device of a node, with tcpdump, as an operator would.

import type { ChildProcess } from 'node:child_process';
import { start } from './shell.ts';

export interface WatchCounts {
  readonly requests: number;
  readonly replies: number;
}

export interface LinkWatch {
  /** Ends the watch and says what it saw. */
  stop(): Promise<WatchCounts>;
}

const READY_MS = 5000;

/** Watches ICMP echoes between two addresses; resolves when tcpdump listens. `node` is the `ip netns exec …` prefix. */
export async function watchEchoes(
  node: readonly string[],
  device: string,
  a: string,
  b: string,
): Promise<LinkWatch> {
  let requests = 0;
  let replies = 0;
  let rest = '';
  let listening: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    listening = resolve;
  });
  const filter = `icmp and host ${a} and host ${b}`;
  const child: ChildProcess = start([...node, 'tcpdump', '-n', '-l', '-p', '--immediate-mode', '-i', device, filter], (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.includes('listening on')) listening();
      if (line.includes('ICMP echo request')) requests++;
      else if (line.includes('ICMP echo reply')) replies++;
    }
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await Promise.race([ready, closed, new Promise((resolve) => setTimeout(resolve, READY_MS).unref())]);
  return {
    async stop() {
      child.kill('SIGINT');
      await closed;
      return { requests, replies };
    },
  };
}
