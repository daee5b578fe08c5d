// The other end of the control socket: one request, its rows, its answer. What can go wrong becomes an error that says what
// to do, because this is what a person at the CLI sees first.

import { createConnection } from 'node:net';
import { NearhopError } from '../base/errors.ts';
import type { Answers, Params, RequestName, StreamRows } from './api.ts';

/** An answer longer than this is not believed: one line, but a full table of routes fits. */
const MAX_ANSWER_BYTES = 512 << 20;

export interface AskOptions<R extends RequestName> {
  /** Without a sign of life for so long the gateway counts as hung; 0 = wait for ever. Default 5000. */
  readonly timeoutMs?: number;
  readonly onRow?: (row: R extends keyof StreamRows ? StreamRows[R] : never) => void;
  /** Ends the request: the promise is rejected with `request-cancelled`. */
  readonly signal?: AbortSignal;
}

export interface Answer<R extends RequestName> {
  readonly data: Answers[R];
  readonly warnings: readonly string[];
}

/**
 * Asks the gateway behind `path`. Throws `gateway-not-running`, `gateway-permission`, `gateway-timeout`, `gateway-closed`,
 * `gateway-protocol`, or the error that the gateway answered with.
 */
export function ask<R extends RequestName>(
  path: string,
  request: R,
  params: Params<R>,
  options: AskOptions<R> = {},
): Promise<Answer<R>> {
  const { timeoutMs = 5000, onRow, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      signal?.removeEventListener('abort', cancel);
      socket.destroy();
      act();
    };
    const fail = (code: string, message: string, hint: string, cause?: unknown): void =>
      settle(() => reject(new NearhopError(code, message, { hint, cause })));
    const cancel = (): void => fail('request-cancelled', `${request} was cancelled`, 'ask again');
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();

    if (timeoutMs > 0) {
      socket.setTimeout(timeoutMs, () =>
        fail(
          'gateway-timeout',
          `no answer from ${path} within ${timeoutMs} ms`,
          'the gateway is hung or very busy',
        ),
      );
    }
    socket.on('connect', () => socket.write(`${JSON.stringify({ id: 1, request, params })}\n`));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const [code, message, hint] = connectFault(path, error);
      fail(code, message, hint, error);
    });
    socket.on('close', () =>
      fail(
        'gateway-closed',
        `${path} hung up before it answered`,
        "look at the gateway's log; it may have stopped",
      ),
    );

    const line = (text: string): void => {
      let message: Partial<Record<'row' | 'ok' | 'data' | 'warnings' | 'error', unknown>>;
      try {
        message = JSON.parse(text);
      } catch {
        fail(
          'gateway-protocol',
          `${path} sent something that is not JSON`,
          'is a gateway behind this socket?',
        );
        return;
      }
      if (message.ok === true) {
        const warnings = (message.warnings ?? []) as string[];
        settle(() => resolve({ data: message.data as Answers[R], warnings }));
      } else if (message.ok === false) {
        const {
          code,
          message: words,
          hint,
        } = message.error as { code: string; message: string; hint?: string };
        settle(() => reject(new NearhopError(code, words, hint === undefined ? {} : { hint })));
      } else if ('row' in message) {
        onRow?.(message.row as Parameters<NonNullable<typeof onRow>>[0]);
      }
    };
    let pieces: Buffer[] = [];
    let bytes = 0;
    socket.on('data', (chunk) => {
      for (let from = 0; from < chunk.length && !settled; ) {
        const newline = chunk.indexOf(10, from);
        const end = newline < 0 ? chunk.length : newline;
        pieces.push(chunk.subarray(from, end));
        bytes += end - from;
        if (bytes > MAX_ANSWER_BYTES) {
          fail('gateway-protocol', `${path} sent an answer without end`, 'is a gateway behind this socket?');
          return;
        }
        from = end + 1;
        if (newline < 0) return;
        const text = Buffer.concat(pieces).toString('utf8');
        pieces = [];
        bytes = 0;
        line(text);
      }
    });
  });
}

function connectFault(path: string, error: NodeJS.ErrnoException): [string, string, string] {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return [
        'gateway-not-running',
        `no gateway answers on ${path}`,
        'start one with `nearhop run -c FILE`, or name another one with -g NAME or --socket PATH',
      ];
    case 'EACCES':
    case 'EPERM':
      return [
        'gateway-permission',
        `no permission for ${path}`,
        'a control socket is for the user who runs the gateway: become that user, or root',
      ];
    default:
      return ['gateway-closed', `${path}: ${error.message}`, "look at the gateway's log"];
  }
}
