// Captures across programs: what we write is read by tcpdump, tshark and capinfos, and what they write is read by us.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testFrame } from '../../native-free-tests/conformance/port-suite.ts';
import { buildPcap, type ReadFrame, readAll } from '../../native-free-tests/pcap/capture-builder.ts';
import { CaptureWriter } from '../../src/pcap/capture-writer.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { createNetns, describeRoot } from './netns.ts';

const FRAMES = [60, 61, 300, 1514, 9014, 65_000].map((len, i) => ({
  bytes: testFrame(i, len),
  timeNs: 1_700_000_000_123_456_789n + BigInt(i) * 1_000_000_001n,
}));
const EXPECTED: ReadFrame[] = FRAMES.map((f) => ({ ...f, wireLen: f.bytes.length }));

describeRoot('captures', ['tcpdump', 'tshark', 'capinfos', 'editcap', 'mergecap'], () => {
  let dir: string;
  let written: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'nhp-pcap-'));
    written = join(dir, 'written.pcap');
    const writer = new CaptureWriter(written);
    for (const { bytes, timeNs } of FRAMES) {
      const [ms, ns] = [Number(timeNs / 1_000_000n), Number(timeNs % 1_000_000n)];
      writer.write(bytes, new DataView(bytes.buffer), 0, bytes.length, ms, ns);
    }
    writer.close();
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const run = (file: string, ...args: string[]): string =>
    execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 64 << 20 });

  test('tcpdump reads what CaptureWriter writes: times to the nanosecond, lengths and bytes', () => {
    const { stdout } = spawnSync('sh', ['-c', `tcpdump -nn -tt --nano -xx -r - < ${written}`], {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    });
    const packets = stdout.split(/\n(?=\d)/);
    expect(packets).toHaveLength(FRAMES.length);
    packets.forEach((text, i) => {
      const { bytes, timeNs } = FRAMES[i];
      expect(text.slice(0, 20)).toBe(
        `${timeNs / 1_000_000_000n}.${String(timeNs % 1_000_000_000n).padStart(9, '0')}`,
      );
      const hex = [...text.matchAll(/^\t0x[0-9a-f]+: {2}(.*)$/gm)]
        .map((m) => m[1].replaceAll(' ', ''))
        .join('');
      expect(hex).toBe(Buffer.from(bytes).toString('hex'));
    });
  });

  test('tshark and capinfos read what CaptureWriter writes', () => {
    const rows = run('tshark', '-r', written, '-T', 'fields', '-e', 'frame.len', '-e', 'frame.time_epoch')
      .trim()
      .split('\n');
    expect(rows.map((row) => row.split('\t')[0])).toEqual(FRAMES.map((f) => String(f.bytes.length)));
    expect(rows[0].split('\t')[1]).toBe('1700000000.123456789');
    const info = run('capinfos', '-M', written);
    expect(info).toMatch(/File type: +nsecpcap/);
    expect(info).toMatch(/File encapsulation: +ether/);
  });

  test.each(['pcap', 'nsecpcap', 'pcapng'])('openCapture reads what editcap writes as %s', (format) => {
    const path = join(dir, `edited.${format}`);
    run('editcap', '-F', format, written, path);
    // editcap gives pcapng the resolution that it read; classic pcap has microseconds
    const unit = format === 'pcap' ? 1000n : 1n;
    const expected = EXPECTED.map((f) => ({ ...f, timeNs: (f.timeNs / unit) * unit }));
    expect(readAll(openCapture(path))).toEqual(expected);
  });

  test('openCapture reads a merge of captures with several interfaces', () => {
    const other = join(dir, 'other.pcap');
    writeFileSync(other, buildPcap([{ bytes: testFrame(99, 77), timeNs: 1_700_000_001_000_000_000n }]));
    const merged = join(dir, 'merged.pcapng');
    run('mergecap', '-I', 'none', '-w', merged, written, other);
    const serials = readAll(openCapture(merged)).map((f) => new DataView(f.bytes.buffer).getUint32(14));
    expect(serials).toEqual([0, 99, 1, 2, 3, 4, 5]);
  });

  test('openCapture reports what tcpdump cut with a snap length', () => {
    const cut = join(dir, 'cut.pcap');
    run('editcap', '-s', '96', '-F', 'pcap', written, cut);
    const lengths = readAll(openCapture(cut)).map((f) => [f.bytes.length, f.wireLen]);
    expect(lengths).toEqual(FRAMES.map((f) => [Math.min(96, f.bytes.length), f.bytes.length]));
  });

  test('openCapture reads what tcpdump captures on a device, and refuses what it captures on all', async () => {
    const net = createNetns('nhp-pcap');
    try {
      const [a, b] = [net.ns('a'), net.ns('b')];
      net.veth({ ns: a, dev: 'eth0', ip: '10.9.0.1/24' }, { ns: b, dev: 'eth0', ip: '10.9.0.2/24' });
      for (const [device, file] of [
        ['eth0', 'live.pcap'],
        ['any', 'any.pcap'],
      ]) {
        const path = join(dir, file);
        const capture = net.spawn(b, `tcpdump -i ${device} -U -w - icmp > ${path}`);
        await capture.waitFor(/listening on/);
        await net.run(a, 'ping -c3 -i0.05 -s 100 10.9.0.2');
        await net.run(
          b,
          `for i in $(seq 50); do [ $(stat -c %s ${path}) -ge 800 ] && break; sleep 0.1; done`,
        );
        await capture.stop();
      }
      const frames = readAll(openCapture(join(dir, 'live.pcap')));
      expect(frames).toHaveLength(6);
      expect(frames.every((f) => f.bytes.length === 142 && f.wireLen === 142)).toBe(true);
      expect(() => openCapture(join(dir, 'any.pcap'))).toThrow(/Linux cooked v2 \(SLL2\), link type 276/);
    } finally {
      await net.cleanup();
    }
  });
});
