// The files of lab/esg: that both engines and the gateway take them, and that they agree with each other.

import { existsSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { configJsonSchema } from '../../src/config/schema.ts';
import { splitWords } from '../../src/lab/shell.ts';
import { loadTopology } from '../../src/lab/topology.ts';

const ESG = new URL('../../lab/esg/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, ESG), 'utf8');
const CLAB_SCHEMA = new URL('../../../shared/data/clab.schema.json', import.meta.url);
const noSchema = existsSync(CLAB_SCHEMA) ? '' : ' [skipped: ../shared/data/clab.schema.json is not there]';

describe('lab/esg/esg.clab.yml', () => {
  const { nodes, links } = loadTopology(ESG.pathname);
  const ends = links.flat();

  it('has the nodes of the figure', () => {
    expect(nodes.map((n) => n.name).sort()).toEqual(
      [
        'src-router',
        'src-sw',
        'vm1',
        'vm2',
        'vm3',
        'vm4',
        'src-host',
        'nearhop',
        'native',
        'internet',
      ].sort(),
    );
  });

  it.skipIf(noSchema !== '')(`is a topology by containerlab's own schema${noSchema}`, () => {
    const validate = new Ajv({ strict: false, allErrors: true }).compile(
      JSON.parse(readFileSync(CLAB_SCHEMA, 'utf8')),
    );
    expect(validate(parse(read('esg.clab.yml'))) ? [] : validate.errors).toEqual([]);
    // the schema is one that can refuse
    expect(validate({ name: 'x', topology: { nodes: { a: { kind: 'linux', exek: [] } } } })).toBe(false);
  });

  it('binds files that exist', () => {
    const files = nodes.flatMap((n) => [...n.binds.values()]);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('gives every device that an exec line names a link or makes it', () => {
    const made = new Set(['lo', 'br0', 'vxlan10']);
    const missing = nodes.flatMap(({ name, exec }) =>
      exec.flatMap((line) => {
        const words = splitWords(line);
        const named = words.filter(
          (_, i) => words[i - 1] === 'dev' || (words[i - 1] === 'set' && words[1] === 'link'),
        );
        return named.filter(
          (dev) => !made.has(dev) && !ends.some((e) => e.node === name && e.device === dev),
        );
      }),
    );
    expect(missing).toEqual([]);
  });

  it('gives every port of the gateway a device', () => {
    const devices = parse(read('nearhop.yml')).ports.flatMap((p: { device?: string }) => p.device ?? []);
    const linked = ends.filter((e) => e.node === 'nearhop').map((e) => e.device);
    expect(linked).toEqual(expect.arrayContaining(devices));
  });

  it('has the MAC and the address of each VM that the gateway knows', () => {
    for (const vm of parse(read('nearhop.yml')).networks[0].vms) {
      const exec = nodes.find((n) => n.name === vm.name)?.exec.join('\n');
      expect(exec).toContain(`address ${vm.mac}`);
      expect(exec).toContain(`${vm.addresses[0]}/24`);
    }
  });
});

describe('lab/esg/nearhop.yml', () => {
  it('loads without errors and warnings', () => {
    const { config, errors, warnings } = parseConfig(read('nearhop.yml'));
    expect(errors).toEqual([]);
    expect(warnings).toEqual([]);
    expect(config?.networks[0]).toMatchObject({ name: 'green', proximityRouting: true });
  });

  it('is valid by the schema that `nearhop schema` prints', () => {
    const validate = new Ajv({ strict: true, allErrors: true }).compile(configJsonSchema());
    expect(validate(parse(read('nearhop.yml'))) ? [] : validate.errors).toEqual([]);
  });
});

describe('lab/esg/src-router/frr.conf', () => {
  const frr = read('src-router/frr.conf');

  it('peers with the gateway, and the gateway with it', () => {
    const bgp = parseConfig(read('nearhop.yml')).config?.bgp;
    const peer = bgp?.neighbors[0];
    expect(frr).toContain(`router bgp ${peer?.as}`);
    expect(frr).toContain(`neighbor 172.16.0.2 remote-as ${bgp?.as}`);
    expect(formatIpv4(peer?.address ?? 0)).toBe('172.16.0.1');
  });

  it('announces both networks of the source and has the route map that the scenario closes', () => {
    expect(frr.match(/network [\d./]+/g)).toEqual(['network 192.168.10.0/24', 'network 192.168.20.0/24']);
    expect(frr).toContain('ip prefix-list HOST-ROUTES seq 5 permit 192.168.10.0/24 ge 32');
    expect(frr).toContain('neighbor 172.16.0.2 route-map FROM-TARGET in');
  });
});
