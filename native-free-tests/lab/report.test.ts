import { describe, expect, it } from 'vitest';
import type { PingResult } from '../../src/lab/driver.ts';
import {
  claimText,
  type FlowReport,
  flowText,
  type LabReport,
  type Paint,
  reportTail,
  stepHead,
  type Verdict,
  verdictOf,
} from '../../src/lab/report.ts';

/** Marks what has which colour. */
const PAINT: Paint = {
  bold: (text) => `<b>${text}</b>`,
  dim: (text) => `<dim>${text}</dim>`,
  good: (text) => `<good>${text}</good>`,
  warn: (text) => `<warn>${text}</warn>`,
  bad: (text) => `<bad>${text}</bad>`,
};

const pingOf = (
  received: number,
  wan: readonly [number, number],
  extension: readonly [number, number],
): PingResult => ({
  sent: 20,
  received,
  rttMs: received === 0 ? undefined : { min: 0.1, median: 0.25, max: 3 },
  wanRequests: wan[0],
  wanReplies: wan[1],
  extensionRequests: extension[0],
  extensionReplies: extension[1],
});

describe('verdictOf', () => {
  it.each<[Verdict, string, PingResult]>([
    ['local', 'no link saw any', pingOf(20, [0, 0], [0, 0])],
    ['WAN', 'the WAN saw both ways', pingOf(20, [20, 20], [0, 0])],
    ['extension', 'the extension saw both ways', pingOf(20, [0, 0], [20, 20])],
    ['trombone', 'both links saw both ways', pingOf(20, [20, 20], [20, 20])],
    ['asymmetric', 'out by the WAN, back by the extension', pingOf(20, [20, 0], [0, 20])],
    ['asymmetric', 'out by the WAN, back locally', pingOf(20, [20, 0], [0, 0])],
    ['asymmetric', 'out by both, back by one', pingOf(20, [20, 20], [20, 0])],
    ['lost', 'nothing came back', pingOf(0, [20, 0], [20, 0])],
    ['local', 'a stray packet is no way', pingOf(20, [1, 0], [0, 1])],
    ['local', 'half of them are no way', pingOf(20, [10, 10], [0, 0])],
    ['WAN', 'more than half of them are one', pingOf(20, [11, 11], [0, 0])],
    ['WAN', 'it goes by what came back', pingOf(4, [20, 4], [0, 0])],
  ])('says %s: %s', (verdict, _why, ping) => {
    expect(verdictOf(ping)).toBe(verdict);
  });
});

describe('flowText', () => {
  const flow = (ping: PingResult): FlowReport => ({
    flow: 'vm1 → native',
    path: 'vm1 → nearhop → native',
    verdict: verdictOf(ping),
    ping,
    hops: [],
  });

  it('shows verdict, loss, median RTT and the counts of both links, and the path below', () => {
    expect(flowText(PAINT, flow(pingOf(15, [20, 15], [0, 0]))).split('\n')).toEqual([
      '  vm1 → native           <warn>WAN       </warn> loss 25 %   RTT 0.25 ms   WAN 20/20 15/20   extension 0/20 0/20',
      '                         <dim>vm1 → nearhop → native</dim>',
      '',
    ]);
  });

  it('paints a local flow good and a lost one bad, which has no RTT', () => {
    expect(flowText(PAINT, flow(pingOf(20, [0, 0], [0, 0])))).toContain('<good>local     </good>');
    expect(flowText(PAINT, flow(pingOf(0, [0, 0], [0, 0])))).toMatch(
      /<bad>lost {6}<\/bad> loss 100 % {3}RTT –/,
    );
  });
});

describe('claimText', () => {
  const claim = { id: 'S7', text: 'it is local', seen: 'trombone' };

  it('shows what was seen beside a claim that held', () => {
    expect(claimText(PAINT, { ...claim, held: true })).toBe(
      '  <good>✓</good> S7   it is local<dim> — trombone</dim>\n',
    );
  });

  it('shows what was seen below a claim that did not hold', () => {
    expect(claimText(PAINT, { ...claim, held: false })).toBe(
      '  <bad>✗</bad> S7   it is local\n         <bad>seen: trombone</bad>\n',
    );
  });
});

describe('reportTail', () => {
  const report: LabReport = { lab: 'esg', engine: 'fake', steps: [], claims: 30, held: 30, seconds: 26.04 };

  it('is good when all claims held, and bad when one did not', () => {
    expect(reportTail(PAINT, report)).toBe('\n<good>30 of 30 claims held, 26.0 s (fake)</good>\n');
    expect(reportTail(PAINT, { ...report, held: 29 })).toBe(
      '\n<bad>29 of 30 claims held, 26.0 s (fake)</bad>\n',
    );
  });
});

describe('stepHead', () => {
  it('shows letter and title', () => {
    expect(stepHead(PAINT, { step: 'b', title: 'moved', flows: [], claims: [] })).toBe(
      '\n<b>(b) moved</b>\n',
    );
  });
});
