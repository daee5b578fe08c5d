// The benchmarks that need no device, as users run them: what they say, not how fast anything is. Needs `npm run build`.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { FibReport } from '../../src/bench/fib.ts';
import type { FootprintReport } from '../../src/bench/footprint.ts';
import type { ForwardReport } from '../../src/bench/forward.ts';
import type { ReplayBenchReport } from '../../src/bench/replay.ts';

const bundle = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
if (!existsSync(bundle)) console.warn('skipped: dist/main.mjs is not there, `npm run build` makes it');
const itBuilt = it.skipIf(!existsSync(bundle));

const nearhop = (
  env: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<{ code: number | null; stdout: string }> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [bundle, ...args], { env }, (_error, stdout) =>
      resolve({ code: child.exitCode, stdout }),
    );
  });

/** They look up a hundred million addresses, which on a machine that is busy otherwise takes its time. */
const SLOW = { timeout: 600_000 };

itBuilt('nearhop bench fib measures every table, and its answers are those of C', SLOW, async () => {
  const { code, stdout } = await nearhop(
    process.env,
    'bench',
    'fib',
    '--prefixes',
    '20000',
    '--rounds',
    '1',
    '--json',
  );
  expect(code).toBe(0);
  const { data } = JSON.parse(stdout) as { data: FibReport };
  expect(data.noReference).toBeNull();
  expect(data.cases.map((c) => `${c.table} ${c.addresses}`)).toEqual([
    ...['full match', 'full random'],
    ...['h100', 'h10k'].flatMap((t) => [`${t} match`, `${t} hosts`, `${t} random`]),
  ]);
  for (const { mlps, c, ratio } of data.cases) {
    expect(mlps.median).toBeGreaterThan(0);
    expect(ratio?.median).toBeCloseTo(mlps.median / (c?.median ?? 0));
  }
  expect(data.tables[0].prefixes).toBeGreaterThan(19_000);
  expect(data.peer?.name).toContain('mmdb-lib');
  expect(data.inject.lookups).toBeGreaterThan(100_000);
  expect(data.inject.wrong).toBe(0);
});

itBuilt('nearhop bench fib does without a compiler, and says so', SLOW, async () => {
  const env = { ...process.env, PATH: '/nonexistent' };
  const { code, stdout } = await nearhop(
    env,
    'bench',
    'fib',
    '--prefixes',
    '1000',
    '--rounds',
    '1',
    '--json',
  );
  expect(code).toBe(0);
  const { data } = JSON.parse(stdout) as { data: FibReport };
  expect(data.noReference).toContain('no C compiler');
  expect(data.cases.every((c) => c.c === null && c.ratio === null)).toBe(true);
});

itBuilt('nearhop bench fib reads a table, and says what is wrong with one', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nearhop-bench-'));
  const table = join(dir, 'table');
  writeFileSync(table, '192.0.2.0/24\nnonsense\n');
  const { code, stdout } = await nearhop(process.env, 'bench', 'fib', '--table', table, '--json');
  rmSync(dir, { recursive: true });
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'table-invalid' } });
});

itBuilt('nearhop bench memory feeds a gateway by BGP until all routes are in its FIB', async () => {
  const { code, stdout } = await nearhop(process.env, 'bench', 'memory', '--routes', '500', '--json');
  expect(code).toBe(0);
  const { data } = JSON.parse(stdout) as { data: FootprintReport };
  expect(data.prefixes).toBe(502); // with the subnet and the address of the gateway
  expect(data.rssMiB).toBeGreaterThan(data.fileMiB);
  expect(data.peakMiB).toBeGreaterThanOrEqual(data.rssMiB);
});

itBuilt('nearhop bench forward checks every frame of every case, and has C beside the router', async () => {
  const { code, stdout } = await nearhop(process.env, 'bench', 'forward', '--rounds', '1', '--json');
  expect(code).toBe(0);
  const { data } = JSON.parse(stdout) as { data: ForwardReport };
  expect(data.cases.map((c) => `${c.kind} ${c.memory}`)).toEqual(['l3 hot', 'l3 cold', 'l2 hot', 'l2 cold']);
  for (const c of data.cases) {
    expect(c.mpps.median).toBeGreaterThan(0);
    expect(c.ratio !== null).toBe(c.kind === 'l3');
    expect(c.bareC !== null).toBe(c.kind === 'l3');
  }
});

itBuilt('nearhop bench replay compares what is installed, and removes its captures', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nearhop-bench-'));
  const { code, stdout } = await nearhop(
    process.env,
    ...['bench', 'replay', '--packets', '20000', '--rounds', '1', '--dir', dir, '--json'],
  );
  expect(code).toBe(0);
  const { data } = JSON.parse(stdout) as { data: ReplayBenchReport };
  expect(data.rows[0]).toMatchObject({ program: 'nearhop', nearhopIs: { median: 1 } });
  expect([...data.rows.map((r) => r.program), ...data.missing].sort()).toEqual([
    'nearhop',
    'tcpdump',
    'tcprewrite',
  ]);
  expect(readdirSync(dir)).toEqual([]);
  rmSync(dir, { recursive: true });
});
