// A containerlab topology file as far as our own engine understands it: nodes of kind linux with image, exec, cmd and binds,
// and links between two endpoints. What containerlab knows beyond that and would change the lab is refused, not ignored.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { NearhopError } from '../base/errors.ts';

const nodeFields = {
  kind: z.literal('linux').optional(),
  image: z.string().optional(),
  cmd: z.string().optional(),
  exec: z.array(z.string()).optional(),
  binds: z.array(z.string()).optional(),
  // Containers need these; a namespace of root has them.
  privileged: z.boolean().optional(),
  'cap-add': z.array(z.string()).optional(),
  devices: z.array(z.string()).optional(),
};

const topologySchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,15}$/, 'a lab name is 1 to 16 of a-z, 0-9 and -'),
  topology: z.strictObject({
    defaults: z.strictObject(nodeFields).optional(),
    nodes: z.record(
      z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a node name is 1 to 32 of a-z, 0-9 and -'),
      z.strictObject(nodeFields).nullable(),
    ),
    links: z.array(z.strictObject({ endpoints: z.array(z.string()).length(2) })).default([]),
  }),
});

export interface LabNode {
  readonly name: string;
  readonly image: string;
  readonly cmd: string | undefined;
  readonly exec: readonly string[];
  /** Path in the node → path on the host. */
  readonly binds: ReadonlyMap<string, string>;
}

export interface LabEndpoint {
  readonly node: string;
  readonly device: string;
}

export interface Topology {
  readonly name: string;
  /** The topology file. */
  readonly file: string;
  readonly nodes: readonly LabNode[];
  readonly links: readonly (readonly [LabEndpoint, LabEndpoint])[];
}

/** Reads `DIR/NAME.clab.yml`, with NAME the folder's name, or the file itself. Throws `lab-…` with line and column. */
export function loadTopology(dirOrFile: string): Topology {
  const file = /\.ya?ml$/.test(dirOrFile)
    ? resolve(dirOrFile)
    : join(resolve(dirOrFile), `${basename(resolve(dirOrFile))}.clab.yml`);
  if (!existsSync(file)) {
    throw new NearhopError('lab-missing', `there is no ${file}`, {
      hint: 'name a folder that holds FOLDER.clab.yml, such as lab/esg',
    });
  }
  return parseTopology(readFileSync(file, 'utf8'), file);
}

export function parseTopology(text: string, file: string): Topology {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines });
  const at = (offset: number | undefined): string => {
    if (offset === undefined) return file;
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const first = doc.errors[0];
  if (first) throw new NearhopError('lab-invalid', `${at(first.pos[0])}: ${first.message.split('\n')[0]}`);
  visit(doc, {
    Alias: (_, alias) => {
      if (alias.resolve(doc) !== undefined) return;
      throw new NearhopError(
        'lab-invalid',
        `${at(alias.range?.[0])}: no anchor stands before *${alias.source}`,
      );
    },
  });
  const parsed = topologySchema.safeParse(doc.toJS());
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue.path as (string | number)[];
    const key =
      issue.code === 'unrecognized_keys'
        ? issue.keys[0]
        : issue.code === 'invalid_key'
          ? path.pop()
          : undefined;
    const message = issue.code === 'invalid_key' ? issue.issues[0].message : issue.message;
    throw new NearhopError(
      'lab-invalid',
      `${at(offsetOf(doc, path, key))}: ${[...path, key].filter((p) => p !== undefined).join('.') || 'topology'}: ${message}`,
      {
        hint: 'src/lab/topology.ts lists what of containerlab our engine understands; containerlab may know more',
      },
    );
  }
  const { name, topology } = parsed.data;
  const invalid = (path: (string | number)[], fault: string): never => {
    throw new NearhopError('lab-invalid', `${at(offsetOf(doc, path))}: ${path.join('.')}: ${fault}`);
  };
  const defaults = topology.defaults ?? {};
  const nodes = Object.entries(topology.nodes).map(([node, spec]): LabNode => {
    const merged = { ...defaults, ...spec };
    const binds = (merged.binds ?? []).map((bind, i) => {
      const [host = '', inside = ''] = bind.split(':');
      if (host === '' || !inside.startsWith('/')) {
        const of = spec?.binds === undefined ? ['defaults'] : ['nodes', node];
        invalid(['topology', ...of, 'binds', i], `'${bind}' is no HOST:PATH`);
      }
      return [inside, resolve(dirname(file), host)] as const;
    });
    return {
      name: node,
      image: merged.image ?? '',
      cmd: merged.cmd,
      exec: merged.exec ?? [],
      binds: new Map(binds),
    };
  });
  const known = new Set(nodes.map((n) => n.name));
  const used = new Set<string>();
  const links = topology.links.map(({ endpoints }, i) => {
    const ends = endpoints.map((text, e) => {
      const [node = '', device = '', ...rest] = text.split(':');
      const fault = !known.has(node)
        ? `no node '${node}'`
        : rest.length > 0 || !/^[^\s/]{1,15}$/.test(device)
          ? `'${[device, ...rest].join(':')}' is no device name`
          : used.has(text)
            ? `endpoint ${text} is used twice`
            : '';
      if (fault) invalid(['topology', 'links', i, 'endpoints', e], fault);
      used.add(text);
      return { node, device };
    });
    return [ends[0], ends[1]] as const;
  });
  return { name, file, nodes, links };
}

/** Where the value at `path` stands, or its key `key`; where that is absent, what it would stand in. */
function offsetOf(
  doc: Document,
  path: readonly (string | number)[],
  key?: string | number,
): number | undefined {
  const node = doc.getIn(path, true);
  if (key !== undefined && isMap(node)) {
    const pair = node.items.find((p) => isScalar(p.key) && p.key.value === key);
    if (isScalar(pair?.key)) return pair.key.range?.[0];
  }
  if (isNode(node)) return node.range?.[0];
  return path.length === 0 ? undefined : offsetOf(doc, path.slice(0, -1));
}
