import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { openCapture } from '../../src/pcap/open-capture.ts';
import { replay } from '../../src/replay/replay.ts';
import type { ReplaySummary } from '../../src/replay/replay-summary.ts';
import { arpReply, arpRequest, host, rarp, udp, withIp } from '../golden/frames.ts';
import { frameText } from '../golden/harness.ts';
import { type BuiltFrame, buildPcap, readAll } from '../pcap/capture-builder.ts';
import { INDEXED_CAPTURES } from '../pcap/captures.ts';

const S = host('S', '02:00:00:00:10:01', '192.168.10.1');
const T = host('T', '02:00:00:00:10:02', '192.168.10.1');
const vm1 = host('vm1', '02:00:00:00:0a:11', '192.168.10.11');
const vm2 = host('vm2', '02:00:00:00:0a:12', '192.168.10.12');
const vm9 = host('vm9', '02:00:00:00:0a:19', '192.168.10.19');
const router = host('router', '02:00:00:00:99:01', '203.0.113.1');
const wan = host('wan', '02:00:00:00:99:02', '203.0.113.2');
const internet = host('internet', '02:00:00:00:99:01', '198.51.100.7');

const CONFIG = `
gateway: { name: esg, packetMemoryMiB: 64 }
ports:
  - { name: wan0, kind: af-packet, device: eth1 }
  - { name: ext0, kind: vxlan, vni: 10, local: 10.0.1.2, remotes: [10.0.1.1] }
  - { name: vm1, kind: tap, device: nh1 }
  - { name: vm2, kind: tap, device: nh2 }
interfaces:
  - { name: wan, port: wan0, address: 203.0.113.2/30, mac: "02:00:00:00:99:02" }
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: "02:00:00:00:10:02", sourceMac: "02:00:00:00:10:01" }
    extension: { port: ext0 }
    members: [ vm1, vm2 ]
    vms:
      - { name: vm1, mac: "02:00:00:00:0a:11", addresses: [192.168.10.11], location: source }
      - { name: vm2, mac: "02:00:00:00:0a:12", addresses: [192.168.10.12], location: target, gateway: target }
routes: [ { prefix: 0.0.0.0/0, via: 203.0.113.1 } ]
`;

const START = 1_700_000_000_000_000_000n;
const at = (ms: number, bytes: Uint8Array): BuiltFrame => ({
  bytes,
  timeNs: START + BigInt(Math.round(ms * 1e6)),
});
const NEIGHBOR = '- { at: 0, neighbor: 203.0.113.1, interface: wan, mac: "02:00:00:00:99:01" }\n';

const configOf = (text: string): Config => {
  const { config, errors } = parseConfig(text);
  if (config === undefined) throw new Error(errors.map((e) => e.message).join('; '));
  return config;
};

describe('replay', () => {
  let root: string;
  let serial = 0;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'nearhop-replay-'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  interface Ran {
    readonly summary: ReplaySummary;
    readonly outDir: string;
    /** What left by a port: ms since the start and the frame as text. */
    out(port: string): [number, string][];
  }

  const inputsOf = (captures: Record<string, readonly BuiltFrame[] | Uint8Array>, dir: string) =>
    Object.entries(captures).map(([port, frames]) => {
      const capture = `${dir}-${port}.pcap`;
      writeFileSync(
        capture,
        frames instanceof Uint8Array ? frames : buildPcap(frames, { nanoseconds: true }),
      );
      return { port, capture };
    });

  const run = async (
    captures: Record<string, readonly BuiltFrame[] | Uint8Array>,
    events = NEIGHBOR,
    config = CONFIG,
  ): Promise<Ran> => {
    const outDir = join(root, `run${serial++}`);
    const eventsFile = `${outDir}-events.yaml`;
    writeFileSync(eventsFile, events);
    const summary = await replay(configOf(config), inputsOf(captures, outDir), { outDir, eventsFile });
    expect(summary.imbalance).toBe(0);
    const byRule = summary.rules.reduce((sum, rule) => sum + rule.packets, 0);
    expect(byRule, 'every packet that was sent has a rule').toBe(summary.totals.sent);
    return {
      summary,
      outDir,
      out: (port) =>
        readAll(openCapture(join(outDir, `${port}.pcap`))).map(({ bytes, timeNs }) => [
          Number(timeNs - START) / 1e6,
          frameText(bytes),
        ]),
    };
  };

  /** Frames that come with the start of every run: the gateway asks for its next hop and tells its local VMs its MAC. */
  const afterStart = (list: [number, string][]): [number, string][] => list.filter(([ms]) => ms > 0);

  it('carries a migration: the source gateway before the power cycle, the target gateway after it (S18, S19)', async () => {
    const out = udp({ from: vm1, to: internet, via: S });
    const local = udp({ from: vm1, to: internet, via: T });
    const inbound = udp({ from: internet, to: vm1, via: wan });
    const ran = await run(
      {
        vm1: [
          at(1000, vm1Hello()),
          at(2500, out),
          at(4500, arpRequest({ from: vm1, for: T })),
          at(4600, local),
        ],
        wan0: [at(4700, inbound)],
        ext0: [at(0, vm9Hello()), at(4800, udp({ from: withIp(S, '198.51.100.7'), to: vm1 }))],
      },
      `${NEIGHBOR}- { at: 0.5, vm: vm1, migrate: vmotion }\n- { at: 4s, vm: vm1, migrate: power-cycle }\n`,
    );
    const toExtension = afterStart(ran.out('ext0')).map(([, text]) => text);
    expect(toExtension).toContain(frameText(out));
    expect(toExtension).not.toContain(frameText(local));
    expect(afterStart(ran.out('wan0'))).toEqual([
      [
        4600,
        frameText(udp({ from: { ...vm1, mac: wan.mac }, to: { ...internet, mac: router.mac }, ttl: 63 })),
      ],
    ]);
    const toVm1 = ran.out('vm1').filter(([ms]) => ms > 4000);
    expect(toVm1).toEqual([
      [4500, frameText(arpReply({ from: T, to: vm1 }))],
      [4700, frameText(udp({ from: { ...internet, mac: T.mac }, to: vm1, ttl: 63 }))],
      [4800, frameText(udp({ from: withIp(S, '198.51.100.7'), to: vm1 }))],
    ]);
    const vm = ran.summary.vms.find((v) => v.vm === 'vm1');
    expect(vm).toMatchObject({
      network: 'green',
      state: 'LOCAL_PENDING',
      from: { 'local-to-routed': 1, 'bridge-to-source-gateway': 1 },
      to: { 'routed-to-local': 1 },
      asymmetric: 1,
      ended: { 'arp-gateway-answered': 1 },
    });
    expect(ran.summary.events).toEqual([
      { at: '2023-11-14T22:13:20.000Z', text: 'neighbor 203.0.113.1 on wan is known', packets: 0 },
      { at: '2023-11-14T22:13:20.500Z', text: 'vm1: vmotion', packets: 1 },
      { at: '2023-11-14T22:13:24.000Z', text: 'vm1: power-cycle', packets: 3 },
    ]);
    expect(ran.summary.reasons.map((r) => r.reason)).toContain('asymmetric-inbound');
    expect(ran.summary.log.map((row) => row.kind)).toContain('asymmetric-inbound');
  });

  const vm1Hello = (): Uint8Array => rarp({ from: vm1 });
  const vm9Hello = (): Uint8Array => rarp({ from: vm9 });

  it('merges captures by time and keeps each time to the nanosecond', async () => {
    const frame = (n: number): Uint8Array => udp({ from: vm2, to: internet, via: T, id: n });
    const ran = await run({
      vm2: [
        { bytes: frame(1), timeNs: START },
        { bytes: frame(3), timeNs: START + 2n },
      ],
      vm1: [{ bytes: udp({ from: vm1, to: vm2, id: 2 }), timeNs: START + 1n }],
    });
    const times = readAll(openCapture(join(ran.outDir, 'wan0.pcap'))).map((f) => f.timeNs - START);
    expect(times.slice(-2)).toEqual([0n, 2n]);
    expect(ran.summary.packets).toBe(3);
    expect(ran.out('vm2').map(([, text]) => text)).toContain(frameText(udp({ from: vm1, to: vm2, id: 2 })));
  });

  it('gives the same bytes and the same summary for the same input, faults included', async () => {
    const frames = Array.from({ length: 600 }, (_, i) =>
      at(i * 0.37, udp({ from: vm2, to: internet, via: T, id: i })),
    );
    const faulty = CONFIG.replace(
      'device: nh2 }',
      'device: nh2, fault: { loss: 0.1, corrupt: 0.1, duplicate: 0.1, reorder: 0.1, delayMs: 3, seed: 5 } }',
    );
    for (const config of [CONFIG, faulty]) {
      const [a, b] = [
        await run({ vm2: frames }, NEIGHBOR, config),
        await run({ vm2: frames }, NEIGHBOR, config),
      ];
      const summary = ({ summary: s }: Ran): unknown => ({
        ...s,
        ports: s.ports.map((p) => ({ ...p, in: '', out: '' })),
      });
      expect(summary(a)).toEqual(summary(b));
      for (const port of ['wan0', 'ext0', 'vm1', 'vm2']) {
        const [one, other] = [a, b].map((ran) => readFileSync(join(ran.outDir, `${port}.pcap`)));
        expect(one.equals(other), port).toBe(true);
      }
      const sent = a.summary.ports.find((p) => p.port === 'wan0')?.packetsOut ?? 0;
      if (config === CONFIG) expect(sent).toBe(601);
      else {
        expect(a.summary.ports.find((p) => p.port === 'vm2')?.faultLost).toBeGreaterThan(30);
        expect(sent).toBeLessThan(601);
        expect(afterStart(a.out('wan0'))[0][0]).toBeGreaterThanOrEqual(3);
      }
    }
  });

  it('carries a packet that waits for its neighbor once the neighbor answers, or gives it up', async () => {
    const packet = udp({ from: vm2, to: internet, via: T });
    const answered = await run(
      { vm2: [at(0, packet)], wan0: [at(20, arpReply({ from: router, to: wan }))] },
      '[]',
    );
    expect(afterStart(answered.out('wan0'))[0][0]).toBe(20);
    expect(answered.summary.vms.find((v) => v.vm === 'vm2')?.from).toEqual({ 'local-to-routed': 1 });
    const silent = await run({ vm2: [at(0, packet)] }, '[]');
    expect(silent.summary.totals.queued).toBe(0);
    expect(silent.summary.vms.find((v) => v.vm === 'vm2')?.ended).toEqual({ 'neighbor-unresolved': 1 });
    expect(silent.summary.seconds).toBeGreaterThan(2);
  });

  it('adds and withdraws routes at their times', async () => {
    const text = CONFIG.replace(/routes:.*/, '');
    const frames = [0, 1000, 2000, 3000].map((ms) => at(ms, udp({ from: vm2, to: internet, via: T })));
    const events = `${NEIGHBOR}- { at: 1, route: 198.51.100.0/24, via: 203.0.113.1 }\n- { at: 2.5, withdraw: 198.51.100.0/24 }\n`;
    const { summary } = await run({ vm2: frames }, events, text);
    const reasons = Object.fromEntries(summary.reasons.map((r) => [r.reason, r.packets]));
    expect(reasons['ip4-no-route']).toBe(2);
    expect(summary.vms.find((v) => v.vm === 'vm2')?.from).toEqual({ 'local-to-routed': 2 });
  });

  it('takes events at dates and applies those after the last packet', async () => {
    const { summary } = await run(
      { vm2: [at(0, rarp({ from: vm2 }))] },
      '- { at: 2023-11-14T23:13:21+01:00, vm: vm1, migrate: bulk }\n- { at: 2m, vm: vm1, addresses: [192.168.10.21] }\n- { at: 3m, vm: vm1, learned: true }\n',
    );
    expect(summary.events.map((e) => e.at.slice(11, 19))).toEqual(['22:13:21', '22:15:20', '22:16:20']);
    expect(summary.vms.find((v) => v.vm === 'vm1')?.state).toBe('LOCAL');
  });

  it('stops at an event that cannot be, with its place', async () => {
    const running = run(
      { vm2: [at(0, rarp({ from: vm2 }))] },
      '- { at: 1, vm: vm1, migrate: power-cycle }\n',
    );
    await expect(running).rejects.toMatchObject({
      code: 'transition-invalid',
      message: expect.stringMatching(/-events.yaml:1:3: vm1: power-cycle: /),
    });
  });

  it('jumps over a long gap and says so', async () => {
    const hour = 3_600_000;
    const { summary } = await run({ vm2: [0, 30 * 24 * hour].map((ms) => at(ms, rarp({ from: vm2 }))) });
    expect(summary.warnings).toContainEqual(expect.stringContaining('1 gaps of more than ten minutes'));
    expect(summary.seconds).toBeCloseTo((30 * 24 * hour) / 1000);
  });

  it('replays packets that stand out of order, and says so', async () => {
    const { summary } = await run({ vm2: [5, 1, 6].map((ms) => at(ms, rarp({ from: vm2 }))) });
    expect(summary.packets).toBe(3);
    expect(summary.warnings).toContainEqual(
      expect.stringContaining('vm2: 1 packets stand after a later one'),
    );
  });

  it('warns of packets that were cut short', async () => {
    const cut = { ...at(1, rarp({ from: vm2 })), wireLen: 1514 };
    const { summary } = await run({ vm2: [at(0, rarp({ from: vm2 })), cut] });
    expect(summary.packets).toBe(1);
    expect(summary.ports.find((p) => p.port === 'vm2')?.truncated).toBe(1);
    expect(summary.warnings).toContainEqual(expect.stringContaining('vm2: 1 packets are cut short'));
  });

  it('warns when frames were for the MAC of a captured device that the config does not name', async () => {
    const text = CONFIG.replace(', mac: "02:00:00:00:99:02"', '');
    const { summary } = await run({ wan0: [at(0, udp({ from: internet, to: vm2, via: wan }))] }, '[]', text);
    expect(summary.warnings).toContainEqual(expect.stringContaining('the MAC of wan is made up'));
  });

  it('fails when nothing was replayed', async () => {
    await expect(run({ vm2: [] })).rejects.toMatchObject({ code: 'replay-empty' });
    const cut = { ...at(1, rarp({ from: vm2 })), wireLen: 1514 };
    await expect(run({ vm2: [cut] })).rejects.toMatchObject({
      code: 'replay-empty',
      message: expect.stringContaining('(1 are cut short)'),
    });
    await expect(replay(configOf(CONFIG), [])).rejects.toMatchObject({ code: 'replay-no-input' });
  });

  it('fails with the place where a capture is broken, and leaves what was carried before', async () => {
    const whole = buildPcap([at(0, udp({ from: vm2, to: internet, via: T })), at(50, rarp({ from: vm2 }))], {
      nanoseconds: true,
    });
    const running = run({ vm2: whole.slice(0, -1) });
    await expect(running).rejects.toMatchObject({ code: 'capture-truncated' });
    const written = readAll(openCapture(join(root, `run${serial - 1}`, 'wan0.pcap')));
    expect(written.length).toBeGreaterThan(0);
    await expect(run({ vm2: buildPcap([], { linkField: 113 }) })).rejects.toMatchObject({
      code: 'capture-link-type',
    });
  });

  it('carries a capture of several laps, each packet once and in order', async () => {
    const frames = Array.from({ length: 18_000 }, (_, i) =>
      at(1 + i * 0.05, udp({ from: vm2, to: internet, via: T, id: i, payload: new Uint8Array(1100) })),
    );
    const ran = await run({ vm2: frames });
    const sent = readAll(openCapture(join(ran.outDir, 'wan0.pcap'))).filter((f) => f.bytes.length > 1000);
    expect(sent.map((f) => new DataView(f.bytes.buffer).getUint16(18))).toEqual(frames.map((_, i) => i));
    expect(sent.map((f) => f.timeNs)).toEqual(frames.map((f) => f.timeNs));
  });

  it('fails when an output cannot be written', async () => {
    const dir = join(root, `full${serial++}`);
    const frames = Array.from({ length: 3000 }, (_, i) => at(i, udp({ from: vm2, to: internet, via: T })));
    const inputs = inputsOf({ vm2: frames }, dir);
    mkdirSync(dir);
    symlinkSync('/dev/full', join(dir, 'wan0.pcap'));
    const eventsFile = `${dir}-events.yaml`;
    writeFileSync(eventsFile, NEIGHBOR);
    await expect(replay(configOf(CONFIG), inputs, { outDir: dir, eventsFile })).rejects.toMatchObject({
      code: 'capture-write-failed',
      message: expect.stringContaining('wan0.pcap'),
    });
  });

  it('refuses inputs that cannot be', async () => {
    const config = configOf(CONFIG);
    const one = (port: string, capture = 'x.pcap') => ({ port, capture });
    await expect(replay(config, [one('vm3')])).rejects.toMatchObject({
      code: 'replay-port',
      hint: expect.stringContaining('vm'),
    });
    await expect(replay(config, [one('vm1'), one('vm1', 'y.pcap')])).rejects.toMatchObject({
      code: 'replay-port',
    });
    await expect(replay(config, [one('vm1', '-'), one('vm2', '-')])).rejects.toMatchObject({
      code: 'replay-port',
    });
  });

  it('never writes over a capture that it reads', async () => {
    const dir = join(root, `same${serial++}`);
    const [input] = inputsOf({ vm2: [at(0, rarp({ from: vm2 }))] }, dir);
    const outDir = join(root, `out${serial++}`);
    await replay(configOf(CONFIG), [input], { outDir });
    const again = [{ port: 'vm2', capture: join(outDir, 'vm2.pcap') }];
    const before = readFileSync(again[0].capture);
    await expect(replay(configOf(CONFIG), again, { outDir })).rejects.toMatchObject({
      code: 'replay-output',
    });
    expect(readFileSync(again[0].capture)).toEqual(before);
  });

  it('writes nothing without an output directory', async () => {
    const dir = join(root, `none${serial++}`);
    const summary = await replay(configOf(CONFIG), inputsOf({ vm2: [at(0, rarp({ from: vm2 }))] }, dir));
    expect(summary.ports.map((p) => p.out)).toEqual([null, null, null, null]);
    expect(existsSync(dir)).toBe(false);
  });

  it('ends early when it is told to, with the summary so far', async () => {
    const dir = join(root, `abort${serial++}`);
    const inputs = inputsOf({ vm2: [at(0, rarp({ from: vm2 })), at(10, rarp({ from: vm2 }))] }, dir);
    const summary = await replay(configOf(CONFIG), inputs, { signal: AbortSignal.abort() });
    expect(summary.interrupted).toBe(true);
    expect(summary.packets).toBe(0);
  });

  it.skipIf(INDEXED_CAPTURES.length === 0)(
    'accounts for every packet of real captures, at three ports at once (needs ../shared/data/captures)',
    async () => {
      const outDir = join(root, 'real');
      const config = configOf(CONFIG);
      const ports = ['ext0', 'vm2', 'wan0'];
      for (const { path, packets, encapsulation } of INDEXED_CAPTURES) {
        const running = replay(
          config,
          ports.map((port) => ({ port, capture: path })),
          { outDir },
        );
        if (encapsulation !== 'ether') {
          await expect(running).rejects.toMatchObject({ code: 'capture-link-type' });
          continue;
        }
        const summary = await running;
        const truncated = summary.ports.reduce((sum, port) => sum + port.truncated, 0);
        expect(summary.packets + truncated, path).toBe(packets * ports.length);
        expect(summary.imbalance, path).toBe(0);
        expect(summary.totals.queued, path).toBe(0);
      }
    },
  );
});
