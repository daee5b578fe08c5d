// The C references of the benchmarks in memory: small sources under scripts/bench, which are built when a benchmark runs, where
// there are a compiler and the sources. Without them a benchmark has no ratio, and says why.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NearhopError } from '../base/errors.ts';

/** A built reference, or why there is none. */
export type CReference = { readonly program: string } | { readonly missing: string };

/** Builds scripts/bench/NAME.c with `cc -O3` into `folder`. */
export function buildReference(name: string, folder: string): CReference {
  // This module stands in a bundle in dist, beside scripts.
  const source = fileURLToPath(new URL(`../scripts/bench/${name}.c`, import.meta.url));
  if (!existsSync(source)) return { missing: 'the installed package has no C sources; use a checkout' };
  const program = join(folder, name);
  const { error, status, stderr } = spawnSync('cc', ['-O3', '-o', program, source], { encoding: 'utf8' });
  if (error !== undefined) return { missing: 'no C compiler (cc) was found' };
  if (status !== 0) {
    throw new NearhopError('bench-reference-failed', `cc cannot build ${source}: ${stderr.slice(0, 500)}`);
  }
  return { program };
}

/** Runs a reference; returns the numbers of each line. */
export function runReference(program: string, ...args: readonly string[]): number[][] {
  const { status, signal, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new NearhopError('bench-reference-failed', `${program}: exit ${status ?? signal}: ${stderr}`);
  }
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
}
