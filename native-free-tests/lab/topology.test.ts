import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { loadTopology, parseTopology } from '../../src/lab/topology.ts';

const FILE = '/labs/two/two.clab.yml';
const TWO = `name: two
topology:
  defaults:
    kind: linux
    image: alpine
  nodes:
    a:
      exec:
        - ip addr add 10.0.0.1/30 dev eth1
    b:
      image: nearhop:0.1.0
      cmd: run -c /etc/nearhop/nearhop.yml
      binds:
        - conf/nearhop.yml:/etc/nearhop/nearhop.yml:ro
        - /srv/keys:/keys
    c:
  links:
    - endpoints: ["a:eth1", "b:eth1"]
    - endpoints: ["b:eth2", "c:eth1"]
`;

const faultOf = (work: () => unknown): NearhopError => {
  try {
    work();
  } catch (error) {
    if (error instanceof NearhopError) return error;
    throw error;
  }
  throw new Error('no fault was found');
};

/** Fault of TWO after a change of its text. */
function fault(from: string, to: string): string {
  expect(TWO.split(from), `'${from}' stands once in the file`).toHaveLength(2);
  const error = faultOf(() => parseTopology(TWO.replace(from, to), FILE));
  expect(error.code).toBe('lab-invalid');
  return error.message;
}

describe('parseTopology', () => {
  it('gives nodes with the defaults filled in, in the order of the file', () => {
    const { name, file, nodes } = parseTopology(TWO, FILE);
    expect({ name, file }).toEqual({ name: 'two', file: FILE });
    expect(nodes.map(({ name, image, cmd, exec }) => ({ name, image, cmd, exec }))).toEqual([
      { name: 'a', image: 'alpine', cmd: undefined, exec: ['ip addr add 10.0.0.1/30 dev eth1'] },
      { name: 'b', image: 'nearhop:0.1.0', cmd: 'run -c /etc/nearhop/nearhop.yml', exec: [] },
      { name: 'c', image: 'alpine', cmd: undefined, exec: [] },
    ]);
  });

  it('resolves binds against the folder of the file and drops their options', () => {
    const [, b] = parseTopology(TWO, FILE).nodes;
    expect([...(b?.binds ?? [])]).toEqual([
      ['/etc/nearhop/nearhop.yml', '/labs/two/conf/nearhop.yml'],
      ['/keys', '/srv/keys'],
    ]);
  });

  it('gives links as pairs of node and device', () => {
    expect(parseTopology(TWO, FILE).links).toEqual([
      [
        { node: 'a', device: 'eth1' },
        { node: 'b', device: 'eth1' },
      ],
      [
        { node: 'b', device: 'eth2' },
        { node: 'c', device: 'eth1' },
      ],
    ]);
  });

  it('takes a lab without links', () => {
    expect(parseTopology('name: one\ntopology: { nodes: { a: } }\n', FILE).links).toEqual([]);
  });

  it.each([
    ['an unknown key of a node', '    a:\n', '    a:\n      network-mode: host\n', '8:7', 'network-mode'],
    ['an unknown key of the topology', '  links:\n', '  kinds: {}\n  links:\n', '17:3', 'kinds'],
    ['an unknown key of the file', 'name: two\n', 'name: two\nprefix: x\n', '2:1', 'prefix'],
    ['a key of a link', '["b:eth2", "c:eth1"]', '["b:eth2", "c:eth1"]\n      mtu: 9000', '20:7', 'mtu'],
    ['another kind', 'kind: linux', 'kind: nokia_srlinux', '4:11', 'kind'],
    ['a wrong type', 'image: nearhop:0.1.0', 'image: [1]', '11:14', 'image'],
    ['a name of the lab that cannot be one', 'name: two', 'name: Two Labs', '1:7', 'a lab name is'],
    ['a name of a node that cannot be one', '    a:\n', '    A_1:\n', '7:5', 'a node name is'],
    ['an unknown node in a link', '"a:eth1"', '"d:eth1"', '18:19', "no node 'd'"],
    ['an endpoint used twice', '"b:eth2"', '"b:eth1"', '19:19', 'endpoint b:eth1 is used twice'],
    ['an endpoint without a device', '"c:eth1"', '"c"', '19:29', "'' is no device name"],
    ['a device name that Linux refuses', '"c:eth1"', '"c:ethernet-number-1"', '19:29', 'is no device name'],
    ['an endpoint of three parts', '"c:eth1"', '"c:eth1:9"', '19:29', "'eth1:9' is no device name"],
    ['a link of one end', '["a:eth1", "b:eth1"]', '["a:eth1"]', '18:18', 'endpoints'],
    ['a bind without a path in the node', '/srv/keys:/keys', '/srv/keys', '15:11', 'is no HOST:PATH'],
    ['text that is no YAML', 'kind: linux', 'kind: "linux', '4:17', 'Missing closing'],
    ['an alias of nothing', 'kind: linux', 'kind: *linux', '4:11', 'linux'],
    ['the same node twice', '    b:\n', '    a:\n', '10:5', 'unique'],
  ])('refuses %s and says where', (_what, from, to, place, said) => {
    const message = fault(from, to);
    expect(message).toContain(`${FILE}:${place}`);
    expect(message).toContain(said);
  });

  it('names the path of the fault', () => {
    expect(fault('"a:eth1"', '"d:eth1"')).toMatch(/: topology\.links\.0\.endpoints\.0: no node 'd'$/);
  });

  it('refuses a file without nodes', () => {
    expect(faultOf(() => parseTopology('name: x\ntopology: {}\n', FILE)).message).toContain('topology.nodes');
    expect(faultOf(() => parseTopology('', FILE)).code).toBe('lab-invalid');
  });

  it('answers any text with a topology or a fault of the file', () => {
    const piece = fc.oneof(fc.constantFrom(...TWO.split(/(?=\n)|(?<=: )/)), fc.string());
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parseTopology(pieces.join(''), FILE);
        } catch (error) {
          expect(error).toBeInstanceOf(NearhopError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('loadTopology', () => {
  const esg = new URL('../../lab/esg', import.meta.url).pathname;

  it.each(['', '/', '/esg.clab.yml'])('finds the lab by its folder or its file: lab/esg%s', (end) => {
    expect(loadTopology(`${esg}${end}`)).toMatchObject({ name: 'esg', file: `${esg}/esg.clab.yml` });
  });

  it('says which file it looked for', () => {
    const error = faultOf(() => loadTopology(`${esg}/src-router`));
    expect(error.code).toBe('lab-missing');
    expect(error.message).toContain('src-router/src-router.clab.yml');
    expect(error.hint).toContain('lab/esg');
  });
});
