// From the text of a config file to a Config, in four steps: YAML (positions are kept), the schema (form), the checks
// (meaning), the defaults that depend on other parts. Every problem is collected; nothing but a list of problems comes out of
// a bad file, whatever its bytes are.

import { readFileSync } from 'node:fs';
import { type Alias, type Document, LineCounter, parseDocument, visit } from 'yaml';
import { NearhopError } from '../base/errors.ts';
import { checkNetworks } from './check-networks.ts';
import { checkPorts } from './check-ports.ts';
import { checkRouting } from './check-routing.ts';
import { type Config, completeConfig } from './config.ts';
import { explainIssue, type Finding } from './explain.ts';
import type { HostView } from './host.ts';
import { Locator } from './locate.ts';
import { ConfigError, type ConfigPath, ConfigProblem, type Severity } from './problem.ts';
import { Report } from './report.ts';
import { salvage } from './salvage.ts';
import { configSchema, type ParsedConfig } from './schema.ts';

/** 16,384 VMs with several addresses each need about 3 MiB. */
const MAX_BYTES = 16 << 20;
/** Beyond this many problems of one file the rest says nothing new. */
const MAX_PROBLEMS = 100;

export interface ParseOptions {
  /** Name for messages. */
  readonly file?: string;
  /** Look at the host's devices as well. */
  readonly host?: HostView;
}

export interface ParseResult {
  /** Present when there is no error. */
  readonly config?: Config;
  readonly errors: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/** Reads a config file. Throws `ConfigError` with every problem, or a NearhopError when the file cannot be read. */
export function loadConfig(
  file: string,
  options: ParseOptions = {},
): { config: Config; warnings: readonly ConfigProblem[] } {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : String(code);
    throw new NearhopError('config-unreadable', `${file}: ${why}`, {
      hint: 'name the config file with -c FILE',
      cause,
    });
  }
  const name = options.file ?? (file === '-' ? '<stdin>' : file);
  const { config, errors, warnings } = parseConfig(bytes, { ...options, file: name });
  if (config === undefined) throw new ConfigError(name, [...errors, ...warnings]);
  return { config, warnings };
}

/** Parses the text (or UTF-8 bytes) of a config file. Never throws for what is in it. */
export function parseConfig(source: string | Uint8Array, options: ParseOptions = {}): ParseResult {
  const file = options.file ?? '<config>';
  const lines = new LineCounter();
  const whole = (code: string, message: string, hint: string): ParseResult => {
    const place = new Locator(file, '', lines).whole();
    return { errors: [new ConfigProblem('error', code, message, { place, path: [], hint })], warnings: [] };
  };
  if (source.length > MAX_BYTES) {
    return whole('config-too-large', `larger than ${MAX_BYTES >> 20} MiB`, 'is this a config file?');
  }
  let text: string;
  try {
    text = typeof source === 'string' ? source : new TextDecoder('utf-8', { fatal: true }).decode(source);
  } catch {
    return whole('config-not-text', 'not UTF-8 text', 'a config is a YAML file');
  }

  const unusable = (error: unknown): ParseResult =>
    // the YAML library throws plain errors for alias bombs, and the stack's own for nesting without end
    whole('yaml-invalid', `not usable YAML: ${(error as Error).message}`, 'a config is a YAML map');
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'error',
      resolveKnownTags: false, // !!binary and its like would give values that are no JSON
    });
  } catch (error) {
    return unusable(error);
  }
  const locator = new Locator(file, text, lines, document);
  const broken = (offset: number, code: string, message: string): ConfigProblem =>
    new ConfigProblem('error', 'yaml-invalid', message, {
      place: locator.at(offset),
      path: [],
      hint: yamlHint(code),
    });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    return sorted(faults.map((error) => broken(error.pos[0], error.code, error.message)));
  }
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const lost = danglingAlias(document);
    if (lost === undefined) return unusable(error);
    return sorted([broken(lost.range?.[0] ?? 0, 'ALIAS', `alias *${lost.source} has no anchor before it`)]);
  }
  return judge(root, locator, options.host);
}

function judge(root: unknown, locator: Locator, host: HostView | undefined): ParseResult {
  const problems: ConfigProblem[] = [];
  const add = (severity: Severity, { code, path, spot, message, hint }: Finding): void => {
    problems.push(new ConfigProblem(severity, code, message, { place: locator.of(path, spot), path, hint }));
  };
  const parsed = configSchema.safeParse(root ?? {});
  if (!parsed.success) {
    const findings = parsed.error.issues.flatMap((issue) => explainIssue(issue, root ?? {}));
    for (const finding of findings) add('error', finding);
    const refused = parsed.error.issues.map((issue) => ({
      path: issue.path as ConfigPath,
      keys: issue.code === 'unrecognized_keys' ? issue.keys : undefined,
    }));
    const rest = salvage(root ?? {}, refused);
    if (rest !== undefined) {
      for (const finding of check(rest.config, new Report(rest.incomplete, rest.lost), host)) {
        add(finding.severity, { ...finding, path: rest.original(finding.path) });
      }
    }
    return sorted(problems);
  }
  for (const finding of check(parsed.data, new Report(), host)) add(finding.severity, finding);
  const result = sorted(problems);
  return result.errors.length > 0 ? result : { ...result, config: completeConfig(parsed.data) };
}

function check(config: ParsedConfig, report: Report, host: HostView | undefined): Report['findings'] {
  checkPorts(config, report, host);
  checkNetworks(config, report);
  checkRouting(config, report);
  return report.findings;
}

/** In the order of the file, errors apart from warnings. */
function sorted(problems: ConfigProblem[]): ParseResult {
  const inOrder = problems.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  return {
    errors: inOrder.filter((p) => p.severity === 'error').slice(0, MAX_PROBLEMS),
    warnings: inOrder.filter((p) => p.severity === 'warning').slice(0, MAX_PROBLEMS),
  };
}

/** The first alias whose anchor is not there. */
function danglingAlias(document: Document.Parsed): Alias | undefined {
  let found: Alias | undefined;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      found = alias;
      return visit.BREAK;
    },
  });
  return found;
}

function yamlHint(code: string): string | undefined {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'keep one of the two; entries of a list begin with "- "';
    case 'TAB_AS_INDENT':
      return 'indent with spaces';
    case 'MULTIPLE_DOCS':
      return 'one file is one config: remove the --- line';
    case 'ALIAS':
      return 'an anchor is written &NAME in front of the value; text that begins with * stands in quotes';
    case 'BAD_INDENT':
      return 'entries of one map start in the same column; close every [ and {';
    default:
      return undefined;
  }
}
