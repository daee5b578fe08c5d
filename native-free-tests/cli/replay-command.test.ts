import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nearhop } from './run-cli.ts';

/** A pcap file (little-endian, microseconds, Ethernet) of one frame: VM `web` asks for its gateway. */
function captureOfArpRequest(): Buffer {
  const arp = '0001080006040001' + '02000000000b' + 'c0a80a0b' + '000000000000' + 'c0a80a01';
  const frame = Buffer.from(`ffffffffffff02000000000b0806${arp}`.padEnd(120, '0'), 'hex');
  const header = Buffer.alloc(24 + 16);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(1_700_000_000, 24);
  header.writeUInt32LE(frame.length, 32);
  header.writeUInt32LE(frame.length, 36);
  return Buffer.concat([header, frame]);
}

let directory: string;
let config: string;
let capture: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'nearhop-replay-'));
  config = join(directory, 'esg.yaml');
  capture = join(directory, 'vm1.pcap');
  writeFileSync(capture, captureOfArpRequest());
  writeFileSync(
    config,
    `gateway: { name: esg, maxVms: 16 }
ports: [{ name: ext0, kind: af-packet, device: nosuchdevice0 }, { name: vm1, kind: memory }]
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: 02:00:00:00:10:02 }
    extension: { port: ext0 }
    members: [vm1]
    vms: [{ name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.11] }]
`,
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('nearhop replay', () => {
  it('needs no device of the host, and says what became of every packet', async () => {
    const out = join(directory, 'out');
    const { code, stdout, stderr } = await nearhop([
      'replay',
      '-c',
      config,
      '--in',
      `vm1=${capture}`,
      '--out',
      out,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^esg: 1 packets in 0 s of captured time: \d+ sent, 0 dropped, /);
    expect(stdout).toContain('bridge-extension'); // only the source gateway answers a VM that is not local
    expect(existsSync(join(out, 'ext0.pcap'))).toBe(true);
  });

  it('applies events, and gives everything in the envelope', async () => {
    const events = join(directory, 'events.yaml');
    writeFileSync(events, '- { at: 0, vm: web, migrate: bulk }\n');
    const { stdout } = await nearhop([
      'replay',
      '-c',
      config,
      '--in',
      `vm1=${capture}`,
      '--events',
      events,
      '--json',
    ]);
    const { data, ...envelope } = JSON.parse(stdout);
    expect(envelope).toEqual({ nearhop: 1, command: 'replay', ok: true, warnings: [] });
    expect(data.vms).toMatchObject([{ vm: 'web', state: 'LOCAL_PENDING' }]);
    expect(data.reasons.map((r: { reason: string }) => r.reason)).toContain('arp-gateway-answered');
    expect(data.imbalance).toBe(0);
  });

  it.each([
    [['--in', 'vm1'], 2, '[usage]'],
    [['--in', 'vm9=x.pcap'], 2, '[replay-port]'],
    [['--in', 'vm1=/nonexistent/x.pcap'], 1, '[capture-open-failed]'],
    [[], 2, '[usage]'],
  ])('ends `replay %j` with %d', async (args, expected, says) => {
    const { code, stdout, stderr } = await nearhop(['replay', '-c', config, ...args]);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toContain(says);
  });
});
