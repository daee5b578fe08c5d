// Compiles the loops in AssemblyScript (src/dataplane/assembly/ip4.ts) into src/dataplane/ip4-wasm.ts: `npm run wasm`, after a change
// there. The result is kept in the repository, so that sources run as they are; a test compiles again and compares.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = 'src/dataplane/assembly/ip4.ts';
const OPTIONS = [
  ...['-O3', '--converge', '--noAssert', '--runtime', 'stub'],
  // the slab: at most 4 GiB
  ...['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--enable', 'threads', '--enable', 'simd', '--enable', 'bulk-memory'],
];

/** Compiles; returns the text of ip4-wasm.ts. Throws with what the compiler says. */
export async function wasmSource() {
  /** @type {Uint8Array | undefined} */
  let binary;
  const { error, stderr } = await asc.main([ENTRY, ...OPTIONS, '--baseDir', root, '--outFile', 'ip4.wasm'], {
    writeFile(_name, contents) {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error !== null || binary === undefined)
    throw new Error(`${ENTRY} does not compile:\n${stderr.toString()}`);
  const text = Buffer.from(binary).toString('base64');
  return `// assembly/ip4.ts, compiled by \`npm run wasm\`: base64.\n\nexport const IP4_WASM =\n  '${text}';\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(`${root}/src/dataplane/ip4-wasm.ts`, await wasmSource());
}
