// A file with errors of form still gets its errors of meaning reported in the same run: what the schema refused is taken out,
// and the checks look at the rest. Where something was taken out, checks that would complain about its absence are silent.

import type { ConfigPath } from './problem.ts';
import { configSchema, type ParsedConfig } from './schema.ts';

export interface Salvaged {
  readonly config: ParsedConfig;
  /** Top-level sections that are not whole. */
  readonly incomplete: ReadonlySet<string>;
  /** Names of the entries that were taken out. */
  readonly lost: ReadonlySet<string>;
  /** Path in the file of a path in `config`: list indexes differ where entries were taken out. */
  readonly original: (path: ConfigPath) => ConfigPath;
}

type Container = Record<string | number, unknown>;

/** A value that the schema refused, or keys of it that the schema does not know. */
export interface Refused {
  readonly path: ConfigPath;
  readonly keys?: readonly string[] | undefined;
}

/** What is left of `root` without what was refused; undefined when that is still not a config. */
export function salvage(root: unknown, refused: readonly Refused[]): Salvaged | undefined {
  const copy: unknown = structuredClone(root);
  const incomplete = new Set<string>();
  const lost = new Set<string>();
  const doomed = new Map<unknown[], Set<number>>();
  for (const { path, keys } of refused) {
    const owner = valueAt(copy, path);
    if (!isContainer(copy)) return undefined;
    if (keys !== undefined) {
      if (isContainer(owner)) for (const key of keys) delete owner[key];
      continue;
    }
    const section = path[0];
    if (section === undefined) return undefined;
    incomplete.add(String(section));
    // the innermost list entry goes; the only entry of a list takes the entry around it along, as a list may need one
    const depth = path.findLastIndex((step, i) => {
      if (typeof step !== 'number') return false;
      const around = valueAt(copy, path.slice(0, i));
      return i === 1 || (Array.isArray(around) && (around.length > 1 || isContainer(around[0])));
    });
    const list = depth < 0 ? undefined : valueAt(copy, path.slice(0, depth));
    if (Array.isArray(list)) {
      const gone = doomed.get(list) ?? new Set();
      doomed.set(list, gone.add(Number(path[depth])));
      const entry = list[Number(path[depth])];
      if (isContainer(entry) && typeof entry['name'] === 'string') lost.add(entry['name']);
    } else if (section === 'gateway') {
      copy['gateway'] = { name: 'gateway' };
    } else {
      delete copy[section];
    }
  }
  const kept = new Map<unknown[], number[]>();
  for (const [list, gone] of doomed) {
    const indexes = [...list.keys()].filter((i) => !gone.has(i));
    kept.set(list, indexes);
    list.splice(0, list.length, ...indexes.map((i) => list[i]));
  }
  const parsed = configSchema.safeParse(copy);
  if (!parsed.success) return undefined;
  const original = (path: ConfigPath): ConfigPath =>
    path.map((step, depth) => {
      if (typeof step !== 'number') return step;
      const list = valueAt(copy, path.slice(0, depth));
      return (Array.isArray(list) ? kept.get(list)?.[step] : undefined) ?? step;
    });
  return { config: parsed.data, incomplete, lost, original };
}

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root;
  for (const step of path) {
    if (!isContainer(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value;
}
