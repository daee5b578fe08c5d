// Compiles the loops in AssemblyScript into base64 beside them: `npm run wasm`, after a change there. The results are kept in the
// repository, so that sources run as they are; a test compiles again and compares.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Source, what it is compiled into, and the constant's name there. */
export const WASM_MODULES = [
  ['src/dataplane/assembly/ip4.ts', 'src/dataplane/ip4-wasm.ts', 'IP4_WASM'],
  ['src/pcap/assembly/records.ts', 'src/pcap/records-wasm.ts', 'RECORDS_WASM'],
];

const OPTIONS = [
  ...['-O3', '--converge', '--noAssert', '--runtime', 'stub'],
  // the slab: at most 4 GiB
  ...['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--enable', 'threads', '--enable', 'simd', '--enable', 'bulk-memory'],
];

/**
 * Compiles `source`; returns the text of the file that holds it as `name`. Throws with what the compiler says.
 * @param {string} source
 * @param {string} name
 */
export async function wasmText(source, name) {
  /** @type {Uint8Array | undefined} */
  let binary;
  const { error, stderr } = await asc.main([source, ...OPTIONS, '--baseDir', root, '--outFile', 'out.wasm'], {
    writeFile(_name, contents) {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error !== null || binary === undefined)
    throw new Error(`${source} does not compile:\n${stderr.toString()}`);
  const text = Buffer.from(binary).toString('base64');
  const file = source.replace(/.*\/(assembly\/.*)/, '$1');
  return `// ${file}, compiled by \`npm run wasm\`: base64.\n\nexport const ${name} =\n  '${text}';\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [source, result, name] of WASM_MODULES)
    writeFileSync(`${root}/${result}`, await wasmText(source, name));
}
