// The command as users run it: the built bundle, a real process, signals, pipes. Needs `npm run build` and koffi, no root.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const bundle = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
const built = existsSync(bundle);
if (!built) console.warn('skipped: dist/main.mjs is not there, `npm run build` makes it');

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let directory: string;
let config: string;
let socket: string;
const running: ChildProcess[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nearhop-run-'));
  config = join(directory, 'esg.yaml');
  socket = join(directory, 'esg.sock');
  writeFileSync(
    config,
    `gateway: { name: esg, controlSocket: ${socket} }
ports: [{ name: wan0, kind: memory }, { name: ext0, kind: memory }, { name: vm1, kind: memory }]
interfaces: [{ name: wan, port: wan0, address: 172.16.0.2/30 }]
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: 02:00:00:00:10:02 }
    extension: { port: ext0 }
    members: [vm1]
    vms: [{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.11] }]
`,
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

const nearhop = (...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [bundle, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });

/** Starts `run` and waits until it says that it is up. */
async function up(): Promise<{ child: ChildProcess; ended: Promise<Ran> }> {
  const child = spawn(process.execPath, [bundle, 'run', '-c', config, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let stdout = '';
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ran>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
  await Promise.race([
    new Promise<void>((resolve) =>
      child.stdout?.on('data', (chunk) => {
        stdout += chunk;
        if (stdout.includes('\n')) resolve();
      }),
    ),
    ended,
  ]);
  expect(JSON.parse(stdout), stderr).toMatchObject({
    command: 'run',
    ok: true,
    data: { name: 'esg', socket },
  });
  return { child, ended };
}

describe.skipIf(!built)('nearhop run', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'stops cleanly by %s and removes its socket',
    async (signal) => {
      const { child, ended } = await up();
      child.kill(signal);
      const { code, stderr } = await ended;
      expect([code, existsSync(socket)]).toEqual([0, false]);
      expect(stderr).toContain(`stopped by ${signal}`);
    },
  );

  it('answers show, and moves a VM', async () => {
    const { child, ended } = await up();
    const routes = async (): Promise<string[]> => {
      const { stdout } = await nearhop('show', 'routes', '--json', '--socket', socket);
      return JSON.parse(stdout).data.map((r: { prefix: string }) => r.prefix);
    };
    expect(await routes()).not.toContain('192.168.10.11/32');
    expect((await nearhop('vm', 'migrate', 'web', 'bulk', '--socket', socket)).code).toBe(0);
    expect(await routes()).toContain('192.168.10.11/32');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('refuses to start where a gateway of this name runs', async () => {
    const { child, ended } = await up();
    const second = await nearhop('run', '-c', config);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('[gateway-already-running]');
    expect((await nearhop('status', '--socket', socket)).code).toBe(0);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('starts again after a SIGKILL left its socket', async () => {
    const first = await up();
    first.child.kill('SIGKILL');
    await first.ended;
    expect(existsSync(socket)).toBe(true);
    const { child, ended } = await up();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('is quiet when the reader of a pipe goes away', async () => {
    // `true` ends before node has started
    const line = '("$0" "$1" schema; echo "code $?" >&2) | true';
    const child = spawn('sh', ['-c', line, process.execPath, bundle], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(stderr).toBe('code 0\n');
  });
});
