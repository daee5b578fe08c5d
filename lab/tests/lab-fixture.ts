// Labs for the tests of the engine: topologies under names of their own, the built command as users run it, and what a lab
// leaves on the machine.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const BUNDLE = join(ROOT, 'dist/main.mjs');
export const TOOLS = ['ping', 'tcpdump', 'iperf3', 'vtysh', '/usr/lib/frr/bgpd'] as const;

// ── labs in a folder of their own ──

export interface LabFolder {
  /** Name of the lab, which no other test and no developer uses. */
  readonly name: string;
  readonly dir: string;
  /** The topology file. */
  readonly file: string;
  remove(): void;
}

let made = 0;

/** A folder with a topology (without its `name:`) and other files, by their paths in it. */
export function labFolder(topology: string, files: Readonly<Record<string, string>> = {}): LabFolder {
  const parent = mkdtempSync(join(tmpdir(), 'nearhop-lab-'));
  const name = `nhp-${process.pid.toString(36)}-${made++}`;
  const dir = join(parent, name);
  const file = join(dir, `${name}.clab.yml`);
  chmodSync(parent, 0o755); // for the tests without root
  mkdirSync(dir);
  writeFileSync(file, `name: ${name}\n${topology}`);
  for (const [path, text] of Object.entries(files)) writeFileSync(join(dir, path), text);
  return { name, dir, file, remove: () => rmSync(parent, { recursive: true, force: true }) };
}

/** A copy of lab/esg under another name, so that it disturbs nobody who has the real one up. */
export function esgCopy(): LabFolder {
  const esg = join(ROOT, 'lab/esg');
  const copy = labFolder(readFileSync(join(esg, 'esg.clab.yml'), 'utf8').replace(/^name: esg$/m, ''));
  cpSync(join(esg, 'nearhop.yml'), join(copy.dir, 'nearhop.yml'));
  cpSync(join(esg, 'src-router'), join(copy.dir, 'src-router'), { recursive: true });
  return copy;
}

// ── the command ──

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** Resolves as soon as stdout holds the text; rejects with all output when it ends or `timeoutMs` passes before. */
  says(text: string, timeoutMs?: number): Promise<void>;
  /** Ctrl-C of a terminal: SIGINT to the whole process group. */
  interrupt(): void;
}

/** Starts the command in a process group of its own. */
export function startNearhop(args: readonly string[], prefix: readonly string[] = []): Running {
  const [file, ...rest] = [...prefix, process.execPath, BUNDLE, ...args];
  const child = spawn(file, rest, { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const look of [...waiting]) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ran>((resolve) =>
    child.once('close', (code) => {
      resolve({ code, stdout, stderr });
      for (const look of [...waiting]) look();
    }),
  );
  return {
    child,
    ended,
    says: (text, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const finish = (): void => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        const look = (): void => {
          const over = child.exitCode !== null || child.signalCode !== null;
          if (!stdout.includes(text) && !over) return;
          finish();
          if (stdout.includes(text)) resolve();
          else reject(new Error(`ended before it said '${text}':\n${stdout}${stderr}`));
        };
        const timer = setTimeout(() => {
          finish();
          reject(new Error(`did not say '${text}' in ${timeoutMs} ms:\n${stdout}${stderr}`));
        }, timeoutMs);
        waiting.add(look);
        look();
      }),
    interrupt: () => {
      process.kill(-(child.pid ?? 0), 'SIGINT');
    },
  };
}

export const nearhop = (...args: string[]): Promise<Ran> => startNearhop(args).ended;

/** The JSON envelope that a command printed. */
export const envelope = (
  ran: Ran,
): { ok: boolean; data?: unknown; error?: { code: string; message: string } } =>
  JSON.parse(
    ran.stdout || `{"ok":false,"error":{"code":"nothing on stdout","message":${JSON.stringify(ran.stderr)}}}`,
  );

/** Runs a program in a node of a lab; returns stdout. */
export const inNode = (lab: string, node: string, ...argv: string[]): string =>
  execFileSync('ip', ['netns', 'exec', `nh-${lab}-${node}`, ...argv], { encoding: 'utf8' });

// ── what a lab leaves on the machine ──

const list = (dir: string): string[] => {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
};

/** The network namespace of a process, '' when it has gone. */
const netnsOf = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
};

const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
};

/** Network namespaces of processes: those of a lab that is down must have gone from here too. */
export const inhabitedNamespaces = (): ReadonlySet<string> =>
  new Set(
    list('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(netnsOf)
      .filter(Boolean),
  );

/** Network namespaces that have a name. */
export const namedNamespaces = (): ReadonlySet<string> =>
  new Set(
    list('/run/netns').map(
      (name) => `net:[${statSync(`/run/netns/${name}`, { throwIfNoEntry: false })?.ino}]`,
    ),
  );

/**
 * All that is on the machine of a lab: namespaces, processes, folders of state and of FRR, and devices with a lab's names in
 * the namespace of the test.
 */
export function leftovers(lab: string): string[] {
  const devices = JSON.parse(execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })) as {
    ifname: string;
  }[];
  const namespaces = list('/run/netns').filter((ns) => ns.startsWith(`nh-${lab}-`));
  const owners = list('/proc').filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid));
  return [
    ...namespaces.map((ns) => `namespace ${ns}`),
    ...owners
      .map((pid) => `${pid}: ${commandOf(pid)}`)
      .filter((text) => text.includes(`nh-${lab}-`) || text.includes(`/run/nearhop/labs/${lab}/`))
      .map((text) => `process ${text}`),
    ...list('/run/nearhop/labs')
      .filter((name) => name === lab)
      .map((name) => `state ${name}`),
    ...['/etc/frr', '/var/run/frr'].flatMap((dir) =>
      list(dir)
        .filter((name) => name.startsWith(`nh-${lab}-`))
        .map((name) => `folder ${dir}/${name}`),
    ),
    ...devices
      .map((d) => d.ifname)
      .filter((name) => /^(br0|vxlan10|eth[1-9])$/.test(name))
      .map((name) => `device ${name}`),
  ];
}
