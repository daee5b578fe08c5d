// Network namespaces for the tests that need root: `createNetns('nhp-x')` makes namespaces and veth pairs whose names start
// with the prefix and the process id, runs commands in them, and removes everything in `cleanup()`, also after a failure and
// at the process's exit. What an earlier process with the same prefix left behind is removed first.
//
//   const net = createNetns('nhp-arp');
//   const [a, b] = [net.ns('a'), net.ns('b')];
//   net.veth({ ns: a, dev: 'eth0', ip: '10.0.0.1/24' }, { ns: b, dev: 'eth0', ip: '10.0.0.2/24' });
//   net.exec(a, 'ping -c1 10.0.0.2');
//
// A Node process cannot change its namespace: an end without `ns` stays in the namespace of the test itself, and what shall
// run inside another one is started with `spawn(ns, [process.execPath, '--import', 'tsx', 'script.ts'])`.

import { type ChildProcess, spawn as childSpawn, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe } from 'vitest';

/** Where a command runs: the name of a namespace that `ns()` returned, or null for the test's own. */
export type NsName = string | null;
/** A command: a string goes through `sh -c`, a list is run as it stands. */
export type Command = string | readonly string[];

/** One end of a veth pair. */
export interface VethEnd {
  /** Namespace that the end stands in; absent or null = the namespace of the test itself. */
  readonly ns?: NsName;
  /** Device name, 15 characters at most. In the test's own namespace take one from `deviceName()`. */
  readonly dev: string;
  /** Address with its prefix length, or several. */
  readonly ip?: string | readonly string[];
  readonly mac?: string;
  readonly mtu?: number;
}

/** A process that runs in a namespace. */
export interface LabProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** All it wrote so far, stdout and stderr together. */
  output(): string;
  /** Resolves as soon as the output matches; rejects with the output when it ends or `timeoutMs` passes before that. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** Resolves with the exit code, -1 for a signal. */
  exited(): Promise<number>;
  /** Ends it: SIGTERM, then SIGKILL after two seconds. Does nothing when it has ended. */
  stop(): Promise<void>;
}

export interface Netns {
  /** Start of every name that this lab makes: the prefix and the process id. */
  readonly prefix: string;
  /** Makes a namespace with its loopback up and without IPv6 noise; returns the full name. */
  ns(name: string): string;
  /** A device name for the test's own namespace: short, and unique to this lab. */
  deviceName(name: string): string;
  /** Makes a veth pair, sets addresses, brings both ends up. */
  veth(a: VethEnd, b: VethEnd): void;
  /** Runs to the end and returns stdout; throws with stdout and stderr when it fails. Blocks the event loop. */
  exec(ns: NsName, command: Command): string;
  /** As `exec`, but leaves the event loop free: for a test whose own loop carries the packets. */
  run(ns: NsName, command: Command, timeoutMs?: number): Promise<string>;
  /** Starts a process that runs until it ends, `stop()` or `cleanup()`. */
  spawn(ns: NsName, command: Command, env?: NodeJS.ProcessEnv): LabProcess;
  /** Ends the processes, removes devices and namespaces. Idempotent. */
  cleanup(): Promise<void>;
}

/** Why tests with namespaces cannot run here, or undefined when they can. `tools` are commands that the test needs too. */
export function requireRoot(...tools: string[]): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/lib/frr`;
  const missing = ['ip', ...tools].filter(
    (tool) =>
      !(tool.startsWith('/') ? existsSync(tool) : path.split(':').some((d) => existsSync(`${d}/${tool}`))),
  );
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  try {
    execFileSync('unshare', ['-n', 'true'], { stdio: 'ignore' });
  } catch {
    return 'needs the right to make network namespaces';
  }
  return undefined;
}

/** `describe` for tests that need root and `tools`; where they cannot run, the suite is skipped and its name says why. */
export function describeRoot(name: string, tools: readonly string[], body: () => void): void {
  const reason = requireRoot(...tools);
  if (reason === undefined) describe(name, body);
  else describe.skip(`${name} [skipped: ${reason}]`, body);
}

const awaitUp = (dev: string): string => `ip -o link show dev ${dev} | grep -q 'state UP'`;

const argv = (ns: NsName, command: Command): string[] => [
  ...(ns === null ? [] : ['ip', 'netns', 'exec', ns]),
  ...(typeof command === 'string' ? ['sh', '-c', command] : command),
];

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

// A negative pid means the process group; 0 is a process that never started.
const kill = (pid: number, signal: NodeJS.Signals): void => {
  if (pid === 0) return;
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended by itself
  }
};

function execIn(ns: NsName, command: Command): string {
  const [file, ...args] = argv(ns, command);
  try {
    return execFileSync(file, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`in ${ns ?? 'own namespace'}: ${[command].flat().join(' ')}\n${stdout}${stderr}`);
  }
}

const tryExec = (ns: NsName, command: Command): string => {
  try {
    return execIn(ns, command);
  } catch {
    return '';
  }
};

/** Removes a namespace and whatever still runs in it. */
function removeNs(name: string): void {
  for (const pid of tryExec(null, ['ip', 'netns', 'pids', name]).split('\n')) {
    if (pid !== '') kill(Number(pid), 'SIGKILL');
  }
  tryExec(null, ['ip', 'netns', 'del', name]);
}

/** Removes the namespaces and devices of earlier processes with this prefix that ended without cleaning up. */
function removeStale(prefix: string): void {
  const left = JSON.parse(tryExec(null, 'ip -j link') || '[]') as { ifname: string; ifalias?: string }[];
  for (const { ifname, ifalias = '' } of left) {
    const pid = ifalias.startsWith(`${prefix}-`) ? /^(\d+)-/.exec(ifalias.slice(prefix.length + 1)) : null;
    if (pid !== null && !alive(Number(pid[1]))) tryExec(null, ['ip', 'link', 'del', ifname]);
  }
  for (const line of tryExec(null, ['ip', 'netns', 'list']).split('\n')) {
    const name = line.split(' ')[0];
    const pid = name.startsWith(`${prefix}-`) ? /^(\d+)-/.exec(name.slice(prefix.length + 1)) : null;
    if (pid !== null && !alive(Number(pid[1]))) removeNs(name);
  }
}

let labs = 0;

/** Makes an empty lab. `prefix`: `nhp-` and a word for the test file. */
export function createNetns(prefix: string): Netns {
  removeStale(prefix);
  const own = `${prefix}-${process.pid}-${labs++}`;
  const tag = `${process.pid.toString(36)}${labs.toString(36)}`;
  const namespaces: string[] = [];
  const devices: string[] = [];
  const processes = new Set<LabProcess>();

  const removeAll = (): void => {
    for (const p of processes) kill(-p.pid, 'SIGKILL');
    for (const dev of devices.splice(0)) tryExec(null, ['ip', 'link', 'del', dev]);
    for (const name of namespaces.splice(0)) removeNs(name);
  };
  process.on('exit', removeAll);

  const up = (end: VethEnd): void => {
    const ns = end.ns ?? null;
    const set = [
      `echo 1 > /proc/sys/net/ipv6/conf/${end.dev}/disable_ipv6 2>/dev/null || true`,
      // by which another process knows whose it was
      ...(ns === null ? [`ip link set ${end.dev} alias ${own}-`] : []),
      ...(end.mac === undefined ? [] : [`ip link set ${end.dev} address ${end.mac}`]),
      ...(end.mtu === undefined ? [] : [`ip link set ${end.dev} mtu ${end.mtu}`]),
      `ip link set ${end.dev} up`,
      ...[end.ip ?? []].flat().map((ip) => `ip addr add ${ip} dev ${end.dev}`),
    ];
    execIn(ns, set.join(' && '));
  };

  const spawn = (ns: NsName, command: Command, env?: NodeJS.ProcessEnv): LabProcess => {
    const [file, ...args] = argv(ns, command);
    // A group of its own: a shell's children end with it, and none keeps the pipes open.
    const child = childSpawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: env ?? process.env,
      detached: true,
    });
    let output = '';
    const listeners = new Set<() => void>();
    const tell = (): void => {
      for (const listener of [...listeners]) listener();
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        tell();
      });
    }
    let code: number | undefined;
    const exit = new Promise<number>((resolve) => {
      const end = (c: number): void => {
        code ??= c;
        processes.delete(proc);
        tell();
        resolve(code);
      };
      child
        .on('close', (c) => end(c ?? -1))
        .on('error', (error) => {
          output += `${error.message}\n`;
          end(-1);
        });
    });
    const proc: LabProcess = {
      pid: child.pid ?? 0,
      child,
      output: () => output,
      exited: () => exit,
      waitFor: (pattern, timeoutMs = 10_000) =>
        new Promise((resolve, reject) => {
          const finish = (): void => {
            clearTimeout(timer);
            listeners.delete(look);
          };
          const look = (): void => {
            const match = output.match(pattern);
            if (match === null && code === undefined) return;
            finish();
            if (match !== null) resolve(match);
            else reject(new Error(`${file} ${args.join(' ')} ended (${code}) before ${pattern}:\n${output}`));
          };
          const timer = setTimeout(() => {
            finish();
            reject(new Error(`no ${pattern} in ${timeoutMs} ms from ${file} ${args.join(' ')}:\n${output}`));
          }, timeoutMs);
          listeners.add(look);
          look();
        }),
      stop: async () => {
        if (code !== undefined || proc.pid === 0) return;
        kill(-proc.pid, 'SIGTERM');
        const timer = setTimeout(() => kill(-proc.pid, 'SIGKILL'), 2000);
        await exit;
        clearTimeout(timer);
      },
    };
    if (proc.pid !== 0) processes.add(proc);
    return proc;
  };

  return {
    prefix: own,
    ns(name) {
      const full = `${own}-${name}`;
      execIn(null, ['ip', 'netns', 'add', full]);
      namespaces.push(full);
      const quiet = ['all', 'default'].map((c) => `echo 1 > /proc/sys/net/ipv6/conf/${c}/disable_ipv6`);
      execIn(full, `ip link set lo up; { ${quiet.join('; ')}; } 2>/dev/null || true`);
      return full;
    },
    deviceName(name) {
      const full = `n${tag}${name}`;
      if (full.length > 15) throw new Error(`device name ${full} is longer than 15 characters`);
      devices.push(full);
      return full;
    },
    veth(a, b) {
      const end = (e: VethEnd): string[] => [e.dev, ...(e.ns == null ? [] : ['netns', e.ns])];
      const [devA, ...inA] = end(a);
      const [devB, ...inB] = end(b);
      execIn(null, ['ip', 'link', 'add', devA, ...inA, 'type', 'veth', 'peer', 'name', devB, ...inB]);
      up(a);
      up(b);
      // Until the kernel has seen the carrier, a device drops what it is given.
      for (const e of [a, b])
        execIn(e.ns ?? null, `for i in $(seq 100); do ${awaitUp(e.dev)} && exit; sleep 0.02; done`);
    },
    exec: execIn,
    async run(ns, command, timeoutMs = 60_000) {
      const proc = spawn(ns, command);
      const timer = setTimeout(() => kill(-proc.pid, 'SIGKILL'), timeoutMs);
      const code = await proc.exited();
      clearTimeout(timer);
      if (code !== 0) {
        throw new Error(
          `in ${ns ?? 'own namespace'}: ${[command].flat().join(' ')}: ${code}\n${proc.output()}`,
        );
      }
      return proc.output();
    },
    spawn,
    async cleanup() {
      await Promise.all([...processes].map((p) => p.stop()));
      removeAll();
      process.off('exit', removeAll);
    },
  };
}
