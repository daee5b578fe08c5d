// The config file of a command: read, or reported with every problem where it stands.

import type { loadConfig } from '../../config/parse.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import type { Context } from '../context.ts';
import { exitCodeOf, type Output } from '../output.ts';

export type LoadedConfig = ReturnType<typeof loadConfig>;

/** Reads the config; undefined when it cannot be used, which is then reported and in the exit code. */
export async function loadOrReport(
  file: string,
  onThisHost: boolean,
  output: Output,
  context: Context,
): Promise<LoadedConfig | undefined> {
  const [{ loadConfig }, { linuxHost }, { ConfigError, formatProblem }] = await Promise.all([
    import('../../config/parse.ts'),
    import('../../config/host.ts'),
    import('../../config/problem.ts'),
  ]);
  try {
    return loadConfig(file, onThisHost ? { host: linuxHost } : {});
  } catch (error) {
    context.exitCode = exitCodeOf(error);
    if (error instanceof ConfigError) {
      output.error(error, {
        text: error.problems.map((p) => `${formatProblem(p)}\n`).join('\n'),
        details: error.problems.map(problemRow),
      });
    } else output.error(error);
    return undefined;
  }
}

/** A problem as programs read it. */
export const problemRow = ({ severity, code, message, hint, place, path }: ConfigProblem) => ({
  severity,
  code,
  message,
  hint: hint ?? null,
  file: place.file,
  line: place.line,
  column: place.column,
  path,
});
