// The YAML library, loaded when a file needs it: one that is not plain, or that has problems to be shown where they stand. It takes
// 40 to 80 ms to load at the start of a process.

import { createRequire } from 'node:module';

/** The package `yaml`. */
export function yamlLibrary(): typeof import('yaml') {
  loaded ??= createRequire(import.meta.url)('yaml') as typeof import('yaml');
  return loaded;
}

let loaded: typeof import('yaml') | undefined;
