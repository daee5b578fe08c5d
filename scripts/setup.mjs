// Sets up a clone: Debian packages (as root on Debian), npm packages, the build. Plain JavaScript without dependencies,
// because nothing is installed yet when it runs. Every step says what it does and does nothing when nothing is needed.
//
//   NEARHOP_NO_APT=1   never install Debian packages; say which are missing instead

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Debian packages by what needs them. `probe`: a file that the package installs. */
const PACKAGES = {
  build: [
    { name: 'g++', probe: '/usr/bin/g++', why: 'builds the npm packages cap and raw-socket' },
    { name: 'make', probe: '/usr/bin/make', why: 'builds the npm packages cap and raw-socket' },
    { name: 'python3', probe: '/usr/bin/python3', why: 'builds the npm packages cap and raw-socket' },
    { name: 'libpcap-dev', probe: '/usr/include/pcap.h', why: 'builds the npm package cap' },
  ],
  lab: [
    { name: 'iproute2', probe: '/usr/sbin/tc', why: 'namespaces, links and bridges of the lab' },
    { name: 'iputils-ping', probe: '/usr/bin/ping', why: "the lab's hosts ping" },
    { name: 'frr', probe: '/usr/lib/frr/bgpd', why: "the lab's source router" },
    { name: 'tcpdump', probe: '/usr/bin/tcpdump', why: "counts packets on the lab's links" },
    { name: 'iperf3', probe: '/usr/bin/iperf3', why: "the lab's TCP and UDP flows" },
  ],
  test: [
    { name: 'bird2', probe: '/usr/sbin/bird', why: 'a BGP peer of the tests' },
    { name: 'gobgpd', probe: '/usr/bin/gobgpd', why: 'a BGP peer of the tests' },
    { name: 'tshark', probe: '/usr/bin/tshark', why: 'reads the captures that the tests write' },
    { name: 'ethtool', probe: '/usr/sbin/ethtool', why: 'the tests look at offloads' },
    { name: 'socat', probe: '/usr/bin/socat', why: 'the tests send files' },
  ],
};

/** @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`);

export const isRoot = () => process.getuid?.() === 0;

/**
 * Runs a command with its output shown.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  return result.status ?? 1;
}

/**
 * Installs the missing Debian packages of the groups, or says which are missing. Returns the names still missing.
 * @param {(keyof typeof PACKAGES)[]} groups
 */
export function ensureDebian(groups) {
  const missing = () => groups.flatMap((g) => PACKAGES[g]).filter((p) => !existsSync(p.probe));
  const wanted = missing();
  if (wanted.length === 0) return [];
  const list = wanted.map((p) => `  ${p.name.padEnd(14)} ${p.why}`).join('\n');
  const names = wanted.map((p) => p.name);
  const byHand = `apt-get install --no-install-recommends ${names.join(' ')}`;
  if (process.env.NEARHOP_NO_APT || !isRoot() || !existsSync('/usr/bin/apt-get')) {
    const why = process.env.NEARHOP_NO_APT
      ? 'NEARHOP_NO_APT is set'
      : isRoot()
        ? 'no apt-get here'
        : 'not root';
    say(
      `Debian packages that are missing (${why}, so nothing is installed; going on without):\n${list}\n  ${byHand}`,
    );
    return names;
  }
  say(`Installing Debian packages (NEARHOP_NO_APT=1 turns this off):\n${list}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['-qq', 'install', '-y', '--no-install-recommends', ...names];
  const quiet = (/** @type {string[]} */ args) =>
    spawnSync('apt-get', args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 2] }).status;
  if (quiet(['-qq', 'update']) !== 0 || quiet(install) !== 0) say(`apt-get failed; by hand: ${byHand}`);
  return missing().map((p) => p.name);
}

/** Installs the npm packages when they are missing or older than the lock file. */
export function ensureNpm() {
  const stamp = join(root, 'node_modules/.package-lock.json');
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs)
    return;
  say('Installing npm packages (npm ci)');
  if (run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']) !== 0) {
    say('npm ci failed: see above. Nearhop needs its npm packages; nothing else was done.');
    process.exit(1);
  }
}

/** @param {string} dir @returns {number} the newest modification time below a folder */
const newest = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).reduce(
    (max, entry) => Math.max(max, statSync(join(entry.parentPath, entry.name)).mtimeMs),
    0,
  );

/** Builds dist/ when a source is newer. */
export function ensureBuild() {
  const bundle = join(root, 'dist/main.mjs');
  if (existsSync(bundle) && statSync(bundle).mtimeMs > newest(join(root, 'src'))) return;
  say('Building dist/ (npm run build)');
  if (run('npm', ['run', '--silent', 'build'], { NODE_NO_WARNINGS: '1' }) !== 0) {
    say('The build failed: see above.');
    process.exit(1);
  }
}

/**
 * All of it. Returns the Debian packages that are still missing.
 * @param {(keyof typeof PACKAGES)[]} groups
 */
export function setup(groups) {
  const missing = ensureDebian(groups);
  ensureNpm();
  ensureBuild();
  return missing;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup(['build', 'lab', 'test']);
