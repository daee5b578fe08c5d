// The command line of `nearhop bench wire`: what it refuses, before anything is made.

import { expect, it } from 'vitest';
import { nearhop } from './run-cli.ts';

it.each([
  ['--size 63', 'A size is from 64 to 1518 bytes'],
  ['--size 64,big', 'A size is from 64 to 1518 bytes'],
  ['--routes 1000001', '--routes'],
  ['--flows 0', '--flows'],
  ['--seconds 0', 'from 0.1 to 600 seconds'],
  ['--idle -1', '--idle'],
  ['--mode l4', 'l3, l2'],
  ['--traffic a.pcap --pace 0', 'A pace is a number as 1, x10 or 0.5, or max.'],
  ['--traffic a.pcap --pace fast', 'A pace is a number'],
  ['--idle-only --mrr-only', "cannot be used with option '--mrr-only'"],
  ['--idle-only --idle 0', '--idle-only needs seconds'],
  ['--pace 1', '--pace is of a capture'],
  ['--traffic a.pcap --size 64', "cannot be used with option '--size"],
  ['--traffic a.pcap --mrr-only', "cannot be used with option '--mrr-only'"],
])('bench wire %s is refused', async (options, message) => {
  const { code, stdout, stderr } = await nearhop(`bench wire ${options}`);
  expect(stderr).toContain(message);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

it('bench config prints a config of Nearhop for the wire', async () => {
  const { code, stdout } = await nearhop('bench config --mode l3 --routes 2');
  expect(code).toBe(0);
  expect(stdout).toContain('prefix: 10.3.0.2/32');
});
