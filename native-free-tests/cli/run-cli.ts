// Runs a command line in this process and keeps what it writes.

import { runCli } from '../../src/cli/cli.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function nearhop(
  line: string | readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const argv = typeof line === 'string' ? line.split(' ').filter((w) => w !== '') : line;
  const code = await runCli(argv, {
    stdout: {
      write: (text) => {
        stdout += text;
      },
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
    },
    env,
  });
  return { code, stdout, stderr };
}
