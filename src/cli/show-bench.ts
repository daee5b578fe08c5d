// What a benchmark measured, for people: each figure with its spread.

import type { FibReport } from '../bench/fib.ts';
import type { FootprintReport } from '../bench/footprint.ts';
import type { ForwardReport } from '../bench/forward.ts';
import type { ForwardWorkersReport } from '../bench/forward-workers.ts';
import type { ReplayBenchReport } from '../bench/replay.ts';
import { gbpsPerPps, type Spread } from '../bench/spread.ts';
import type { TcpReport } from '../bench/tcp.ts';
import type { RateFigure, TrafficResult, WireReport, WireResult } from '../bench/wire-report.ts';
import type { Style } from './style.ts';
import { type Cell, type Column, formatTable } from './table.ts';

const left = (head: string): Column => ({ head });
const right = (head: string): Column => ({ head, align: 'right' });

export function formatWire(report: WireReport, style: Style): string {
  const { mode, routes, flows, rounds, secondsPerTrial, idle, results, traffic, problems } = report;
  const load = traffic === undefined ? `${flows} flows` : `the capture ${traffic.capture}`;
  const blocks = [
    `${mode}, ${routes} routes, ${load}, ${rounds} rounds, trials of ${secondsPerTrial} s; ` +
      'median (lowest–highest) of the rounds\n' +
      `generator alone: ${spreadText(report.generatorPps, 1 / 1000, 0)} kpps`,
    block(
      [
        left('DUT'),
        right('Bytes'),
        right('MRR kpps'),
        right('PDR kpps'),
        right('NDR kpps'),
        right('MRR Gbit/s'),
      ].concat([right('CPU'), right('Trials'), right('Disturbed')]),
      results.map((r): Cell[] => [
        [r.dut, style.bold],
        r.size,
        rateCell(r.mrr),
        rateCell(r.pdr),
        rateCell(r.ndr),
        spreadText(r.mrr.pps, gbpsPerPps(r.meanBytes), 2),
        r.floodCpu.median.toFixed(2),
        r.trials,
        r.contaminated > 0 ? [String(r.contaminated), style.warn] : 0,
      ]),
      style,
    ),
    ...(traffic === undefined ? [] : trafficBlocks(traffic, style)),
    block(
      [
        left('DUT'),
        right('RTT p50 µs'),
        right('RTT p99 µs'),
        right('Lost'),
        right('Idle CPU %'),
        right('RSS MiB'),
      ],
      idle.map((r) => [
        [r.dut, style.bold],
        spreadText(r.rttP50Us, 1, 0),
        spreadText(r.rttP99Us, 1, 0),
        `${r.lost} of ${r.echoes}`,
        r.cpu === undefined ? '-' : spreadText(r.cpu, 100, 1),
        r.rssMiB === undefined ? '-' : spreadText(r.rssMiB, 1, 0),
      ]),
      style,
    ),
    block(
      [left('DUT'), right('Bytes'), right('Load'), right('One way p50 µs'), right('p90 µs')].concat([
        right('p99 µs'),
        right('Highest µs'),
        right('Samples'),
      ]),
      results.flatMap((r) =>
        r.latency.map((l): Cell[] => [
          [r.dut, style.bold],
          r.size,
          l.share === 0 ? `idle, ${l.pps} pps` : `${l.share * 100} % of PDR`,
          spreadText(l.p50Us, 1, 0),
          spreadText(l.p90Us, 1, 0),
          spreadText(l.p99Us, 1, 0),
          spreadText(l.highestUs, 1, 0),
          l.samples,
        ]),
      ),
      style,
    ),
    [...results, ...(traffic?.results ?? [])]
      .filter((r) => r.ttlUnchanged)
      .map((r) => r.dut)
      .filter((dut, i, all) => all.indexOf(dut) === i)
      .map((dut) => `${dut} leaves the TTL unchanged, so it does less than a router`)
      .join('\n'),
    ...results
      .filter((r) => Object.keys(r.faults).length > 0)
      .map((r) => style.bad(faultLine(r, `${r.size} bytes`))),
    ...(traffic?.results ?? [])
      .filter((r) => Object.keys(r.faults).length > 0)
      .map((r) => style.bad(faultLine(r, paceText(r.speed)))),
    ...problems.map((problem) => style.bad(problem)),
  ];
  return blocks.filter((text) => text !== '').join('\n\n');
}

function trafficBlocks({ summary, results }: NonNullable<WireReport['traffic']>, style: Style): string[] {
  const leftOut = Object.entries(summary.leftOut).map(([reason, n]) => `${n} ${reason}`);
  return [
    `${summary.frames} frames of ${summary.meanBytes.toFixed(0)} bytes on average in ${summary.seconds.toFixed(3)} s` +
      (leftOut.length === 0 ? '' : `; left out: ${leftOut.join(', ')}`) +
      (summary.cut ? '; the rest of the capture is not sent' : ''),
    formatTable(
      [left('DUT'), right('Pace'), right('Offered kpps'), right('Forwarded kpps'), right('Loss %')].concat([
        right('Probes p50 µs'),
        right('p99 µs'),
        right('Trials'),
        right('Disturbed'),
      ]),
      results.map((r): Cell[] => [
        [r.dut, style.bold],
        paceText(r.speed),
        spreadText(r.offeredPps, 1 / 1000, 1),
        `${r.limited ? '>=' : ''}${spreadText(r.forwardedPps, 1 / 1000, 1)}`,
        spreadText(r.lossRatio, 100, 3),
        r.p50Us === undefined ? '-' : spreadText(r.p50Us, 1, 0),
        r.p99Us === undefined ? '-' : spreadText(r.p99Us, 1, 0),
        r.trials,
        r.contaminated > 0 ? [String(r.contaminated), style.warn] : 0,
      ]),
      style,
    ),
    formatTable(
      [left('DUT'), right('Pace'), right('Up to bytes'), right('Offered'), right('Loss %')],
      results.flatMap((r) =>
        r.bySize.map((s): Cell[] => [
          [r.dut, style.bold],
          paceText(r.speed),
          s.mostBytes,
          s.offered,
          spreadText(s.lossRatio, 100, 3),
        ]),
      ),
      style,
    ),
  ];
}

export function formatFib(report: FibReport, style: Style): string {
  const { source, rounds, tables, cases, noReference, peer, noPeer, inject } = report;
  const blocks = [
    `full table: ${source}; ${rounds} rounds, median (lowest–highest), millions of lookups a second`,
    formatTable(
      [left('Table'), left('Addresses'), right('Mlps'), right('C Mlps'), right('Ours ÷ C')],
      cases.map((c): Cell[] => [
        [c.table, style.bold],
        c.addresses,
        orNone(c.mlps, 0),
        orNone(c.c, 0),
        orNone(c.ratio, 2),
      ]),
      style,
    ),
    formatTable(
      [left('Table'), right('Prefixes'), left('Layout'), right('MiB'), right('Build ms')].concat([
        right('Updates/s'),
        right('p99 µs'),
      ]),
      tables.map((t): Cell[] => [
        [t.table, style.bold],
        t.prefixes,
        t.layout,
        t.mib.toFixed(1),
        t.buildMs.toFixed(0),
        t.updatesPerSecond.toFixed(0),
        t.updateP99Us.toFixed(1),
      ]),
      style,
    ),
    peer === null
      ? style.warn(`no npm package beside it: ${noPeer}`)
      : `npm ${peer.name}, full match: ${spreadText(peer.mlps, 1, 2)} Mlps; ours is ${spreadText(peer.ratio, 1, 0)} x as fast`,
    `${inject.updates} host routes into and out of ${inject.routes} routes (${inject.layout}) while another thread looks up: ` +
      `p50 ${inject.p50Us.toFixed(1)}, p99 ${inject.p99Us.toFixed(1)}, highest ${inject.maxUs.toFixed(0)} µs each; ` +
      `${inject.wrong} of ${inject.lookups} answers wrong`,
    noReference === null ? '' : style.warn(`no ratio: ${noReference}`),
  ];
  return blocks.filter((b) => b !== '').join('\n\n');
}

export function formatFootprint(report: FootprintReport): string {
  const { source, prefixes, layout, seconds, emptyMiB, rssMiB, peakMiB, fileMiB } = report;
  return (
    `${source} by BGP, in the FIB after ${seconds.toFixed(1)} s: ${prefixes} prefixes, layout ${layout}\n` +
    `resident memory of the gateway: ${rssMiB.toFixed(0)} MiB (highest ${peakMiB.toFixed(0)}), of which ` +
    `${fileMiB.toFixed(0)} of program files; ${emptyMiB.toFixed(0)} MiB before the peer came`
  );
}

export function formatForward(report: ForwardReport, style: Style): string {
  const { rounds, packets, cases, noReference } = report;
  const blocks = [
    `${rounds} rounds of ${packets} packets of each case, median (lowest–highest), millions of packets a second`,
    formatTable(
      [left('Case'), left('Frames'), right('Mpps'), right('C Mpps'), right('Ours ÷ C')].concat([
        right('Bare C Mpps'),
        right('Heap bytes/packet'),
        right('Collections'),
      ]),
      cases.map((c): Cell[] => [
        [c.kind, style.bold],
        c.memory,
        orNone(c.mpps, 2),
        orNone(c.c, 2),
        orNone(c.ratio, 2),
        orNone(c.bareC, 2),
        c.heapBytesPerPacket.toFixed(3),
        c.collections,
      ]),
      style,
    ),
    noReference === null ? '' : style.warn(`no ratio: ${noReference}`),
  ];
  return blocks.filter((b) => b !== '').join('\n\n');
}

export function formatForwardWorkers(report: ForwardWorkersReport, style: Style): string {
  const { rounds, workers, turnMs, cases } = report;
  return [
    `${rounds} rounds of ${turnMs} ms, median (lowest–highest), millions of packets a second`,
    formatTable(
      [left('Frames'), right('1 worker'), right(`${workers} workers`), right(`${workers} ÷ 1`)],
      cases.map((c): Cell[] => [
        [c.memory, style.bold],
        orNone(c.one, 2),
        orNone(c.all, 2),
        orNone(c.ratio, 2),
      ]),
      style,
    ),
  ].join('\n\n');
}

export function formatReplayBench(report: ReplayBenchReport, style: Style): string {
  const { packets, rounds, dir, rows, missing } = report;
  const blocks = [
    `${packets} frames of 64 bytes in ${dir}, ${rounds} rounds, process start included; median (lowest–highest)`,
    formatTable(
      [left('Program'), right('Seconds'), right('kpps'), right('Nearhop is')],
      rows.map((r): Cell[] => [
        [r.program, style.bold],
        spreadText(r.seconds, 1, 2),
        spreadText(r.kpps, 1, 0),
        `${spreadText(r.nearhopIs, 1, 2)} x as fast`,
      ]),
      style,
    ),
    missing.length === 0 ? '' : style.warn(`not installed: ${missing.join(', ')}`),
  ];
  return blocks.filter((b) => b !== '').join('\n\n');
}

export function formatTcp(report: TcpReport, style: Style): string {
  const { rounds, secondsPerTransfer, results } = report;
  const blocks = [
    `${rounds} rounds, transfers of ${secondsPerTransfer} s; median (lowest–highest) of the rounds`,
    formatTable(
      [left('Case'), left('Through'), right('Gbit/s'), right('÷ kernel'), right('Sent again')].concat([
        right('CPU'),
        right('Disturbed'),
      ]),
      results.flatMap(({ what, rows, ratio }) =>
        rows.map((r): Cell[] => [
          [what, style.bold],
          r.dut,
          spreadText(r.gbps, 1, 2),
          r.dut === 'kernel' ? '-' : spreadText(ratio, 1, 2),
          spreadText(r.retransmits, 1, 0),
          orNone(r.cpu, 2),
          r.disturbed > 0 ? [String(r.disturbed), style.warn] : 0,
        ]),
      ),
      style,
    ),
  ];
  return blocks.join('\n\n');
}

const orNone = (spread: Spread | null, digits: number): string =>
  spread === null ? '-' : spreadText(spread, 1, digits);

const block = (columns: readonly Column[], rows: readonly (readonly Cell[])[], style: Style): string =>
  rows.length === 0 ? '' : formatTable(columns, rows, style);

/** `>=` stands before what the generator limited. */
function rateCell(rate: RateFigure | null | undefined): string {
  if (rate === undefined) return '-';
  if (rate === null) return 'none';
  return `${rate.limited ? '>=' : ''}${spreadText(rate.pps, 1 / 1000, 0)}`;
}

const spreadText = ({ median, lowest, highest }: Spread, factor: number, digits: number): string =>
  `${(median * factor).toFixed(digits)} (${(lowest * factor).toFixed(digits)}–${(highest * factor).toFixed(digits)})`;

const paceText = (speed: number): string => (speed === 0 ? 'max' : `x${speed}`);

const faultLine = (r: WireResult | TrafficResult, what: string): string =>
  `${r.dut}, ${what}: of ${r.sampled} frames that were looked at, wrong were ${Object.entries(r.faults)
    .map(([fault, n]) => `${n} in ${fault}`)
    .join(', ')}`;
