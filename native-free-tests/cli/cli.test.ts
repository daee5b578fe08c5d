import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/base/version.ts';
import { changed, EXAMPLE } from '../config/example.ts';
import { nearhop } from './run-cli.ts';

let directory: string;
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nearhop-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('runCli: help and usage', () => {
  it('prints the version', async () => {
    expect(await nearhop('--version')).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  it('prints help on stdout', async () => {
    const { code, stdout, stderr } = await nearhop('--help');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatchSnapshot();
    expect((await nearhop('show --help')).stdout).toMatchSnapshot();
    expect((await nearhop('vm migrate --help')).stdout).toMatchSnapshot();
    expect((await nearhop('trace --help')).stdout).toMatchSnapshot();
  });

  it.each([
    ['', 'error: nearhop: name one of its commands [usage]\nhint: see `nearhop --help`\n'],
    ['show', 'error: nearhop show: name one of its commands [usage]\nhint: see `nearhop show --help`\n'],
    ['shwo', "error: unknown command 'shwo' [usage]\nhint: Did you mean show?\n"],
    ['show rutes', "error: unknown command 'rutes' [usage]\nhint: Did you mean routes?\n"],
    ['show routes --sorce bgp', "error: unknown option '--sorce' [usage]\nhint: Did you mean --source?\n"],
    [
      'show routes --source rip',
      "error: option '--source <source>' argument 'rip' is invalid. Allowed choices are connected, static, mobility, bgp. [usage]\n" +
        'hint: see `nearhop show routes --help`\n',
    ],
    [
      'check',
      "error: required option '-c, --config <file>' not specified [usage]\nhint: see `nearhop check --help`\n",
    ],
    [
      'vm migrate web',
      "error: missing required argument 'kind' [usage]\nhint: see `nearhop vm migrate --help`\n",
    ],
    [
      'vm migrate web fly',
      "error: 'fly' is no kind of migration. Kinds: bulk, dr, vmotion, power-cycle, reverse [usage]\n" +
        'hint: see `nearhop vm migrate --help`\n',
    ],
    [
      'trace --count 0',
      "error: option '--count <n>' argument '0' is invalid. It is a whole number from 1 to 2147483647. [usage]\n" +
        'hint: see `nearhop trace --help`\n',
    ],
  ])('ends `nearhop %s` with 2 and one message on stderr', async (line, stderr) => {
    expect(await nearhop(line)).toEqual({ code: 2, stdout: '', stderr });
  });

  it('writes the envelope for a wrong command line too', async () => {
    const { code, stdout, stderr } = await nearhop('show rutes --json');
    expect([code, stderr]).toEqual([2, '']);
    expect(JSON.parse(stdout)).toEqual({
      nearhop: 1,
      command: 'show',
      ok: false,
      error: { code: 'usage', message: "unknown command 'rutes'", hint: 'Did you mean routes?' },
    });
  });
});

describe('nearhop check', () => {
  it('counts what is in a good file', async () => {
    const path = file('good.yaml', EXAMPLE);
    expect(await nearhop(`check --no-host -c ${path}`)).toEqual({
      code: 0,
      stdout: `${path}: ok: 4 ports, 2 interfaces, 1 network, 2 VMs, 0 warnings\n`,
      stderr: '',
    });
    const { stdout } = await nearhop(`check --no-host -c ${path} --json`);
    expect(JSON.parse(stdout)).toEqual({
      nearhop: 1,
      command: 'check',
      ok: true,
      data: { file: path, gateway: 'esg', ports: 4, interfaces: 2, networks: 1, vms: 2 },
      warnings: [],
    });
  });

  it('ends with 2 and shows every problem of a bad file', async () => {
    const path = file('bad.yaml', changed(['vni: 10', 'vni: -1'], ['port: wan0', 'port: wan1']));
    const { code, stdout, stderr } = await nearhop(`check --no-host -c ${path}`);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(
      `${path}:4:37: error: ports[1].vni: -1 must be at least 0 [value-out-of-range]\n`,
    );
    expect(stderr).toContain(`${path}:8:24: error: there is no port 'wan1' [port-unknown]\n`);
    expect(stderr).toContain(`error: ${path} has 2 errors [config-invalid]\n`);

    const json = JSON.parse((await nearhop(`check --no-host -c ${path} --json`)).stdout);
    expect(json).toMatchObject({
      nearhop: 1,
      command: 'check',
      ok: false,
      error: { code: 'config-invalid' },
    });
    expect(json.error.details[0]).toEqual({
      severity: 'error',
      code: 'value-out-of-range',
      message: 'ports[1].vni: -1 must be at least 0',
      hint: null,
      file: path,
      line: 4,
      column: 37,
      path: ['ports', 1, 'vni'],
    });
  });

  it('shows warnings of a file that can run, and ends with 0', async () => {
    const path = file('warn.yaml', EXAMPLE.split('bgp:')[0]);
    const { code, stdout } = await nearhop(`check --no-host -c ${path}`);
    expect(code).toBe(0);
    expect(stdout).toContain('PROXIMITY ROUTING WILL NOT WORK');
    expect(stdout).toContain('1 warning\n');
    const json = JSON.parse((await nearhop(`check --no-host -c ${path} --json`)).stdout);
    expect(json.warnings).toEqual([
      expect.objectContaining({ code: 'proximity-without-routing', severity: 'warning' }),
    ]);
  });

  it('looks at the devices of this host unless told not to', async () => {
    const path = file('host.yaml', changed(['device: eth1', 'device: nosuchdevice0']));
    const { code, stderr } = await nearhop(`check -c ${path}`);
    expect(code).toBe(2);
    expect(stderr).toContain("the host has no device 'nosuchdevice0' [device-missing]");
  });

  it('ends with 2 for a file that is not there', async () => {
    const { code, stderr } = await nearhop(`check -c ${directory}/none.yaml`);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `error: ${directory}/none.yaml: there is no such file [config-unreadable]\nhint: name the config file with -c FILE\n`,
    );
  });
});

describe('nearhop schema', () => {
  it('prints JSON Schema, with --json in the envelope', async () => {
    const { code, stdout } = await nearhop('schema');
    expect(code).toBe(0);
    const schema = JSON.parse(stdout);
    expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
    expect(JSON.parse((await nearhop('schema --json')).stdout).data).toEqual(schema);
  });
});

describe('nearhop run', () => {
  it('ends with 2 for a bad config, and starts nothing', async () => {
    const path = file('run.yaml', changed(['vni: 10', 'vni: -1']));
    const { code, stdout, stderr } = await nearhop(`run -c ${path}`);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('[value-out-of-range]');
    expect(process.listenerCount('SIGTERM')).toBe(0);
  });
});
