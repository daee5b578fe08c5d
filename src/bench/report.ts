// The report of `bench wire --report`: one HTML file with tables and charts, which needs nothing else and runs no script. From the
// whole to the parts: what was measured on what, rates, the capture, idle, then loss and latency of each size, and how to read it.

import { barChart, colour, escapeHtml, type Point, pointChart } from './charts.ts';
import {
  count,
  figure,
  inKpps,
  NOTES,
  notes,
  paceText,
  rateText,
  shareText,
  sizeText,
  spread,
  table,
  whole,
} from './report-parts.ts';
import { REPORT_STYLE } from './report-style.ts';
import { gbpsPerPps } from './spread.ts';
import type { WireReport, WireResult } from './wire-report.ts';

export function wireReportHtml(report: WireReport): string {
  const names = report.duts.map(({ name }) => name);
  const title = `${names.join(', ')}: ${report.mode === 'l3' ? 'routing' : 'bridging'} on a veth wire`;
  const sizes = [...new Set(report.results.map((r) => r.size))];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${REPORT_STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${factsSection(report)}
${report.problems.map((problem) => `<p class="marked">${escapeHtml(problem)}</p>`).join('\n')}
${ratesSection(
  sizes.flatMap((size) => report.results.filter((r) => r.size === size)),
  names,
)}
${report.traffic === undefined ? '' : trafficSection(report.traffic, names)}
${idleSection(report, names)}
${sizes
  .map((size) =>
    sizeSection(
      size,
      report.results.filter((r) => r.size === size),
      names,
    ),
  )
  .join('\n')}
${readingSection(report)}
</body></html>
`;
}

function factsSection(report: WireReport): string {
  const { machine, mode, routes, flows, rounds, secondsPerTrial, traffic } = report;
  const facts: readonly (readonly [string, string])[] = [
    ['Measured', report.startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['Machine', `${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}, Node ${machine.node}`],
    ['Task', mode === 'l3' ? `route, ${count(routes)} host routes` : 'bridge'],
    ['Load', traffic === undefined ? `UDP, ${count(flows)} flows` : `the capture ${traffic.capture}`],
    ['Trials', `${rounds} rounds in turns, ${secondsPerTrial} s each`],
    ['Generator alone', `${spread(report.generatorPps, 1 / 1000, 0)} kpps`],
    ['Command', report.command],
  ];
  const devices = report.duts.map(({ name, what }, i) => [
    `<td><span class="dot" style="background:${colour(i)}"></span>${escapeHtml(name)}</td>`,
    `<td><code>${escapeHtml(DEVICES[what] ?? what)}</code></td>`,
  ]);
  return `<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join('\n')}</dl>
<table class="devices"><tr><th>Device under test</th><th>What it is</th></tr>${devices.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n')}</table>`;
}

const DEVICES: Readonly<Record<string, string>> = {
  kernel: 'the kernel of this machine: its router, or its bridge',
  nearhop: 'nearhop run, with two af-packet ports',
};

const KINDS = [
  ['MRR', 'mrr', 'what comes out of a flood'],
  ['PDR', 'pdr', 'the highest rate with at most 0.5 % of loss'],
  ['NDR', 'ndr', 'the highest rate without loss'],
] as const;

function ratesSection(results: readonly WireResult[], names: readonly string[]): string {
  if (results.length === 0) return '';
  const head = ['Device', 'Frame', ...KINDS.map(([name]) => `${name} kpps`), 'MRR Gbit/s', 'CPU', ...NOTES];
  const rows = results.map((r) => [
    r.dut,
    sizeText(r.size),
    ...KINDS.map(([, key]) => rateText(r[key])),
    spread(r.mrr.pps, gbpsPerPps(r.meanBytes), 2),
    spread(r.floodCpu, 1, 2),
    ...notes(r),
  ]);
  const charts = KINDS.map(([name, key, what]) => {
    const bars = results.flatMap((r) => {
      const rate = r[key];
      if (rate === undefined || rate === null) return [];
      const { median, lowest, highest } = rate.pps;
      const label = `${r.dut}, ${sizeText(r.size)}`;
      return [
        {
          label,
          value: median,
          lowest,
          highest,
          limited: rate.limited,
          colour: colour(names.indexOf(r.dut)),
        },
      ];
    });
    return bars.length === 0 ? '' : figure(`${name}: ${what}`, barChart(inKpps(bars), 'kpps', whole));
  });
  return `<h2>Throughput</h2>\n${table(head, rows)}\n${charts.join('\n')}\n${bySizeChart(results, names)}`;
}

/** From so many sizes on their rates make a line. */
const SIZES_OF_A_LINE = 3;

function bySizeChart(results: readonly WireResult[], names: readonly string[]): string {
  const numbered = results.filter((r) => r.size !== 'imix');
  if (new Set(numbered.map((r) => r.size)).size < SIZES_OF_A_LINE) return '';
  const series = names.map((name, i) => ({
    label: name,
    colour: colour(i),
    line: true,
    points: numbered
      .filter((r) => r.dut === name)
      .sort((a, b) => a.meanBytes - b.meanBytes)
      .map((r): Point => {
        const factor = gbpsPerPps(r.meanBytes);
        const { median, lowest, highest } = r.mrr.pps;
        return {
          ...{ x: Number(r.size), y: median * factor, lowest: lowest * factor, highest: highest * factor },
          hollow: r.mrr.limited,
        };
      }),
  }));
  return figure(
    'MRR by frame size; a hollow point is a lower bound',
    pointChart(series, { x: 'frame, bytes with FCS', y: 'Gbit/s' }),
  );
}

function trafficSection(
  { capture, summary, results }: NonNullable<WireReport['traffic']>,
  names: readonly string[],
): string {
  const leftOut = Object.entries(summary.leftOut).map(([reason, n]) => `${count(n)} ${reason}`);
  const text =
    `${capture}: ${count(summary.frames)} frames of ${summary.meanBytes.toFixed(0)} bytes on average in ` +
    `${summary.seconds.toFixed(3)} s${leftOut.length > 0 ? `; left out: ${leftOut.join(', ')}` : ''}` +
    `${summary.cut ? '; the rest of the capture is not sent' : ''}.`;
  const head = ['Device', 'Pace', 'Offered kpps', 'Forwarded kpps', 'Gbit/s', 'Loss %'].concat(
    ['Probes p50 µs', 'p99 µs'],
    NOTES,
  );
  const rows = results.map((r) => [
    r.dut,
    paceText(r.speed),
    spread(r.offeredPps, 1 / 1000, 1),
    `${r.limited ? '≥ ' : ''}${spread(r.forwardedPps, 1 / 1000, 1)}`,
    spread(r.forwardedPps, gbpsPerPps(r.meanBytes), 3),
    spread(r.lossRatio, 100, 3),
    ...[r.p50Us, r.p99Us].map((us) => (us === undefined ? '–' : spread(us, 1, 0))),
    ...notes(r),
  ]);
  const bySize = results.flatMap((r) =>
    r.bySize.map((s) => [
      r.dut,
      paceText(r.speed),
      `to ${s.mostBytes}`,
      count(s.offered),
      spread(s.lossRatio, 100, 3),
    ]),
  );
  const bars = results.map((r) => ({
    label: `${r.dut}, ${paceText(r.speed)}`,
    value: r.forwardedPps.median,
    lowest: r.forwardedPps.lowest,
    highest: r.forwardedPps.highest,
    limited: r.limited,
    colour: colour(names.indexOf(r.dut)),
  }));
  return `<h2>The capture</h2>\n<p>${escapeHtml(text)}</p>\n${table(head, rows)}
${figure(
  'What comes out of the capture at each pace',
  barChart(inKpps(bars), 'kpps', (v) => v.toFixed(1)),
)}
<h3>By frame size</h3>\n${table(['Device', 'Pace', 'Bytes without FCS', 'Offered', 'Loss %'], bySize)}`;
}

function idleSection({ idle, idleSeconds }: WireReport, names: readonly string[]): string {
  if (idle.length === 0) return '';
  const head = ['Device', 'RTT p50 µs', 'RTT p99 µs', 'Lost', 'CPU %', 'RSS MiB'];
  const rows = idle.map((r) => [
    r.dut,
    spread(r.rttP50Us, 1, 0),
    spread(r.rttP99Us, 1, 0),
    `${r.lost} of ${r.echoes}`,
    r.cpu === undefined ? '–' : spread(r.cpu, 100, 1),
    r.rssMiB === undefined ? '–' : spread(r.rssMiB, 1, 0),
  ]);
  const bars = idle.map((r) => ({
    label: r.dut,
    value: r.rttP50Us.median,
    lowest: r.rttP50Us.lowest,
    highest: r.rttP50Us.highest,
    limited: false,
    colour: colour(names.indexOf(r.dut)),
  }));
  return `<h2>Idle</h2>
<p>CPU of the device's processes over ${idleSeconds} s without traffic, then 1000 echoes, 2 ms apart, through the device and back.
The kernel's work is no process's.</p>
${table(head, rows)}\n${figure('Round trip, p50', barChart(bars, 'µs', whole))}`;
}

function sizeSection(
  size: WireResult['size'],
  results: readonly WireResult[],
  names: readonly string[],
): string {
  if (results.every((r) => r.latency.length === 0)) return '';
  const curve = pointChart(
    results.map((r) => ({
      label: r.dut,
      colour: colour(names.indexOf(r.dut)),
      line: false,
      points: r.curve.map((p) => ({ x: p.offeredPps / 1000, y: p.lossRatio * 100, hollow: p.contaminated })),
    })),
    { x: 'offered, kpps', y: 'loss, %', scale: 'log0', mark: { y: 0.5, label: 'PDR allows 0.5 %' } },
  );
  const latency = pointChart(
    results.flatMap((r) =>
      (['p50Us', 'p99Us'] as const).map((key, i) => ({
        label: `${r.dut} ${i === 0 ? 'p50' : 'p99'}`,
        colour: colour(names.indexOf(r.dut)),
        line: true,
        dashed: i === 1,
        points: r.latency.map((l): Point => {
          const { median, lowest, highest } = l[key];
          return { x: l.pps / 1000, y: median, lowest, highest };
        }),
      })),
    ),
    { x: 'offered, kpps: idle, and 10, 50 and 90 % of PDR', y: 'one way, µs', scale: 'log' },
  );
  const rows = results.flatMap((r) =>
    r.latency.map((l) => [
      r.dut,
      shareText(l),
      whole(l.pps / 1000),
      ...[l.p50Us, l.p90Us, l.p99Us, l.highestUs].map((us) => spread(us, 1, 0)),
      count(l.samples),
    ]),
  );
  const head = ['Device', 'Load', 'kpps', 'p50 µs', 'p90 µs', 'p99 µs', 'Highest µs', 'Samples'];
  return `<h2>Frames of ${sizeText(size)}</h2>
${figure('Loss: every full trial of the run; hollow ones were disturbed', curve)}
<h3>One-way latency</h3>\n${table(head, rows)}\n${figure('Latency by load; dashed is p99', latency)}`;
}

function readingSection({ mode }: WireReport): string {
  return `<h2>How to read it</h2>
<ul>
<li>The wire is three network namespaces joined by two veth pairs: generator – device under test – sink. The generator has CPU 0, the
device CPU 1, both before all other programs. The kernel's receive work for the device runs on the generator's CPU.</li>
<li>A figure is the median of the rounds; in brackets, and as a whisker, the lowest and the highest. In each round every device is
started anew, in turn.</li>
<li><b>≥</b>, a pointed bar: the generator was the limit, the device does at least this. A ratio of two such figures says nothing.</li>
<li><b>Disturbed</b>: trials in which other programs took more than 2 % of a CPU, or the generator could not keep its rate, also when
they were repeated twice.</li>
<li>Sizes count the FCS; IMIX is 28 frames of 64, 16 of 570 and 4 of 1518 bytes. Gbit/s count preamble and gap.</li>
<li>MRR, PDR and NDR: one search after RFC 2544 and MLRsearch, to 2 %; a queue that grows counts as loss.</li>
<li>${mode === 'l3' ? 'Sampled frames are checked: TTL, both MACs, IPv4 checksum, destination.' : 'Sampled frames are checked: both MACs, TTL, IPv4 checksum.'}
Latency is one-way, from before the system call that sends to the kernel's time of arrival.</li>
</ul>`;
}
