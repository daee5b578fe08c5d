// Our own engine: builds a containerlab topology from network namespaces and veths, as root, without containers.
//
//   up    namespaces → links → exec lines → FRR → Nearhop        each noted in the state before it is made
//   down  processes in our namespaces → namespaces → folders     whatever the state names, however far `up` came
//
// A node is a namespace `nh-LAB-NODE`. Links get containerlab's MTU of 9500; exec lines that set another are in the file.

import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';
import { ask } from '../gateway/control-client.ts';
import { frrFolders, startFrr } from './frr-node.ts';
import {
  createLabState,
  type LabState,
  labFolder,
  leftBehind,
  loadLabState,
  removeLabState,
  saveLabState,
} from './lab-state.ts';
import { must, run, splitWords } from './shell.ts';
import type { LabNode, Topology } from './topology.ts';

const LINK_MTU = 9500;
const READY_MS = 10_000;
/** So much of Nearhop's log is shown when it does not start: a faulty config is described in about eight lines. */
const LOG_LINES = 12;

/** The command, which is the bundle that this module is in. */
const nearhopCommand = (): string[] => [
  process.execPath,
  fileURLToPath(new URL('./main.mjs', import.meta.url)),
];

export const isFrr = (node: LabNode): boolean => /(^|\/)frr(:|$)/.test(node.image);
export const isNearhop = (node: LabNode): boolean => /(^|\/)nearhop(:|$)/.test(node.image);

export const namespaceOf = (topology: Topology, node: string): string => `nh-${topology.name}-${node}`;

/** Control socket of a Nearhop node. */
export const nodeSocket = (topology: Topology, node: string): string =>
  `${labFolder(topology.name)}/${node}.sock`;

/** Prefix of a command that is to run in a node. */
export const inNode = (topology: Topology, node: string, ...argv: string[]): string[] => [
  'ip',
  'netns',
  'exec',
  namespaceOf(topology, node),
  ...argv,
];

export interface EngineUpOptions {
  /** Gets a line about what happens besides. */
  readonly say: (text: string) => void;
  /** Aborted by Ctrl-C: the lab is taken down again. */
  readonly signal: AbortSignal;
  /** What the lab is when it is built: `running` belongs to this process, `up` outlives it. */
  readonly phase: 'running' | 'up';
}

/** Builds the lab. Throws when there is one already, or when a step fails; what was made until then is taken down again. */
export async function engineUp(topology: Topology, options: EngineUpOptions): Promise<void> {
  const { say, signal, phase } = options;
  const before = loadLabState(topology.name);
  if (before !== undefined) {
    if (!leftBehind(before)) {
      throw new NearhopError('lab-already-up', `lab ${topology.name} is ${before.phase}`, {
        hint: `nearhop lab down ${topology.file}`,
      });
    }
    say(`removing what an earlier run of lab ${topology.name} left behind`);
    await engineDown(topology.name);
  }
  const state = createLabState(topology.name, topology.file);
  saveLabState(state);
  try {
    await makeNamespaces(topology, state, signal);
    for (const [a, b] of topology.links) {
      signal.throwIfAborted();
      await must(
        [
          [
            'ip',
            'link',
            'add',
            'name',
            a.device,
            'mtu',
            String(LINK_MTU),
            'netns',
            namespaceOf(topology, a.node),
          ],
          [
            'type',
            'veth',
            'peer',
            'name',
            b.device,
            'mtu',
            String(LINK_MTU),
            'netns',
            namespaceOf(topology, b.node),
          ],
        ].flat(),
      );
      for (const end of [a, b]) await must(inNode(topology, end.node, 'ip', 'link', 'set', end.device, 'up'));
    }
    for (const node of topology.nodes) {
      for (const line of node.exec) {
        signal.throwIfAborted();
        await execLine(topology, node, line);
      }
    }
    for (const node of topology.nodes) if (isFrr(node)) await frrUp(topology, node, state);
    for (const node of topology.nodes) if (isNearhop(node)) await nearhopUp(topology, node);
    signal.throwIfAborted();
    state.phase = phase;
    saveLabState(state);
  } catch (error) {
    await engineDown(topology.name);
    throw error;
  }
}

/** Leaves a lab up that would otherwise end with this process. */
export function engineKeep(name: string): void {
  const state = loadLabState(name);
  if (state === undefined) return;
  state.phase = 'up';
  saveLabState(state);
}

async function makeNamespaces(topology: Topology, state: LabState, signal: AbortSignal): Promise<void> {
  for (const node of topology.nodes) {
    signal.throwIfAborted();
    const ns = namespaceOf(topology, node.name);
    if (existsSync(`/run/netns/${ns}`)) {
      throw new NearhopError('namespace-taken', `there is a namespace ${ns} that this lab did not make`, {
        hint: `if it is of no use: ip netns del ${ns}`,
      });
    }
    state.namespaces[node.name] = ns;
    saveLabState(state);
    await must(['ip', 'netns', 'add', ns]);
    await must(['ip', '-n', ns, 'link', 'set', 'lo', 'up']);
  }
}

async function execLine(topology: Topology, node: LabNode, line: string): Promise<void> {
  const { status, stdout, stderr } = await run(inNode(topology, node.name, ...splitWords(line)));
  if (status === 0) return;
  const said = (stderr || stdout).trim().split('\n').slice(-3).join(' | ');
  throw new NearhopError(
    'lab-exec-failed',
    `${topology.file}: node ${node.name}: exec '${line}': exit ${status}: ${said}`,
  );
}

async function frrUp(topology: Topology, node: LabNode, state: LabState): Promise<void> {
  const ns = namespaceOf(topology, node.name);
  state.folders.push(...frrFolders(ns));
  saveLabState(state);
  await startFrr(node, ns);
}

/** Starts Nearhop in a node, with `config` instead of the file that the topology binds; waits until it answers. */
export async function nearhopUp(topology: Topology, node: LabNode, config?: string): Promise<void> {
  const args = splitWords(node.cmd ?? '').map((word) =>
    node.binds.has(word) ? (config ?? node.binds.get(word) ?? word) : word,
  );
  const socket = nodeSocket(topology, node.name);
  const log = `${labFolder(topology.name)}/${node.name}.log`;
  rmSync(socket, { force: true }); // one that was killed leaves it, and would seem to answer
  const fd = openSync(log, 'a');
  const argv = inNode(topology, node.name, ...nearhopCommand(), ...args, '--socket', socket);
  const child = spawn(argv[0] ?? '', argv.slice(1), { detached: true, stdio: ['ignore', fd, fd] });
  closeSync(fd);
  let exit: number | null | undefined;
  child.once('exit', (code) => {
    exit = code;
  });
  child.unref();
  for (const deadline = Date.now() + READY_MS; !(await answers(socket)); ) {
    if (exit !== undefined || Date.now() > deadline) {
      const said = readFileSync(log, 'utf8').trim().split('\n').slice(-LOG_LINES).join('\n');
      throw new NearhopError('lab-nearhop-failed', `Nearhop in node ${node.name} did not come up:\n${said}`);
    }
    await sleep(20);
  }
}

/** The socket alone says too little: it is there a moment before somebody listens on it. */
async function answers(socket: string): Promise<boolean> {
  try {
    await ask(socket, 'show.ports', {});
    return true;
  } catch (error) {
    if (error instanceof NearhopError && error.code === 'gateway-not-running') return false;
    throw error;
  }
}

/** Ends Nearhop in a node and waits until it has gone. */
export async function nearhopDown(topology: Topology, node: string): Promise<void> {
  const ns = namespaceOf(topology, node);
  await endProcesses(ns);
}

/** Takes down what a lab made; true when there was something. Idempotent. */
export async function engineDown(name: string): Promise<boolean> {
  const state = loadLabState(name);
  if (state === undefined) return false;
  const namespaces = Object.values(state.namespaces).filter((ns) => existsSync(`/run/netns/${ns}`));
  await Promise.all(namespaces.map(endProcesses));
  for (const ns of namespaces) await run(['ip', 'netns', 'del', ns]);
  for (const folder of state.folders) rmSync(folder, { recursive: true, force: true });
  removeLabState(name);
  return true;
}

/** Ends all processes of a namespace that we made: gently, then surely. */
async function endProcesses(ns: string): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const pids = (await run(['ip', 'netns', 'pids', ns])).stdout.split('\n').filter(Boolean).map(Number);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        if (tries === 0) process.kill(pid, 'SIGTERM');
        else if (tries === 40) process.kill(pid, 'SIGKILL');
      } catch {
        // it has gone by itself
      }
    }
    await sleep(50);
  }
}
