// `nearhop check`: everything that is wrong with a config file, without starting anything.

import type { Command } from 'commander';
import type { ConfigProblem } from '../../config/problem.ts';
import type { Context } from '../cli.ts';
import { exitCodeOf, type Output } from '../output.ts';
import { outputOf, withJson } from './common.ts';

export function registerCheck(program: Command, context: Context): void {
  withJson(
    program
      .command('check')
      .description('look for errors in a config file')
      .requiredOption('-c, --config <file>', 'config file, - for stdin')
      .option('--no-host', 'do not look for devices and addresses on this host'),
  ).action(async (options: { config: string; host: boolean }, command: Command) => {
    const output = outputOf(command, context);
    const [{ loadConfig }, { linuxHost }] = await Promise.all([
      import('../../config/parse.ts'),
      import('../../config/host.ts'),
    ]);
    try {
      const { config, warnings } = loadConfig(options.config, options.host ? { host: linuxHost } : {});
      const { formatProblem } = await import('../../config/problem.ts');
      const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
      const vms = config.networks.reduce((n, network) => n + network.vms.length, 0);
      output.answer(
        {
          file: options.config,
          gateway: config.gateway.name,
          ports: config.ports.length,
          interfaces: config.interfaces.length,
          networks: config.networks.length,
          vms,
        },
        () =>
          [
            ...warnings.flatMap((w) => [formatProblem(w), '']),
            `${options.config}: ok: ${count(config.ports.length, 'port')}, ${count(config.interfaces.length, 'interface')}, ` +
              `${count(config.networks.length, 'network')}, ${count(vms, 'VM')}, ${count(warnings.length, 'warning')}`,
          ].join('\n'),
        output.json ? warnings.map(problemRow) : [],
      );
    } catch (error) {
      context.exitCode = exitCodeOf(error);
      await reportConfigError(output, error);
    }
  });
}

/** Shows an error of `loadConfig`: every problem where it stands, then the error itself. */
export async function reportConfigError(output: Output, error: unknown): Promise<void> {
  const { ConfigError, formatProblem } = await import('../../config/problem.ts');
  if (!(error instanceof ConfigError)) {
    output.error(error);
    return;
  }
  output.error(error, {
    text: error.problems.map((p) => `${formatProblem(p)}\n`).join('\n'),
    details: error.problems.map(problemRow),
  });
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
