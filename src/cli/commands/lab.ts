// `nearhop lab`: builds a lab from its containerlab file, runs the scenario on it, takes it down.

import type { Command } from 'commander';
import type { LabStatusRow } from '../../lab/lab.ts';
import type { Context } from '../context.ts';
import { EXIT_FAILED } from '../output.ts';
import { outputOf, withJson } from './common.ts';
import { interruptible } from './interrupt.ts';

interface RunOptions {
  readonly json?: boolean;
  readonly inProcess?: boolean;
  readonly keep?: boolean;
}

const load = () => import('../../lab/lab.ts');

export function registerLab(program: Command, context: Context): void {
  const lab = program
    .command('lab')
    .description('labs: containerlab topologies, built from network namespaces');
  const dir = 'folder that holds FOLDER.clab.yml, or the file';

  withJson(
    lab.command('run').description('build a lab, run its scenario, take it down').argument('<dir>', dir),
  )
    .option('--in-process', 'simulate everything in this process: needs no root')
    .option('--keep', 'leave the lab up')
    .action(async (folder: string, options: RunOptions, command: Command) => {
      const output = outputOf(command, context);
      const { labRun } = await load();
      const report = await interruptible((signal) =>
        labRun(folder, {
          paint: output.style,
          write: options.json === true ? () => {} : (text) => context.io.stdout.write(text),
          signal,
          inProcess: options.inProcess === true,
          keep: options.keep === true,
        }),
      );
      if (options.json === true) output.answer(report, () => '');
      if (report.held < report.claims) context.exitCode = EXIT_FAILED;
    });

  withJson(lab.command('up').description('build a lab and leave it up').argument('<dir>', dir)).action(
    async (folder: string, _options: unknown, command: Command) => {
      const output = outputOf(command, context);
      const { labUp } = await load();
      const up = await interruptible((signal) =>
        labUp(folder, { paint: output.style, write: (text) => context.io.stderr.write(text), signal }),
      );
      output.answer(up, () =>
        [`lab ${up.lab} is up:`, ...up.namespaces.map((ns) => `  ip netns exec ${ns} bash`)].join('\n'),
      );
    },
  );

  withJson(
    lab.command('down').description('take a lab down; there may be none').argument('<dir>', dir),
  ).action(async (folder: string, _options: unknown, command: Command) => {
    const output = outputOf(command, context);
    const { labDown } = await load();
    const down = await labDown(folder);
    output.answer(down, () => (down.removed ? `lab ${down.lab} is down` : `lab ${down.lab} was not up`));
  });

  withJson(lab.command('status').description('labs that are up').argument('[dir]', dir)).action(
    async (folder: string | undefined, _options: unknown, command: Command) => {
      const output = outputOf(command, context);
      const { labStatus } = await load();
      const rows = labStatus(folder);
      output.answer(rows, () => (rows.length === 0 ? 'no lab is up' : rows.map(statusText).join('\n')));
    },
  );
}

const statusText = (row: LabStatusRow): string =>
  `${row.lab}: ${row.phase} (${row.file})\n${row.namespaces.map((ns) => `  ${ns}`).join('\n')}`;
