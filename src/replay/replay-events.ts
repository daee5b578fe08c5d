// What happens besides packets while captures are replayed: moves of VMs, reports, routes and neighbors, from a YAML list.
//
//   - { at: 2.5, vm: vm1, migrate: vmotion }                         seconds after the first packet
//   - { at: 90s, vm: vm1, addresses: [192.168.10.11] }               ms, s, m, h
//   - { at: 2026-03-01T12:00:00Z, vm: vm1, migrate: power-cycle }    or a date
//   - { at: 3, vm: vm1, learned: true }                              the source's own table has the /32
//   - { at: 0, neighbor: 203.0.113.1, interface: wan, mac: "02:00:00:00:99:01" }
//   - { at: 0, route: 10.0.0.0/8, via: 172.16.0.1 }                  as if a BGP neighbor had sent it
//   - { at: 9, withdraw: 10.0.0.0/8 }

import { readFileSync } from 'node:fs';
import type { Document } from 'yaml';
import { z } from 'zod';
import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { ipv4Field, macField, prefixField } from '../config/fields.ts';
import { Locator, type Spot } from '../config/locate.ts';
import { suggest } from '../config/nearest.ts';
import { type ConfigPath, ConfigProblem, formatProblem } from '../config/problem.ts';
import { yamlLibrary, yamlValue } from '../config/yaml.ts';
import { MIGRATE_KINDS } from '../mobility/vm.ts';

const SECOND_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** When: `afterMs` from the first packet on, or at `atMs` since the Unix epoch. */
export type EventTime = { readonly afterMs: number } | { readonly atMs: number };

const timeField = z.union([z.number(), z.string()]).transform((value, ctx): EventTime => {
  if (typeof value === 'number' && value >= 0) return { afterMs: value * 1000 };
  const span = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(String(value));
  if (span !== null) return { afterMs: Number(span[1]) * SECOND_MS[span[2]] };
  // A date without a zone would mean another moment on another machine.
  const atMs = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(String(value))
    ? Date.parse(String(value))
    : Number.NaN;
  if (!Number.isNaN(atMs)) return { atMs };
  ctx.addIssue(
    `'${value}' is no time: seconds after the first packet, 250ms, 90s, 5m, 1h, or 2026-03-01T12:00:00Z`,
  );
  return z.NEVER;
});

const at = { at: timeField };
const vmName = z.string();
const SCHEMAS = {
  migrate: z.strictObject({ ...at, vm: vmName, migrate: z.enum(MIGRATE_KINDS) }),
  addresses: z.strictObject({ ...at, vm: vmName, addresses: z.array(ipv4Field) }),
  learned: z.strictObject({ ...at, vm: vmName, learned: z.literal(true) }),
  neighbor: z.strictObject({ ...at, neighbor: ipv4Field, interface: z.string(), mac: macField }),
  route: z.strictObject({
    ...at,
    route: prefixField,
    via: z.union([ipv4Field.transform((ip) => [ip]), z.array(ipv4Field).min(1)]),
  }),
  withdraw: z.strictObject({ ...at, withdraw: prefixField }),
} as const;
type EventKind = keyof typeof SCHEMAS;
const KINDS = Object.keys(SCHEMAS) as EventKind[];

/** What is done: a row of the file, with numbers for addresses. */
export type ReplayAction = {
  [K in EventKind]: { readonly kind: K } & Omit<z.infer<(typeof SCHEMAS)[K]>, 'at'>;
}[EventKind];

export interface ReplayEvent {
  readonly time: EventTime;
  readonly action: ReplayAction;
  /** The event in words. */
  readonly text: string;
  /** file:line:column, for messages. */
  readonly place: () => string;
}

/** Reads the events of a file, in its order. Throws `replay-events` with every problem and its place. */
export function loadReplayEvents(file: string, config: Config): ReplayEvent[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new NearhopError('replay-events', `${file}: ${(cause as Error).message}`, {
      hint: 'name a YAML file with a list of events',
      cause,
    });
  }
  return parseReplayEvents(text, config, file);
}

/** As `loadReplayEvents`, of a text. */
export function parseReplayEvents(text: string, config: Config, file = '<events>'): ReplayEvent[] {
  const problems: ConfigProblem[] = [];
  let opened: Document.Parsed | undefined;
  const document = (): Document.Parsed => {
    opened ??= yamlLibrary().parseDocument(text, { prettyErrors: false, logLevel: 'error' });
    return opened;
  };
  const locator = (): Locator => new Locator(file, text, document());
  const problem = (path: ConfigPath, message: string, hint?: string, spot: Spot = 'value'): void => {
    const place = locator().of(path, spot);
    problems.push(new ConfigProblem('error', 'replay-events', message, { place, path, hint }));
  };
  let root = yamlValue(text);
  if (root === undefined) {
    for (const error of document().errors) {
      const place = locator().at(error.pos[0]);
      problems.push(new ConfigProblem('error', 'replay-events', error.message, { place, path: [] }));
    }
    root = rootOf(document());
  }
  const events: ReplayEvent[] = [];
  if (problems.length === 0) {
    if (!Array.isArray(root))
      problem([], 'the file is not a list', 'each event is a line that begins with "- "');
    else {
      for (const [i, row] of root.entries()) {
        const event = parseEvent(row, i, config, problem, locator);
        if (event !== undefined) events.push(event);
      }
    }
  }
  if (problems.length > 0) {
    throw new NearhopError('replay-events', problems.slice(0, 20).map(formatProblem).join('\n'));
  }
  return events;
}

/** The file's value; what YAML itself cannot make of it (alias bombs) is no value, and so no list. */
function rootOf(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined;
  }
}

function parseEvent(
  row: unknown,
  i: number,
  config: Config,
  problem: (path: ConfigPath, message: string, hint?: string, spot?: Spot) => void,
  locator: () => Locator,
): ReplayEvent | undefined {
  const keys = typeof row === 'object' && row !== null ? Object.keys(row) : [];
  const kind = KINDS.find((k) => keys.includes(k));
  if (kind === undefined) {
    problem(
      [i],
      `an event with ${keys.length === 0 ? 'nothing in it' : `only ${keys.join(', ')}`}`,
      `one of these says what happens: ${KINDS.join(', ')}`,
    );
    return undefined;
  }
  const parsed = SCHEMAS[kind].safeParse(row);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const path: ConfigPath = [
        i,
        ...issue.path.map((step) => (typeof step === 'number' ? step : String(step))),
      ];
      if (issue.code === 'unrecognized_keys') {
        const known = Object.keys(SCHEMAS[kind].shape);
        for (const key of issue.keys)
          problem([...path, key], `unknown key '${key}'`, suggest(key, known), 'key');
      } else {
        const name = issue.path.join('.');
        problem(path, name === '' ? issue.message : `${name}: ${issue.message}`);
      }
    }
    return undefined;
  }
  const { at: time, ...rest } = parsed.data;
  const action = { kind, ...rest } as ReplayAction;
  const fault = checkNames(action, config);
  if (fault !== undefined) {
    problem(
      [i, fault.key],
      `no ${fault.key} '${fault.name}' in the config`,
      suggest(fault.name, fault.known),
    );
    return undefined;
  }
  const place = (): string => {
    const { line, column, file } = locator().of([i]);
    return `${file}:${line}:${column}`;
  };
  return { time, action, text: describe(action), place };
}

/** The name in an action that the config does not have. */
function checkNames(
  action: ReplayAction,
  config: Config,
): { key: string; name: string; known: readonly string[] } | undefined {
  if (action.kind === 'neighbor') {
    const known = config.interfaces.map((itf) => itf.name);
    return known.includes(action.interface) ? undefined : { key: 'interface', name: action.interface, known };
  }
  if (!('vm' in action)) return undefined;
  const known = config.networks.flatMap((net) => net.vms.map((vm) => vm.name));
  return known.includes(action.vm) ? undefined : { key: 'vm', name: action.vm, known };
}

function describe(action: ReplayAction): string {
  switch (action.kind) {
    case 'migrate':
      return `${action.vm}: ${action.migrate}`;
    case 'addresses':
      return `${action.vm}: addresses reported: ${action.addresses.map(formatIpv4).join(', ') || 'none'}`;
    case 'learned':
      return `${action.vm}: its /32 is in the source's own table`;
    case 'neighbor':
      return `neighbor ${formatIpv4(action.neighbor)} on ${action.interface} is known`;
    case 'route':
      return `route ${formatIpv4(action.route.prefix)}/${action.route.len} via ${action.via.map(formatIpv4).join(', ')}`;
    case 'withdraw':
      return `route ${formatIpv4(action.withdraw.prefix)}/${action.withdraw.len} withdrawn`;
  }
}
