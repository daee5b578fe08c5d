// The two YAML libraries. `js-yaml` makes the values: at the start of a process, where nothing is compiled yet, it takes a fourth of the
// other's time (50 of 190 ms for 1000 routes). `yaml` says what stands where, and what is wrong: it is loaded, which takes 40 ms, when a
// file has problems to be shown.

import { createRequire } from 'node:module';
import { load } from 'js-yaml';

/** The value of a YAML text; undefined when it has to be looked at with `yamlLibrary`, for a problem or for its aliases. */
export function yamlValue(text: string): unknown {
  // Aliases can make a small text large (billion laughs); the other library counts them.
  if (/[&*]/.test(text)) return undefined;
  try {
    return load(text);
  } catch {
    return undefined;
  }
}

/** The package `yaml`. */
export function yamlLibrary(): typeof import('yaml') {
  loaded ??= createRequire(import.meta.url)('yaml') as typeof import('yaml');
  return loaded;
}

let loaded: typeof import('yaml') | undefined;
