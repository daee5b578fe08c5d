// From an issue of the schema to a problem that a person can act on: what stands there, what was expected, what was meant.

import type { z } from 'zod';
import { suggest } from './nearest.ts';
import type { ConfigPath } from './problem.ts';
import { configJsonSchema } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** A finding before it has a place in the file. */
export interface Finding {
  readonly code: string;
  readonly path: ConfigPath;
  readonly spot: 'value' | 'key';
  readonly message: string;
  readonly hint?: string | undefined;
}

/** `ports[0].fault.loss`; the empty path is "the file". */
export function formatPath(path: ConfigPath): string {
  if (path.length === 0) return 'the file';
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}

/** All findings of one issue; an issue about three unknown keys is three findings. `root` is the file's value. */
export function explainIssue(issue: Issue, root: unknown): Finding[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const value = valueAt(root, path);
  const what = formatPath(path);
  const finding = (code: string, message: string, hint?: string): Finding[] => [
    { code, path, spot: 'value', message, hint },
  ];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = schemasAt(root, path).flatMap((s) => Object.keys(s.properties ?? {}));
      const taken = new Set(isRecord(value) ? Object.keys(value) : []);
      return issue.keys.map((key) => ({
        code: 'key-unknown',
        path: [...path, key],
        spot: 'key' as const,
        message: `unknown key ${quote(key)}${path.length === 0 ? '' : ` in ${what}`}`,
        hint: suggest(key, new Set(known.filter((k) => !taken.has(k)))),
      }));
    }
    case 'invalid_type':
      if (value === undefined) return missing(path, root);
      return finding(
        'value-type',
        `${what} is ${kindOf(value)}, expected ${article(issue.expected)}`,
        typeHint(issue.expected, value),
      );
    case 'invalid_value':
      if (value === undefined) return missing(path, root);
      return finding(
        'value-unknown',
        `${what}: ${quote(value)} is not known`,
        suggestOf(value, issue.values),
      );
    case 'too_small':
    case 'too_big': {
      const small = issue.code === 'too_small';
      const bound = small ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : '';
      const shown = issue.origin === 'number' || issue.origin === 'int' ? `${quote(value)} ` : '';
      return finding('value-out-of-range', `${what}: ${shown}must be ${bound}${unit}`);
    }
    case 'invalid_format': {
      const text = schemasAt(root, path).find((s) => s.description !== undefined)?.description;
      return finding('value-malformed', `${what}: ${quote(value)} is not valid here`, text);
    }
    case 'invalid_union':
      return explainUnion(issue, root, path, value);
    case 'custom': {
      const { code, message, hint } = (issue.params ?? {}) as Record<string, string | undefined>;
      return finding(code ?? 'value-malformed', `${what}: ${message ?? issue.message}`, hint);
    }
    default:
      return finding('value-malformed', `${what}: ${issue.message}`);
  }
}

/** A union shows the errors of the alternative that the value comes nearest to: the one with the right type. */
function explainUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  root: unknown,
  path: ConfigPath,
  value: unknown,
): Finding[] {
  if (issue.errors.length === 0) {
    const key = 'discriminator' in issue ? String(issue.discriminator) : 'kind';
    const at = path.at(-1) === key ? path : [...path, key];
    const kind = valueAt(root, at);
    const known = schemasAt(root, at.slice(0, -1), false).flatMap((s) => s.properties?.[key]?.const ?? []);
    if (kind === undefined) return missing(at, root, `one of: ${known.join(', ')}`);
    const message = `${formatPath(at)}: ${quote(kind)} is not known`;
    return [{ code: 'value-unknown', path: at, spot: 'value', message, hint: suggestOf(kind, known) }];
  }
  const wrongType = (i: Issue): boolean => i.code === 'invalid_type' && i.path.length === 0;
  const fitting = issue.errors.find((alternative) => !alternative.some(wrongType));
  if (fitting !== undefined) {
    return fitting.flatMap((inner) =>
      explainIssue({ ...inner, path: [...path, ...inner.path] } as Issue, root),
    );
  }
  const expected = issue.errors.flatMap((a) =>
    a.flatMap((i) => (i.code === 'invalid_type' ? i.expected : [])),
  );
  const message = `${formatPath(path)} is ${kindOf(value)}, expected ${[...new Set(expected)].map(article).join(' or ')}`;
  return [{ code: 'value-type', path, spot: 'value', message }];
}

function missing(path: ConfigPath, root: unknown, hint?: string): Finding[] {
  const key = String(path.at(-1));
  const owner = path.slice(0, -1);
  const text = schemasAt(root, path).find((s) => s.description !== undefined)?.description;
  const where = owner.length === 0 ? '' : ` in ${formatPath(owner)}`;
  return [
    {
      code: 'key-missing',
      path: owner,
      spot: 'value',
      message: `'${key}' is missing${where}`,
      hint: hint ?? (text === undefined ? undefined : `${key}: ${text}`),
    },
  ];
}

interface JsonSchema {
  readonly properties?: Record<string, JsonSchema>;
  readonly items?: JsonSchema;
  readonly anyOf?: JsonSchema[];
  readonly oneOf?: JsonSchema[];
  readonly const?: unknown;
  readonly description?: string;
}

let published: JsonSchema | undefined;

/** The alternatives of the published schema that describe the value at `path`; with `fit`, only those of the value's kind. */
function schemasAt(root: unknown, path: ConfigPath, fit = true): JsonSchema[] {
  published ??= configJsonSchema() as JsonSchema;
  let found = alternatives(published, root, fit);
  let value = root;
  for (const [depth, step] of path.entries()) {
    value = isRecord(value) || Array.isArray(value) ? (value as Record<string, unknown>)[step] : undefined;
    const last = depth === path.length - 1;
    found = found
      .flatMap((s) => (typeof step === 'number' ? s.items : propertyOf(s, step)) ?? [])
      .flatMap((s) => alternatives(s, value, fit || !last));
  }
  return found;
}

// a file may have keys such as 'constructor', which every object answers to
function propertyOf({ properties }: JsonSchema, key: string): JsonSchema | undefined {
  return properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
}

function alternatives(schema: JsonSchema, value: unknown, fit: boolean): JsonSchema[] {
  const all = schema.anyOf ?? schema.oneOf;
  if (all === undefined) return [schema];
  const kind = isRecord(value) ? value['kind'] : undefined;
  const fitting = all.filter(
    (s) => s.properties?.['kind'] === undefined || s.properties['kind'].const === kind,
  );
  return fit ? fitting : all;
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function quote(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'object' ? kindOf(value) : String(value);
  const shown = value.length > 60 ? `${value.slice(0, 59)}…` : value;
  return `'${shown.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')}'`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'true or false' : 'a number';
}

function article(expected: string): string {
  const words: Record<string, string> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map of keys',
  };
  return words[expected] ?? expected;
}

function typeHint(expected: string, value: unknown): string | undefined {
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `put it in quotes: "${value}"`;
  }
  if (expected === 'boolean' && typeof value === 'string' && /^(yes|no|on|off|y|n)$/i.test(value)) {
    return `YAML 1.2 knows true and false only; write ${/^(yes|on|y)$/i.test(value)}`;
  }
  if (
    (expected === 'number' || expected === 'int') &&
    typeof value === 'string' &&
    /^-?\d+$/.test(value.trim())
  ) {
    return `write it without quotes: ${value.trim()}`;
  }
  if (expected === 'array') return 'a list is written [ … ], or as lines that begin with "- "';
  return undefined;
}

function suggestOf(value: unknown, known: readonly unknown[]): string {
  return suggest(typeof value === 'string' ? value : '', known.map(String));
}
