// Where control sockets are: one for each running gateway, named after it.

import { mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NearhopError } from '../base/errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** /run/nearhop for root, otherwise `nearhop` in the user's runtime directory, or one of the user's own in the temporary directory. */
export function socketDirectory(env: Environment = process.env, uid = process.getuid?.() ?? 0): string {
  if (uid === 0) return '/run/nearhop';
  const runtime = env['XDG_RUNTIME_DIR'];
  return runtime?.startsWith('/') ? join(runtime, 'nearhop') : join(tmpdir(), `nearhop-${uid}`);
}

/** Socket of the gateway with this name when its config does not say otherwise. */
export const defaultSocketPath = (name: string, directory = socketDirectory()): string =>
  join(directory, `${name}.sock`);

/** Makes the directory of a socket. Throws `socket-directory`. */
export function prepareSocketDirectory(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new NearhopError(
      'socket-directory',
      `cannot make ${dirname(path)}: ${(cause as NodeJS.ErrnoException).code}`,
      {
        hint: 'set gateway.controlSocket to a path in a directory that you can write to',
        cause,
      },
    );
  }
}

/** Names of the gateways that have a socket in `directory`, running or not, in order. */
export function gatewayNames(directory = socketDirectory()): string[] {
  try {
    return readdirSync(directory)
      .filter((f) => f.endsWith('.sock'))
      .map((f) => f.slice(0, -'.sock'.length))
      .sort();
  } catch {
    return [];
  }
}
