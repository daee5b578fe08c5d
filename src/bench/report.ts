// The report of `bench wire --report`: one HTML file with tables and charts, which needs nothing else and runs no script.

import { barChart, colour, escapeHtml, pointChart } from './charts.ts';
import { dutName } from './dut-name.ts';
import type { Spread } from './spread.ts';
import type { RateFigure, WireReport, WireResult } from './wire.ts';

const STYLE = `body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } .marked { color: #a33 } svg { max-width: 100%; height: auto }`;

export function wireReportHtml(report: WireReport): string {
  const { mode, routes, flows, rounds, secondsPerTrial, machine } = report;
  const duts = [...new Set(report.results.map((r) => r.dut))];
  const facts =
    `${mode === 'l3' ? 'Routing' : 'Bridging'}, ${routes} routes, ${flows} flows, ${rounds} rounds, trials of ` +
    `${secondsPerTrial} s. ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}. ${report.startedAt}.`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>nearhop bench wire</title><style>${STYLE}</style></head><body>
<h1>nearhop bench wire</h1>
<p>${escapeHtml(facts)}</p>
<p>Figures are medians over the rounds, with the lowest and the highest. ≥: the generator was the limit, so the device does at least
this; alone it offers ${spread(report.generatorPps, 1 / 1000, 0)} kpps. Trials in which other programs used more than 2 % of a CPU were repeated; those that stayed disturbed are counted.</p>
${ratesSection(report.results, duts)}
${idleSection(report)}
${report.results
  .map((r) => r.size)
  .filter((size, i, all) => all.indexOf(size) === i)
  .map((size) =>
    sizeSection(
      size,
      report.results.filter((r) => r.size === size),
      duts,
    ),
  )
  .join('\n')}
</body></html>
`;
}

const KINDS = [
  ['MRR', 'mrr', 'what comes out of a flood'],
  ['PDR', 'pdr', 'the highest rate with at most 0.5 % of loss'],
  ['NDR', 'ndr', 'the highest rate without loss'],
] as const;

function ratesSection(results: readonly WireResult[], duts: readonly string[]): string {
  const head = ['DUT', 'Bytes', ...KINDS.map(([name]) => `${name} kpps`), 'CPU', 'Trials', 'Disturbed'];
  const rows = results.map((r) => [
    r.dut,
    String(r.size),
    ...KINDS.map(([, key]) => rateText(r[key])),
    r.floodCpu.median.toFixed(2),
    String(r.trials),
    String(r.contaminated),
  ]);
  const charts = KINDS.map(([name, key, what]) => {
    const bars = results.flatMap((r) => {
      const rate = r[key];
      if (rate === undefined || rate === null) return [];
      const { median, lowest, highest } = rate.pps;
      const label = `${dutName(r.dut)}, ${r.size} ${r.size === 'imix' ? '' : 'bytes'}`;
      return [
        { label, value: median, lowest, highest, limited: rate.limited, colour: colour(duts.indexOf(r.dut)) },
      ];
    });
    return bars.length === 0 ? '' : `<h2>${name}: ${what}, kpps</h2>\n${barChart(bars, kpps)}`;
  });
  return `<h2>Throughput</h2>\n${table(head, rows)}\n${charts.join('\n')}`;
}

function idleSection({ idle }: WireReport): string {
  if (idle.length === 0) return '';
  const head = ['DUT', 'RTT p50 µs', 'RTT p99 µs', 'Lost', 'Idle CPU %', 'RSS MiB'];
  const rows = idle.map((r) => [
    r.dut,
    spread(r.rttP50Us, 1, 0),
    spread(r.rttP99Us, 1, 0),
    `${r.lost} of ${r.echoes}`,
    r.cpu === undefined ? '–' : spread(r.cpu, 100, 1),
    r.rssMiB === undefined ? '–' : spread(r.rssMiB, 1, 0),
  ]);
  return `<h2>Idle</h2>\n${table(head, rows)}`;
}

function sizeSection(
  size: WireResult['size'],
  results: readonly WireResult[],
  duts: readonly string[],
): string {
  if (results.every((r) => r.latency.length === 0)) return '';
  const named = size === 'imix' ? 'IMIX' : `${size} bytes`;
  const curve = pointChart(
    results.map((r) => ({
      label: dutName(r.dut),
      colour: colour(duts.indexOf(r.dut)),
      line: false,
      points: r.curve.map((p) => ({ x: p.offeredPps / 1000, y: p.lossRatio * 100, hollow: p.contaminated })),
    })),
    { x: 'offered, kpps', y: 'loss, %' },
  );
  const latency = pointChart(
    results.flatMap((r) =>
      (['p50Us', 'p99Us'] as const).map((key, i) => ({
        label: `${dutName(r.dut)} ${i === 0 ? 'p50' : 'p99'}`,
        colour: colour(duts.indexOf(r.dut) * 2 + i),
        line: true,
        points: r.latency.map((l) => ({ x: l.pps / 1000, y: l[key].median })),
      })),
    ),
    { x: 'offered, kpps (10, 50 and 90 % of PDR)', y: 'one way, µs', logY: true },
  );
  const rows = results.flatMap((r) =>
    r.latency.map((l) => [
      r.dut,
      `${Math.round(l.share * 100)} %`,
      kpps(l.pps),
      spread(l.p50Us, 1, 0),
      spread(l.p99Us, 1, 0),
      String(l.samples),
    ]),
  );
  return [
    `<h2>Loss at ${named}</h2>\n<p>Every trial of the run; hollow ones were disturbed.</p>\n${curve}`,
    `<h2>Latency at ${named}</h2>\n${table(['DUT', 'of PDR', 'kpps', 'p50 µs', 'p99 µs', 'Samples'], rows)}\n${latency}`,
  ].join('\n');
}

const kpps = (pps: number): string => (pps / 1000).toFixed(0);

function rateText(rate: RateFigure | null | undefined): string {
  if (rate === undefined) return '–';
  return rate === null ? 'none' : `${rate.limited ? '≥ ' : ''}${spread(rate.pps, 1 / 1000, 0)}`;
}

const spread = ({ median, lowest, highest }: Spread, factor: number, digits: number): string =>
  `${(median * factor).toFixed(digits)} (${(lowest * factor).toFixed(digits)}–${(highest * factor).toFixed(digits)})`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${head.map((h) => `<th>${escapeHtml(h)}</th>`).join('')}</tr>\n${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('\n')}</table>`;
