// What a scenario found: steps, observations, claims that held or did not; as data, and as the text that a person reads
// while it runs.

import type { Hop, PingResult } from './driver.ts';

export interface Claim {
  /** Number of the claim in the paper, S1 to S30. */
  readonly id: string;
  readonly text: string;
  readonly held: boolean;
  /** What was seen. */
  readonly seen: string;
}

/** Echoes of one conversation, and what they show. */
export interface FlowReport {
  readonly flow: string;
  /** Way of the requests and way of the replies. */
  readonly path: string;
  readonly verdict: Verdict;
  readonly ping: PingResult;
  readonly hops: readonly Hop[];
}

/** Where a conversation went: by which of the two links, and whether both directions agree. */
export type Verdict = 'local' | 'WAN' | 'extension' | 'trombone' | 'asymmetric' | 'lost';

export interface StepReport {
  readonly step: string;
  readonly title: string;
  readonly flows: FlowReport[];
  readonly claims: Claim[];
}

export interface LabReport {
  readonly lab: string;
  readonly engine: string;
  readonly steps: StepReport[];
  readonly claims: number;
  readonly held: number;
  readonly seconds: number;
}

/** Judges by the counts alone, so a verdict cannot agree with a path that the packets did not take. */
export function verdictOf(ping: PingResult): Verdict {
  if (ping.received === 0) return 'lost';
  const mostly = (n: number): boolean => n * 2 > ping.received;
  const out = `${mostly(ping.wanRequests) ? 'W' : ''}${mostly(ping.extensionRequests) ? 'X' : ''}`;
  const back = `${mostly(ping.wanReplies) ? 'W' : ''}${mostly(ping.extensionReplies) ? 'X' : ''}`;
  if (out !== back) return 'asymmetric';
  return out === 'WX' ? 'trombone' : out === 'W' ? 'WAN' : out === 'X' ? 'extension' : 'local';
}

/** Colours of the text; identity functions where there are none. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
}

export const stepHead = (paint: Paint, step: StepReport): string =>
  `\n${paint.bold(`(${step.step}) ${step.title}`)}\n`;

const rtt = (ping: PingResult): string =>
  ping.rttMs === undefined ? '–' : `${ping.rttMs.median.toFixed(2)} ms`;
const both = (requests: number, replies: number, sent: number): string =>
  `${requests}/${sent} ${replies}/${sent}`;

export function flowText(paint: Paint, flow: FlowReport): string {
  const { ping } = flow;
  const colour = flow.verdict === 'local' ? paint.good : flow.verdict === 'lost' ? paint.bad : paint.warn;
  const columns = [
    `loss ${Math.round((100 * (ping.sent - ping.received)) / ping.sent)} %`,
    `RTT ${rtt(ping)}`,
    `WAN ${both(ping.wanRequests, ping.wanReplies, ping.sent)}`,
    `extension ${both(ping.extensionRequests, ping.extensionReplies, ping.sent)}`,
  ];
  return [
    `  ${flow.flow.padEnd(22)} ${colour(flow.verdict.padEnd(10))} ${columns.join('   ')}\n`,
    `  ${''.padEnd(22)} ${paint.dim(flow.path)}\n`,
  ].join('');
}

export const claimText = (paint: Paint, claim: Claim): string =>
  `  ${claim.held ? paint.good('✓') : paint.bad('✗')} ${claim.id.padEnd(4)} ${claim.text}${
    claim.held ? paint.dim(` — ${claim.seen}`) : `\n         ${paint.bad(`seen: ${claim.seen}`)}`
  }\n`;

export const reportTail = (paint: Paint, report: LabReport): string => {
  const line = `${report.held} of ${report.claims} claims held, ${report.seconds.toFixed(1)} s (${report.engine})`;
  return `\n${report.held === report.claims ? paint.good(line) : paint.bad(line)}\n`;
};
