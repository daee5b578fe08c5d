// `nearhop status` and `nearhop events`: how a running gateway is, and what happened to it.

import type { Command } from 'commander';
import type { EventRow, StatusData } from '../../gateway/api.ts';
import type { Context } from '../context.ts';
import { printable } from '../output.ts';
import type { Style } from '../style.ts';
import { formatAge } from '../table.ts';
import { askGateway, outputOf, withGateway } from './common.ts';
import { interruptible } from './interrupt.ts';

export function registerStatus(program: Command, context: Context): void {
  withGateway(program.command('status').description('how a running gateway is')).action(
    async (_options: unknown, command: Command) => {
      const output = outputOf(command, context);
      const { data, warnings } = await askGateway(command, 'status', {});
      output.answer(data, () => formatStatus(data, output.style), warnings);
    },
  );
  withGateway(program.command('events').description('what happened: the last events'))
    .option('-f, --follow', 'go on with new ones until interrupted')
    .action(async (options: { follow?: boolean }, command: Command) => {
      const output = outputOf(command, context);
      const follow = options.follow === true;
      const rows: EventRow[] = [];
      const onRow = (row: EventRow): void => {
        if (follow) output.answer(row, () => formatEvent(row, output.style));
        else rows.push(row);
      };
      const { warnings } = await interruptible((signal) =>
        askGateway(command, 'events', { follow }, { onRow, signal, ...(follow ? { timeoutMs: 0 } : {}) }),
      ).catch((error: unknown) => {
        if (follow && (error as { code?: string }).code === 'request-cancelled') return { warnings: [] };
        throw error;
      });
      if (!follow)
        output.answer(rows, () => rows.map((r) => formatEvent(r, output.style)).join('\n'), warnings);
    });
}

export function formatStatus(s: StatusData, style: Style): string {
  const vms = Object.entries(s.vms).filter(([, n]) => n > 0);
  const rows: [string, string][] = [
    ['version', `${s.version}, pid ${s.pid}, up ${formatAge(s.uptimeSeconds)}`],
    ['router id', s.routerId],
    ['config', s.config ?? 'none'],
    ['socket', s.socket ?? 'none'],
    ['ports', String(s.ports)],
    ['networks', String(s.networks)],
    ['VMs', vms.map(([state, n]) => `${n} ${state}`).join(', ') || 'none'],
    ['routes', String(s.routes)],
    ['BGP', s.bgp === null ? 'off' : `${s.bgp.established} of ${s.bgp.neighbors} neighbors established`],
    ...(s.workers.length > 1
      ? [['workers', s.workers.map((w) => `${w.received} received`).join(', ')] as [string, string]]
      : []),
    [
      'packets',
      `${s.packets.received} received, ${s.packets.sent} sent, ${s.packets.dropped} dropped, ${s.packets.consumed} consumed` +
        (s.imbalance === 0 ? '' : `, ${style.bad(`${s.imbalance} not accounted for`)}`),
    ],
  ];
  return [
    style.bold(s.name),
    ...rows.map(([key, value]) => `  ${`${key}:`.padEnd(12)}${value}`),
    ...s.warnings.map((w) => `${style.warn('warning:')} ${printable(w)}`),
  ].join('\n');
}

export function formatEvent(event: EventRow, style: Style): string {
  const about = [event.network, event.vm, event.interface, event.mac, event.address].filter(
    (x) => x !== null,
  );
  const tail = about.length === 0 ? '' : style.dim(` (${about.join(', ')})`);
  return `${event.at} ${style.bold(event.kind)} ${printable(event.text)}${tail}`;
}
