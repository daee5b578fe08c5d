// What a replay decided, as data for programs and as text for people.

import type { Config } from '../config/config.ts';
import { RULES, type RuleName } from '../dataplane/rules.ts';
import type { EventRow } from '../gateway/api.ts';
import type { InlineGateway } from '../gateway/inline.ts';
import { TOTAL, TOTAL_NAMES, type TotalName } from '../stats/counters.ts';
import { REASON, REASONS, type ReasonClass, type ReasonName } from '../stats/reasons.ts';
import type { CapturePorts, ReplayInput } from './capture-ports.ts';
import type { Decisions, VmDecisions } from './decisions.ts';
import type { RunResult } from './replay-run.ts';

export interface ReplayPort {
  readonly port: string;
  /** Capture that was read, null for none. */
  readonly in: string | null;
  readonly packetsIn: number;
  readonly bytesIn: number;
  /** Frames of the capture that were cut short and therefore not replayed. */
  readonly truncated: number;
  /** Capture that was written, null for none. */
  readonly out: string | null;
  readonly packetsOut: number;
  readonly bytesOut: number;
  /** Lost on purpose by the port's fault settings. */
  readonly faultLost: number;
}

export interface ReplaySummary {
  readonly gateway: string;
  /** Packets that were replayed. */
  readonly packets: number;
  /** First packet and end, ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
  readonly seconds: number;
  /** It was ended before the end of the captures. */
  readonly interrupted: boolean;
  readonly totals: Readonly<Record<TotalName, number>>;
  /** What the conservation law lacks; anything but 0 is a bug. */
  readonly imbalance: number;
  /** Packets that were sent on, by the rule that carried them. */
  readonly rules: readonly {
    readonly rule: RuleName;
    readonly packets: number;
    readonly claim: string;
    readonly text: string;
  }[];
  /** Packets that ended or were worth counting, by reason. */
  readonly reasons: readonly {
    readonly reason: ReasonName;
    readonly class: ReasonClass;
    readonly packets: number;
    readonly rule: string;
    readonly text: string;
  }[];
  readonly ports: readonly ReplayPort[];
  readonly vms: readonly (VmDecisions & { readonly state: string; readonly alarm: string })[];
  /** Events of the file, as they were applied. */
  readonly events: readonly { readonly at: string; readonly text: string; readonly packets: number }[];
  /** The last things that the gateway noticed. */
  readonly log: readonly EventRow[];
  readonly warnings: readonly string[];
}

export interface SummaryInput {
  readonly config: Config;
  readonly inputs: readonly ReplayInput[];
  readonly gateway: InlineGateway;
  readonly captures: CapturePorts;
  readonly decisions: Decisions;
  readonly result: RunResult;
  readonly startMs: number;
  readonly endMs: number;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** Collects the summary of a replay that is over. */
export function summarize(input: SummaryInput): ReplaySummary {
  const { config, gateway, decisions, result, startMs, endMs } = input;
  const { plane } = gateway;
  const { counters } = plane.shared;
  const ports = portSummaries(input);
  return {
    gateway: config.gateway.name,
    packets: counters.totals[TOTAL.received],
    from: iso(startMs),
    to: iso(endMs),
    seconds: Math.round((endMs - startMs) * 1000) / 1e6,
    interrupted: result.interrupted,
    totals: Object.fromEntries(TOTAL_NAMES.map((n, i) => [n, counters.totals[i]])) as Record<
      TotalName,
      number
    >,
    imbalance: counters.imbalance(),
    rules: RULES.flatMap(({ name, index, claim, text }) => {
      const packets = decisions.rules[index];
      return packets > 0 ? [{ rule: name, packets, claim, text }] : [];
    }),
    reasons: REASONS.flatMap(({ name, index, cls, rule, text }) => {
      const packets = counters.reasons[index];
      return packets > 0 ? [{ reason: name, class: cls, packets, rule, text }] : [];
    }),
    ports,
    vms: plane.inventory.list().map((vm) => ({
      ...decisions.ofVm(vm, plane.networks.names[vm.network]),
      state: vm.state,
      alarm: vm.alarm,
    })),
    events: result.applied.map(({ atMs, text, packets }) => ({ at: iso(atMs), text, packets })),
    log: plane.events.rows,
    warnings: warningsOf(input, ports),
  };
}

function portSummaries({ config, inputs, captures }: SummaryInput): ReplayPort[] {
  return config.ports.map(({ name }, i) => {
    const { stats } = captures.files[i];
    return {
      port: name,
      in: inputs.find((input) => input.port === name)?.capture ?? null,
      packetsIn: stats.rxPackets,
      bytesIn: stats.rxBytes,
      truncated: stats.rxTruncated,
      out: captures.outputs[i] ?? null,
      packetsOut: stats.txPackets,
      bytesOut: stats.txBytes,
      faultLost: stats.faultLost,
    };
  });
}

/** What makes the result say less than it seems to. */
function warningsOf(
  { config, gateway, captures, result, inputs }: SummaryInput,
  ports: readonly ReplayPort[],
): string[] {
  const { totals, reasons } = gateway.plane.shared.counters;
  const warnings: string[] = [];
  for (const { port, truncated, packetsIn } of ports) {
    if (truncated > 0) {
      warnings.push(
        `${port}: ${truncated} packets are cut short in the capture and were not replayed (tcpdump -s 0 captures whole ones)`,
      );
    } else if (packetsIn === 0 && inputs.some((input) => input.port === port)) {
      warnings.push(`${port}: the capture has no packets`);
    }
  }
  for (const { name, outOfOrder } of captures.files) {
    if (outOfOrder > 0) {
      warnings.push(
        `${name}: ${outOfOrder} packets stand after a later one in the capture (reordercap sorts it)`,
      );
    }
  }
  if (result.gaps > 0) {
    warnings.push(`${result.gaps} gaps of more than ten minutes: were the captures made at the same time?`);
  }
  const made = config.interfaces.filter((itf) => {
    const port = config.ports.find((p) => p.name === itf.port);
    return itf.mac === undefined && port?.mac === undefined;
  });
  if (reasons[REASON['not-for-us']] > 0 && made.length > 0) {
    const names = made.map((itf) => itf.name).join(', ');
    warnings.push(
      `packets were not for us, and the MAC of ${names} is made up: give the captured device's as interfaces[].mac`,
    );
  }
  const neighbors = config.bgp?.neighbors.length ?? 0;
  if (neighbors > 0)
    warnings.push('no BGP session runs in a replay: give the routes of its neighbors as events');
  if (totals[TOTAL.sent] === 0) warnings.push('no packet was sent: the reasons say why');
  return warnings;
}
