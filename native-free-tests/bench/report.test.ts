// The report as a file: well-formed, alone, and with everything escaped that came from outside.

import { describe, expect, it } from 'vitest';
import { wireReportHtml } from '../../src/bench/report.ts';
import { spreadOf } from '../../src/bench/spread.ts';
import type { WireReport } from '../../src/bench/wire-report.ts';

const EVIL = `./a<b>&"c'.sh`;
const checks = { trials: 9, contaminated: 1, sampled: 100, faults: {}, ttlUnchanged: false };
const rate = (limited: boolean, ...pps: number[]) => ({ pps: spreadOf(pps), limited });

function report(): WireReport {
  const us = spreadOf([10, 12, 40]);
  const latency = [0, 0.1, 0.9].map((share) => ({
    ...{ share, pps: 1000 + share * 5e5, p50Us: us, p90Us: us, p99Us: us, highestUs: us, samples: 1000 },
  }));
  const curve = [0, 0.004, 0.3].map((lossRatio, i) => ({
    ...{ offeredPps: (i + 1) * 2e5, forwardedPps: 2e5, lossRatio, contaminated: i === 2 },
  }));
  return {
    startedAt: '2026-01-02T03:04:05.678Z',
    command: `nearhop bench wire --dut ${EVIL}`,
    machine: { cpu: 'CPU <1>', cpus: 2, kernel: '6.1', node: 'v20' },
    duts: [
      { name: 'kernel', what: 'kernel' },
      { name: EVIL, what: EVIL },
    ],
    ...{ mode: 'l3', routes: 1000, flows: 1000, rounds: 3, secondsPerTrial: 1, idleSeconds: 10 },
    generatorPps: spreadOf([7e5, 8e5, 9e5]),
    idle: [
      { dut: 'kernel', rttP50Us: us, rttP99Us: us, echoes: 1000, lost: 0 },
      {
        dut: EVIL,
        rttP50Us: us,
        rttP99Us: us,
        echoes: 1000,
        lost: 3,
        cpu: spreadOf([0.01]),
        rssMiB: spreadOf([80]),
      },
    ],
    results: [
      {
        ...{ dut: 'kernel', size: 64, meanBytes: 60, latency, curve, floodCpu: spreadOf([0]) },
        ...{ mrr: rate(true, 5e5, 5.5e5, 6e5), pdr: rate(false, 4e5), ndr: null },
        ...checks,
      },
      {
        ...{ dut: EVIL, size: 'imix', meanBytes: 350, latency, curve, floodCpu: spreadOf([0.99]) },
        ...{ mrr: rate(false, 3e5), pdr: rate(false, 2e5), ndr: rate(false, 1e5) },
        ...{ ...checks, faults: { ttl: 4 } },
      },
    ],
    traffic: {
      capture: '<x>.pcap',
      summary: {
        ...{ frames: 10, bySize: [10, 0, 0, 0, 0, 0], meanBytes: 60, seconds: 1, cut: true },
        leftOut: { arp: 3 },
      },
      results: [
        {
          ...{ dut: EVIL, speed: 10, offeredPps: spreadOf([100]), forwardedPps: spreadOf([90]) },
          ...{ lossRatio: spreadOf([0.1]), meanBytes: 60, limited: false },
          bySize: [{ mostBytes: 60, offered: 100, lossRatio: spreadOf([0.1]) }],
          ...{ ...checks, ttlUnchanged: true },
        },
      ],
    },
    problems: ['round 2: <it> ended'],
  };
}

/** Throws when an element is not closed by its own end; void elements and those that close themselves have none. */
function checkNesting(html: string): number {
  const open: string[] = [];
  let seen = 0;
  for (const [, end, name, itself] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    seen++;
    if (itself === '/' || ['meta', 'br'].includes(name)) continue;
    if (end === '') open.push(name);
    else expect(open.pop()).toBe(name);
  }
  expect(open).toEqual([]);
  return seen;
}

describe('wireReportHtml', () => {
  const html = wireReportHtml(report());

  it('is well-formed', () => {
    expect(checkNesting(html)).toBeGreaterThan(300);
    expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });
  it('needs nothing from outside and runs nothing', () => {
    expect(html).not.toMatch(/<script|<link|<img|src=|href=|@import|url\(/);
  });
  it('escapes what came from outside', () => {
    expect(html).not.toContain('<b>&');
    expect(html).not.toContain('<1>');
    expect(html).not.toContain('<x>');
    expect(html).not.toContain('<it>');
    expect(html).toContain('./a&#60;b&#62;&#38;&#34;c&#39;.sh');
  });
  it('gives every figure with its spread, marks lower bounds, faults and disturbed trials', () => {
    expect(html).toContain('≥ 550 (500–600)');
    expect(html).toContain('<td class="marked">none</td>');
    expect(html).toContain('4 wrong in ttl');
    expect(html).toContain('TTL unchanged');
    expect(html).toContain('<td class="marked">1</td>');
    expect(html).toContain('fill="none"'); // a disturbed trial is hollow
    expect(html).toContain('2026-01-02 03:04:05 UTC');
  });
  it('has no section for what was not measured', () => {
    const { traffic: _, ...rest } = report();
    const bare = wireReportHtml({ ...rest, idle: [], problems: [] });
    expect(bare).not.toContain('<h2>Idle');
    expect(bare).not.toContain('<h2>The capture');
    expect(bare).toContain('1,000 flows');
  });
});
