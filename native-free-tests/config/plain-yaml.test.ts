import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Document, isMap, isSeq, parseDocument, visit } from 'yaml';
import { nearhopConfig } from '../../src/bench/wire-dut.ts';
import { readPlainYaml } from '../../src/config/plain-yaml.ts';

/** Where the library says that maps and lists begin. */
function startsIn(document: Document): number[] {
  const starts: number[] = [];
  visit(document, {
    Collection(_key, node) {
      if (isMap(node) || isSeq(node)) starts.push(node.range?.[0] ?? -1);
    },
  });
  return starts.sort((a, b) => a - b);
}

/** Whether the text is plain; if so, it is what the library makes of it. */
function isPlain(text: string): boolean {
  const plain = readPlainYaml(text);
  if (plain === undefined) return false;
  const document = parseDocument(text, { logLevel: 'silent' });
  expect([text, document.errors, document.warnings]).toEqual([text, [], []]);
  expect([text, plain.value]).toStrictEqual([text, document.toJS()]);
  expect([text, [...plain.starts.values()].sort((a, b) => a - b)]).toEqual([text, startsIn(document)]);
  return true;
}

describe('readPlainYaml', () => {
  test.each([
    'a: 1',
    'a: 1 # one\n# two\nb: 2',
    '# first\n\na:\n  # inside\n  b: {}\n  c: []\n\nd: "x: #y"\n',
    'list:\n- a\n- b\nnext: true',
    'list:\n  - name: a\n    size: 1\n  -\n    name: b\n  - [1, [2, {x: 0.25}]]\n  - - 1\n    - 2',
    "- { at: 0, mac: '02:00:00:00:01:01', name: p-1_x.y, path: /run/x.sock, no: false }",
    'a: 10.0.0.0/8\nb: 2026-03-01T12:00:00Z\nc: 1.50\nd: 02:00:00:00:01:01\ne: falsehood',
    '  a: 1\n  b: 2',
    '{ a: 1, b: [x, y] }',
    nearhopConfig({ mode: 'l3', routes: 3, defaultRoute: true }, false),
    readFileSync(new URL('../../lab/esg/nearhop.yml', import.meta.url), 'utf8'),
  ])('reads %j', (text) => {
    expect(isPlain(text)).toBe(true);
  });

  test.each([
    '',
    'a',
    'a:',
    'a: 1\na: 2',
    'a: &x 1',
    'a: *x',
    'a: !!str 1',
    'a: 0x10',
    'a: 007',
    'a: 1e3',
    'a: -1',
    'a: True',
    'a: null',
    'a: ~',
    'true: 1',
    'a: x y',
    'a: x\n  y',
    'a: "x\\n"',
    "a: 'it''s'",
    'a: |\n  x',
    'a: [1,\n 2]',
    'a: [1, ]',
    'a: {b}',
    'a:1',
    'a: b: c',
    'a: "b"c',
    'a: "b"#c',
    'a: {}#c',
    'a: 1\n b: 2',
    '- a\n b: 1',
    '-\n- a',
    'a:\n\tb: 1',
    'a: 1\r\n',
    'a: ä',
    '--- \na: 1',
    'a: 1\n...',
    '%YAML 1.1\n---\na: 1',
    '['.repeat(100_000),
    '- '.repeat(100_000),
  ])('leaves %j to the library', (text) => {
    expect(readPlainYaml(text)).toBeUndefined();
  });

  test('gives the value that the library gives, or none, for lines in any order', () => {
    const indent = fc.constantFrom('', '', '  ', '  ', '    ', ' ');
    const word = fc.constantFrom(
      'a',
      'b',
      '1',
      '10.0.0.1',
      '0.5',
      '1.2.3',
      'true',
      'no',
      '0x1',
      '1e3',
      '9:5',
      '/x',
      'a:b',
      'a#b',
      'x:',
    );
    const value = fc.oneof(
      word,
      fc.constantFrom(
        '"q"',
        "'q'",
        '"a: b"',
        "''",
        '{}',
        '[]',
        '{ a: 1, b: [2] }',
        '[a, {b: c}]',
        '{ a: 1',
        '[a,b ]',
        '{a: x y}',
        '- a',
        '&x',
        '|',
        '',
      ),
    );
    const key = fc.constantFrom('a: ', 'b: ', 'c: ', 'd:', 'e:  ', '- ', '-', '- - ', '- a: ', '');
    const end = fc.constantFrom('\n', '\n', '\n', ' # c\n', '#c\n', '  \n', '\n\n', '');
    const line = fc.tuple(indent, key, value, end).map((parts) => parts.join(''));
    let plain = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        if (isPlain(lines.join(''))) plain++;
      }),
      { numRuns: 20_000 },
    );
    expect(plain).toBeGreaterThan(500);
  });

  test('gives the value that the library gives, or none, for characters in any order', () => {
    const char = fc.constantFrom(...'aa01:- \n\n  {}[],"\'#.?&*!|>%@`~');
    fc.assert(
      fc.property(fc.array(char, { maxLength: 14 }), (chars) => {
        isPlain(chars.join(''));
      }),
      { numRuns: 20_000 },
    );
  });
});
