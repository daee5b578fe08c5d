import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outDir: 'dist',
  dts: false,
  sourcemap: true,
  // In the bundle, since finding and loading their files one by one takes longer than the rest of a command's start. Outside stay
  // yaml, which most commands do without (config/yaml.ts), pino, and what has native parts.
  deps: { alwaysBundle: ['commander', 'ip-address', 'js-yaml', 'picocolors', 'zod'] },
};

// Builds of their own, so that they share no chunks: the worker is one file with everything that a packet meets, because calls
// and constants across ES modules cost the packet path about half of its speed (ARCHITECTURE.md); so is what a benchmark runs
// beside it. The command is split, so that `nearhop show` loads only what it needs.
export default defineConfig([
  {
    ...common,
    entry: { 'dataplane-worker': 'src/gateway/worker.ts' },
    outputOptions: { codeSplitting: false },
    clean: false,
  },
  {
    ...common,
    entry: { 'bench-agent': 'src/bench/agent.ts' },
    outputOptions: { codeSplitting: false },
    clean: false,
  },
  {
    ...common,
    entry: { 'bench-memory': 'src/bench/memory.ts' },
    outputOptions: { codeSplitting: false },
    clean: false,
  },
  { ...common, entry: { main: 'src/main.ts' }, clean: false },
]);
