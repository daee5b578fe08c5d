// Counts the packets of one conversation on one device of a node, with tcpdump, as an operator would.

import { setTimeout as sleep } from 'node:timers/promises';
import { NearhopError } from '../base/errors.ts';
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
const DRAIN_MS = 2000;

/**
 * Watches ICMP echoes between two addresses; resolves when tcpdump listens. `node` is the `ip netns exec …` prefix. Throws
 * `lab-watch-failed` when it does not: a link that nobody watches would look like one that nothing crossed.
 */
export async function watchEchoes(
  node: readonly string[],
  device: string,
  a: string,
  b: string,
): Promise<LinkWatch> {
  let requests = 0;
  let replies = 0;
  let said = '';
  let read = 0;
  let received = -1; // not asked yet
  let heard: () => void = () => {};
  const filter = `icmp and host ${a} and host ${b}`;
  const argv = [...node, 'tcpdump', '-n', '-l', '-p', '--immediate-mode', '-i', device, filter];
  const child = start(argv, (line) => {
    if (line.includes('ICMP echo request')) requests++;
    else if (line.includes('ICMP echo reply')) replies++;
    else {
      said = line;
      const counts = /(\d+) packets? captured, (\d+) packets? received/.exec(line);
      read = Number(counts?.[1] ?? read);
      received = Number(counts?.[2] ?? received);
      heard();
    }
  });
  let open = true;
  const closed = new Promise<void>((resolve) =>
    child.once('close', () => {
      open = false;
      resolve();
    }),
  );
  /** Waits for a line that is no packet, or the end. */
  const speak = (ms: number): Promise<unknown> =>
    Promise.race([
      closed,
      new Promise<void>((resolve) => (heard = resolve)),
      sleep(ms, undefined, { ref: false }),
    ]);

  for (const deadline = Date.now() + READY_MS; !said.includes('listening on'); ) {
    if (!open || Date.now() >= deadline) {
      child.kill('SIGKILL');
      throw new NearhopError(
        'lab-watch-failed',
        `tcpdump does not listen on ${device}: ${said || 'it says nothing'}`,
      );
    }
    await speak(READY_MS);
  }
  return {
    async stop() {
      // Interrupted, tcpdump leaves what it has not read yet; asked, it says how much the kernel has for it.
      for (const deadline = Date.now() + DRAIN_MS; open && Date.now() < deadline; ) {
        child.kill('SIGUSR1');
        await speak(100);
        if (read === received) break;
      }
      child.kill('SIGINT');
      await closed;
      return { requests, replies };
    },
  };
}
