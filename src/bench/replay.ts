// `nearhop bench replay`: `nearhop replay` from capture to capture, process start included, beside programs that do less.
//
//   nearhop     route: check the header, look one of 1000 host routes up, TTL - 1, checksum, both MACs
//   tcprewrite  TTL - 1, checksum, both MACs, without a lookup
//   tcpdump     -r IN -w OUT: copies the frames as they are
//
// The programs take turns, so that a slow moment of the machine hits them all, and find the input in the page cache; a folder on a
// tmpfs is best, so that no disk is measured. The output of Nearhop's first round is checked frame by frame.

import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import { assert, NearhopError } from '../base/errors.ts';
import { run } from '../lab/shell.ts';
import { CaptureWriter } from '../pcap/capture-writer.ts';
import { openCapture } from '../pcap/open-capture.ts';
import { PCAP_HEADER_LEN, PCAP_RECORD_LEN } from '../pcap/pcap-reader.ts';
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetDstHi,
  ethernetDstLo,
  ethernetEmit,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../wire/ethernet.ts';
import { IPPROTO_UDP, ipv4Check, ipv4Dst, ipv4Emit, ipv4Ttl } from '../wire/ipv4.ts';
import { udpEmit } from '../wire/udp.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Spread, spreadOf } from './spread.ts';

export interface ReplayBenchOptions {
  readonly packets: number;
  readonly rounds: number;
  /** Folder for the captures. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Gets a line about each step. */
  readonly say: (text: string) => void;
}

export interface ReplayBenchRow {
  readonly program: string;
  /** Wall time from start to end of the process. */
  readonly seconds: Spread;
  readonly kpps: Spread;
  /** How many times as fast Nearhop is, in the same round. */
  readonly nearhopIs: Spread;
}

export interface ReplayBenchReport {
  readonly machine: Machine;
  readonly packets: number;
  readonly rounds: number;
  readonly dir: string;
  readonly rows: readonly ReplayBenchRow[];
  /** Programs that are not installed. */
  readonly missing: readonly string[];
}

const FLOWS = 1000;
const FRAME_BYTES = 60;
const MAC_HI = 0x0200;
const FIRST = 0x0a030001; // 10.3.0.1
const START_MS = 1_700_000_000_000;
const MAC = { generator: 0x102, left: 0x101, right: 0x201, sink: 0x202 };
const macText = (lo: number): string => formatMac(MAC_HI, lo);
const LONGEST_MS = 1_800_000;

interface Program {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** File that it writes. */
  readonly output: string;
  readonly seconds: number[];
}

/** The folder for captures unless another is wanted: in memory where there is such a one. */
export const captureFolder = (): string => (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());

/** Measures; throws `bench-interrupted`, `bench-failed`. Removes its captures in every case. */
export async function benchReplay(options: ReplayBenchOptions): Promise<ReplayBenchReport> {
  const { packets, rounds, signal, say } = options;
  const dir = mkdtempSync(join(options.dir, 'nearhop-bench-'));
  try {
    const [config, events] = [join(dir, 'config.yml'), join(dir, 'events.yml')];
    const programs = programsIn(dir, config, events);
    const there = programs.filter(({ command }) => installed(command[0]));
    say(`writing ${packets} frames`);
    writeInput(join(dir, 'in.pcap'), packets);
    writeConfig(config, events);
    for (let round = -1; round < rounds; round++) {
      if (round >= 0) say(`round ${round + 1} of ${rounds}`);
      for (const p of there) {
        const seconds = await time(p, packets, signal);
        if (round >= 0)
          p.seconds.push(seconds); // the first round warms the page cache
        else if (p.name === 'nearhop') checkOutput(p.output, packets);
        rmSync(join(dir, 'out'), { recursive: true });
      }
    }
    const nearhop = there[0].seconds;
    return {
      machine: describeMachine(),
      packets,
      rounds,
      dir: options.dir,
      rows: there.map(({ name, seconds }) => ({
        program: name,
        seconds: spreadOf(seconds),
        kpps: spreadOf(seconds.map((s) => packets / s / 1000)),
        nearhopIs: spreadOf(seconds.map((s, i) => s / nearhop[i])),
      })),
      missing: programs.filter((p) => !there.includes(p)).map((p) => p.name),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function programsIn(dir: string, config: string, events: string): Program[] {
  const main = fileURLToPath(new URL('./main.mjs', import.meta.url));
  const [input, out, copy] = [join(dir, 'in.pcap'), join(dir, 'out'), join(dir, 'out', 'copy.pcap')];
  const asRoot = process.getuid?.() === 0 ? ['-Z', 'root'] : []; // otherwise tcpdump becomes a user who may not write here
  const macs = [`--enet-smac=${macText(MAC.right)}`, `--enet-dmac=${macText(MAC.sink)}`];
  const program = (name: string, output: string, ...command: [string, ...string[]]): Program => ({
    name,
    command,
    output,
    seconds: [],
  });
  const replay = ['replay', '-c', config, '--in', `left=${input}`, '--events', events, '--out', out];
  return [
    program('nearhop', join(out, 'right.pcap'), process.execPath, main, ...replay),
    program('tcpdump', copy, 'tcpdump', ...asRoot, '-r', input, '-w', copy),
    program('tcprewrite', copy, 'tcprewrite', '-i', input, '-o', copy, '--ttl=-1', ...macs),
  ];
}

const installed = (file: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, file))) ||
  existsSync(file);

/** Runs a program once and returns its wall time, s. */
async function time(
  { name, command, output }: Program,
  packets: number,
  signal: AbortSignal,
): Promise<number> {
  const interrupted = (): NearhopError =>
    new NearhopError('bench-interrupted', 'interrupted; the captures are removed');
  if (signal.aborted) throw interrupted(); // while the input was written
  mkdirSync(join(output, '..'), { recursive: true });
  const started = performance.now();
  const { status, stderr } = await run(command, { signal, timeoutMs: LONGEST_MS });
  const ms = performance.now() - started;
  if (signal.aborted) throw interrupted();
  const bytes = PCAP_HEADER_LEN + packets * (PCAP_RECORD_LEN + FRAME_BYTES);
  if (status !== 0 || statSync(output).size < bytes) {
    throw new NearhopError('bench-failed', `${name} has not written every frame: ${stderr.trim()}`);
  }
  return ms / 1000;
}

function writeInput(file: string, packets: number): void {
  const u8 = new Uint8Array(FLOWS * FRAME_BYTES);
  const view = new DataView(u8.buffer);
  for (let f = 0; f < FLOWS; f++) {
    const off = f * FRAME_BYTES;
    const ip = ethernetEmit(view, off, MAC_HI, MAC.left, MAC_HI, MAC.generator, ETHERTYPE_IPV4);
    const udp = ipv4Emit(view, ip, FRAME_BYTES - 14, 0, 0, 64, IPPROTO_UDP, 0x0a010002, FIRST + f);
    udpEmit(view, udp, 1024 + f, 9, FRAME_BYTES - 34);
  }
  const writer = new CaptureWriter(file);
  for (let i = 0; i < packets; i++) {
    const us = i % 1000; // one frame each microsecond
    writer.write(u8, view, (i % FLOWS) * FRAME_BYTES, FRAME_BYTES, START_MS + (i - us) / 1000, us * 1000);
  }
  writer.close();
}

function writeConfig(config: string, events: string): void {
  const routes = Array.from(
    { length: FLOWS },
    (_, f) => `  - { prefix: ${formatIpv4(FIRST + f)}/32, via: 10.2.0.2 }\n`,
  );
  writeFileSync(
    config,
    `gateway: { name: bench }
ports: [{ name: left, kind: memory }, { name: right, kind: memory }]
interfaces:
  - { name: left, port: left, address: 10.1.0.1/24, mac: "${macText(MAC.left)}" }
  - { name: right, port: right, address: 10.2.0.1/24, mac: "${macText(MAC.right)}" }
routes:
${routes.join('')}`,
  );
  writeFileSync(events, `- { at: 0, neighbor: 10.2.0.2, interface: right, mac: "${macText(MAC.sink)}" }\n`);
}

/** Asserts that every packet has left, in order and forwarded as a router does. */
function checkOutput(file: string, packets: number): void {
  const reader = openCapture(file);
  let n = 0;
  while (reader.next()) {
    const { view, off } = reader;
    const ip = off + 14;
    if (ethernetType(view, off) === ETHERTYPE_ARP) continue; // at its start the gateway asks for the sink
    assert(reader.len === FRAME_BYTES, 'the length has stayed');
    assert(reader.timeMs === START_MS + Math.floor(n / 1000), 'the time has stayed');
    assert(ethernetDstHi(view, off) === MAC_HI && ethernetDstLo(view, off) === MAC.sink, 'to the sink');
    assert(ethernetSrcHi(view, off) === MAC_HI && ethernetSrcLo(view, off) === MAC.right, 'from the right');
    assert(ipv4Check(view, ip, FRAME_BYTES - 14) >= 0, 'the header and its checksum are right');
    assert(ipv4Ttl(view, ip) === 63 && ipv4Dst(view, ip) === FIRST + (n % FLOWS), 'TTL and destination');
    n++;
  }
  reader.close();
  assert(n === packets, `${n} of ${packets} packets have left`);
}
