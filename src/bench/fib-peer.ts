// The npm package that looks prefixes up fastest, beside our FIB: mmdb-lib, which takes an address as text and walks the tree
// of a MaxMind DB. It is no dependency of ours; where it cannot be loaded there is no figure, and the benchmark says why.

import { createRequire } from 'node:module';
import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import { mmdbOf } from './mmdb.ts';
import type { RouteTable } from './route-table.ts';
import { trieOf } from './route-table.ts';

const PACKAGE = 'mmdb-lib';
/** Far fewer than ours: it takes microseconds for one. */
const LOOKUPS = 200_000;

export type Peer =
  | {
      readonly name: string;
      /** Looks up a part of the addresses; millions a second. */
      measure(): number;
    }
  | { readonly missing: string };

interface MmdbReader {
  get(address: string): number | null;
}

/** Throws `bench-answers-differ` when the package answers otherwise than the table says. */
export function createPeer(routes: RouteTable, probes: Uint32Array): Peer {
  const require = createRequire(import.meta.url);
  let library: { readonly Reader: new (db: Buffer) => MmdbReader };
  let version: string;
  try {
    library = require(PACKAGE);
    version = require(`${PACKAGE}/package.json`).version;
  } catch {
    return { missing: `the npm package ${PACKAGE} is not installed` };
  }
  const reader = new library.Reader(mmdbOf(routes));
  const addresses = Array.from(probes.subarray(0, LOOKUPS), formatIpv4);
  const trie = trieOf(routes);
  addresses.forEach((address, i) => {
    const node = trie.match(probes[i]);
    if ((reader.get(address) ?? 0) !== (node < 0 ? 0 : trie.value[node])) {
      throw new NearhopError('bench-answers-differ', `${PACKAGE} has another answer for ${address}`);
    }
  });
  return {
    name: `${PACKAGE} ${version}`,
    measure: () => {
      let found = 0;
      const started = performance.now();
      for (const address of addresses) if (reader.get(address) !== null) found++;
      const ms = performance.now() - started;
      if (found === 0) throw new NearhopError('bench-answers-differ', `${PACKAGE} finds no address`);
      return LOOKUPS / ms / 1000;
    },
  };
}
