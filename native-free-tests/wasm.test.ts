import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { WASM_MODULES, wasmText } from '../scripts/build-wasm.mjs';

test.each(WASM_MODULES)('%s compiles to %s', async (source, result, name) => {
  const kept = readFileSync(new URL(`../${result}`, import.meta.url), 'utf8');
  expect(kept, 'run `npm run wasm`').toBe(await wasmText(source, name));
});
