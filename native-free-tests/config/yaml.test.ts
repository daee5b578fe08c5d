import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { nearhopConfig } from '../../src/bench/wire-dut.ts';
import { yamlValue } from '../../src/config/yaml.ts';

/** Whether the text has a value; if so, it is the one that `yaml` gives, which finds nothing wrong with it either. */
function agrees(text: string): boolean {
  const value = yamlValue(text);
  if (value === undefined) return false;
  const document = parseDocument(text, { logLevel: 'silent', resolveKnownTags: false });
  expect([text, document.errors]).toEqual([text, []]);
  expect([text, value]).toEqual([text, document.toJS()]);
  return true;
}

describe('yamlValue', () => {
  test.each([
    'a: 1 # one\n# two\nb: 2',
    'list:\n- a\n- b\nnext: true',
    "- { at: 0, mac: '02:00:00:00:01:01', name: p-1_x.y, path: /run/x.sock, no: false }",
    'a: 10.0.0.0/8\nb: 2026-03-01T12:00:00Z\nc: 1.50\nd: 02:00:00:00:01:01\ne: 1_000\nf: 0o10\ng: 010\nh: 9:30',
    'a: |\n  x\n  y\nb: >\n  x\n  y\n',
    "a: \"x\\n\\u00e4\"\nb: 'it''s'\nc: ~\nd: .inf\ne: 0x1f\nf: yes\ng:",
    '%YAML 1.2\n---\na: 1\n...\n',
    nearhopConfig({ mode: 'l3', routes: 3, defaultRoute: true }, false),
    readFileSync(new URL('../../lab/esg/nearhop.yml', import.meta.url), 'utf8'),
  ])('is what both libraries make of %j', (text) => {
    expect(agrees(text)).toBe(true);
  });

  test.each([
    'a: 1\na: 2',
    'a: &x 1\nb: *x',
    'a: !!binary aGk=',
    'a: [1',
    'a: b: c',
    'a:\n\tb: 1',
    '['.repeat(100_000),
  ])('leaves %j to the other library', (text) => {
    expect(yamlValue(text)).toBeUndefined();
  });

  test('is what both libraries make of lines in any order', () => {
    const indent = fc.constantFrom('', '', '  ', '  ', '    ', ' ');
    const word = fc.constantFrom(...'a b 1 10.0.0.1 0.5 1.2.3 true no 0x1 1e3 9:5 /x a:b a#b x:'.split(' '));
    const quoted = fc.constantFrom(
      '"q"',
      "'q'",
      '"a: b"',
      "''",
      '{}',
      '[]',
      '{ a: 1, b: [2] }',
      '[a, {b: c}]',
    );
    const odd = fc.constantFrom('{ a: 1', '[a,b ]', '{a: x y}', '- a', '|', '');
    const key = fc.constantFrom('a: ', 'b: ', 'c: ', 'd:', 'e:  ', '- ', '-', '- - ', '- a: ', '');
    const end = fc.constantFrom('\n', '\n', '\n', ' # c\n', '#c\n', '  \n', '\n\n', '');
    const line = fc.tuple(indent, key, fc.oneof(word, quoted, odd), end).map((parts) => parts.join(''));
    let good = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        if (agrees(lines.join(''))) good++;
      }),
      { numRuns: 5000 },
    );
    expect(good).toBeGreaterThan(500);
  });
});
