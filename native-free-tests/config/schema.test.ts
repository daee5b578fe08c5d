import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { configJsonSchema } from '../../src/config/schema.ts';
import { changed, EXAMPLE } from './example.ts';

const validate = new Ajv({ strict: true, allErrors: true }).compile(configJsonSchema());

interface Node {
  readonly properties?: Record<string, Node>;
  readonly items?: Node;
  readonly anyOf?: Node[];
  readonly oneOf?: Node[];
  readonly description?: string;
}

describe('configJsonSchema', () => {
  it('describes the file as it is written: addresses are text, defaults may be absent', () => {
    expect(validate(parse(EXAMPLE)) ? [] : validate.errors).toEqual([]);
  });

  it.each([
    ['an unknown key', changed(['routerId', 'routerID'])],
    ['a missing key', changed(['kind: tap, device: nh0', 'kind: tap'])],
    ['an unknown kind', changed(['kind: tap', 'kind: tapp'])],
    ['a number out of range', changed(['vni: 10', 'vni: 16777216'])],
    ['a wrong type', changed(['as: 65001', 'as: sixty'])],
  ])('refuses %s, as the parser does', (_what, text) => {
    expect(validate(parse(text))).toBe(false);
    expect(parseConfig(text).errors).not.toEqual([]);
  });

  it('accepts whatever the parser accepts', () => {
    const places = ['routes', 'networks', 'interfaces', 'ports', 'bgp', 'gateway'];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 3 }), (section, value) => {
        const root = { ...parse(EXAMPLE), [section]: value };
        if (parseConfig(JSON.stringify(root)).config !== undefined) expect(validate(root)).toBe(true);
      }),
    );
  });

  it('has a description for every key, for editors', () => {
    const bare: string[] = [];
    const walk = (node: Node, path: string): void => {
      for (const [key, value] of Object.entries(node.properties ?? {})) {
        const inner = value.anyOf?.some((n) => n.description) || value.items?.description;
        if (value.description === undefined && !inner) bare.push(`${path}.${key}`);
        walk(value, `${path}.${key}`);
      }
      for (const n of [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.items ? [node.items] : [])])
        walk(n, path);
    };
    walk(configJsonSchema() as Node, '');
    expect(bare).toEqual([]);
  });

  it('is what lab/nearhop.schema.json holds, which the configs of the labs name (`nearhop schema` writes it)', () => {
    const shipped = new URL('../../lab/nearhop.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(shipped, 'utf8'))).toEqual(configJsonSchema());
  });
});
