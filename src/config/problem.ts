// A problem of a config file: where it stands, what is wrong, what would be right. All problems of a file are collected and
// shown together; errors keep the gateway from starting, warnings do not.

import { NearhopError } from '../base/errors.ts';

export type Severity = 'error' | 'warning';

/** Keys and list indexes from the root of the file to a value. */
export type ConfigPath = readonly (string | number)[];

export interface Place {
  readonly file: string;
  /** From 1; 0 when the problem is with the file as a whole. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  /** Text of the line, without its end. */
  readonly text: string;
}

/** One problem. `code` is stable, `message` names the value in words, `hint` says what would be right. */
export class ConfigProblem extends NearhopError {
  readonly severity: Severity;
  readonly place: Place;
  readonly path: ConfigPath;

  constructor(
    severity: Severity,
    code: string,
    message: string,
    at: { place: Place; path: ConfigPath; hint?: string | undefined },
  ) {
    super(code, message, at.hint === undefined ? {} : { hint: at.hint });
    this.name = 'ConfigProblem';
    this.severity = severity;
    this.place = at.place;
    this.path = at.path;
  }
}

/** All errors of one file, as the error that `loadConfig` throws. */
export class ConfigError extends NearhopError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const errors = problems.filter((p) => p.severity === 'error').length;
    super('config-invalid', `${file} has ${errors === 1 ? 'an error' : `${errors} errors`}`, {
      hint: `correct the file and look at it with 'nearhop check -c ${file}'`,
    });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const WIDTH = 110;

/** file:line:column, the message, the line of text with a caret under the value, and the hint. Lines end without newline. */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, text } = problem.place;
  const where = line === 0 ? file : `${file}:${line}:${column}`;
  const lines = [`${where}: ${problem.severity}: ${problem.message} [${problem.code}]`];
  if (line !== 0 && text.trim() !== '') {
    // a long line is cut to a window around the caret; tabs and controls become spaces so that the caret stands right
    const from = column > WIDTH - 20 ? column - 40 : 0;
    const shown = text.slice(from, from + WIDTH).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ');
    const number = `${line}`;
    lines.push(`  ${number} | ${from > 0 ? '…' : ''}${shown.trimEnd()}`);
    lines.push(`  ${' '.repeat(number.length)} | ${' '.repeat(column - 1 - from + (from > 0 ? 1 : 0))}^`);
  }
  if (problem.hint !== undefined) lines.push(`  hint: ${problem.hint}`);
  return lines.join('\n');
}
