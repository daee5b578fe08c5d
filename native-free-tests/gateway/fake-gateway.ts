// A gateway that is only its control socket: handlers with fixed rows, for the tests of the socket and of the CLI.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NearhopError } from '../../src/base/errors.ts';
import type { Handlers, RequestName, VmRow } from '../../src/gateway/api.ts';
import { REQUEST_NAMES } from '../../src/gateway/api.ts';
import { type ControlServer, openControlSocket } from '../../src/gateway/control-socket.ts';

export interface FakeGateway {
  readonly path: string;
  readonly server: ControlServer;
  /** What handlers threw that is no NearhopError. */
  readonly bugs: unknown[];
  /** Every request that reached a handler, with its parameters. */
  readonly asked: [RequestName, unknown][];
  stop(): Promise<void>;
}

export const VM: VmRow = {
  name: 'web',
  mac: '02:00:00:00:00:0b',
  network: 'green',
  addresses: [{ address: '192.168.10.11', state: 'reported' }],
  location: 'target',
  gatewaySide: 'target',
  state: 'LOCAL_PENDING',
  route: 'injected',
  seq: 1,
  port: 'vm1',
  alarm: '',
  source: 'config',
};

/** Starts it on a socket in a directory of its own. Requests without a handler answer with their parameters. */
export async function startFakeGateway(handlers: Partial<Handlers> = {}): Promise<FakeGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'nearhop-sock-'));
  const path = join(directory, 'esg.sock');
  const bugs: unknown[] = [];
  const asked: [RequestName, unknown][] = [];
  const known = handlers as Record<string, ((params: unknown, call: unknown) => unknown) | undefined>;
  const all = Object.fromEntries(
    REQUEST_NAMES.map((name) => [
      name,
      (params: unknown, call: unknown) => {
        asked.push([name, params]);
        const handler = known[name];
        return handler === undefined ? params : handler(params, call);
      },
    ]),
  );
  const server = await openControlSocket({
    path,
    handlers: all as unknown as Handlers,
    onBug: (error) => bugs.push(error),
  });
  return {
    path,
    server,
    bugs,
    asked,
    async stop() {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export const vmUnknown = (): never => {
  throw new NearhopError('vm-unknown', "no VM 'x'", { hint: 'VMs: web' });
};
