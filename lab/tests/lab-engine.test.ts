// The engine of the labs from the outside: what `nearhop lab` makes, refuses, and leaves behind after every kind of end. Each
// test has a lab of its own name; where the scenario is needed it is a copy of lab/esg.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../scripts/setup.mjs';
import type { LabReport } from '../../src/lab/report.ts';
import {
  envelope,
  esgCopy,
  inNode,
  type LabFolder,
  labFolder,
  leftovers,
  nearhop,
  type Ran,
  type Running,
  startNearhop,
  TOOLS,
} from './lab-fixture.ts';
import { describeRoot } from './netns.ts';

/** Two hosts on one link. */
const TWO = `topology:
  defaults: { kind: linux, image: alpine }
  nodes:
    a:
      exec:
        - ip addr add 10.9.0.1/30 dev eth1
    b:
      exec:
        - ip addr add 10.9.0.2/30 dev eth1
  links:
    - endpoints: ["a:eth1", "b:eth1"]
`;
/** One that takes seconds to build. */
const SLOW = TWO.replace('      exec:\n', `      exec:\n${'        - sleep 0.2\n'.repeat(30)}`);
const FRR = `topology:
  nodes:
    r:
      kind: linux
      image: quay.io/frrouting/frr:8.4.4
      binds:
        - daemons:/etc/frr/daemons
        - frr.conf:/etc/frr/frr.conf
`;
const GATEWAY = `topology:
  nodes:
    nearhop:
      kind: linux
      image: nearhop:0.1.0
      cmd: run -c /etc/nearhop/nearhop.yml
      binds:
        - nearhop.yml:/etc/nearhop/nearhop.yml
`;
const GATEWAY_CONFIG = 'gateway: { name: lab-test }\nports: [{ name: p, kind: memory }]\n';

const folders: LabFolder[] = [];
const started: Running[] = [];

function lab(topology: string, files: Readonly<Record<string, string>> = {}): LabFolder {
  const folder = labFolder(topology, files);
  folders.push(folder);
  return folder;
}

function start(...args: string[]): Running {
  const running = startNearhop(args);
  started.push(running);
  return running;
}

const errorOf = (ran: Ran): string => {
  expect(ran.code, ran.stdout + ran.stderr).toBe(1);
  return ran.stderr;
};

async function until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
  }
}

/** Waits until a lab has its first namespace. */
const building = ({ name }: LabFolder): Promise<void> =>
  until(`lab ${name} is being built`, () => leftovers(name).some((l) => l.startsWith('namespace ')));

describeRoot('nearhop lab', TOOLS, () => {
  beforeAll(() => ensureBuild());

  afterEach(async () => {
    for (const { child, ended } of started.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    }
    for (const folder of folders.splice(0)) {
      await nearhop('lab', 'down', folder.dir);
      const left = leftovers(folder.name);
      folder.remove();
      expect(left).toEqual([]);
    }
  });

  it('up builds what the file says, status shows it, down removes it, down again finds nothing', async () => {
    const { name, dir, file } = lab(TWO);
    const up = await nearhop('lab', 'up', dir, '--json');
    expect(envelope(up)).toMatchObject({
      ok: true,
      data: { lab: name, namespaces: [`nh-${name}-a`, `nh-${name}-b`] },
    });
    expect(up.code).toBe(0);
    expect(inNode(name, 'a', 'ping', '-c1', '-W2', '10.9.0.2')).toContain('1 received');
    expect(inNode(name, 'a', 'ip', 'link', 'show', 'eth1')).toContain('mtu 9500'); // as containerlab's links

    const status = await nearhop('lab', 'status', dir, '--json');
    expect(envelope(status).data).toEqual([
      { lab: name, phase: 'up', file, namespaces: [`nh-${name}-a`, `nh-${name}-b`] },
    ]);
    expect((await nearhop('lab', 'status')).stdout).toContain(`${name}: up (${file})\n  nh-${name}-a\n`);

    expect(await nearhop('lab', 'down', dir)).toMatchObject({ code: 0, stdout: `lab ${name} is down\n` });
    expect(leftovers(name)).toEqual([]);
    expect(await nearhop('lab', 'down', dir)).toMatchObject({ code: 0, stdout: `lab ${name} was not up\n` });
    expect(await nearhop('lab', 'status', dir)).toMatchObject({ code: 0, stdout: 'no lab is up\n' });
  });

  it('up ends the processes in its namespaces when it goes down', async () => {
    const { name, dir } = lab(TWO);
    await nearhop('lab', 'up', dir);
    const program = spawn('ip', ['netns', 'exec', `nh-${name}-a`, 'sleep', '600'], { stdio: 'ignore' });
    const exited = new Promise((resolve) => program.once('exit', (_code, signal) => resolve(signal)));
    const inside = (): string => execFileSync('ip', ['netns', 'pids', `nh-${name}-a`], { encoding: 'utf8' });
    await until('sleep runs', () => inside().split('\n').includes(String(program.pid)));
    await nearhop('lab', 'down', dir);
    expect(await exited).toBe('SIGTERM');
    expect(leftovers(name)).toEqual([]);
  });

  it('up and run refuse a lab that is up, say how to end it, and leave it alone', async () => {
    const { name, dir, file } = lab(GATEWAY, { 'nearhop.yml': GATEWAY_CONFIG });
    expect(await nearhop('lab', 'up', dir)).toMatchObject({ code: 0 });
    const before = leftovers(name);
    for (const verb of ['up', 'run']) {
      const said = errorOf(await nearhop('lab', verb, dir));
      expect(said).toContain(`lab ${name} is up [lab-already-up]`);
      expect(said).toContain(`hint: nearhop lab down ${file}`);
      expect(leftovers(name)).toEqual(before);
    }
  });

  it('up refuses a namespace that it did not make, touches nothing of it, and removes its own', async () => {
    const { name, dir } = lab(TWO);
    const foreign = `nh-${name}-b`;
    execFileSync('ip', ['netns', 'add', foreign]);
    try {
      execFileSync('ip', ['-n', foreign, 'link', 'add', 'precious', 'type', 'bridge']);
      const said = errorOf(await nearhop('lab', 'up', dir));
      expect(said).toContain(`there is a namespace ${foreign} that this lab did not make [namespace-taken]`);
      expect(said).toContain(`hint: if it is of no use: ip netns del ${foreign}`);
      await nearhop('lab', 'down', dir);
      expect(leftovers(name)).toEqual([`namespace ${foreign}`]);
      expect(execFileSync('ip', ['-n', foreign, 'link', 'show', 'precious'], { encoding: 'utf8' })).toContain(
        'precious',
      );
    } finally {
      execFileSync('ip', ['netns', 'del', foreign]);
    }
  });

  it.each([
    ['fails', 'ip addr add 10.9.0.1/30 dev eth7', 'Cannot find device "eth7"'],
    ['names no program', 'no-such-program --now', 'no-such-program'],
  ])('up names node and exec line when one %s, and removes what was there', async (_what, line, why) => {
    const { name, dir, file } = lab(TWO.replace('ip addr add 10.9.0.1/30 dev eth1', line));
    const said = errorOf(await nearhop('lab', 'up', dir));
    expect(said).toContain(`${file}: node a: exec '${line}': exit `);
    expect(said).toContain(why);
    expect(said).toContain('[lab-exec-failed]');
    expect(leftovers(name)).toEqual([]);
  });

  it('up says place and fault of a broken topology and makes nothing', async () => {
    const { name, dir, file } = lab(TWO.replace('b:eth1', 'c:eth1'));
    expect(errorOf(await nearhop('lab', 'up', dir))).toContain(
      `${file}:12:29: topology.links.0.endpoints.1: no node 'c' [lab-invalid]`,
    );
    expect(leftovers(name)).toEqual([]);
  });

  it('up says what Nearhop said when it does not start, and removes what was there', async () => {
    const { name, dir } = lab(GATEWAY, { 'nearhop.yml': GATEWAY_CONFIG.replace('ports', 'prots') });
    const said = errorOf(await nearhop('lab', 'up', dir));
    expect(said).toContain('[lab-nearhop-failed]');
    expect(said).toContain("unknown key 'prots'");
    expect(leftovers(name)).toEqual([]);
  });

  it('up says what FRR refused, and removes its daemons and folders', async () => {
    const files = { daemons: 'zebra=yes\nbgpd=yes\n', 'frr.conf': 'router bgp 65001\n neighbour oops\n' };
    const { name, dir } = lab(FRR, files);
    const said = errorOf(await nearhop('lab', 'up', dir));
    expect(said).toContain('[frr-config-refused]');
    expect(said).toContain('neighbour oops');
    expect(leftovers(name)).toEqual([]);
  });

  it('down removes FRR, its folders and all namespaces of a lab with a router', async () => {
    const { name, dir } = lab(FRR, { daemons: 'zebra=yes\nbgpd=yes\n', 'frr.conf': 'router bgp 65001\n' });
    expect(await nearhop('lab', 'up', dir)).toMatchObject({ code: 0, stderr: '' });
    expect(inNode(name, 'r', 'vtysh', '-N', `nh-${name}-r`, '-c', 'show running-config')).toContain(
      'router bgp 65001',
    );
    expect(existsSync(`/etc/frr/nh-${name}-r/frr.conf`)).toBe(true);
    const vtysh = ['netns', 'exec', `nh-${name}-r`, 'vtysh', '-N', `nh-${name}-r`, '-c', 'show version'];
    expect(spawnSync('ip', vtysh, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    await nearhop('lab', 'down', dir);
    expect(leftovers(name)).toEqual([]);
  });

  // ── interrupted, killed ──

  it.each(['SIGINT', 'SIGTERM'] as const)('up removes what it has built when it gets %s', async (signal) => {
    const folder = lab(SLOW);
    const up = start('lab', 'up', folder.dir);
    await building(folder);
    const startMs = performance.now();
    up.child.kill(signal);
    expect(errorOf(await up.ended)).toContain('interrupted; the lab is taken down [lab-interrupted]');
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(leftovers(folder.name)).toEqual([]);
  });

  it('up that was killed is shown by status, and up again builds the lab anew', async () => {
    const folder = lab(SLOW);
    const up = start('lab', 'up', folder.dir);
    await building(folder);
    up.child.kill('SIGKILL');
    await up.ended;
    expect((await nearhop('lab', 'status', folder.dir)).stdout).toContain(`${folder.name}: left behind (`);
    writeFileSync(folder.file, readFileSync(folder.file, 'utf8').replaceAll('        - sleep 0.2\n', ''));
    const again = await nearhop('lab', 'up', folder.dir);
    expect(again.stderr).toBe(`removing what an earlier run of lab ${folder.name} left behind\n`);
    expect(again.code).toBe(0);
    expect(inNode(folder.name, 'a', 'ping', '-c1', '-W2', '10.9.0.2')).toContain('1 received');
  });

  it('up refuses while another process builds the same lab', async () => {
    const folder = lab(SLOW);
    start('lab', 'up', folder.dir);
    await building(folder);
    expect(errorOf(await nearhop('lab', 'up', folder.dir))).toContain('is building [lab-already-up]');
    expect(leftovers(folder.name).some((l) => l.startsWith('namespace '))).toBe(true);
  });

  it('down takes down a lab that is being built, and its builder gives up', async () => {
    const folder = lab(SLOW);
    const up = start('lab', 'up', folder.dir);
    await building(folder);
    expect((await nearhop('lab', 'down', folder.dir)).stdout).toBe(`lab ${folder.name} is down\n`);
    errorOf(await up.ended);
    expect(leftovers(folder.name)).toEqual([]);
  });

  const moments = [
    ['while it is being built', 'building lab'],
    ['while it pings', '(a)'],
    ['while BGP comes up', '(b)'],
    ['while a TCP flow runs', 'vm2 → src-host'],
  ] as const;
  it.each(moments)('run takes the lab down after Ctrl-C %s', async (_when, text) => {
    const copy = esgCopy();
    folders.push(copy);
    const run = start('lab', 'run', copy.dir);
    await run.says(text);
    if (text === 'building lab') await building(copy);
    else await sleep(700);
    const startMs = performance.now();
    run.interrupt();
    const ran = await run.ended;
    expect(errorOf(ran)).toContain('[lab-interrupted]');
    expect(ran.stdout).not.toContain('claims held');
    expect(performance.now() - startMs).toBeLessThan(8000);
    expect(leftovers(copy.name)).toEqual([]);
  });

  it('run that was killed leaves what down removes, all its programs with it', async () => {
    const copy = esgCopy();
    folders.push(copy);
    const run = start('lab', 'run', copy.dir);
    await run.says('(a)');
    run.child.kill('SIGKILL');
    await run.ended;
    expect((await nearhop('lab', 'status', copy.dir)).stdout).toContain(`${copy.name}: left behind (`);
    expect(leftovers(copy.name).some((l) => l.includes('bgpd'))).toBe(true);
    expect((await nearhop('lab', 'down', copy.dir)).stdout).toBe(`lab ${copy.name} is down\n`);
    expect(leftovers(copy.name)).toEqual([]);
  });

  it('run --keep leaves the lab up for whoever looks', async () => {
    const copy = esgCopy();
    folders.push(copy);
    const ran = await nearhop('lab', 'run', copy.dir, '--keep', '--json');
    expect(envelope(ran).data as LabReport).toMatchObject({ claims: 31, held: 31 });
    expect((await nearhop('lab', 'status', copy.dir)).stdout).toContain(`${copy.name}: up (`);
    const router = `nh-${copy.name}-src-router`;
    const routes = inNode(copy.name, 'src-router', 'vtysh', '-N', router, '-c', 'show ip route bgp');
    for (const vm of ['192.168.10.11', '192.168.10.12', '192.168.10.13']) {
      expect(routes).toMatch(new RegExp(`B>\\* ${vm}/32 \\[20/0\\] via 172\\.16\\.0\\.2, eth3`));
    }
    const vms = await nearhop(
      'show',
      'vms',
      '--json',
      '--socket',
      `/run/nearhop/labs/${copy.name}/nearhop.sock`,
    );
    expect(
      (envelope(vms).data as { name: string; state: string }[]).map((v) => `${v.name} ${v.state}`),
    ).toEqual(['vm1 LOCAL', 'vm2 LOCAL', 'vm3 LOCAL']);
    expect(inNode(copy.name, 'vm1', 'ping', '-c1', '-W2', '10.20.0.10')).toContain('1 received');
  });

  // ── without root ──

  it.each(['up', 'run', 'down'])('%s says that it needs root, when it is not', async (verb) => {
    const { name, dir } = lab(TWO);
    // Somebody else, who may read the files of the test all the same.
    const nobody = [
      'setpriv',
      '--reuid',
      '65534',
      '--inh-caps',
      '+dac_read_search',
      '--ambient-caps',
      '+dac_read_search',
    ];
    const said = errorOf(await startNearhop(['lab', verb, dir], nobody).ended);
    expect(said).toContain('needs root [lab-needs-root]');
    expect(said).toContain('hint: ');
    expect(leftovers(name)).toEqual([]);
  });

  it('is no lab without its file', async () => {
    expect(errorOf(await nearhop('lab', 'up', join('/', 'nowhere')))).toContain(
      'there is no /nowhere/nowhere.clab.yml [lab-missing]',
    );
  });
});
