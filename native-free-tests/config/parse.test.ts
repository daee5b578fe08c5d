import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { NearhopError } from '../../src/base/errors.ts';
import { loadConfig, parseConfig } from '../../src/config/parse.ts';
import { ConfigError, ConfigProblem, formatProblem } from '../../src/config/problem.ts';
import { changed, EXAMPLE, problemsOf, showProblems } from './example.ts';

describe('parseConfig', () => {
  it('gives numbers, with every default filled in', () => {
    const { config, errors, warnings } = parseConfig(EXAMPLE);
    expect([...errors, ...warnings]).toEqual([]);
    expect(config?.gateway).toEqual({
      name: 'esg',
      routerId: 0x0aff0002,
      siteAddress: 0x0aff0002,
      packetMemoryMiB: 256,
      spinMs: 4,
      workers: 1,
      maxVms: 16384,
    });
    expect(config?.ports[0]).toMatchObject({
      kind: 'af-packet',
      name: 'wan0',
      device: 'eth1',
      waitSeconds: 0,
    });
    expect(config?.ports[1]).toMatchObject({
      vni: 10,
      local: 0x0a000102,
      remotes: [0x0a000101],
      udpPort: 4789,
    });
    expect(config?.ports[3].fault).toEqual({
      loss: 0.01,
      corrupt: 0,
      duplicate: 0,
      reorder: 0,
      delayMs: 0,
      seed: 1,
    });
    expect(config?.interfaces).toEqual([
      {
        name: 'wan',
        port: 'wan0',
        vlan: 0,
        address: { address: 0xac100002, len: 30 },
        mtu: 1500,
        hostStack: true,
      },
      {
        name: 'edge',
        port: 'trunk0',
        vlan: 30,
        address: { address: 0xcb007102, len: 24 },
        mac: { hi: 0x0200, lo: 0x00003001 },
        mtu: 9000,
        hostStack: false,
      },
    ]);
    expect(config?.networks[0]).toMatchObject({
      subnet: { prefix: 0xc0a80a00, len: 24 },
      gateway: {
        address: 0xc0a80a01,
        mac: { hi: 0x0200, lo: 0x1002 },
        sourceMac: { hi: 0x0200, lo: 0x1001 },
      },
      proximityRouting: true,
      extension: { port: 'ext0', vlan: 0, mtu: 1400, mssClamp: true },
      members: [
        { port: 'vm1', vlan: 0 },
        { port: 'trunk0', vlan: 10 },
      ],
      staleGateway: 'intercept',
      asymmetric: 'deliver',
      floodPps: 10_000,
    });
    expect(config?.networks[0].vms[0]).toEqual({
      name: 'web',
      mac: { hi: 0x0200, lo: 0x0b },
      addresses: [0xc0a80a0b],
      location: 'source',
    });
    expect(config?.routes).toEqual([
      { prefix: { prefix: 0, len: 0 }, via: [0xcb007101], blackhole: false },
      { prefix: { prefix: 0x0a630000, len: 16 }, via: [0xac100001, 0xcb007101], blackhole: false },
      { prefix: { prefix: 0x0a420000, len: 16 }, via: [], blackhole: true },
    ]);
    expect(config?.bgp).toMatchObject({
      as: 65002,
      listen: true,
      redistribute: ['mobility'],
      neighbors: [{ address: 0xac100001, as: 65001, port: 179, holdSeconds: 90, passive: false }],
    });
  });

  it('takes the highest interface address for the router id when none is given', () => {
    const { config } = parseConfig(changed([', routerId: 10.255.0.2', '']));
    expect(config?.gateway.routerId).toBe(0xcb007102);
  });

  it('reads anchors and aliases', () => {
    const text = changed(['{ name: wan0, kind: af-packet', '&wan { name: wan0, kind: af-packet']);
    expect(parseConfig(text).config?.ports[0].name).toBe('wan0');
  });

  it('shows line, column, the text with a caret, and what would be right, for all errors of a file', () => {
    const text = changed(
      ['routerId:', 'routerID:'],
      ['device: eth1', 'device: eth1, waitSeconds: soon'],
      ['remotes: [10.0.1.1]', 'remotes: 10.0.1.1'],
      ['kind: tap', 'kind: tapp'],
      ['subnet: 192.168.10.0/24', 'subnet: 192.168.10.1/24'],
      ['prefix: 10.66.0.0/16, blackhole: true', 'blackhole: true'],
    );
    expect(showProblems(parseConfig(text, { file: 'esg.yaml' }))).toBe(
      `esg.yaml:1:23: error: unknown key 'routerID' in gateway [key-unknown]
  1 | gateway: { name: esg, routerID: 10.255.0.2, siteAddress: 10.255.0.2 }
    |                       ^
  hint: did you mean 'routerId'?

esg.yaml:3:63: error: ports[0].waitSeconds is text, expected a number [value-type]
  3 |   - { name: wan0, kind: af-packet, device: eth1, waitSeconds: soon }
    |                                                               ^

esg.yaml:4:67: error: ports[1].remotes is text, expected a list [value-type]
  4 |   - { name: ext0, kind: vxlan, vni: 10, local: 10.0.1.2, remotes: 10.0.1.1 }
    |                                                                   ^
  hint: a list is written [ … ], or as lines that begin with "- "

esg.yaml:5:24: error: ports[2].kind: 'tapp' is not known [value-unknown]
  5 |   - { name: vm1, kind: tapp, device: nh0 }
    |                        ^
  hint: did you mean 'tap'?

esg.yaml:12:13: error: networks[0].subnet: '192.168.10.1/24' has bits set behind its prefix length [prefix-host-bits]
  12 |     subnet: 192.168.10.1/24
     |             ^
  hint: did you mean 192.168.10.0/24?

esg.yaml:22:5: error: 'prefix' is missing in routes[2] [key-missing]
  22 |   - { blackhole: true }
     |     ^
  hint: prefix: IPv4 prefix`,
    );
  });

  it('reports errors of meaning in the same run as errors of form, at the places of the whole file', () => {
    // the first port is refused, so the lists that the checks see are shorter than the file's
    const text = changed(
      ['device: eth1 }', 'device: eth1, vni: 1 }'],
      ['name: vm1, kind: tap, device: nh0', 'name: vm1, kind: tap'],
      ['name: edge, port: trunk0', 'name: edge, port: trunk'],
      ['vms:\n      - { name: web, mac: 02', 'vms:\n      - { name: web, mac: 03'],
      ['addresses: [192.168.10.12]', 'addresses: [192.168.11.12]'],
    );
    expect(problemsOf(text)).toEqual([
      '3:50 key-unknown',
      '5:5 key-missing',
      '9:25 port-unknown',
      '17:27 mac-group',
      '18:57 vm-outside-subnet',
    ]);
  });

  it.each([
    ['proximity_routing', "did you mean 'proximityRouting'?"],
    ['ProximityRouting', "did you mean 'proximityRouting'?"],
    ['proximityRoutnig', "did you mean 'proximityRouting'?"],
    ['flod-pps', "did you mean 'floodPps'?"],
  ])('suggests the key that %s was meant to be', (wrong, hint) => {
    const { errors } = parseConfig(changed(['    members:', `    ${wrong}: 1\n    members:`]));
    expect(errors.map((e) => [e.message, e.hint])).toEqual([[`unknown key '${wrong}' in networks[0]`, hint]]);
  });

  it.each([
    ['', '0:0 key-missing'],
    ['# only a comment\n', '0:0 key-missing'],
    ['just text', '1:1 value-type'],
    ['[]', '1:1 value-type'],
    ['gateway: {name: a}\n---\ngateway: {name: b}', '2:1 yaml-invalid'],
    ['gateway: {name: a}\ngateway: {name: b}', '2:1 yaml-invalid'],
    ['gateway: {name: a', '1:18 yaml-invalid'],
    ['gateway:\n\tname: a', '2:1 yaml-invalid'],
    ['gateway: &a [*a]', '1:13 value-type'],
    ['gateway: {name: *nobody}', '1:17 yaml-invalid'],
    ['gateway: {name: a}\nports: [{name: p, kind: {toString: {}}}]', '2:25 value-unknown'],
    ['gateway: {name: a, constructor: {prototype: 1}}', '1:20 key-unknown'],
    ['gateway: {name: a, __proto__: {name: b}}', '1:20 key-unknown'],
  ])('answers %j with a problem', (text, first) => {
    expect(problemsOf(text)[0]).toBe(first);
  });

  it('refuses bytes that are not UTF-8, files that are too large and alias bombs', () => {
    expect(problemsOf(new Uint8Array([0xff, 0xfe, 0]))).toEqual(['0:0 config-not-text']);
    expect(problemsOf(new Uint8Array((16 << 20) + 1))).toEqual(['0:0 config-too-large']);
    const levels = Array.from({ length: 9 }, (_, i) =>
      i === 0 ? 'l0: &l0 [x, x, x, x, x, x, x, x, x]' : `l${i}: &l${i} [${`*l${i - 1}, `.repeat(9)}]`,
    );
    expect(problemsOf(levels.join('\n'))).toEqual(['0:0 yaml-invalid']);
    expect(problemsOf('['.repeat(100_000))[0]).toMatch(/yaml-invalid$/);
  });

  it('shows at most a hundred problems', () => {
    const ports = Array.from({ length: 500 }, (_, i) => `  - { name: p${i}, kind: nothing }`);
    expect(parseConfig(`gateway: { name: a }\nports:\n${ports.join('\n')}`).errors).toHaveLength(100);
  });

  it('gives a config or problems for any text, and throws never', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        ...'[]{}:,-?&*!|>\'"%@`# \n\t'.split(''),
        '\n  ',
        ': ',
        '- ',
        '*a ',
        '&a ',
        '<<: ',
        '!!binary ',
        '__proto__',
      ),
    );
    const anything = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
    const mutated = fc
      .array(fc.tuple(fc.nat(EXAMPLE.length - 1), fc.nat(12), anything), { minLength: 1, maxLength: 4 })
      .map((edits) =>
        edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), EXAMPLE),
      );
    fc.assert(
      fc.property(fc.oneof(anything, mutated, mutated), (text) => {
        const result = parseConfig(text);
        expect(result.config === undefined).toBe(result.errors.length > 0);
        for (const problem of [...result.errors, ...result.warnings]) {
          expect(problem).toBeInstanceOf(NearhopError);
          expect(formatProblem(problem)).toContain(problem.code);
        }
      }),
      { numRuns: 250 },
    );
  });

  it('gives a config or problems for any value in any place, and throws never', () => {
    const paths = (value: unknown, at: (string | number)[] = []): (string | number)[][] =>
      typeof value === 'object' && value !== null
        ? [
            at,
            ...Object.entries(value).flatMap(([k, v]) =>
              paths(v, [...at, Array.isArray(value) ? Number(k) : k]),
            ),
          ]
        : [at];
    const plain = parse(EXAMPLE);
    const places = paths(plain).filter((p) => p.length > 0);
    // keys that every object answers to, and keys that mean something here
    const keys = fc.constantFrom(
      'toString',
      'valueOf',
      'constructor',
      '__proto__',
      'kind',
      'name',
      'length',
      '',
    );
    const treacherous = fc.dictionary(keys, fc.jsonValue({ maxDepth: 1 }));
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.oneof(fc.jsonValue({ maxDepth: 2 }), treacherous),
        (path, value) => {
          const root = structuredClone(plain);
          const owner = path.slice(0, -1).reduce((v, k) => v[k], root);
          owner[path[path.length - 1]] = value;
          const result = parseConfig(JSON.stringify(root));
          expect(result.config === undefined).toBe(result.errors.length > 0);
          for (const p of result.errors) expect(p).toBeInstanceOf(ConfigProblem);
        },
      ),
      { numRuns: 250 },
    );
  });
});

describe('formatProblem', () => {
  it('cuts a long line around the caret and keeps control characters from the terminal', () => {
    const name = 'a'.repeat(300);
    const text = `gateway: { name: ${name}, bad\u0007key: 1 }`;
    const lines = formatProblem(parseConfig(text).errors[1]).split('\n');
    expect(lines[0]).toBe("<config>:1:320: error: unknown key 'bad?key' in gateway [key-unknown]");
    expect(lines[1].length).toBeLessThan(130);
    expect(lines[1][lines[2].indexOf('^')]).toBe('b');
    expect(lines.join('')).not.toMatch(/\p{Cc}/u);
  });
});

describe('loadConfig', () => {
  it('throws config-unreadable for a file that is not there, and ConfigError with every problem otherwise', () => {
    const dir = mkdtempSync(join(tmpdir(), 'nearhop-config-'));
    try {
      const file = join(dir, 'a.yaml');
      expect(() => loadConfig(file)).toThrowError(
        expect.objectContaining({ code: 'config-unreadable', message: `${file}: there is no such file` }),
      );
      writeFileSync(file, 'gateway: { nam: a, name: b, x: 1 }');
      const error = (() => {
        try {
          return loadConfig(file);
        } catch (caught) {
          return caught;
        }
      })();
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).problems.map((p) => p.message)).toEqual([
        "unknown key 'nam' in gateway",
        "unknown key 'x' in gateway",
      ]);
      writeFileSync(file, EXAMPLE);
      expect(loadConfig(file).config.gateway.name).toBe('esg');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
