// The gate (`npm run check`): format and lint, import floors, types, native-free tests. Stops at the first that fails.

import { run, say } from './setup.mjs';

const STEPS = [
  ['format and lint', 'npx', ['biome', 'check', '--error-on-warnings', '.']],
  ['import floors', 'node', ['scripts/check-imports.mjs']],
  ['types', 'npx', ['tsc', '--noEmit']],
  ['native-free tests', 'npx', ['vitest', 'run', '--project', 'native-free']],
];

for (const [name, command, args] of /** @type {[string, string, string[]][]} */ (STEPS)) {
  say(`── ${name}`);
  if (run(command, args) !== 0) {
    say(`check failed: ${name}`);
    process.exit(1);
  }
}
say('check passed');
