// Packages that only some ports need and that are built from source at their installation, which may have failed.

import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { assert, NearhopError } from '../base/errors.ts';

/** Loads package `name` for `what`. Throws `optional-package-missing`. Main thread only: these addons crash in a worker. */
export function loadOptionalPackage<T>(name: string, what: string): T {
  assert(isMainThread, `package ${name} is loaded in the main thread`);
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch (cause) {
    throw new NearhopError(
      'optional-package-missing',
      `${what} needs the package '${name}', which cannot be loaded`,
      {
        hint: `apt install g++ make python3 libpcap-dev, then npm install ${name}; after a change of Node: npm rebuild ${name}`,
        cause,
      },
    );
  }
}
