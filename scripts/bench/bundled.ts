// Runs a benchmark as a bundle: `npx tsx scripts/bench/bundled.ts forward [arguments]`. Modules that call each other across files
// are about half as fast as one file, and one file is what the data plane ships as; so it is bundled first, by the settings
// of tsdown.config.ts, and then runs in a process of its own.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type UserConfig } from 'tsdown';
import tsdownConfig from '../../tsdown.config.ts';

const name = process.argv[2];
if (name === undefined || !/^[a-z0-9-]+$/.test(name)) {
  console.error('usage: npx tsx scripts/bench/bundled.ts NAME [arguments], for scripts/bench/NAME.ts');
  process.exit(2);
}
// Below node_modules, so that the bundle finds the packages that it does not contain; as deep as this directory, so that
// relative paths to data stay right.
const outDir = fileURLToPath(new URL('../../node_modules/.nearhop-bench/', import.meta.url));
const [worker] = tsdownConfig as readonly UserConfig[];
await build({
  ...worker,
  config: false,
  entry: { [name]: fileURLToPath(new URL(`./${name}.ts`, import.meta.url)) },
  outDir,
  sourcemap: false,
  logLevel: 'warn',
});
const { status } = spawnSync(
  process.execPath,
  ['--expose-gc', `${outDir}${name}.mjs`, ...process.argv.slice(3)],
  { stdio: 'inherit' },
);
rmSync(`${outDir}${name}.mjs`);
process.exit(status ?? 1);
