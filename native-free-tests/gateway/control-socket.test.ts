import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventRow, Handlers } from '../../src/gateway/api.ts';
import { ask } from '../../src/gateway/control-client.ts';
import { MAX_REQUEST_BYTES, MAX_WAITING, openControlSocket } from '../../src/gateway/control-socket.ts';
import { type FakeGateway, startFakeGateway, VM, vmUnknown } from './fake-gateway.ts';

const EVENT: EventRow = {
  at: '2026-01-01T00:00:00.000Z',
  kind: 'mac-moved',
  text: 'a MAC moved',
  source: 'dataplane',
  network: null,
  interface: null,
  vm: null,
  mac: null,
  address: null,
};

let gateway: FakeGateway;
/** What the `events` handler waits for, and what became of its signal. */
let follow = { aborted: false };

beforeEach(async () => {
  follow = { aborted: false };
  gateway = await startFakeGateway({
    'show.vms': () => [VM],
    'vm.remove': vmUnknown,
    'vm.migrate': () => {
      throw new TypeError('oops');
    },
    events: async ({ follow: on }, call) => {
      call.warn('old events are gone');
      call.emit(EVENT);
      call.emit({ ...EVENT, kind: 'vm-unknown' });
      if (on === true) {
        await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
        follow.aborted = true;
      }
      return { events: 2 };
    },
  });
});
afterEach(() => gateway.stop());

/** Sends raw text and collects the answers until the server hangs up or `lines` are there. */
async function raw(text: string | Uint8Array, lines: number): Promise<Record<string, unknown>[]> {
  const socket: Socket = createConnection(gateway.path);
  let got = '';
  return new Promise((resolve) => {
    const finish = (): void => {
      socket.destroy();
      const whole = got.split('\n').slice(0, -1);
      resolve(whole.map((line) => JSON.parse(line)));
    };
    socket.on('data', (chunk) => {
      got += chunk.toString('utf8');
      if (got.split('\n').length > lines) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
    socket.write(text);
  });
}

const error = (message: Record<string, unknown>): string => (message['error'] as { code: string }).code;

describe('openControlSocket', () => {
  it('is for its owner alone', () => {
    expect(statSync(gateway.path).mode & 0o777).toBe(0o600);
  });

  it('answers a request with its data and warnings', async () => {
    expect(await ask(gateway.path, 'show.vms', {})).toEqual({ data: [VM], warnings: [] });
    expect(gateway.server.stats).toEqual({ connections: 1, requests: 1, badRequests: 0, failed: 0 });
  });

  it('sends rows before the answer, and ends a follow when the client goes', async () => {
    const rows: EventRow[] = [];
    const onRow = (row: EventRow): number => rows.push(row);
    expect(await ask(gateway.path, 'events', {}, { onRow })).toEqual({
      data: { events: 2 },
      warnings: ['old events are gone'],
    });
    expect(rows.map((r) => r.kind)).toEqual(['mac-moved', 'vm-unknown']);

    const cancel = new AbortController();
    const following = ask(
      gateway.path,
      'events',
      { follow: true },
      { onRow: () => cancel.abort(), signal: cancel.signal },
    );
    await expect(following).rejects.toMatchObject({ code: 'request-cancelled' });
    await expect.poll(() => follow.aborted).toBe(true);
  });

  it("passes the gateway's errors on with code and hint", async () => {
    await expect(ask(gateway.path, 'vm.remove', { vm: 'x' })).rejects.toMatchObject({
      code: 'vm-unknown',
      message: "no VM 'x'",
      hint: 'VMs: web',
    });
    expect(gateway.server.stats.failed).toBe(1);
  });

  it('answers internal-error for a bug, and tells about it', async () => {
    await expect(ask(gateway.path, 'vm.migrate', { vm: 'x', kind: 'bulk' })).rejects.toMatchObject({
      code: 'internal-error',
    });
    expect(gateway.bugs).toEqual([new TypeError('oops')]);
  });

  it('deals with the requests of a connection one after the other, whatever the pieces they come in', async () => {
    const lines = [1, 2, 3]
      .map((id) => `${JSON.stringify({ id, request: 'show.vms', params: {} })}\n`)
      .join('');
    const socket = createConnection(gateway.path);
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString();
    });
    for (const byte of Buffer.from(lines)) {
      socket.write(Buffer.of(byte));
    }
    await expect.poll(() => got.split('\n').length).toBe(4);
    socket.destroy();
    expect(
      got
        .split('\n')
        .slice(0, 3)
        .map((l) => JSON.parse(l).id),
    ).toEqual([1, 2, 3]);
  });

  it.each([
    ['not json', 'request-malformed', null],
    ['[1]', 'request-malformed', null],
    ['null', 'request-malformed', null],
    ['{"id": 7}', 'request-unknown', 7],
    ['{"id": 7, "request": "toString"}', 'request-unknown', 7],
    ['{"id": 7, "request": "show.everything"}', 'request-unknown', 7],
    ['{"id": 7, "request": "show.vms", "params": []}', 'request-params', 7],
    ['{"id": 7, "request": "show.vms", "params": {"vm": 1}}', 'request-params', 7],
    ['{"id": 7, "request": "show.vms", "params": {"vms": "x"}}', 'request-params', 7],
    ['{"id": 7, "request": "show.vms", "params": {"__proto__": "x"}}', 'request-params', 7],
    ['{"id": 7, "request": "vm.remove", "params": {}}', 'request-params', 7],
    ['{"id": 7, "request": "vm.migrate", "params": {"vm": "web", "kind": "fly"}}', 'request-params', 7],
    ['{"id": 7, "request": "vm.set-ip", "params": {"vm": "web", "addresses": [1]}}', 'request-params', 7],
    ['{"id": 7, "request": "trace.start", "params": {"count": 1e999}}', 'request-params', 7],
  ])('refuses and counts %s', async (line, code, id) => {
    const [answer] = await raw(`${line}\n`, 1);
    expect([answer['ok'], error(answer), answer['id']]).toEqual([false, code, id]);
    expect(gateway.server.stats.badRequests).toBe(1);
    expect(gateway.asked).toEqual([]);
    expect((await ask(gateway.path, 'show.vms', {})).data).toEqual([VM]);
  });

  it('hangs up on a request without end, and on too many at once', async () => {
    const [large] = await raw('x'.repeat(MAX_REQUEST_BYTES + 1), 9);
    expect(error(large)).toBe('request-too-large');
    const follow = '{"id": 1, "request": "events", "params": {"follow": true}}\n';
    const answers = await raw(follow.repeat(MAX_WAITING + 2), 99);
    expect(error(answers.at(-1) as Record<string, unknown>)).toBe('too-many-requests');
    expect(gateway.server.stats.badRequests).toBe(2);
    expect((await ask(gateway.path, 'show.vms', {})).data).toEqual([VM]);
  });

  it('survives any bytes', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(`${text}\n`)),
      fc
        .record({
          id: fc.jsonValue(),
          request: fc.constantFrom('show.vms', 'vm.add', 'x'),
          params: fc.jsonValue(),
        })
        .map((request) => Buffer.from(`${JSON.stringify(request)}\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        await raw(Buffer.concat([sent, Buffer.from('\n{"id":"end","request":"x"}\n')]), 1);
      }),
      { numRuns: 60 },
    );
    expect((await ask(gateway.path, 'show.vms', {})).data).toEqual([VM]);
    expect(gateway.bugs).toEqual([]);
  });

  it('refuses rows while a slow client has too much waiting', async () => {
    const refused: boolean[] = [];
    const slow = await startFakeGateway({
      events: (_params, call) => {
        const text = 'x'.repeat(1 << 20);
        for (let i = 0; i < 20; i++) refused.push(call.emit({ ...EVENT, text }));
        return { events: 20 };
      },
    } as Partial<Handlers>);
    let rows = 0;
    await ask(slow.path, 'events', {}, { onRow: () => rows++ });
    await slow.stop();
    expect(refused[0]).toBe(true);
    expect(refused.at(-1)).toBe(false);
    expect(rows).toBe(refused.filter(Boolean).length);
  });

  it('refuses a path where a gateway lives, replaces what a killed one left, and removes its own', async () => {
    const open = () => openControlSocket({ path: gateway.path, handlers: {} as Handlers, onBug: () => {} });
    await expect(open()).rejects.toMatchObject({ code: 'gateway-already-running' });
    const directory = mkdtempSync(join(tmpdir(), 'nearhop-stale-'));
    const path = join(directory, 'a.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(statSync(path).isSocket()).toBe(true);
    const server = await openControlSocket({ path, handlers: {} as Handlers, onBug: () => {} });
    await server.close();
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, 'precious');
    const onFile = openControlSocket({ path, handlers: {} as Handlers, onBug: () => {} });
    await expect(onFile).rejects.toMatchObject({ code: 'socket-unusable' });
    rmSync(directory, { recursive: true });
  });

  it('makes the directory of its socket, and says which one it cannot make', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nearhop-dir-'));
    const server = await openControlSocket({
      path: join(directory, 'a', 'b', 'x.sock'),
      handlers: {} as Handlers,
      onBug: () => {},
    });
    await server.close();
    writeFileSync(join(directory, 'file'), '');
    const inFile = openControlSocket({
      path: join(directory, 'file', 'x.sock'),
      handlers: {} as Handlers,
      onBug: () => {},
    });
    await expect(inFile).rejects.toMatchObject({ code: 'socket-directory' });
    rmSync(directory, { recursive: true });
  });
});

describe('ask', () => {
  /** A server that does what `onConnection` says. */
  async function withServer<T>(
    onConnection: (socket: Socket) => void,
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    const directory = mkdtempSync(join(tmpdir(), 'nearhop-ask-'));
    const path = join(directory, 'x.sock');
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      return await work(path);
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    }
  }

  it('says that no gateway runs', async () => {
    await expect(ask('/nonexistent/x.sock', 'status', {})).rejects.toMatchObject({
      code: 'gateway-not-running',
      message: 'no gateway answers on /nonexistent/x.sock',
      hint: expect.stringContaining('nearhop run -c FILE'),
    });
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ['hangs', () => {}, 'gateway-timeout'],
    ['hangs up', (s) => s.on('data', () => s.end()), 'gateway-closed'],
    ['is something else', (s) => s.write('SSH-2.0-x\r\n'), 'gateway-protocol'],
  ])('says that what listens there %s', async (_what, onConnection, code) => {
    await withServer(onConnection, async (path) => {
      await expect(ask(path, 'status', {}, { timeoutMs: 100 })).rejects.toMatchObject({ code });
    });
  });
});
