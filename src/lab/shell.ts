// Running programs for a lab: to the end with their output, or in the background until they are stopped by their pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { NearhopError } from '../base/errors.ts';

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** After so long the program is killed; 60 s unless told. */
  readonly timeoutMs?: number;
  /** Ends the program when aborted. */
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. Never throws for its exit code; throws `program-missing` when it cannot be started. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [file = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (d) => {
      stdout += d;
    });
    child.stderr.on('data', (d) => {
      stderr += d;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    const end = (): void => void child.kill('SIGTERM');
    options.signal?.addEventListener('abort', end);
    const ended = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', end);
    };
    child.once('error', (cause) => {
      ended();
      reject(new NearhopError('program-missing', `cannot run ${file}`, { hint: 'install it', cause }));
    });
    child.once('close', (code) => {
      ended();
      resolve({ status: code ?? 1, stdout, stderr });
    });
  });
}

/** Runs a program that must succeed; returns its output. Throws `lab-command-failed` with what it said. */
export async function must(argv: readonly string[]): Promise<string> {
  const ran = await run(argv);
  if (ran.status === 0) return ran.stdout;
  throw new NearhopError(
    'lab-command-failed',
    `${argv.join(' ')}: exit ${ran.status}: ${(ran.stderr || ran.stdout).trim().split('\n').slice(-3).join(' | ')}`,
  );
}

/** Starts a program that goes on in the background; `onLine` gets each line of its output. */
export function start(argv: readonly string[], onLine: (line: string) => void): ChildProcess {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine);
  child.on('error', () => {});
  return child;
}

/** Splits a command line as containerlab does: words, single and double quotes. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const m of line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)) {
    words.push(m[0].replace(/"([^"]*)"|'([^']*)'/g, (_, a, b) => a ?? b ?? ''));
  }
  return words;
}
