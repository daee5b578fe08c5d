import { defineConfig } from 'tsdown';

// Two entries: the command, and the worker that it starts. Each is one bundle, because calls and constants
// across ES modules cost the packet path about half of its speed (ARCHITECTURE.md, "Why bundled").
export default defineConfig({
  entry: { main: 'src/main.ts', 'dataplane-worker': 'src/gateway/worker.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outDir: 'dist',
  dts: false,
  clean: true,
  sourcemap: true,
});
