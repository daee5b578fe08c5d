// The control socket: how the CLI and other programs of this host ask a running gateway.
//
// A Unix stream socket that its owner alone may open. A request is one line of JSON, {"id": 1, "request": "show.routes",
// "params": {}}; lines that answer it carry its id: any number of {"row": …}, then one {"ok": true, "data": …, "warnings": []}
// or {"ok": false, "error": {"code", "message", "hint"}}. Requests of one connection are dealt with one after the other.
// Whatever a client sends, it costs a bounded amount of memory and ends in an answer.

import { lstatSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { NearhopError } from '../base/errors.ts';
import { type Call, type Handlers, type ParamKind, REQUESTS, type RequestName } from './api.ts';
import { prepareSocketDirectory } from './socket-path.ts';

/** Longest request line in bytes. */
export const MAX_REQUEST_BYTES = 64 << 10;
/** Requests that a connection may have waiting. */
export const MAX_WAITING = 16;
const MAX_CONNECTIONS = 64;
/** Rows are refused while this many bytes wait for a slow client. */
const MAX_UNSENT_BYTES = 4 << 20;

export interface ControlStats {
  connections: number;
  requests: number;
  /** Requests that were not understood: not JSON, unknown, wrong parameters, too large, too many. */
  badRequests: number;
  /** Requests that the gateway refused with an error. */
  failed: number;
}

export interface ControlServer {
  readonly path: string;
  readonly stats: Readonly<ControlStats>;
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

export interface ControlOptions {
  readonly path: string;
  readonly handlers: Handlers;
  /** A handler threw something that is no NearhopError. The client gets `internal-error` first. */
  readonly onBug: (error: unknown) => void;
}

/** Opens the socket. Throws `gateway-already-running` when another gateway answers there, `socket-unusable` otherwise. */
export async function openControlSocket(options: ControlOptions): Promise<ControlServer> {
  const { path } = options;
  prepareSocketDirectory(path);
  await ensureNoGateway(path);
  const stats: ControlStats = { connections: 0, requests: 0, badRequests: 0, failed: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    stats.connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new Connection(socket, options, stats);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, path);
  return {
    path,
    stats,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/**
 * Throws `gateway-already-running` when a gateway answers on `path`, `socket-unusable` when something else is there. Removes
 * a socket that nobody listens on: it is left over from a gateway that was killed.
 */
export async function ensureNoGateway(path: string): Promise<void> {
  const before = lstatSync(path, { throwIfNoEntry: false });
  if (before === undefined) return;
  if (!before.isSocket()) {
    throw new NearhopError('socket-unusable', `${path} exists and is no socket`, {
      hint: 'remove it, or set gateway.controlSocket to another path',
    });
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
  if (alive) {
    throw new NearhopError('gateway-already-running', `a gateway answers on ${path} already`, {
      hint: 'stop it, or give this one another name (gateway.name)',
    });
  }
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now?.ino === before.ino) unlinkSync(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const hint = 'set gateway.controlSocket to a path that this user may create';
      reject(new NearhopError('socket-unusable', `cannot listen on ${path}: ${cause.code}`, { cause, hint }));
    });
    server.once('listening', resolve);
    const mask = process.umask(0o177); // the bind happens inside listen(), so no other mode is ever seen
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
}

interface Asked {
  readonly id: unknown;
  readonly name: RequestName;
  readonly params: Record<string, unknown>;
}

class Connection {
  readonly #socket: Socket;
  readonly #handlers: Handlers;
  readonly #onBug: (error: unknown) => void;
  readonly #stats: ControlStats;
  readonly #gone = new AbortController();
  #pieces: Buffer[] = [];
  #bytes = 0;
  readonly #waiting: Asked[] = [];
  #busy = false;
  #ended = false;

  constructor(socket: Socket, { handlers, onBug }: ControlOptions, stats: ControlStats) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#onBug = onBug;
    this.#stats = stats;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => socket.destroy()); // a client that goes away is no event
    socket.on('close', () => this.#gone.abort());
  }

  /** Splits what comes into lines; a line may come in many pieces. */
  #take(chunk: Buffer): void {
    for (let from = 0; from < chunk.length && !this.#ended; ) {
      const newline = chunk.indexOf(10, from);
      const end = newline < 0 ? chunk.length : newline;
      this.#bytes += end - from;
      if (this.#bytes > MAX_REQUEST_BYTES) {
        this.#refuseAll('request-too-large', `a request is at most ${MAX_REQUEST_BYTES} bytes`);
        return;
      }
      this.#pieces.push(chunk.subarray(from, end));
      from = end + 1;
      if (newline < 0) return;
      const line = Buffer.concat(this.#pieces).toString('utf8').trim();
      this.#pieces = [];
      this.#bytes = 0;
      if (line !== '') this.#ask(line);
    }
  }

  #ask(line: string): void {
    this.#stats.requests++;
    let id: unknown = null;
    try {
      const asked = readRequest(line, (given) => {
        id = given;
      });
      if (this.#waiting.length >= MAX_WAITING) {
        this.#refuseAll('too-many-requests', `at most ${MAX_WAITING} requests can wait on one connection`);
        return;
      }
      this.#waiting.push(asked);
      if (!this.#busy) void this.#work();
    } catch (error) {
      if (!(error instanceof NearhopError)) throw error;
      this.#stats.badRequests++;
      this.#send({ id, ok: false, error: { code: error.code, message: error.message, hint: error.hint } });
    }
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let asked = this.#waiting.shift(); asked !== undefined; asked = this.#waiting.shift()) {
      await this.#answer(asked);
    }
    this.#busy = false;
  }

  async #answer({ id, name, params }: Asked): Promise<void> {
    const warnings: string[] = [];
    const call: Call = {
      warn: (text) => warnings.push(text),
      emit: (row) => {
        if (this.#socket.writableLength > MAX_UNSENT_BYTES) return false;
        this.#send({ id, row });
        return true;
      },
      signal: this.#gone.signal,
    };
    // readRequest has checked the parameters against the row of this very name
    const handler = this.#handlers[name] as (params: unknown, call: Call) => unknown;
    try {
      const data = await handler(params, call);
      this.#send({ id, ok: true, data, warnings });
    } catch (error) {
      this.#stats.failed++;
      const known = error instanceof NearhopError;
      const { code, message, hint } = known
        ? error
        : {
            code: 'internal-error',
            message: `${name} failed inside the gateway: ${String(error)}`,
            hint: 'this is a bug of the gateway; its log has the details',
          };
      this.#send({ id, ok: false, error: { code, message, hint } });
      if (!known) this.#onBug(error);
    }
  }

  /** Answers with an error that belongs to no request, and hangs up. */
  #refuseAll(code: string, message: string): void {
    this.#stats.badRequests++;
    this.#ended = true;
    this.#pieces = [];
    this.#waiting.length = 0;
    this.#send({ id: null, ok: false, error: { code, message } });
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #send(message: unknown): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}

/** Reads one line. Throws `request-malformed`, `request-unknown` or `request-params`; tells the id as soon as it is known. */
function readRequest(line: string, tellId: (id: unknown) => void): Asked {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new NearhopError('request-malformed', 'a request is one line of JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new NearhopError('request-malformed', 'a request is a JSON object');
  }
  const { id, request, params } = value as Record<string, unknown>;
  if (typeof id === 'number' || typeof id === 'string') tellId(id);
  if (typeof request !== 'string' || !Object.hasOwn(REQUESTS, request)) {
    throw new NearhopError('request-unknown', `no request ${JSON.stringify(request) ?? 'given'}`, {
      hint: `requests: ${Object.keys(REQUESTS).join(', ')}`,
    });
  }
  const name = request as RequestName;
  return { id: id ?? null, name, params: readParams(name, params ?? {}) };
}

function readParams(name: RequestName, given: unknown): Record<string, unknown> {
  const spec: Readonly<Record<string, ParamKind>> = REQUESTS[name].params;
  const refuse = (what: string): never => {
    const words = Object.entries(spec).map(
      ([k, kind]) => `${k}: ${typeof kind === 'string' ? kind : kind.join('|')}`,
    );
    throw new NearhopError('request-params', `${name}: ${what}`, {
      hint: words.length === 0 ? 'it has no parameters' : `parameters: ${words.join(', ')}`,
    });
  };
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse('params is a JSON object');
  const values = given as Record<string, unknown>;
  for (const key of Object.keys(values)) {
    if (!Object.hasOwn(spec, key)) refuse(`no parameter ${JSON.stringify(key.slice(0, 64))}`);
  }
  const params: Record<string, unknown> = {};
  for (const [key, kind] of Object.entries(spec)) {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    if (value === undefined || value === null) {
      if (typeof kind !== 'string' || !kind.endsWith('?')) refuse(`'${key}' is missing`);
      continue;
    }
    if (!isOf(kind, value)) refuse(`'${key}' is not right`);
    params[key] = value;
  }
  return params;
}

function isOf(kind: ParamKind, value: unknown): boolean {
  if (typeof kind !== 'string') return typeof value === 'string' && kind.includes(value);
  const base = kind.replace('?', '');
  if (base === 'strings') return Array.isArray(value) && value.every((v) => typeof v === 'string');
  return typeof value === base && (base !== 'number' || Number.isFinite(value));
}
