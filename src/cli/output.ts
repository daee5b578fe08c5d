// What a command says and where: data on stdout, everything else on stderr. With --json stdout holds one envelope, the same
// for every command; a command that streams writes one envelope a line.

import { NearhopError } from '../base/errors.ts';
import { createStyle, type Style } from './style.ts';

/** The parts of a stream that a command needs; process.stdout has them. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Io {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Done. */
export const EXIT_OK = 0;
/** The command was understood and could not be done. */
export const EXIT_FAILED = 1;
/** The command line or a config file is wrong. */
export const EXIT_USAGE = 2;

/** The shape of every JSON answer. */
export type Envelope =
  | { nearhop: 1; command: string; ok: true; data: unknown; warnings: readonly unknown[] }
  | { nearhop: 1; command: string; ok: false; error: ErrorBody };

export interface ErrorBody {
  code: string;
  message: string;
  hint: string | null;
  /** Further facts about some errors, such as all problems of a config file. */
  details?: unknown;
}

/** A wrong command line; ends with exit code 2. */
export class UsageError extends NearhopError {}

const USAGE_CODES: ReadonlySet<string> = new Set([
  'config-invalid',
  'config-unreadable',
  'replay-port',
  'replay-events',
]);

export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError || (error instanceof NearhopError && USAGE_CODES.has(error.code))
    ? EXIT_USAGE
    : EXIT_FAILED;
}

export class Output {
  readonly command: string;
  readonly json: boolean;
  readonly style: Style;
  /** Colours for stderr. */
  readonly noteStyle: Style;
  readonly #io: Io;

  constructor(io: Io, command: string, json: boolean) {
    this.#io = io;
    this.command = command;
    this.json = json;
    this.style = createStyle(io.stdout, io.env);
    this.noteStyle = createStyle(io.stderr, io.env);
  }

  /** Width of the terminal in characters, Infinity when stdout is none. */
  get columns(): number {
    return this.#io.stdout.isTTY === true ? (this.#io.stdout.columns ?? 80) : Infinity;
  }

  /** The command's answer: its data for programs, `text` for people. Warnings go to stderr, or into the envelope. */
  answer(data: unknown, text: () => string, warnings: readonly unknown[] = []): void {
    if (this.json) {
      this.#line({ nearhop: 1, command: this.command, ok: true, data, warnings });
      return;
    }
    const shown = text();
    if (shown !== '') this.#io.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
    for (const warning of warnings) this.warn(String(warning));
  }

  /** A line about the work itself, for people only. */
  note(text: string): void {
    if (!this.json) this.#io.stderr.write(`${text}\n`);
  }

  warn(text: string): void {
    this.note(`${this.noteStyle.warn('warning:')} ${text}`);
  }

  /** The command failed. `details` goes into the envelope, `text` before the message for people. */
  error(error: unknown, extra: { details?: unknown; text?: string } = {}): void {
    const body = errorBody(error);
    if (this.json) {
      if (extra.details !== undefined) body.details = extra.details;
      this.#line({ nearhop: 1, command: this.command, ok: false, error: body });
      return;
    }
    if (extra.text !== undefined) this.#io.stderr.write(`${extra.text}\n`);
    this.#io.stderr.write(`${this.noteStyle.bad('error:')} ${printable(body.message)} [${body.code}]\n`);
    if (body.hint !== null) this.#io.stderr.write(`hint: ${printable(body.hint)}\n`);
  }

  #line(envelope: Envelope): void {
    this.#io.stdout.write(`${JSON.stringify(envelope)}\n`);
  }
}

function errorBody(error: unknown): ErrorBody {
  if (error instanceof NearhopError) {
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal-error', message, hint: 'this is a bug of nearhop' };
}

/** Text that cannot change the terminal: control characters become spaces, except line ends. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => (c === '\n' ? c : ' '));
