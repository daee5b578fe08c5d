// Tables without frames, as router operators know them: columns apart by two spaces, a head in bold. Written here, because
// cli-table3 takes 18 s for the MAC addresses of 16,000 VMs (quadratic in the rows), and this takes 50 ms.

import { printable } from './output.ts';
import type { Style } from './style.ts';

export interface Column {
  readonly head: string;
  /** Numbers stand right. Default left. */
  readonly align?: 'right';
}

/** What stands in a cell: text, a number, or text with a colour. */
export type Cell = string | number | readonly [text: string, colour: (text: string) => string];

/** The table as text, without a line end behind the last line. No rows give the head alone. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: Style,
): string {
  const lines = [columns.map((c): Cell => [c.head, style.bold]), ...rows];
  const texts = lines.map((line) => line.map(textOf));
  const widths = columns.map((_, c) => texts.reduce((widest, line) => Math.max(widest, line[c].length), 0));
  return lines
    .map((line, r) =>
      line
        .map((cell, c) => {
          const text = texts[r][c];
          const space = ' '.repeat(widths[c] - text.length);
          const shown = typeof cell === 'object' && text !== '' ? cell[1](text) : text;
          if (columns[c].align === 'right') return space + shown;
          return c === columns.length - 1 ? shown : shown + space;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The cell's text on one line, whatever it holds. */
const textOf = (cell: Cell): string =>
  typeof cell === 'number'
    ? String(cell)
    : printable(typeof cell === 'string' ? cell : cell[0]).replaceAll('\n', ' ');

/** Time as routers show it: 00:01:02, 1d02h03m, 2w3d04h. */
export function formatAge(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600) % 24;
  const minutes = Math.floor(s / 60) % 60;
  if (s < 86_400) return `${two(hours)}:${two(minutes)}:${two(s % 60)}`;
  const days = Math.floor(s / 86_400);
  if (days < 7) return `${days}d${two(hours)}h${two(minutes)}m`;
  return `${Math.floor(days / 7)}w${days % 7}d${two(hours)}h`;
}
