import { describe, expect, it } from 'vitest';
import { type CpuSnapshot, cpuUse, dutRssMiB, parseStat, parseStolen } from '../../src/bench/cpu-usage.ts';

// proc(5): pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime … rss is field 24.
const stat = (comm: string, flags: number): string =>
  `77 (${comm}) S 1 77 76 0 -1 ${flags} 0 0 0 0 250 50 0 0 20 0 1 0 123 1000000 2560 18446744073709551615`;

describe('parseStat', () => {
  it('reads CPU time and memory', () => {
    expect(parseStat(stat('node', 0x400000))).toEqual({ cpuMs: 3000, rssKiB: 10240 });
  });
  it('is not misled by a name with brackets and spaces', () => {
    expect(parseStat(stat('a) S (b', 0))).toEqual({ cpuMs: 3000, rssKiB: 10240 });
  });
  it('leaves kernel threads out, and a process that has gone', () => {
    expect(parseStat(stat('ksoftirqd/0', 0x4208040 | 0x200000))).toBeUndefined();
    expect(parseStat('')).toBeUndefined();
  });
});

describe('parseStolen', () => {
  it('reads the eighth number of the first line', () => {
    expect(parseStolen('cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 80 9 10\n')).toBe(80);
  });
});

describe('cpuUse', () => {
  const snapshot = (stolenMs: number, dut: number[], rows: [pid: number, cpuMs: number][]): CpuSnapshot => ({
    stolenMs,
    dut: new Set(dut),
    processes: new Map(rows.map(([pid, cpuMs]) => [pid, { cpuMs, rssKiB: 1024 }])),
  });
  it('tells the device under test, those who take part, and others, new ones included', () => {
    const before = snapshot(
      100,
      [10],
      [
        [1, 500],
        [10, 1000],
        [20, 0],
      ],
    );
    const after = snapshot(
      130,
      [10, 11],
      [
        [1, 540],
        [10, 1900],
        [11, 50],
        [20, 1000],
        [30, 70],
      ],
    );
    expect(cpuUse(before, after, new Set([20]))).toEqual({ dutMs: 950, otherMs: 30 + 40 + 70 });
    expect(dutRssMiB(after)).toBe(2);
  });
  it('takes nothing off for threads that have ended', () => {
    expect(cpuUse(snapshot(0, [], [[5, 900]]), snapshot(0, [], [[5, 100]]), new Set())).toEqual({
      dutMs: 0,
      otherMs: 0,
    });
  });
});
