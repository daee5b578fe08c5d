// Colours, where they help and are wanted (no-color.org; FORCE_COLOR for pipes that end in a terminal).

import pc from 'picocolors';

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** Styles for a stream: none when NO_COLOR is set, when it is no terminal, or when the terminal is dumb. */
export function createStyle(
  stream: { readonly isTTY?: boolean | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Style {
  const set = (name: string): boolean => (env[name] ?? '') !== '';
  const forced = set('FORCE_COLOR') && env['FORCE_COLOR'] !== '0';
  const wanted = !set('NO_COLOR') && (forced || (stream.isTTY === true && env['TERM'] !== 'dumb'));
  const { bold, dim, green, yellow, red } = pc.createColors(wanted);
  return { bold, dim, good: green, warn: yellow, bad: red };
}
