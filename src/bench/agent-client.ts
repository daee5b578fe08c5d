// The parent's side of a process in a namespace of `bench wire` (agent.ts): starts it on its CPU, asks it, ends it.

import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';
import type { AgentReply, AgentRequest } from './agent.ts';

/** CPU of the generator, and of the sink, which is idle meanwhile. */
export const GENERATOR_CPU = 0;
export const DUT_CPU = 1;

/** What runs a command on one CPU, before all others. */
const first = (cpu: number): string[] => ['nice', '-n', '-20', 'taskset', '-c', String(cpu)];

/** What runs a command in a namespace, on one CPU, with /sys as the namespace has it. */
export const inNamespace = (ns: string, cpu: number): string[] => [
  ...['ip', 'netns', 'exec', ns],
  ...first(cpu),
];

/** The same without a mount namespace, from where other namespaces could not be removed for good. */
const inNetworkOnly = (ns: string, cpu: number): string[] => [
  ...['nsenter', `--net=/run/netns/${ns}`],
  ...first(cpu),
];

/**
 * Gives a process's session its share of the CPU before all others: with autogroups `nice` counts only among the processes of a
 * session (sched(7)). The process must lead a session of its own.
 */
export function raiseSession(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-20');
  } catch {
    // a kernel without autogroups, where nice is enough
  }
}

export class Agent {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (data: unknown) => void; reject: (error: Error) => void }[] = [];
  #ended: NearhopError | undefined;
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stderr?.on('data', (d) => {
      this.#stderr += d;
    });
    child.stdin?.on('error', () => {}); // it has ended, which `close` tells
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#answer(line));
    child.once('error', (cause) => this.#end(cause.message));
    child.once('close', (code, signal) => this.#end(`exit ${code ?? signal}: ${this.#stderr.trim()}`));
  }

  /** Starts one and waits until it is ready. */
  static async start(ns: string, ...args: readonly string[]): Promise<Agent> {
    const bundle = fileURLToPath(new URL('./bench-agent.mjs', import.meta.url));
    const [file = '', ...rest] = [...inNetworkOnly(ns, GENERATOR_CPU), process.execPath, bundle, ...args];
    const child = spawn(file, rest, { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const agent = new Agent(child);
    await agent.#next();
    raiseSession(agent.pid);
    return agent;
  }

  ask(request: AgentRequest): Promise<unknown> {
    const answer = this.#next();
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return answer;
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) reject(this.#ended);
      else this.#waiting.push({ resolve, reject });
    });
  }

  #answer(line: string): void {
    const reply = JSON.parse(line) as AgentReply;
    const asked = this.#waiting.shift();
    if (reply.ok) asked?.resolve(reply.data);
    else {
      const details = reply.hint === null ? {} : { hint: reply.hint };
      asked?.reject(new NearhopError(reply.code, reply.message, details));
    }
  }

  #end(why: string): void {
    this.#ended = new NearhopError('bench-agent-failed', `a process of the benchmark ended: ${why}`);
    for (const asked of this.#waiting.splice(0)) asked.reject(this.#ended);
  }
}
