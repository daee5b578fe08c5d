#!/usr/bin/env node
// The command `nearhop`.

import { runCli } from './cli/cli.ts';

// `nearhop show … | head` closes the pipe early: that is no error, and nobody is left to read more
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', () => {});

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
});
