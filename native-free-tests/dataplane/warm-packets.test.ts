// The packet path in the steady state: it leaves the heap alone, and V8 keeps the code that it has made of it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'nearhop-warm-'));

beforeAll(async () => {
  // One file, as it ships.
  await build({
    config: false,
    entry: { 'warm-packets': fileURLToPath(new URL('./warm-packets.ts', import.meta.url)) },
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outDir: folder,
    noExternal: [/./], // from outside of the checkout, no package would be found
    outputOptions: { codeSplitting: false },
    dts: false,
    logLevel: 'silent',
  });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe('a million warm packets', () => {
  it.each(['l3', 'l2'])('%s: cost no collection, and no code is deoptimized', (kind) => {
    const traces = join(folder, `${kind}.trace`);
    const result = join(folder, `${kind}.json`);
    writeFileSync(traces, '');
    const { stderr } = spawnSync(
      process.execPath,
      [
        ...['--expose-gc', '--trace-deopt', '--redirect-code-traces', `--redirect-code-traces-to=${traces}`],
        ...[join(folder, 'warm-packets.mjs'), kind, traces, result],
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    const { packets, scavenges, deoptimized } = JSON.parse(readFileSync(result, 'utf8'));
    expect(packets).toBeGreaterThanOrEqual(1 << 20);
    expect(scavenges).toBe(0);
    expect(deoptimized).toEqual([]);
  });
});
