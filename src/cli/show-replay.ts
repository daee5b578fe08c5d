// The summary of a replay, for people: verdict first, then what carried the packets, what ended them, ports and VMs.

import type { ReplaySummary } from '../replay/replay-summary.ts';
import { printable } from './output.ts';
import type { Style } from './style.ts';
import { type Cell, type Column, formatTable } from './table.ts';

const left = (head: string): Column => ({ head });
const right = (head: string): Column => ({ head, align: 'right' });

export function formatReplay(s: ReplaySummary, style: Style): string {
  const { sent, dropped, consumed, queued } = s.totals;
  const law = s.imbalance === 0 ? '' : style.bad(`, ${s.imbalance} not accounted for`);
  const end = s.interrupted ? style.warn(' (interrupted)') : '';
  const blocks = [
    [
      `${style.bold(s.gateway)}: ${s.packets} packets in ${s.seconds} s of captured time${end}: ` +
        `${sent} sent, ${dropped} dropped, ${consumed} consumed, ${queued} waiting${law}`,
      `from ${s.from} to ${s.to}`,
    ].join('\n'),
    block(
      [right('Packets'), left('Carried by'), left('Rule'), left('Claim')],
      s.rules.map((r) => [r.packets, r.text, r.rule, r.claim]),
      style,
    ),
    block(
      [right('Packets'), left('Class'), left('Reason'), left('Rule'), left('What happened')],
      s.reasons.map((r) => [
        r.packets,
        r.class === 'drop' ? [r.class, style.warn] : r.class,
        r.reason,
        r.rule,
        r.text,
      ]),
      style,
    ),
    block(
      [
        left('Port'),
        left('In'),
        right('Packets'),
        right('Cut'),
        left('Out'),
        right('Packets'),
        right('Lost'),
      ],
      s.ports.map((p) => [
        [p.port, style.bold],
        p.in ?? '-',
        p.packetsIn,
        p.truncated,
        p.out ?? '-',
        p.packetsOut,
        p.faultLost,
      ]),
      style,
    ),
    block(
      [
        left('VM'),
        left('Network'),
        left('State'),
        left('From it'),
        left('To it'),
        right('Asymmetric'),
        left('Alarm'),
      ],
      s.vms.map((vm) => [
        [vm.vm, style.bold],
        vm.network,
        vm.state,
        counts({ ...vm.from, ...vm.ended }),
        counts(vm.to),
        vm.asymmetric > 0 ? [String(vm.asymmetric), style.warn] : 0,
        [vm.alarm, style.warn],
      ]),
      style,
    ),
    s.events
      .map((e) => `${e.at} ${printable(e.text)}${e.packets > 0 ? ` (after ${e.packets} packets)` : ''}`)
      .join('\n'),
  ];
  return blocks.filter((text) => text !== '').join('\n\n');
}

const block = (columns: readonly Column[], rows: readonly (readonly Cell[])[], style: Style): string =>
  rows.length === 0 ? '' : formatTable(columns, rows, style);

const counts = (by: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(by)
    .map(([what, n]) => `${n} ${what}`)
    .join(', ') || '-';
