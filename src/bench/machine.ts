// The machine that a benchmark ran on, without which its figures say nothing.

import { cpus, release } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly node: string;
}

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown CPU',
  cpus: cpus().length,
  kernel: release(),
  node: process.version,
});
