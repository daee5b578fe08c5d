// What every command gets, beside its options.

import type { Io } from './output.ts';

export interface Context {
  /** Where it writes. */
  readonly io: Io;
  /** Where it leaves the exit code. */
  exitCode: number;
}
