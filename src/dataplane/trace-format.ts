// A trace for people and for JSON: each packet as one line like tcpdump's, then one line for each node that it went through,
// with what the node found and the rule behind it. Packets that were made because of it (copies, fragments, replies) follow
// in blocks of their own. Cold; runs in main over rows that `Trace.read` gave.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import { REASONS } from '../stats/reasons.ts';
import { SIDE_TARGET } from '../tables/vm-table.ts';
import { formatFrame } from '../wire/format.ts';
import { NODES } from './graph.ts';
import { RULES } from './rules.ts';
import {
  ENTRY_ADJACENCY,
  ENTRY_FDB,
  ENTRY_FIB,
  ENTRY_NEIGHBOR,
  ENTRY_REWRITE,
  ENTRY_VM,
  MADE_ARP,
  MADE_COPY,
  MADE_FRAGMENT,
  ROW,
  STEP_END,
  STEP_ENTRY,
  STEP_MADE,
  STEP_NODE,
  STEP_NOTE,
  STEP_RULE,
  STEP_SENT,
  type TraceStep,
  traceFrame,
  traceSteps,
} from './trace.ts';

/** Names for the numbers in a trace. */
export interface TraceNames {
  readonly port: (port: number) => string;
  readonly iface: (iface: number) => string;
}

export interface TraceStepText {
  /** 0 = the traced packet; 1 and more: packets that were made because of it. */
  readonly packet: number;
  readonly node: string;
  /** What was found and decided, in words. */
  readonly text: string;
  /** Claims and RFC sections behind it, empty where there are none. */
  readonly rule: string;
}

export interface TraceRecord {
  readonly id: number;
  /** Id of the trace that this one goes on from, because the packet had to wait for a neighbor; 0 = none. */
  readonly from: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly port: string;
  readonly lengthBytes: number;
  /** The packet on one line, as tcpdump would write it. */
  readonly packet: string;
  readonly steps: readonly TraceStepText[];
  /** Steps that the row had no room for. */
  readonly stepsLost: number;
  /** All of it as text. */
  readonly text: string;
}

/** A packet of the trace while its steps are put together. */
interface Way {
  readonly packet: number;
  readonly made: string;
  readonly steps: TraceStepText[];
  texts: string[];
  rules: string[];
}

/** Puts the row of `Trace.read` into words. */
export function formatTrace(row: DataView, names: TraceNames): TraceRecord {
  const frame = traceFrame(row);
  const lengthBytes = row.getUint32(ROW.lenBytes, true);
  const port = row.getUint16(ROW.port, true);
  const ways = follow(row, names);
  const steps = ways.flatMap((way) => way.steps);
  const record = {
    id: row.getUint32(ROW.id, true),
    from: row.getUint32(ROW.from, true),
    at: new Date(row.getFloat64(ROW.wallMs, true)).toISOString(),
    port: port === 0xffff ? 'gateway' : names.port(port),
    lengthBytes,
    packet: formatFrame(frame, 0, frame.length, lengthBytes),
    steps,
    stepsLost: row.getUint16(ROW.stepsLost, true),
  };
  const after = record.from === 0 ? '' : ` (after #${record.from}, which waited)`;
  const lines = [`#${record.id}${after} ${record.at} in ${record.port} ${record.packet}`];
  for (const way of ways) {
    const indent = way.packet === 0 ? '  ' : '    ';
    if (way.packet > 0) lines.push(`  ${way.made}:`);
    for (const step of way.steps) {
      const rule = step.rule === '' ? '' : ` [${step.rule}]`;
      lines.push(`${indent}${step.node.padEnd(17)}${step.text}${rule}`.trimEnd());
    }
  }
  if (record.stepsLost > 0) lines.push(`  ${record.stepsLost} more steps were not kept`);
  return { ...record, text: lines.join('\n') };
}

/** Sorts the steps by the packet that they are about, and gathers each packet's steps by node. */
function follow(row: DataView, names: TraceNames): Way[] {
  const ways: Way[] = [];
  const bySlot = new Map<number, Way>();
  const open = (slot: number, made: string): Way => {
    const way: Way = { packet: ways.length, made, steps: [], texts: [], rules: [] };
    ways.push(way);
    bySlot.set(slot, way);
    return way;
  };
  open(row.getUint16(ROW.slot, true), '');
  for (const step of traceSteps(row)) {
    if (step.kind === STEP_MADE) {
      open(step.slot, madeText(step.b));
      continue;
    }
    const way = bySlot.get(step.slot) ?? open(step.slot, 'copy');
    if (step.kind === STEP_NODE) close(way, step.node);
    else if (step.kind === STEP_END) {
      const reason = REASONS[step.a];
      way.texts.push(`${reason.cls === 'consume' ? 'done' : 'dropped'}: ${reason.text} (${reason.name})`);
      way.rules.push(reason.rule);
      close(way, step.node);
    } else if (step.kind === STEP_SENT) {
      way.texts.push(`sent on ${names.iface(step.a)}, ${step.b} bytes`);
      close(way, NODES.indexOf('interface-output'));
    } else describe(way, step, names);
  }
  for (const way of ways) if (way.texts.length > 0) close(way, NODES.indexOf('ip4-neighbor'));
  return ways;
}

/** Ends a packet's visit to a node; what comes from outside of the graph (0xff) visits none. */
function close(way: Way, node: number): void {
  if (node < NODES.length) {
    const rule = [...new Set(way.rules)].join(', ');
    way.steps.push({ packet: way.packet, node: NODES[node], text: way.texts.join('; '), rule });
  }
  way.texts = [];
  way.rules = [];
}

function describe(way: Way, step: TraceStep, names: TraceNames): void {
  if (step.kind === STEP_NOTE) {
    way.texts.push(`${REASONS[step.a].text} (${REASONS[step.a].name})`);
    way.rules.push(REASONS[step.a].rule);
  } else if (step.kind === STEP_RULE) {
    way.texts.push(RULES[step.a].text);
    way.rules.push(RULES[step.a].claim);
  } else if (step.kind >= STEP_ENTRY) way.texts.push(entryText(step, names));
}

function entryText(step: TraceStep, names: TraceNames): string {
  const { a, b, c } = step;
  switch (step.kind - STEP_ENTRY) {
    case ENTRY_FIB:
      return a === 0 ? `no route to ${formatIpv4(b)}` : `${formatIpv4(b)} has next hop ${a}`;
    case ENTRY_ADJACENCY:
      return c === 0 ? `adjacency ${a}` : `adjacency ${a}: ${formatIpv4(c)} on ${names.iface(b)}`;
    case ENTRY_NEIGHBOR:
      return `neighbor ${a}: ${formatIpv4(c)} on ${names.iface(b)}`;
    case ENTRY_REWRITE:
      return `to ${formatMac(b, c)}`;
    case ENTRY_FDB:
      return `FDB ${a}: ${names.iface(b)}`;
    case ENTRY_VM:
      return `VM ${a}: on the ${b === SIDE_TARGET ? 'target' : 'source'} gateway`;
    default:
      return `entry ${a}`;
  }
}

function madeText(what: number): string {
  if (what === MADE_COPY) return 'copy';
  if (what === MADE_FRAGMENT) return 'fragment';
  return what === MADE_ARP ? 'ARP made by the gateway' : 'reply made by the gateway';
}
