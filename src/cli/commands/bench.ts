// `nearhop bench`: how fast Nearhop and others are on this machine. Results as tables, as JSON, or as a report in HTML.

import { writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FibReport } from '../../bench/fib.ts';
import type { ForwardReport } from '../../bench/forward.ts';
import type { ForwardWorkersReport } from '../../bench/forward-workers.ts';
import type { TcpCaseName } from '../../bench/tcp.ts';
import type { WirePorts } from '../../bench/wire-dut.ts';
import type { FrameSize, WireMode } from '../../bench/wire-frame.ts';
import type { Context } from '../context.ts';
import { UsageError } from '../output.ts';
import {
  formatFib,
  formatFootprint,
  formatForward,
  formatForwardWorkers,
  formatReplayBench,
  formatTcp,
  formatWire,
} from '../show-bench.ts';
import { integer, outputOf, withJson } from './common.ts';
import { interruptible } from './interrupt.ts';

interface WireCommandOptions {
  readonly dut?: readonly string[];
  readonly mode: WireMode;
  readonly size: readonly FrameSize[];
  readonly routes: number;
  readonly flows: number;
  readonly trials: number;
  readonly seconds: number;
  readonly idle: number;
  readonly mrrOnly?: boolean;
  readonly idleOnly?: boolean;
  readonly traffic?: string;
  readonly pace?: readonly number[];
  readonly report?: string;
}

interface ConfigCommandOptions {
  readonly mode: WireMode;
  readonly routes: number;
  readonly ports: WirePorts;
}

interface FibCommandOptions {
  readonly table?: string;
  readonly prefixes: number;
  readonly rounds: number;
}

interface ForwardCommandOptions {
  readonly rounds: number;
  readonly workers?: number;
}

interface MemoryCommandOptions {
  readonly table?: string;
  readonly routes: number;
}

interface ReplayCommandOptions {
  readonly packets: number;
  readonly rounds: number;
  readonly dir?: string;
}

interface TcpCommandOptions {
  readonly case?: readonly TcpCaseName[];
  readonly rounds: number;
  readonly seconds: number;
}

const TCP_CASES: readonly TcpCaseName[] = ['routed', 'routed-4', 'vxlan-into', 'vxlan-out'];
/** Needs Linux 6.17. */
const TCP_CASES_NEW: readonly TcpCaseName[] = ['vxlan-into-gso'];

const WIRE_HELP = `
The wire is three namespaces, made for the run and removed again; it needs root and two CPUs:

  gen: g0 10.1.0.2 ---- d0 10.1.0.1 :dut: d1 10.2.0.1 ---- s0 10.2.0.2 :sink

A command as DUT runs in the namespace in the middle, in the foreground, on CPU 1; d0 and d1 are up and have no addresses. Its
environment has BENCH_MODE, BENCH_ROUTES, BENCH_DEFAULT_ROUTE (1 or 0), and BENCH_DIR, a folder that goes with the run. For l3
it has the addresses above, routes 10.1.0.0/24 to d0 and 10.2.0.0/24 to d1, and by 10.2.0.2 BENCH_ROUTES host routes 10.3.0.1,
10.3.0.2, ... and a default route if one is asked for; for l2 it bridges d0 and d1. It need not answer ARP: both ends know
their neighbors. Commands for DPDK, Open vSwitch and others are in scripts/bench/duts.

MRR: what comes out of a flood. PDR, NDR: the highest rate with at most 0.5 % and without loss. Figures are medians over the
rounds; >= says that the generator was the limit. A trial in which other programs used the CPUs is repeated, then marked.

A capture as the load (--traffic) is sent from its first frame on, again from there when it ends, for --seconds. In every frame
the MACs become those of the wire and VLAN tags go; for l3 the TTL becomes 64. Addresses, ports and payload stay: the DUT gets a
default route. Left out, and counted, are frames that are not whole or longer than 1514 bytes; for l2 ARP; for l3 all but
IPv4, and addresses that no router forwards or that are the wire's own.`;

const FIB_HELP = `
Tables: full, generated or from a file; h100 and h10k, that many host routes in four /16s and a default route. Addresses: match
lie inside the prefixes, of host tables half are hosts and half anywhere, as a gateway carries both directions; hosts are hosts
alone; random are anywhere. Ours and C each look up a column of a million addresses into a column of answers, and all answers are
compared. The npm package mmdb-lib looks the same addresses up as text. Last, host routes come and go in a table of a million
routes while a second thread looks up and judges every answer.`;

export function registerBench(program: Command, context: Context): void {
  const bench = program.command('bench').description('measure Nearhop, and others, on this machine');

  withJson(
    bench.command('wire').description('throughput, loss and latency of a router or bridge on a veth wire'),
  )
    .option(
      '--dut <what>',
      'nearhop, kernel or a command; repeat it to compare (default: nearhop)',
      collect,
      [],
    )
    .addOption(new Option('--mode <mode>', 'l3 routes, l2 bridges').choices(['l3', 'l2']).default('l3'))
    .option('--size <list>', 'bytes with FCS, or imix; separated by commas', sizes, [64])
    .option('--routes <n>', 'host routes of the DUT', integer(1, 1_000_000), 1000)
    .option('--flows <n>', 'flows of the load', integer(1, 1_000_000), 1000)
    .option('--trials <n>', 'rounds', integer(1, 99), 3)
    .option('--seconds <s>', 'seconds of one trial', seconds, 1)
    .option('--idle <s>', 'seconds without traffic, for idle CPU; 0 for none', integer(0, 600), 10)
    .option('--mrr-only', 'floods only: nothing at idle, no search, latency or curve')
    .addOption(
      new Option('--idle-only', 'CPU and round-trip time at idle only').conflicts(['mrrOnly', 'size']),
    )
    .addOption(
      new Option('--traffic <capture>', 'send a capture instead').conflicts([
        ...['size', 'flows', 'mrrOnly', 'idleOnly'],
      ]),
    )
    .option(
      '--pace <list>',
      'of a capture: 1 as captured, x10 faster, max; separated by commas (default: 1)',
      paces,
    )
    .option('--report <file>', 'write a report in HTML')
    .addHelpText('after', WIRE_HELP)
    .action(async (options: WireCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { traffic, pace } = options;
      if (pace !== undefined && traffic === undefined) {
        throw new UsageError('option-alone', '--pace is of a capture', {
          hint: 'name one: --traffic CAPTURE',
        });
      }
      if (options.idleOnly === true && options.idle === 0) {
        throw new UsageError('nothing-to-measure', '--idle-only needs seconds without traffic', {
          hint: 'leave --idle 0 out',
        });
      }
      const { benchWire } = await import('../../bench/wire.ts');
      const report = await interruptible((signal) =>
        benchWire({
          command: `nearhop ${process.argv.slice(2).map(quoted).join(' ')}`,
          duts: options.dut ?? ['nearhop'],
          mode: options.mode,
          sizes: options.size,
          routes: options.routes,
          flows: options.flows,
          trials: options.trials,
          seconds: options.seconds,
          idleSeconds: options.idle,
          mrrOnly: options.mrrOnly === true,
          idleOnly: options.idleOnly === true,
          ...(traffic === undefined ? {} : { traffic: { path: traffic, speeds: pace ?? [1] } }),
          signal,
          say: (text) => output.note(text),
        }),
      );
      if (options.report !== undefined) {
        const { wireReportHtml } = await import('../../bench/report.ts');
        writeFileSync(options.report, wireReportHtml(report));
      }
      output.answer(report, () => formatWire(report, output.style));
    });

  withJson(bench.command('tcp').description('TCP by iperf3 through Nearhop and through the kernel, as root'))
    .addOption(
      new Option(
        '--case <case...>',
        'these cases; vxlan is a bridge and a tunnel; gso needs Linux 6.17 and is not among the default ones',
      ).choices([...TCP_CASES, ...TCP_CASES_NEW]),
    )
    .option('--rounds <n>', 'rounds', integer(1, 99), 5)
    .option('--seconds <s>', 'seconds of one transfer', integer(1, 600), 3)
    .action(async (options: TcpCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { benchTcp } = await import('../../bench/tcp.ts');
      const { case: cases = TCP_CASES, rounds, seconds } = options;
      const report = await interruptible((signal) =>
        benchTcp({ cases, rounds, seconds, signal, say: (text) => output.note(text) }),
      );
      output.answer(report, () => formatTcp(report, output.style));
    });

  bench
    .command('config')
    .description('print the config that Nearhop has as DUT of bench wire')
    .addOption(new Option('--mode <mode>', 'l3 routes, l2 bridges').choices(['l3', 'l2']).default('l3'))
    .option('--routes <n>', 'host routes', integer(1, 1_000_000), 1000)
    .addOption(
      new Option('--ports <kind>', 'kind of the ports').choices(['af-packet', 'af-xdp']).default('af-packet'),
    )
    .action(async ({ mode, routes, ports }: ConfigCommandOptions) => {
      const { nearhopConfig } = await import('../../bench/wire-dut.ts');
      context.io.stdout.write(nearhopConfig({ mode, routes, defaultRoute: false }, false, ports));
    });

  withJson(bench.command('fib').description('lookups in the IPv4 FIB, beside a DIR-24-8 in C'))
    .option('--table <file>', 'prefixes, one a line, gzip or plain, instead of a generated full table')
    .option('--prefixes <n>', 'prefixes of the generated full table', integer(1000, 2_000_000), 900_000)
    .option('--rounds <n>', 'rounds', integer(1, 99), 7)
    .addHelpText('after', FIB_HELP)
    .action(async (options: FibCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { runMemoryBench } = await import('../../bench/memory-client.ts');
      const { table = null, prefixes, rounds } = options;
      const report = await interruptible((signal) =>
        runMemoryBench<FibReport>('fib', { table, prefixes, rounds }, signal),
      );
      output.answer(report, () => formatFib(report, output.style));
    });

  withJson(
    bench
      .command('memory')
      .description('resident memory of a gateway that has a table from a BGP peer; needs no root'),
  )
    .option('--routes <n>', 'host routes', integer(1, 100_000), 10_000)
    .option('--table <file>', 'prefixes, one a line, gzip or plain, instead of host routes')
    .action(async (options: MemoryCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { benchFootprint } = await import('../../bench/footprint.ts');
      const { table = null, routes } = options;
      const report = await interruptible((signal) => benchFootprint({ table, routes, signal }));
      output.answer(report, () => formatFootprint(report));
    });

  withJson(bench.command('forward').description('the forward loop in memory, beside the same loop in C'))
    .option('--rounds <n>', 'rounds', integer(1, 99), 9)
    .option('--workers <n>', 'instead: one data-plane worker beside n', integer(2, 16))
    .action(async ({ rounds, workers }: ForwardCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { runMemoryBench } = await import('../../bench/memory-client.ts');
      if (workers !== undefined) {
        const report = await interruptible((signal) =>
          runMemoryBench<ForwardWorkersReport>('forward-workers', { rounds, workers }, signal),
        );
        output.answer(report, () => formatForwardWorkers(report, output.style));
        return;
      }
      const report = await interruptible(async (signal) => {
        const l3 = await runMemoryBench<ForwardReport>('forward', { kind: 'l3', rounds }, signal);
        const l2 = await runMemoryBench<ForwardReport>('forward', { kind: 'l2', rounds }, signal);
        return { ...l3, cases: [...l3.cases, ...l2.cases] };
      });
      output.answer(report, () => formatForward(report, output.style));
    });

  withJson(
    bench.command('replay').description('replay from capture to capture, beside tcprewrite and tcpdump'),
  )
    .option('--packets <n>', 'frames of 64 bytes', integer(1000, 100_000_000), 1_000_000)
    .option('--rounds <n>', 'rounds', integer(1, 99), 5)
    .option('--dir <dir>', 'folder for the captures (default: /dev/shm, which is memory)')
    .action(async (options: ReplayCommandOptions, command: Command) => {
      const output = outputOf(command, context);
      const { benchReplay, captureFolder } = await import('../../bench/replay.ts');
      const { packets, rounds, dir = captureFolder() } = options;
      const report = await interruptible((signal) =>
        benchReplay({ packets, rounds, dir, signal, say: (text) => output.note(text) }),
      );
      output.answer(report, () => formatReplayBench(report, output.style));
    });
}

const collect = (text: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  text,
];

function sizes(text: string): readonly FrameSize[] {
  return text.split(',').map((word) => {
    if (word === 'imix') return word;
    const bytes = Number(word);
    if (!/^\d+$/.test(word) || bytes < 64 || bytes > 1518) {
      throw new InvalidArgumentError('A size is from 64 to 1518 bytes, FCS included, or imix.');
    }
    return bytes;
  });
}

/** A word as a shell reads it. */
const quoted = (word: string): string =>
  /^[\w./,:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** How much faster than captured, of each word; 0 is as fast as it goes. */
function paces(text: string): readonly number[] {
  return text.split(',').map((word) => {
    if (word === 'max') return 0;
    const speed = Number(word.replace(/^x/, ''));
    if (!/^x?\d+(\.\d+)?$/.test(word) || speed <= 0 || speed > 1e6) {
      throw new InvalidArgumentError('A pace is a number as 1, x10 or 0.5, or max.');
    }
    return speed;
  });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < 0.1 || value > 600) {
    throw new InvalidArgumentError('It is from 0.1 to 600 seconds.');
  }
  return value;
}
