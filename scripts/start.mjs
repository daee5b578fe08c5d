// `npm start`: sets up what is missing, then runs the main job: the ESG lab of the paper, from namespaces with real FRR as
// root, in process otherwise. Arguments after `--` go to `nearhop lab run`.

import { spawnSync } from 'node:child_process';
import { isRoot, root, say, setup } from './setup.mjs';

const missing = setup(['build', 'lab']);
const inProcess =
  !isRoot() || missing.some((p) => ['iproute2', 'iputils-ping', 'frr', 'tcpdump', 'iperf3'].includes(p));
if (inProcess) say(`Running the lab in process: ${isRoot() ? `missing ${missing.join(', ')}` : 'not root'}.`);

const args = [
  'dist/main.mjs',
  'lab',
  'run',
  'lab/esg',
  ...(inProcess ? ['--in-process'] : []),
  ...process.argv.slice(2),
];
const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
