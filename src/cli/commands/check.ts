// `nearhop check`: everything that is wrong with a config file, without starting anything.

import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { outputOf, withJson } from './common.ts';
import { loadOrReport, problemRow } from './config-file.ts';

export function registerCheck(program: Command, context: Context): void {
  withJson(
    program
      .command('check')
      .description('look for errors in a config file')
      .requiredOption('-c, --config <file>', 'config file, - for stdin')
      .option('--no-host', 'do not look for devices and addresses on this host'),
  ).action(async ({ config: file, host }: { config: string; host: boolean }, command: Command) => {
    const output = outputOf(command, context);
    const loaded = await loadOrReport(file, host, output, context);
    if (loaded === undefined) return;
    const { config, warnings } = loaded;
    const { formatProblem } = await import('../../config/problem.ts');
    const data = {
      file,
      gateway: config.gateway.name,
      ports: config.ports.length,
      interfaces: config.interfaces.length,
      networks: config.networks.length,
      vms: config.networks.reduce((n, network) => n + network.vms.length, 0),
    };
    const counts = [
      count(data.ports, 'port'),
      count(data.interfaces, 'interface'),
      count(data.networks, 'network'),
      count(data.vms, 'VM'),
      count(warnings.length, 'warning'),
    ];
    output.answer(
      data,
      () => [...warnings.map((w) => `${formatProblem(w)}\n`), `${file}: ok: ${counts.join(', ')}`].join('\n'),
      output.json ? warnings.map(problemRow) : [],
    );
  });
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
