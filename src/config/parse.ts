// From the text of a config file to a Config, in four steps: YAML, the schema (form), the checks (meaning), the defaults that
// depend on other parts. Every problem is collected; nothing but a list of problems comes out of a bad file, whatever its
// bytes are. What stands where is asked only when there are problems (yaml.ts).

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Alias, Document } from 'yaml';
import { NearhopError } from '../base/errors.ts';
import { checkNetworks } from './check-networks.ts';
import { checkPorts } from './check-ports.ts';
import { checkRouting } from './check-routing.ts';
import { type Config, completeConfig } from './config.ts';
import { explainIssue } from './explain.ts';
import type { HostView } from './host.ts';
import { Locator } from './locate.ts';
import { ConfigError, type ConfigPath, ConfigProblem } from './problem.ts';
import { type Judged, Report } from './report.ts';
import { salvage } from './salvage.ts';
import { configSchema, type ParsedConfig } from './schema.ts';
import { yamlLibrary, yamlValue } from './yaml.ts';

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
  const whole = (code: string, message: string, hint: string): ParseResult => {
    const place = new Locator(file, '').whole();
    return { errors: [new ConfigProblem('error', code, message, { place, path: [], hint })], warnings: [] };
  };
  if (source.length > MAX_BYTES) {
    return whole('config-too-large', `larger than ${MAX_BYTES >> 20} MiB`, 'is this a config file?');
  }
  if (typeof source !== 'string' && !isUtf8(source)) {
    return whole('config-not-text', 'not UTF-8 text', 'a config is a YAML file');
  }
  const text =
    typeof source === 'string'
      ? source
      : Buffer.from(source)
          .toString()
          .replace(/^\ufeff/, '');
  const value = yamlValue(text);
  if (value !== undefined) {
    const { config, findings } = judge(value, options.host);
    if (config !== undefined && findings.length === 0) return { config, errors: [], warnings: [] };
  }

  const unusable = (error: unknown): ParseResult =>
    // the YAML library throws plain errors for alias bombs, and the stack's own for nesting without end
    whole('yaml-invalid', `not usable YAML: ${(error as Error).message}`, 'a config is a YAML map');
  let document: Document.Parsed;
  try {
    document = yamlLibrary().parseDocument(text, {
      prettyErrors: false,
      logLevel: 'error',
      resolveKnownTags: false, // !!binary and its like would give values that are no JSON
    });
  } catch (error) {
    return unusable(error);
  }
  const locator = new Locator(file, text, document);
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
  const { config, findings } = judge(root, options.host);
  const result = sorted(
    findings.map(({ severity, code, path, spot, message, hint }) => {
      return new ConfigProblem(severity, code, message, { place: locator.of(path, spot), path, hint });
    }),
  );
  return config === undefined ? result : { ...result, config };
}

/** What the file says, and what is wrong with it; a config when nothing of that is an error. */
function judge(
  value: unknown,
  host: HostView | undefined,
): { readonly config?: Config; readonly findings: readonly Judged[] } {
  const root = value ?? {};
  const parsed = configSchema.safeParse(root);
  if (parsed.success) {
    const findings = check(parsed.data, new Report(), host);
    const isGood = !findings.some(({ severity }) => severity === 'error');
    return isGood ? { config: completeConfig(parsed.data), findings } : { findings };
  }
  const { issues } = parsed.error;
  const findings = issues.flatMap((issue) =>
    explainIssue(issue, root).map((finding): Judged => ({ ...finding, severity: 'error' })),
  );
  const refused = issues.map((issue) => ({
    path: issue.path as ConfigPath,
    keys: issue.code === 'unrecognized_keys' ? issue.keys : undefined,
  }));
  const rest = salvage(root, refused);
  if (rest !== undefined) {
    for (const finding of check(rest.config, new Report(rest.incomplete, rest.lost), host)) {
      findings.push({ ...finding, path: rest.original(finding.path) });
    }
  }
  return { findings };
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
  const { visit } = yamlLibrary();
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
