// Fails on an import that climbs, on brothers that import each other without a line here, and on a circle of files.
// The floors are ARCHITECTURE.md's; each edge between brothers that is allowed stands below with its reason.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = fileURLToPath(new URL('../src', import.meta.url));

/** Folder → floor. */
const FLOOR = {
  base: 0,
  stats: 1,
  addr: 2,
  wire: 3,
  tables: 4,
  pcap: 4,
  config: 4,
  ports: 5,
  dataplane: 5,
  control: 6,
  routing: 7,
  mobility: 7,
  gateway: 8,
  cli: 9,
  replay: 9,
  sim: 9,
  lab: 9,
  bench: 9,
  main: 10,
};

/** Edges between brothers that are wanted, each with its reason. */
const BROTHERS = {
  'cli → lab': 'the command line starts labs',
  'dataplane → ports/port.ts':
    'the Port contract, types only: nodes send to ports without knowing their kind',
  'bench → lab/shell.ts': 'running ip, tc and ping, and hearing what they say',
  'cli → bench': 'a command runs what it is named after',
  'cli → replay': 'a command runs what it is named after',
  'lab → sim': 'the in-process engine of a lab is the simulator',
};

/** @param {string} file @returns {string} */
const area = (file) => {
  const first = relative(src, file).split('/')[0] ?? '';
  return first.replace(/\.ts$/, '');
};

const files = readdirSync(src, { recursive: true })
  .map((f) => join(src, String(f)))
  .filter((f) => f.endsWith('.ts'));

/** @type {Map<string, string[]>} */
const edges = new Map();
/** @type {string[]} */
const faults = [];
for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const targets = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((m) =>
    resolve(dirname(file), m[1] ?? ''),
  );
  // An `import type` edge cannot make a circle at run time; a plain one can.
  const runtime = [...text.matchAll(/^(?:import(?! type)[^;]*?from|export[^;]*?from)\s*'(\.[^']+)'/gm)].map(
    (m) => resolve(dirname(file), m[1] ?? ''),
  );
  edges.set(file, runtime);
  for (const target of targets) {
    if (target.endsWith('/package.json')) continue; // base/version.ts reads the version there
    const [a, b] = [area(file), area(target)];
    if (a === b) continue;
    const [fa, fb] = [
      FLOOR[/** @type {keyof typeof FLOOR} */ (a)],
      FLOOR[/** @type {keyof typeof FLOOR} */ (b)],
    ];
    const edge = `${relative(src, file)} → ${relative(src, target)}`;
    if (fa === undefined || fb === undefined)
      faults.push(`${edge}: '${fa === undefined ? a : b}' has no floor in scripts/check-imports.mjs`);
    else if (fb > fa) faults.push(`${edge}: climbs from floor ${fa} (${a}) to floor ${fb} (${b})`);
    else if (fb === fa && !(`${a} → ${b}` in BROTHERS) && !(`${a} → ${relative(src, target)}` in BROTHERS)) {
      faults.push(
        `${edge}: ${a} and ${b} are brothers; allowed are only\n    ${Object.entries(BROTHERS)
          .map(([e, why]) => `${e}: ${why}`)
          .join('\n    ')}`,
      );
    }
  }
}

/** @type {Map<string, 'open' | 'done'>} */
const state = new Map();
/** @param {string} file @param {string[]} path */
function visit(file, path) {
  if (state.get(file) === 'done') return;
  if (state.get(file) === 'open') {
    faults.push(
      `circle: ${[...path.slice(path.indexOf(file)), file].map((f) => relative(src, f)).join(' → ')}`,
    );
    return;
  }
  state.set(file, 'open');
  for (const target of edges.get(file) ?? []) visit(target, [...path, file]);
  state.set(file, 'done');
}
for (const file of files) visit(file, []);

if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n${faults.length} import fault(s)\n`);
  process.exit(1);
}
process.stderr.write(`${files.length} files, no import climbs, no circle\n`);
