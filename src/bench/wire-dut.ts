// The device under test of `bench wire`: the kernel, Nearhop, or a command of the user's that forwards between d0 and d1.
//
// A command finds d0 and d1 up, without addresses, and in its environment BENCH_MODE (l3 or l2), BENCH_ROUTES, BENCH_DEFAULT_ROUTE
// (1 or 0) and BENCH_DIR, a folder that goes with the run. In l3 it has 10.1.0.1 and 10.2.0.1, routes 10.1.0.0/24 and
// 10.2.0.0/24, and by 10.2.0.2 BENCH_ROUTES host routes from 10.3.0.1 on, and a default route if one is asked for; in l2 it
// bridges. It stays in the foreground; it and all that it has started in its namespace end with the benchmark.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import { must, run } from '../lab/shell.ts';
import { Agent, DUT_CPU, inNamespace, raiseSession } from './agent-client.ts';
import { ANNOUNCED_TO, ANNOUNCER } from './route-announcer.ts';
import { everyFrameFilter, FIRST_ROUTE, MAC, macText, tcBytecode, type WireMode } from './wire-frame.ts';
import { wireFolder, wireNamespace } from './wire-remove.ts';
import { addTcFilter, SINK_IP } from './wire-topology.ts';

const READY_MS = 20_000;
/** A thousand routes take a config file so much longer to load. */
const READY_MS_PER_1000_ROUTES = 100;

/** What a device under test shall do. */
export interface DutTask {
  readonly mode: WireMode;
  readonly routes: number;
  /** Whether everything else goes to the sink too: the destinations of a capture. */
  readonly defaultRoute: boolean;
}

/** From so many routes on Nearhop gets them by BGP: 50,000 in a config file take 4 s to read, and it may not have 400,000. */
const ROUTES_BY_BGP = 20_000;

/** A device under test that runs. */
export interface Dut {
  stop(): Promise<void>;
}

/** One on the wire of `bench wire`. */
export interface WireDut extends Dut {
  /** Processes in its namespace that are not the device. */
  readonly beside: ReadonlySet<number>;
}

/** Starts `what` (`kernel`, `nearhop` or a command) and waits until an echo comes through. Throws `bench-dut-failed`. */
export async function startDut(
  what: string,
  prefix: string,
  task: DutTask,
  signal: AbortSignal,
): Promise<WireDut> {
  const { mode, routes, defaultRoute } = task;
  const ns = wireNamespace(prefix, 'dut');
  const readyMs = READY_MS + (routes / 1000) * READY_MS_PER_1000_ROUTES;
  const target = await answerForLastRoute(prefix, task);
  const started = { what, prefix, target, readyMs, signal };
  if (what === 'kernel') {
    await configureKernel(prefix, ns, task);
    await awaitEcho(started, () => true);
    return { beside: new Set(), stop: async () => {} };
  }
  const command = what === 'nearhop' ? await nearhopCommand(prefix, ns, task) : ['sh', '-c', what];
  const beside = new Set<number>();
  // It tries until the gateway listens.
  if (what === 'nearhop' && byBgp(task)) beside.add((await Agent.start(ns, 'routes', String(routes))).pid);
  const dut = await startProcess(started, [...inNamespace(ns, DUT_CPU), ...command], {
    BENCH_MODE: mode,
    BENCH_ROUTES: String(routes),
    BENCH_DEFAULT_ROUTE: defaultRoute ? '1' : '0',
    BENCH_DIR: wireFolder(prefix),
  });
  return { ...dut, beside };
}

const byBgp = ({ mode, routes }: DutTask): boolean => mode === 'l3' && routes > ROUTES_BY_BGP;

/** A device under test that is starting: it is ready when an echo comes back from `target`. */
export interface Starting {
  readonly what: string;
  readonly prefix: string;
  readonly target: string;
  readonly readyMs: number;
  readonly signal: AbortSignal;
}

/** Starts a device under test that is a process in the namespace in the middle. Throws `bench-dut-failed`. */
export async function startProcess(
  starting: Starting,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Dut> {
  const [file = '', ...args] = argv;
  const fd = openSync(logOf(starting.prefix), 'w');
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', fd, fd],
    env: { ...process.env, ...env },
  });
  closeSync(fd);
  child.on('error', () => {});
  raiseSession(child.pid ?? 0);
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const stop = (): Promise<void> => stopAll(child, wireNamespace(starting.prefix, 'dut'));
  try {
    await awaitEcho(starting, alive);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

const logOf = (prefix: string): string => join(wireFolder(prefix), 'dut.log');

async function configureKernel(
  prefix: string,
  ns: string,
  { mode, routes, defaultRoute }: DutTask,
): Promise<void> {
  const lines =
    mode === 'l2'
      ? ['link add br0 type bridge', 'link set d0 master br0', 'link set d1 master br0', 'link set br0 up']
      : [
          'addr add 10.1.0.1/24 dev d0',
          'addr add 10.2.0.1/24 dev d1',
          `neigh add 10.1.0.2 lladdr ${macText(MAC.g0)} dev d0 nud permanent`,
          `neigh add 10.2.0.2 lladdr ${macText(MAC.s0)} dev d1 nud permanent`,
          ...(defaultRoute ? ['route add default via 10.2.0.2 dev d1'] : []),
          ...hostRoutes(routes).map((ip) => `route add ${ip}/32 via 10.2.0.2 dev d1`),
        ];
  const file = join(wireFolder(prefix), 'kernel.batch');
  writeFileSync(file, `${lines.join('\n')}\n`);
  await must(['ip', '-n', ns, '-batch', file]);
  if (mode === 'l3') {
    const settings = ['echo 1 > /proc/sys/net/ipv4/ip_forward'];
    // The sources of a capture come from wherever they came from; a reverse path check would drop them.
    if (defaultRoute) settings.push('for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done');
    await must(['ip', 'netns', 'exec', ns, 'sh', '-c', settings.join('; ')]);
  }
}

const hostRoutes = (n: number): string[] => Array.from({ length: n }, (_, i) => formatIpv4(FIRST_ROUTE + i));

/** Nearhop with two packet ports. The kernel would also look at each frame; a tc filter drops it behind the ports. */
async function nearhopCommand(prefix: string, ns: string, task: DutTask): Promise<string[]> {
  const folder = wireFolder(prefix);
  const config = join(folder, 'nearhop.yml');
  writeFileSync(config, nearhopConfig(task, byBgp(task)));
  for (const device of ['d0', 'd1']) await addTcFilter(ns, device, tcBytecode(everyFrameFilter()));
  const main = fileURLToPath(new URL('./main.mjs', import.meta.url));
  return [process.execPath, main, 'run', '-c', config, '--socket', join(folder, 'nearhop.sock')];
}

/** Kind of the ports that Nearhop has on the wire. */
export type WirePorts = 'af-packet' | 'af-xdp';

/**
 * The config of Nearhop as device under test.
 * @param announced whether the host routes come by BGP instead
 */
export function nearhopConfig(
  { mode, routes, defaultRoute }: DutTask,
  announced: boolean,
  ports: WirePorts = 'af-packet',
): string {
  const head = `gateway: { name: bench-${mode} }
ports:
  - { name: d0, kind: ${ports}, device: d0 }
  - { name: d1, kind: ${ports}, device: d1 }
`;
  if (mode === 'l2') {
    return `${head}networks:
  - name: lan
    subnet: 10.9.0.0/24
    gateway: { address: 10.9.0.254, mac: "02:00:00:00:09:fe" }
    proximityRouting: false
    members: [d0, d1]
`;
  }
  const lines = [
    ...(defaultRoute ? ['prefix: 0.0.0.0/0'] : []),
    ...(announced ? [] : hostRoutes(routes).map((ip) => `prefix: ${ip}/32`)),
  ];
  return `${head}interfaces: # hostStack: the kernel of the namespace has no addresses, so Nearhop answers ARP and ping
  - { name: left, port: d0, address: 10.1.0.1/24, hostStack: false }
  - { name: right, port: d1, address: 10.2.0.1/24, hostStack: false }
${announced ? bgpLines(routes) : ''}routes:${lines.length === 0 ? ' []' : ''}
${lines.map((line) => `  - { ${line}, via: 10.2.0.2 }\n`).join('')}`;
}

const bgpLines = (routes: number): string => `bgp:
  as: ${ANNOUNCED_TO.as}
  neighbors:
    - { address: ${ANNOUNCER.address}, as: ${ANNOUNCER.as}, passive: true, holdSeconds: 0, maxPrefixes: ${routes} }
`;

/** Lets the sink answer for the last of the host routes: an echo from there says that the device has all of them. */
async function answerForLastRoute(prefix: string, { mode, routes }: DutTask): Promise<string> {
  if (mode === 'l2') return SINK_IP.l2;
  const last = formatIpv4(FIRST_ROUTE + routes - 1);
  await must(['ip', '-n', wireNamespace(prefix, 'sink'), 'addr', 'add', `${last}/32`, 'dev', 's0']);
  await must(['ip', '-n', wireNamespace(prefix, 'gen'), 'route', 'add', last, 'via', '10.1.0.1']);
  return last;
}

/** Waits for an echo from the generator's side to the target and back. */
export async function awaitEcho(starting: Starting, alive: () => boolean): Promise<void> {
  const { what, prefix, target, readyMs, signal } = starting;
  const ns = wireNamespace(prefix, 'gen');
  const deadline = Date.now() + readyMs;
  const ping = ['ip', 'netns', 'exec', ns, 'ping', '-n', '-c', '1', '-W', '1', target];
  while ((await run(ping)).status !== 0) {
    signal.throwIfAborted();
    if (alive() && Date.now() < deadline) {
      await sleep(100, undefined, { signal });
      continue;
    }
    const log = what === 'kernel' ? '' : readFileSync(logOf(prefix), 'utf8').trim();
    const said = log.split('\n').slice(-5).join('\n');
    const how = alive() ? `lets no echo through to ${target}` : 'has ended';
    throw new NearhopError(
      'bench-dut-failed',
      `the device under test (${what}) ${how}${said && `:\n${said}`}`,
      {
        hint: 'nearhop bench wire --help says what a command finds and shall do',
      },
    );
  }
}

/** Ends a command and whatever else runs in its namespace. */
async function stopAll(child: ChildProcess, ns: string): Promise<void> {
  const pids = async (): Promise<number[]> =>
    (await run(['ip', 'netns', 'pids', ns])).stdout.split('\n').filter(Boolean).map(Number);
  for (let tries = 0; tries < 60; tries++) {
    const left = await pids();
    if (left.length === 0) break;
    if (tries % 40 === 0) for (const pid of left) end(pid, tries === 0 ? 'SIGTERM' : 'SIGKILL');
    await sleep(50);
  }
  child.unref();
}

function end(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has gone by itself
  }
}
