// `npm test`: sets up what is missing, then runs every tier and prints a closing line for each, then the sum.
//
//   check        format, lint, import floors, types
//   native-free  needs no native part and no root
//   lab          namespaces, real daemons, native parts: as root; elsewhere it says why it is skipped
//
// In CI (CI=true) nothing may skip: a skipped test counts as failed. Tests over recorded data beside the repository run where
// it is, and are named where it is not.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRoot, run, say, setup } from './setup.mjs';

const ci = process.env.CI === 'true';
const missing = setup(['build', 'lab', 'test']);
const out = mkdtempSync(join(tmpdir(), 'nearhop-test-'));
/** @type {{name: string, passed: number, failed: number, skipped: number, note: string}[]} */
const tiers = [];

/** @param {string} name @param {[string, string, string[]][]} steps */
function staticTier(name, steps) {
  const failed = steps.filter(([what, command, args]) => {
    say(`── ${name}: ${what}`);
    return run(command, args) !== 0;
  });
  tiers.push({ name, passed: steps.length - failed.length, failed: failed.length, skipped: 0, note: '' });
}

/** @param {string} name */
function vitestTier(name) {
  say(`── ${name}`);
  const file = join(out, `${name}.json`);
  const status = run('npx', [
    'vitest',
    'run',
    '--project',
    name,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  let note = '';
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    passed = report.numPassedTests;
    failed = report.numFailedTests;
    const all = report.testResults.flatMap((/** @type {any} */ f) => f.assertionResults);
    const notRun = all.filter((/** @type {any} */ t) => !['passed', 'failed'].includes(t.status));
    // Some tests look at recorded data that is no part of the repository: a clone alone is complete without them.
    const withoutData = notRun.filter((/** @type {any} */ t) => t.fullName.includes('../shared/data'));
    if (withoutData.length > 0) note = `${withoutData.length} tests need recorded data in ../shared/data`;
    // A part of the port suite that a port does not have (one that only sends has no rx) is no skipped test.
    skipped = notRun.filter(
      (/** @type {any} */ t) => !withoutData.includes(t) && !t.title.endsWith('[if it applies]'),
    ).length;
    // A file that cannot be loaded fails without a test of its own.
    failed += report.testResults.filter(
      (/** @type {any} */ f) => f.status === 'failed' && f.assertionResults.length === 0,
    ).length;
  } catch (error) {
    say(`no report of the ${name} tier: ${error}`);
    failed = 1;
  }
  if (status !== 0 && failed === 0) failed = 1;
  tiers.push({ name, passed, failed, skipped, note });
}

staticTier('check', [
  ['format and lint', 'npx', ['biome', 'check', '--error-on-warnings', '.']],
  ['import floors', 'node', ['scripts/check-imports.mjs']],
  ['types', 'npx', ['tsc', '--noEmit']],
]);
vitestTier('native-free');
if (isRoot() && missing.length === 0) vitestTier('lab');
else {
  const note = isRoot() ? `missing Debian packages: ${missing.join(', ')}` : 'needs root';
  tiers.push({ name: 'lab', passed: 0, failed: 0, skipped: 1, note });
}
rmSync(out, { recursive: true, force: true });

let passed = 0;
let failed = 0;
let skipped = 0;
for (const t of tiers) {
  const notAllowed = ci && t.skipped > 0;
  if (notAllowed) t.failed += t.skipped;
  const tail = t.skipped > 0 ? `, ${t.skipped} skipped` : '';
  console.log(`${t.name}: ${t.passed} passed, ${t.failed} failed${tail}`);
  if (t.note) console.log(`  ${t.name}, not run: ${t.note}`);
  if (notAllowed) console.log(`  ${t.name}: nothing may skip in CI, so the skipped count as failed`);
  passed += t.passed;
  failed += t.failed;
  skipped += t.skipped;
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 && !ci ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 ? 1 : 0);
