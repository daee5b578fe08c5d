// Measures `nearhop replay` from capture to capture, process start included, against programs that do less:
// `npm run build`, then `npx tsx scripts/bench/replay.ts [--packets N] [--rounds N] [--dir DIR]`.
//
//   nearhop     route: check the header, look one of 1000 host routes up, TTL - 1, checksum, both MACs
//   tcprewrite  TTL - 1, checksum, both MACs, without a lookup
//   tcpdump     -r IN -w OUT: copies the frames as they are
//
// The programs take turns, so that a slow moment of the machine hits them all, and find the input in the page cache; DIR is
// best on a tmpfs (/dev/shm), so that no disk is measured. The output of Nearhop's first round is checked frame by frame.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { assert } from '../../src/base/errors.ts';
import { CaptureWriter } from '../../src/pcap/capture-writer.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { PCAP_HEADER_LEN, PCAP_RECORD_LEN } from '../../src/pcap/pcap-reader.ts';
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetDstHi,
  ethernetDstLo,
  ethernetEmit,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../../src/wire/ethernet.ts';
import { IPPROTO_UDP, ipv4Check, ipv4Dst, ipv4Emit, ipv4Ttl } from '../../src/wire/ipv4.ts';
import { udpEmit } from '../../src/wire/udp.ts';

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const PACKETS = Number(values.packets);
const ROUNDS = Number(values.rounds);
const FLOWS = 1000;
const FRAME_BYTES = 60;
const MAC_HI = 0x0200;
const FIRST = 0x0a030001; // 10.3.0.1
const START_MS = 1_700_000_000_000;
const MAC = { generator: 0x102, left: 0x101, right: 0x201, sink: 0x202 };
const macText = (lo: number): string => `02:00:00:00:0${lo >>> 8}:0${lo & 255}`;

const main = fileURLToPath(new URL('../../dist/main.mjs', import.meta.url));
const dir = mkdtempSync(join(values.dir, 'nearhop-bench-'));
const input = join(dir, 'in.pcap');
const output = join(dir, 'out');
const copy = join(output, 'copy.pcap');
const config = join(dir, 'config.yml');
const events = join(dir, 'events.yml');

function writeInput(): void {
  const u8 = new Uint8Array(FLOWS * FRAME_BYTES);
  const view = new DataView(u8.buffer);
  for (let f = 0; f < FLOWS; f++) {
    const off = f * FRAME_BYTES;
    const ip = ethernetEmit(view, off, MAC_HI, MAC.left, MAC_HI, MAC.generator, ETHERTYPE_IPV4);
    const udp = ipv4Emit(view, ip, FRAME_BYTES - 14, 0, 0, 64, IPPROTO_UDP, 0x0a010002, FIRST + f);
    udpEmit(view, udp, 1024 + f, 9, FRAME_BYTES - 34);
  }
  const writer = new CaptureWriter(input);
  for (let i = 0; i < PACKETS; i++) {
    const us = i % 1000; // one frame each microsecond
    writer.write(u8, view, (i % FLOWS) * FRAME_BYTES, FRAME_BYTES, START_MS + (i - us) / 1000, us * 1000);
  }
  writer.close();
}

function writeConfig(): void {
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
function checkOutput(): void {
  const reader = openCapture(join(output, 'right.pcap'));
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
  assert(n === PACKETS, `${n} of ${PACKETS} packets have left`);
}

interface Program {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly ms: number[];
}

const program = (name: string, ...command: [string, ...string[]]): Program => ({ name, command, ms: [] });
const asRoot = process.getuid?.() === 0 ? ['-Z', 'root'] : []; // otherwise tcpdump becomes a user who may not write here
const programs = [
  program(
    'nearhop',
    process.execPath,
    ...[main, 'replay', '-c', config, '--in', `left=${input}`, '--events', events, '--out', output],
  ),
  program('tcpdump', 'tcpdump', ...asRoot, '-r', input, '-w', copy),
  program(
    'tcprewrite',
    ...([
      ...['tcprewrite', '-i', input, '-o', copy, '--ttl=-1'],
      ...[`--enet-smac=${macText(MAC.right)}`, `--enet-dmac=${macText(MAC.sink)}`],
    ] as [string, ...string[]]),
  ),
];

/** Runs a program once and returns its wall time, ms; undefined where it is not installed. */
function time({ name, command: [file, ...args] }: Program): number | undefined {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  const started = performance.now();
  const { status, error, stderr } = spawnSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ms = performance.now() - started;
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined;
  assert(status === 0, `${name} failed: ${stderr}`);
  const out = name === 'nearhop' ? join(output, 'right.pcap') : copy;
  const bytes = PCAP_HEADER_LEN + PACKETS * (PCAP_RECORD_LEN + FRAME_BYTES);
  assert(statSync(out).size >= bytes, `${name} has written every frame`);
  return ms;
}

try {
  writeInput();
  writeConfig();
  for (let round = -1; round < ROUNDS; round++) {
    for (const p of programs) {
      const ms = time(p);
      if (ms === undefined) console.error(`${p.name} is not installed`);
      else if (round >= 0) p.ms.push(ms); // the first round warms the page cache
      if (round < 0 && p.name === 'nearhop') checkOutput();
    }
  }
  console.log(`node ${process.version}, ${PACKETS} frames of 64 bytes, ${ROUNDS} rounds, ${values.dir}`);
  console.log('program     seconds  lowest  highest      kpps  nearhop is');
  const median = (p: Program): number => p.ms[ROUNDS >> 1];
  for (const p of programs) p.ms.sort((a, b) => a - b);
  for (const p of programs.filter(({ ms }) => ms.length > 0)) {
    console.log(
      [
        p.name.padEnd(10),
        (median(p) / 1000).toFixed(2).padStart(8),
        (p.ms[0] / 1000).toFixed(2).padStart(7),
        (p.ms[ROUNDS - 1] / 1000).toFixed(2).padStart(8),
        (PACKETS / median(p)).toFixed(0).padStart(9),
        `  ${(median(p) / median(programs[0])).toFixed(2)} x as fast`,
      ].join(' '),
    );
  }
} finally {
  rmSync(dir, { recursive: true });
}
