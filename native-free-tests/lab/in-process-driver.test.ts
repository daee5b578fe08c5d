// The scenario of lab/esg over the simulator: it holds, it is the same every time, and each of its claims fails under some
// fault: a claim that cannot fail says nothing.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabDriver, MoveKind } from '../../src/lab/driver.ts';
import { createInProcessDriver, type InProcessOptions } from '../../src/lab/in-process-driver.ts';
import type { LabReport } from '../../src/lab/report.ts';
import { runScenario } from '../../src/lab/scenario.ts';
import { SIM_FAULTS } from '../../src/sim/faults.ts';

const ESG = fileURLToPath(new URL('../../lab/esg', import.meta.url));
const plain = (text: string): string => text;
const paint = { bold: plain, dim: plain, good: plain, warn: plain, bad: plain };

/** Runs the scenario; `sabotage` makes the driver do something else than it is told. */
async function scenario(
  options: InProcessOptions = {},
  sabotage: (driver: LabDriver) => Partial<LabDriver> = () => ({}),
): Promise<LabReport> {
  const inner = createInProcessDriver(ESG, options);
  // Methods look for their private fields at the driver itself, not at a proxy of it.
  const bound = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const changed = sabotage(bound);
  const driver = new Proxy(bound, {
    get: (target, name) => Reflect.get(changed, name) ?? Reflect.get(target, name),
  });
  await driver.up();
  const { signal } = new AbortController();
  const report = await runScenario(driver, { lab: 'esg', paint, write: () => {}, signal });
  await driver.down();
  await driver.down();
  return report;
}

const claims = (report: LabReport) =>
  report.steps.flatMap(({ step, claims }) =>
    claims.map((c) => ({ ...c, name: `${step} ${c.id} ${c.text}` })),
  );
const failed = (report: LabReport): string[] => claims(report).flatMap((c) => (c.held ? [] : [c.name]));

describe('the scenario in process', () => {
  let good: LabReport;
  beforeAll(async () => {
    good = await scenario();
  });

  it('holds, every claim of it, in all five steps', () => {
    expect(failed(good)).toEqual([]);
    expect(good.steps.map((s) => s.step)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(good.claims).toBeGreaterThanOrEqual(31);
  });

  it('loses no echo, and shows distance in the round trips', () => {
    const flows = good.steps.flatMap((s) => s.flows);
    for (const { ping } of flows) expect(ping.received).toBe(ping.sent);
    const median = (verdict: string): number =>
      Math.max(...flows.filter((f) => f.verdict === verdict).map((f) => f.ping.rttMs?.median ?? 0));
    expect(median('local')).toBeLessThan(1);
    expect(median('WAN')).toBeGreaterThan(10);
    expect(median('trombone')).toBeGreaterThan(20);
  });

  it('is the same with the same seed, to the last microsecond, and another with another', async () => {
    const flows = (report: LabReport) => report.steps.map((s) => s.flows);
    expect(flows(await scenario())).toEqual(flows(good));
    const other = await scenario({ seed: 2 });
    expect(failed(other)).toEqual([]);
    expect(flows(other)).not.toEqual(flows(good));
  });

  it('has no claim that cannot fail: each breaks under a fault or a wrong act', async () => {
    const broken = new Set<string>();
    const note = async (report: Promise<LabReport>): Promise<void> => {
      const names = failed(await report);
      expect(names).not.toEqual([]);
      for (const name of names) broken.add(name);
    };
    for (const fault of SIM_FAULTS) await note(scenario({ faults: [fault] }));
    // Wrong acts: proximity routing never on, always on; a vMotion told as a bulk migration; VMs, or VM2
    // alone, that stay where they are; a filter that the router does not apply, or does not take away.
    await note(scenario({}, (d) => ({ setProximity: () => d.setProximity(false) })));
    await note(scenario({}, (d) => ({ up: () => d.setProximity(true) })));
    await note(scenario({}, (d) => ({ move: (vm, kind) => d.move(vm, kind === 'vmotion' ? 'bulk' : kind) })));
    await note(scenario({}, () => ({ move: async () => {} })));
    await note(
      scenario({}, (d) => ({ move: async (vm, kind) => (vm === 'vm2' ? undefined : d.move(vm, kind)) })),
    );
    await note(scenario({}, () => ({ setHostRouteFilter: async () => {} })));
    await note(
      scenario({}, (d) => ({
        setHostRouteFilter: (on) => (on ? d.setHostRouteFilter(true) : Promise.resolve()),
      })),
    );
    const unbroken = claims(good).flatMap(({ name }) => (broken.has(name) ? [] : [name]));
    expect(unbroken).toEqual([]);
  });
});

describe('createInProcessDriver', () => {
  it('makes S15 fail when ARP about the gateway leaks, and S17 when announcements are dropped', async () => {
    const leak = failed(await scenario({ faults: ['leak-gateway-arp'] }));
    expect(leak.some((name) => name.includes('S15'))).toBe(true);
    const dropped = failed(await scenario({ faults: ['drop-announcements'] }));
    expect(dropped.some((name) => name.includes('S17'))).toBe(true);
  });

  it('trombones with proximity off, counts it on both links, and walks the same way', async () => {
    const driver = createInProcessDriver(ESG);
    await driver.up();
    await driver.move('vm1', 'bulk');
    const ping = await driver.ping('vm1', 'native', 20);
    expect(ping).toMatchObject({
      sent: 20,
      received: 20,
      wanRequests: 20,
      wanReplies: 20,
      extensionRequests: 20,
      extensionReplies: 20,
    });
    const path = await driver.path('vm1', 'native');
    expect(path.map((h) => h.node)).toEqual(['src-router', 'nearhop', 'native']);
    expect(await driver.gatewayMac('vm1')).toBe('02:00:00:00:10:01');
    await driver.down();
  });

  it('runs two flows at once, and says of one whose host has vanished that it did not complete', async () => {
    const driver = createInProcessDriver(ESG);
    await driver.up();
    const flows = [
      await driver.startFlow('vm4', 'src-host', 2),
      await driver.startFlow('native', 'src-host', 2),
    ];
    for (const flow of flows) {
      expect(await flow.finish()).toMatchObject({ completed: true, bytes: 1_000_000, retransmits: 0 });
    }
    await driver.down();
    const cut = createInProcessDriver(ESG, { faults: ['cut-extension'] });
    await cut.up();
    const lost = await cut.startFlow('vm2', 'src-host', 3);
    await cut.wait(1000);
    await cut.move('vm2', 'vmotion');
    const result = await lost.finish();
    expect(result.completed).toBe(false);
    expect(result.bytes).toBeLessThan(1_000_000);
    await cut.down();
  });

  it('marks a VM as learned at the gateway only when its /32 was wanted and seen', async () => {
    const driver = createInProcessDriver(ESG);
    await driver.up();
    await driver.setProximity(true);
    await driver.move('vm1', 'bulk');
    const state = async () => (await driver.vms()).find((v) => v.name === 'vm1')?.state;
    expect(await driver.sourceHasHostRoute('vm1', false, 0)).toBe(true);
    expect(await state()).toBe('LOCAL_PENDING');
    expect(await driver.sourceHasHostRoute('vm1', true, 1000)).toBe(true);
    expect(await state()).toBe('LOCAL');
    await driver.setProximity(true); // anew: the VM is at the source, and its /32 is gone
    expect(await driver.sourceHasHostRoute('vm1', true, 1000)).toBe(false);
    expect(await state()).toBe('AT_SOURCE');
    await driver.down();
  });

  it('reaches everybody from everywhere after any sequence of moves, filters and new extensions', async () => {
    type Act = readonly [kind: MoveKind | 'filter' | 'learn' | 'proximity' | 'ping', n: number];
    const vms = ['vm1', 'vm2', 'vm3'] as const;
    const hosts = [...vms, 'vm4', 'src-host', 'native', 'internet'] as const;
    const act: fc.Arbitrary<Act> = fc.tuple(
      fc.constantFrom('bulk', 'vmotion', 'power-cycle', 'filter', 'learn', 'proximity', 'ping'),
      fc.nat(41),
    );
    const perform = async (driver: LabDriver, [kind, n]: Act): Promise<void> => {
      const vm = vms[n % vms.length];
      if (kind === 'filter') await driver.setHostRouteFilter(n % 2 === 0);
      else if (kind === 'proximity') await driver.setProximity(n % 3 > 0);
      else if (kind === 'ping') await driver.ping(hosts[n % 7], hosts[(n + 1 + Math.floor(n / 7)) % 7], 1);
      else if (kind === 'learn') await driver.sourceHasHostRoute(vm, true, 100);
      else {
        const atSource = (await driver.vms()).find((v) => v.name === vm)?.state === 'AT_SOURCE';
        if (atSource === (kind !== 'power-cycle')) await driver.move(vm, kind);
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(act, { maxLength: 12 }), async (seed, acts) => {
        const driver = createInProcessDriver(ESG, { seed });
        await driver.up();
        for (const a of acts) await perform(driver, a);
        const lost: string[] = [];
        for (const from of hosts) {
          for (const to of hosts) {
            if (from === to) continue;
            const { sent, received } = await driver.ping(from, to, 1);
            if (received < sent) lost.push(`${from} → ${to}`);
          }
        }
        expect(lost).toEqual([]);
        await driver.down();
      }),
      { numRuns: 15 },
    );
  });

  it('refuses to move a host that has one place only', async () => {
    const driver = createInProcessDriver(ESG);
    await driver.up();
    await expect(driver.move('native', 'bulk')).rejects.toMatchObject({ code: 'lab-unknown' });
    await driver.down();
  });

  describe('with a changed copy of the lab', () => {
    let root: string;
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'nearhop-sim-'));
    });
    afterAll(() => rmSync(root, { recursive: true }));

    it.each([
      ['ip addr add 192.168.20.10/24 dev eth1', 'ip rule add from all lookup main', 'lab-exec-unknown'],
      ['- nearhop.yml:/etc/nearhop/nearhop.yml', '- nearhop.yml:/elsewhere.yml', 'lab-invalid'],
    ])("refuses '%s' become '%s'", (was, is, code) => {
      const dir = join(root, 'esg');
      cpSync(ESG, dir, { recursive: true });
      const file = join(dir, 'esg.clab.yml');
      const text = readFileSync(file, 'utf8');
      expect(text).toContain(was);
      writeFileSync(file, text.replace(was, is));
      expect(() => createInProcessDriver(dir)).toThrow(expect.objectContaining({ code }));
    });
  });
});
