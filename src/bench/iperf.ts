// One TCP transfer by iperf3 between two namespaces, and what both ends counted.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { NearhopError } from '../base/errors.ts';
import { must } from '../lab/shell.ts';
import { raiseSession } from './agent-client.ts';

export interface Transfer {
  /** What the receiver got, Gbit/s of payload. */
  readonly gbps: number;
  /** Segments that the sender sent again. */
  readonly retransmits: number;
}

const CONNECT_MS = 3000;
const LATE_MS = 10_000;

/** Sends for `seconds` from one namespace to `to`, over `streams` connections. Throws `bench-dut-failed`, `program-missing`. */
export async function transfer(options: {
  readonly from: string;
  readonly to: string;
  readonly toIp: string;
  readonly streams: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}): Promise<Transfer> {
  const { from, to, toIp, streams, seconds, signal } = options;
  signal.throwIfAborted();
  const server = new Iperf(to, ['-s', '-1', '--forceflush']);
  const client = { at: undefined as Iperf | undefined };
  const end = (): void => {
    server.kill();
    client.at?.kill();
  };
  signal.addEventListener('abort', end);
  const timer = setTimeout(end, seconds * 1000 + LATE_MS);
  try {
    await server.listening;
    client.at = new Iperf(from, [
      ...['-c', toIp, '-J', '-t', String(seconds), '-P', String(streams)],
      ...['--connect-timeout', String(CONNECT_MS)],
    ]);
    const text = await client.at.ended;
    signal.throwIfAborted();
    return parseTransfer(text);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    end();
  }
}

/** Reads what `iperf3 -J` prints at the sender. Throws `bench-dut-failed` with its error. */
export function parseTransfer(text: string): Transfer {
  let said = text.trim().slice(-200);
  try {
    const { end, error } = JSON.parse(text) as {
      readonly error?: string;
      readonly end: {
        readonly sum_received?: { readonly bits_per_second: number };
        readonly sum_sent?: { readonly retransmits?: number };
      };
    };
    if (error === undefined && end.sum_received !== undefined) {
      return { gbps: end.sum_received.bits_per_second / 1e9, retransmits: end.sum_sent?.retransmits ?? 0 };
    }
    said = error ?? said;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new NearhopError('bench-dut-failed', `iperf3 ended without a result: ${said || 'it said nothing'}`);
}

/** TCP segments that a namespace has dropped for a wrong checksum (TcpInCsumErrors). */
export async function checksumErrors(ns: string): Promise<number> {
  const [names = '', values = ''] = (
    await must(['ip', 'netns', 'exec', ns, 'grep', '^Tcp:', '/proc/net/snmp'])
  )
    .trim()
    .split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('InCsumErrors')]);
}

/** An iperf3 in a namespace, before all other programs as everything that takes part. */
class Iperf {
  readonly #child: ChildProcess;
  /** Resolves when it listens or has ended. */
  readonly listening: Promise<void>;
  /** Resolves with its output. Rejects when it cannot be started. */
  readonly ended: Promise<string>;

  constructor(ns: string, args: readonly string[]) {
    this.#child = spawn('nice', ['-n', '-20', 'ip', 'netns', 'exec', ns, 'iperf3', ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    raiseSession(this.#child.pid ?? 0);
    const lines: string[] = [];
    let listens = (): void => {};
    this.listening = new Promise((resolve) => {
      listens = resolve;
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (line.includes('listening')) listens();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', (cause) =>
        reject(new NearhopError('program-missing', 'cannot run iperf3', { hint: 'install it', cause })),
      );
      this.#child.once('close', () => resolve(lines.join('\n')));
    });
    this.ended.then(listens, listens);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
