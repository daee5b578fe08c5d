// What a report is put together from: figures as text, tables and framed charts as HTML.

import { escapeHtml } from './charts.ts';
import type { Spread } from './spread.ts';
import type { LoadedLatency, RateFigure, TrafficResult, WireResult } from './wire-report.ts';

/** Heads of the columns that `notes` fills. */
export const NOTES = ['Trials', 'Disturbed', 'Checks'];

/** Trials, disturbed ones, and what is wrong with sampled frames. */
export function notes(r: WireResult | TrafficResult): string[] {
  const faults = Object.entries(r.faults).map(([fault, n]) => `${n} wrong in ${fault}`);
  if (r.ttlUnchanged) faults.push('TTL unchanged');
  return [
    String(r.trials),
    String(r.contaminated),
    faults.length === 0 ? `${count(r.sampled)} right` : faults.join(', '),
  ];
}

export const inKpps = <
  T extends { readonly value: number; readonly lowest: number; readonly highest: number },
>(
  bars: readonly T[],
): T[] =>
  bars.map((bar) => ({
    ...bar,
    value: bar.value / 1000,
    lowest: bar.lowest / 1000,
    highest: bar.highest / 1000,
  }));

export const whole = (value: number): string => value.toFixed(0);
export const count = (n: number): string => n.toLocaleString('en');
export const sizeText = (size: WireResult['size']): string => (size === 'imix' ? 'IMIX' : `${size} bytes`);
export const paceText = (speed: number): string =>
  speed === 0 ? 'max' : speed === 1 ? 'as captured' : `x${speed}`;
export const shareText = ({ share }: LoadedLatency): string =>
  share === 0 ? 'idle' : `${Math.round(share * 100)} % of PDR`;

export function rateText(rate: RateFigure | null | undefined): string {
  if (rate === undefined) return '–';
  return rate === null ? 'none' : `${rate.limited ? '≥ ' : ''}${spread(rate.pps, 1 / 1000, 0)}`;
}

export const spread = ({ median, lowest, highest }: Spread, factor: number, digits: number): string =>
  `${(median * factor).toFixed(digits)} (${(lowest * factor).toFixed(digits)}–${(highest * factor).toFixed(digits)})`;

export const figure = (caption: string, chart: string): string =>
  chart === '' ? '' : `<figure><figcaption>${escapeHtml(caption)}</figcaption>\n${chart}</figure>`;

const MARKED = /wrong in|^none$/;

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<div class="wide"><table><tr>${head.map((h) => `<th>${escapeHtml(h)}</th>`).join('')}</tr>\n${rows
    .map((row) => `<tr>${row.map((cell, i) => cellHtml(cell, head[i])).join('')}</tr>`)
    .join('\n')}</table></div>`;

function cellHtml(cell: string, head: string): string {
  const marked = MARKED.test(cell) || (head === 'Disturbed' && cell !== '0');
  return `<td${marked ? ' class="marked"' : ''}>${escapeHtml(cell)}</td>`;
}
