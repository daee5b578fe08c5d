import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { wasmSource } from '../../scripts/build-wasm.mjs';

it('ip4-wasm.ts is what assembly/ip4.ts compiles to', async () => {
  const kept = readFileSync(new URL('../../src/dataplane/ip4-wasm.ts', import.meta.url), 'utf8');
  expect(kept, 'run `npm run wasm`').toBe(await wasmSource());
});
