// FRR in a namespace: Debian's daemons with a path space of their own (-N), so that they meet no FRR of the host.

import { chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NearhopError } from '../base/errors.ts';
import { must, run } from './shell.ts';
import type { LabNode } from './topology.ts';

const DAEMON_DIR = '/usr/lib/frr';

/** Folders that FRR's daemons of this namespace use; `lab down` removes them. */
export const frrFolders = (ns: string): string[] => [`/etc/frr/${ns}`, `/var/run/frr/${ns}`];

/** Starts the daemons that the node's `daemons` file turns on, and loads its `frr.conf`. */
export async function startFrr(node: LabNode, ns: string): Promise<void> {
  if (!existsSync(`${DAEMON_DIR}/zebra`)) {
    throw new NearhopError('frr-missing', `node ${node.name} is FRR, which is not installed`, {
      hint: 'apt-get install frr',
    });
  }
  const [uid, gid] = await frrIds();
  for (const dir of frrFolders(ns)) {
    mkdirSync(dir, { recursive: true });
    chownSync(dir, uid, gid);
  }
  const [config, run_] = frrFolders(ns);
  const daemonsFile = node.binds.get('/etc/frr/daemons');
  const confFile = node.binds.get('/etc/frr/frr.conf');
  if (daemonsFile === undefined || confFile === undefined) {
    throw new NearhopError(
      'lab-invalid',
      `FRR node ${node.name} needs binds of /etc/frr/daemons and /etc/frr/frr.conf`,
    );
  }
  copyFileSync(confFile, `${config}/frr.conf`);
  writeFileSync(`${config}/vtysh.conf`, ''); // without it vtysh complains whenever somebody looks
  const wanted = [...readFileSync(daemonsFile, 'utf8').matchAll(/^(\w+)=yes$/gm)]
    .map((m) => m[1] ?? '')
    .filter((d) => d !== 'vtysh_enable' && d !== 'zebra');
  for (const daemon of ['zebra', ...wanted]) {
    const own = [
      '-d',
      '-N',
      ns,
      '--vty_socket',
      run_,
      '-i',
      `${run_}/${daemon}.pid`,
      '-z',
      `${run_}/zserv.api`,
      '-P',
      '0',
    ];
    await must(['ip', 'netns', 'exec', ns, `${DAEMON_DIR}/${daemon}`, ...own]);
  }
  // The daemons open their sockets a moment after they have gone into the background.
  for (let tries = 0; ; tries++) {
    const loaded = await run(['vtysh', '-N', ns, '-f', `${config}/frr.conf`]);
    if (loaded.status === 0) return;
    if (tries === 20) {
      throw new NearhopError(
        'frr-config-refused',
        `vtysh refused ${confFile}: ${loaded.stderr || loaded.stdout}`.trim(),
      );
    }
    await sleep(100);
  }
}

/** What `vtysh -c` of the node says. */
export const vtysh = (ns: string, ...commands: string[]): Promise<string> =>
  must(['vtysh', '-N', ns, ...commands.flatMap((c) => ['-c', c])]);

async function frrIds(): Promise<[number, number]> {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((l) => l.startsWith('frr:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new NearhopError('frr-missing', 'there is no user frr');
  return [Number(uid), Number(gid)];
}
