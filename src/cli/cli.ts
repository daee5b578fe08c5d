// The command line: builds the commands, runs the one that is asked for, and turns what comes of it into output and an exit
// code. A command line travels: argv → commander → an action (commands/*.ts) → Output → exit code.

import { Command, CommanderError } from 'commander';
import { NearhopError } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { registerBench } from './commands/bench.ts';
import { registerCheck } from './commands/check.ts';
import { registerLab } from './commands/lab.ts';
import { registerReplay } from './commands/replay.ts';
import { registerRun } from './commands/run.ts';
import { registerSchema } from './commands/schema.ts';
import { registerShow } from './commands/show.ts';
import { registerStatus } from './commands/status.ts';
import { registerTrace } from './commands/trace.ts';
import { registerVm } from './commands/vm.ts';
import type { Context } from './context.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, exitCodeOf, type Io, Output, UsageError } from './output.ts';

/** Adds one command to the program. */
type Register = (program: Command, context: Context) => void;

const COMMANDS: readonly Register[] = [
  registerRun,
  registerCheck,
  registerSchema,
  registerReplay,
  registerStatus,
  registerShow,
  registerVm,
  registerTrace,
  registerLab,
  registerBench,
];

/** Runs one command line (without node and script) and returns the exit code. Throws for bugs only. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const context: Context = { io, exitCode: EXIT_OK };
  const json = argv.includes('--json');
  let complaint = '';
  const program = new Command('nearhop')
    .description('A virtual router that does proximity routing for stretched layer-2 networks')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => {
        complaint += text;
      },
      getOutHelpWidth: () => (io.stdout.isTTY === true ? (io.stdout.columns ?? 80) : 80),
      getErrHelpWidth: () => 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const register of COMMANDS) register(program, context);
  inherit(program);
  const output = new Output(io, commandOf(argv, program), json);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT_OK; // --help, --version: written already
      output.error(usageError(error, complaint, output.command));
      return EXIT_USAGE;
    }
    output.error(error);
    if (!(error instanceof NearhopError)) return EXIT_FAILED;
    return exitCodeOf(error);
  }
}

/** commander hands its settings to subcommands only when they are made by it before; ours may come in any order. */
function inherit(command: Command): void {
  for (const sub of command.commands) {
    sub.copyInheritedSettings(command);
    inherit(sub);
  }
}

/** Words of the command that argv names: `show routes`; `nearhop` when it names none. */
function commandOf(argv: readonly string[], program: Command): string {
  const words: string[] = [];
  let at: Command | undefined = program;
  for (const word of argv) {
    if (word.startsWith('-')) continue;
    at = at.commands.find((c) => c.name() === word || c.aliases().includes(word));
    if (at === undefined) break;
    words.push(at.name());
  }
  return words.join(' ') || 'nearhop';
}

/** commander's complaint as an error of ours: its first line is the message, a suggestion the hint. */
function usageError(error: CommanderError, complaint: string, command: string): UsageError {
  const lines = complaint
    .split('\n')
    .map((line) => line.replace(/^error: /, '').trim())
    .filter((line) => line !== '');
  const path = command === 'nearhop' ? 'nearhop' : `nearhop ${command}`;
  const help = `see \`${path} --help\``;
  if (error.code === 'commander.help') {
    return new UsageError('usage', `${path}: name one of its commands`, { hint: help });
  }
  const suggestion = lines.find((line) => line.startsWith('(Did you mean'))?.slice(1, -1);
  return new UsageError('usage', lines[0] ?? error.message, { hint: suggestion ?? help });
}
