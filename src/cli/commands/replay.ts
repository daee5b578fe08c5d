// `nearhop replay`: captures through the gateway of a config, on a virtual clock, without a network or privileges.

import { type Command, InvalidArgumentError } from 'commander';
import type { ReplayInput } from '../../replay/capture-ports.ts';
import type { Context } from '../context.ts';
import { formatReplay } from '../show-replay.ts';
import { outputOf, withJson } from './common.ts';
import { loadOrReport } from './config-file.ts';
import { interruptible } from './interrupt.ts';

interface ReplayCommandOptions {
  readonly config: string;
  readonly in: readonly ReplayInput[];
  readonly out?: string;
  readonly events?: string;
}

export function registerReplay(program: Command, context: Context): void {
  withJson(
    program
      .command('replay')
      .description('replay captures through the gateway of a config')
      .requiredOption('-c, --config <file>', 'config file, - for stdin')
      .requiredOption(
        '--in <port=capture...>',
        'captures (pcap, pcapng) and the ports they come in by, - for stdin',
        input,
      )
      .option('--out <dir>', 'directory that gets PORT.pcap with what each port sends')
      .option('--events <file>', 'YAML file of events: moves of VMs, reported addresses'),
  ).action(async (options: ReplayCommandOptions, command: Command) => {
    const output = outputOf(command, context);
    const loaded = await loadOrReport(options.config, false, output, context);
    if (loaded === undefined) return;
    const { replay } = await import('../../replay/replay.ts');
    const summary = await interruptible((signal) =>
      replay(loaded.config, options.in, { outDir: options.out, eventsFile: options.events, signal }),
    );
    const { warnings, ...data } = summary;
    output.answer(data, () => formatReplay(summary, output.style), warnings);
  });
}

/** `wan0=wan.pcap`; collects all of them. */
function input(text: string, before: readonly ReplayInput[] | undefined): readonly ReplayInput[] {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1) {
    throw new InvalidArgumentError('It is written PORT=CAPTURE, as in wan0=wan.pcap.');
  }
  return [...(before ?? []), { port: text.slice(0, equals), capture: text.slice(equals + 1) }];
}
