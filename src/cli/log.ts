// The log of a command that keeps running, on stderr: lines for people on a terminal, JSON lines for everything else.

import { type Logger, pino } from 'pino';
import { type Io, printable } from './output.ts';
import { createStyle, type Style } from './style.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Fields of a line that are not shown as key=value. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'msg']);

export function createLog(io: Io, level: LogLevel, json = io.stderr.isTTY !== true): Logger {
  const style = createStyle(io.stderr, io.env);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => io.stderr.write(json ? line : formatLogLine(line, style)) },
  );
}

/** One line of pino as `12:00:00.000 WARN  message key=value`. */
export function formatLogLine(line: string, style: Style): string {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const level = String(fields['level']);
  const colour = level === 'error' ? style.bad : level === 'warn' ? style.warn : style.dim;
  const rest = Object.entries(fields)
    .filter(([key]) => !OWN_FIELDS.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const time = String(fields['time']).slice(11, 23);
  const text = printable([String(fields['msg'] ?? ''), ...rest].join(' ')).replaceAll('\n', ' ');
  return `${style.dim(time)} ${colour(level.toUpperCase().padEnd(5))} ${text}\n`;
}
