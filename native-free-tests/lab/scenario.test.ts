// The scenario against a lab that answers as told: each of its claims can fail, and fails alone.

import { describe, expect, it } from 'vitest';
import type { PingResult } from '../../src/lab/driver.ts';
import type { LabReport, Paint } from '../../src/lab/report.ts';
import { runScenario } from '../../src/lab/scenario.ts';
import {
  type Answers,
  ASYMMETRIC,
  EXTENSION,
  FakeDriver,
  goodAnswers,
  LOCAL,
  TROMBONE,
  WAN,
} from './fake-driver.ts';

const plain = (text: string): string => text;
const PAINT: Paint = { bold: plain, dim: plain, good: plain, warn: plain, bad: plain };

async function scenario(
  change: (answers: Answers) => void = () => {},
  signal = new AbortController().signal,
) {
  const answers = goodAnswers();
  change(answers);
  const driver = new FakeDriver(answers);
  let text = '';
  const write = (piece: string): void => {
    text += piece;
  };
  const report = await runScenario(driver, { lab: 'esg', paint: PAINT, write, signal });
  return { report, text, done: driver.done, left: answers };
}

const claimsOf = (report: LabReport) =>
  report.steps.flatMap((s) => s.claims.map((c) => ({ name: `${s.step} ${c.id}: ${c.text}`, ...c })));

describe('runScenario', () => {
  it('does the five steps in order', async () => {
    const { report, done } = await scenario();
    expect(report.steps.map((s) => s.step)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(done).toEqual([
      'move vm1 bulk',
      'proximity true',
      'move vm1 bulk',
      'flow vm2 → src-host',
      'move vm2 vmotion',
      'flow ends',
      'move vm2 power-cycle',
      'filter true',
      'move vm3 bulk',
      'filter false',
    ]);
  });

  it('holds all claims on a lab that is as it should be, and looks at all it was told', async () => {
    const { report, left } = await scenario();
    expect(claimsOf(report).filter((c) => !c.held)).toEqual([]);
    expect(report).toMatchObject({ lab: 'esg', engine: 'fake', claims: 31, held: 31 });
    expect({ ...left, tcp: undefined }).toEqual({
      pings: [],
      hostRoutes: [],
      vms: [],
      macs: [],
      tcp: undefined,
      asymmetric: [],
    });
  });

  it('proves claims S3 S6 S7 S10 S11 S13 S14 S15 S17 S18 S19 S25', async () => {
    const ids = new Set(claimsOf((await scenario()).report).map((c) => c.id));
    expect([...ids].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))).join(' ')).toBe(
      'S3 S6 S7 S10 S11 S13 S14 S15 S17 S18 S19 S25',
    );
  });

  it('reports flows with path, verdict and counts, in data and in text', async () => {
    const { report, text } = await scenario();
    expect(report.steps[1].flows[2]).toEqual({
      flow: 'vm1 → src-host',
      path: 'vm1 → nearhop → src-host',
      verdict: 'WAN',
      ping: WAN,
      hops: expect.any(Array),
    });
    expect(text).toContain('(b) proximity routing on; VM1 is bulk-migrated\n');
    expect(text).toMatch(/vm1 → src-host {9}WAN .* WAN 20\/20 20\/20 {3}extension 0\/20 0\/20\n/);
    expect(text.match(/✓/g)).toHaveLength(31);
    expect(text).not.toContain('✗');
  });

  it('ends at the next observation when it is interrupted', async () => {
    await expect(scenario(() => {}, AbortSignal.abort())).rejects.toThrow('aborted');
  });
});

// ── every claim can fail ──

/** Claims that judge a ping: its place in the order of pings, the claim, another way that is plausible there. */
const PING_CLAIMS: readonly (readonly [number, string, PingResult])[] = [
  [0, 'a S3: a migrated VM keeps the source gateway: both ways trombone', LOCAL],
  [1, 'a S3: to the Internet it trombones as well', LOCAL],
  [2, 'a S10: inside the network it uses the extension', TROMBONE],
  [3, "b S7: VM1 reaches the target's native network locally", TROMBONE],
  [4, 'b S6: VM1 reaches the Internet by the target', TROMBONE],
  [5, "b S13: VM1 reaches the source's other network over the WAN, not the extension", EXTENSION],
  [6, 'b S14: inbound takes the same path', ASYMMETRIC],
  [7, 'b S11: a source VM uses the source gateway', EXTENSION],
  [9, 'c S19: its routed traffic goes by the source gateway', LOCAL],
  [10, 'c S19: and its paths are local', TROMBONE],
  [11, 'd S10: local VM and source VM use the extension', WAN],
  [12, 'd S10: and so they do the other way', ASYMMETRIC],
  [13, 'd S10: two VMs at the target need no link at all', EXTENSION],
  [14, 'e S14: without it the flow is asymmetric: out by the WAN, back by the extension', WAN],
  [15, 'e S14: and the flow is symmetric', ASYMMETRIC],
];

const flip = (index: number) => (answers: Answers) => {
  answers.hostRoutes[index].has = !answers.hostRoutes[index].has;
};
const state = (index: number, name: string, value: string) => (answers: Answers) => {
  answers.vms[index] = { ...answers.vms[index], [name]: value };
};
const mac = (index: number, value: string) => (answers: Answers) => {
  answers.macs[index].mac = value;
};
const S_MAC = '02:00:00:00:10:01';
const T_MAC = '02:00:00:00:10:fe';
const GATEWAYS = 'b S15: both gateways are active at once, each on its side';
const LEARNED = "b S17: VM1's /32 stands in the source router's own table";
const SURVIVES = 'c S19: its TCP flow survives the move';
const COUNTED = 'e S14: the gateway sees and counts it';
const AT_ONCE = 'b S18: a bulk-migrated VM uses the target gateway at once';

/** All other claims: what breaks them. */
const BREAKS: readonly (readonly [string, string, (answers: Answers) => void])[] = [
  ['a /32 without proximity routing', 'a S3: no /32 is announced for it', flip(0)],
  ['a /32 before the migration', LEARNED, flip(1)],
  ['no /32 after it', LEARNED, flip(2)],
  ['a VM that waits for its route', AT_ONCE, state(0, 'state', 'LOCAL_PENDING')],
  ['a VM that the gateway does not know', AT_ONCE, state(0, 'name', 'vm9')],
  ['a local VM that uses S-MAC', GATEWAYS, mac(0, S_MAC)],
  ['a source VM that uses T-MAC', GATEWAYS, mac(1, T_MAC)],
  ['a VM without a gateway', GATEWAYS, mac(1, 'none')],
  [
    'a switched VM after vMotion',
    'c S19: a vMotioned VM stays on the source gateway',
    state(1, 'state', 'LOCAL'),
  ],
  ['a TCP reset', SURVIVES, (answers) => (answers.tcp = { ...answers.tcp, completed: false })],
  [
    'a TCP flow that stalls',
    SURVIVES,
    (answers) => (answers.tcp = { ...answers.tcp, intervals: [5e6, 5e6, 5e6, 0, 0] }),
  ],
  ['T-MAC after vMotion', 'c S19: its gateway is still S-MAC', mac(2, T_MAC)],
  ['a /32 after vMotion', 'c S19: no /32 is announced for it yet', flip(3)],
  ['no /32 after the power cycle', 'c S19: power-cycled, its /32 is learned', flip(4)],
  ['a VM that stays pinned', 'c S19: power-cycled, it uses the target gateway', state(2, 'state', 'PINNED')],
  ['S-MAC after the power cycle', 'c S19: its gateway is T-MAC now', mac(3, S_MAC)],
  ['a filter that filters nothing', 'e S25: the /32 is not learned', flip(5)],
  ['an asymmetry that is not counted', COUNTED, (answers) => (answers.asymmetric = [2, 2])],
  ['one that is not counted whole', COUNTED, (answers) => (answers.asymmetric = [2, 21])],
  ['S-MAC at a local VM', "e S15: the source gateway's ARP has not reached it", mac(4, S_MAC)],
  ['a VM shown as learned that is not', 'e S25: the VM is not shown as learned', state(3, 'state', 'LOCAL')],
  ['a /32 that stays away', 'e S25: the filter gone, the /32 is learned', flip(6)],
];

async function expectOnly(claim: string, change: (answers: Answers) => void): Promise<void> {
  const { report, text } = await scenario(change);
  expect(
    claimsOf(report)
      .filter((c) => !c.held)
      .map((c) => c.name),
  ).toEqual([claim]);
  expect(report.held).toBe(report.claims - 1);
  expect(text.match(/✗/g)).toHaveLength(1);
}

describe('claims of the scenario', () => {
  it('have each a test here that breaks it', async () => {
    const all = claimsOf((await scenario()).report).map((c) => c.name);
    const broken = new Set([...PING_CLAIMS.map(([, claim]) => claim), ...BREAKS.map(([, claim]) => claim)]);
    expect([...broken].sort()).toEqual(all.sort());
  });

  it.each(BREAKS)('%s: not held is "%s"', async (_what, claim, change) => {
    await expectOnly(claim, change);
  });

  describe.each(PING_CLAIMS)('ping %i, "%s"', (index, claim, other) => {
    const change = (result: (good: PingResult) => PingResult) => (answers: Answers) => {
      answers.pings[index].result = result(answers.pings[index].result);
    };
    const oneMore = (n: number): number => (n === 0 ? 1 : n - 1);

    it('is not held when the packets take another way', async () => {
      await expectOnly(
        claim,
        change(() => other),
      );
    });

    it('is not held when one echo is lost', async () => {
      await expectOnly(
        claim,
        change((good) => ({ ...good, received: good.received - 1 })),
      );
    });

    it.each(['wanRequests', 'wanReplies', 'extensionRequests', 'extensionReplies'] as const)(
      'is not held when %s are one off',
      async (count) => {
        await expectOnly(
          claim,
          change((good) => ({ ...good, [count]: oneMore(good[count]) })),
        );
      },
    );
  });
});
