// `nearhop trace`: packets on their way through a running gateway, node by node, each decision with its rule.

import type { Command } from 'commander';
import type { TraceRow } from '../../gateway/api.ts';
import type { Context } from '../context.ts';
import { printable } from '../output.ts';
import { askGateway, integer, outputOf, withGateway } from './common.ts';
import { interruptible } from './interrupt.ts';

interface TraceOptions {
  readonly host?: string;
  readonly port?: number;
  readonly proto?: string;
  readonly vlan?: number;
  readonly mac?: string;
  readonly interface?: string;
  readonly count: number;
  readonly follow?: boolean;
}

/** More packets than anybody waits for. */
const ENDLESS = 0x7fffffff;

export function registerTrace(program: Command, context: Context): void {
  withGateway(
    program
      .command('trace')
      .description('trace packets that match all of the options')
      .option('--host <address>', 'IPv4 source or destination, or ARP sender or target')
      .option('--port <n>', 'TCP or UDP port, source or destination', integer(0, 65535))
      .option('--proto <name>', 'arp, icmp, tcp, udp, or an IP protocol number')
      .option('--vlan <id>', '802.1Q VLAN, 0 for untagged', integer(0, 4094))
      .option('--mac <mac>', 'source or destination MAC')
      .option('--interface <name>', 'interface or port that the packet came in by')
      .option('--count <n>', 'end after so many packets', integer(1, ENDLESS), 10)
      .option('-f, --follow', 'go on until interrupted, whatever --count says'),
  ).action(async (options: TraceOptions, command: Command) => {
    const output = outputOf(command, context);
    const { host, port, proto: protocol, vlan, mac, interface: iface, follow } = options;
    const count = follow === true ? ENDLESS : options.count;
    const { data: start } = await askGateway(command, 'trace.start', {
      ...{ host, port, protocol, vlan, mac, interface: iface },
      count,
    });
    const rows: TraceRow[] = [];
    let packets = 0;
    const onRow = (row: TraceRow): void => {
      packets++;
      if (output.json && follow !== true) rows.push(row);
      else output.answer(row, () => `${row.text.split('\n').map(printable).join('\n')}\n`);
    };
    output.note('tracing; Ctrl-C ends it');
    let lost = 0;
    await interruptible(async (signal) => {
      try {
        const read = { from: start.from, follow: true };
        const { data } = await askGateway(command, 'trace.read', read, { onRow, signal, timeoutMs: 0 });
        lost = data.lost;
      } catch (error) {
        if ((error as { code?: string }).code !== 'request-cancelled') throw error;
        await askGateway(command, 'trace.stop', {});
      }
    });
    if (output.json && follow !== true) output.answer(rows, () => '');
    output.note(
      `${packets} packets traced${lost === 0 ? '' : `, ${lost} more were overwritten before they could be read`}`,
    );
  });
}
