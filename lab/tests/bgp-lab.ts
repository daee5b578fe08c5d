// The BGP tests' cast: our speaker in a namespace, and FRR, BIRD and GoBGP as its peers, each behind the same few verbs.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BgpSpeakerOptions } from '../../src/routing/bgp/speaker.ts';
import type { BgpRouteRow, SpeakerStatus } from '../../src/routing/bgp/status.ts';
import type { DriverCommand } from './bgp-driver.ts';
import type { LabProcess, Netns } from './netns.ts';

export const ROUTER_IP = '10.0.0.1';
export const GATEWAY_IP = '10.0.0.2';
export const ROUTER_AS = 65001;
export const GATEWAY_AS = 65002;
/** What every daemon announces to us. */
export const ROUTER_PREFIX = '198.51.100.0/24';

/** Calls `probe` until it returns true; throws with its last answer when `timeoutMs` pass before. */
export async function until(
  what: string,
  probe: () => Promise<boolean>,
  timeoutMs = 30_000,
): Promise<number> {
  const startMs = performance.now();
  while (!(await probe())) {
    if (performance.now() - startMs > timeoutMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 25));
  }
  return performance.now() - startMs;
}

export interface DriverEvent {
  readonly event: 'started' | 'route' | 'withdraw' | 'session';
  readonly prefix?: number;
  readonly len?: number;
  readonly up?: boolean;
  readonly path?: { readonly asPath: readonly { readonly ases: readonly number[] }[] };
}

export interface SpeakerProcess {
  readonly events: DriverEvent[];
  call(command: DriverCommand): Promise<unknown>;
  status(): Promise<SpeakerStatus>;
  received(): Promise<BgpRouteRow[]>;
  kill(): Promise<void>;
}

/** Starts the driver in `ns` and resolves when the speaker runs. */
export async function startSpeaker(
  net: Netns,
  ns: string,
  options: Omit<BgpSpeakerOptions, 'events'>,
): Promise<SpeakerProcess> {
  const script = fileURLToPath(new URL('./bgp-driver.ts', import.meta.url));
  const argv = [process.execPath, '--import', 'tsx', script, JSON.stringify(options)];
  const proc = net.spawn(ns, argv);
  const events: DriverEvent[] = [];
  const waiting = new Map<number, (result: unknown) => void>();
  let rest = '';
  proc.child.stdout?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as DriverEvent | { reply: number; result: unknown };
      if ('event' in message) events.push(message);
      else waiting.get(message.reply)?.(message.result);
    }
  });
  await proc.waitFor(/"started"/, 20_000);
  let id = 0;
  const call = (command: DriverCommand): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.set(++id, resolve);
      proc.child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
      void proc.exited().then((code) => reject(new Error(`the driver ended (${code}):\n${proc.output()}`)));
    });
  return {
    events,
    call,
    status: async () => (await call({ op: 'status' })) as SpeakerStatus,
    received: async () => (await call({ op: 'received' })) as BgpRouteRow[],
    kill: async () => {
      process.kill(-proc.pid, 'SIGKILL');
      await proc.exited();
    },
  };
}

/** A routing daemon that runs in a namespace, with our gateway as its neighbor. */
export interface RouterDaemon {
  start(): Promise<void>;
  /** As a crash: no NOTIFICATION is sent. */
  kill(): Promise<void>;
  /** Prefixes that it has from us in its own table, IPv4 and IPv6. */
  learned(): string[];
  /** Asks us for all routes once more; undefined for a daemon that cannot. */
  readonly softIn: (() => void) | undefined;
  remove(): Promise<void>;
}

export interface DaemonOptions {
  readonly net: Netns;
  readonly ns: string;
  /** The daemon only accepts. */
  readonly passive: boolean;
  readonly gatewayAs?: number;
}

const killAll = async (processes: LabProcess[]): Promise<void> => {
  for (const p of processes) {
    try {
      process.kill(-p.pid, 'SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
  await Promise.all(processes.splice(0).map((p) => p.exited()));
};

/** Waits until the daemon answers: `ask` throws as long as it does not. */
const answers = async (name: string, daemon: LabProcess, ask: () => unknown): Promise<void> => {
  let isOver = false;
  void daemon.exited().then(() => {
    isOver = true;
  });
  await until(`${name} answers`, async () => {
    if (isOver) throw new Error(`${name} ended:\n${daemon.output()}`);
    try {
      ask();
      return true;
    } catch {
      return false;
    }
  });
};

/** FRR: zebra and bgpd from /usr/lib/frr, configured through vtysh. */
export function createFrr({ net, ns, passive, gatewayAs = GATEWAY_AS }: DaemonOptions): RouterDaemon {
  const runDir = `/var/run/frr/${ns}`;
  const etcDir = `/etc/frr/${ns}`;
  const processes: LabProcess[] = [];
  for (const dir of [runDir, etcDir]) mkdirSync(dir, { recursive: true });
  writeFileSync(`${etcDir}/vtysh.conf`, '');
  writeFileSync(
    `${etcDir}/frr.conf`,
    `ip route ${ROUTER_PREFIX} blackhole
router bgp ${ROUTER_AS}
 bgp router-id ${ROUTER_IP}
 no bgp ebgp-requires-policy
 neighbor ${GATEWAY_IP} remote-as ${gatewayAs}
 neighbor ${GATEWAY_IP} timers connect 1
 ${passive ? `neighbor ${GATEWAY_IP} passive` : ''}
 address-family ipv4 unicast
  network ${ROUTER_PREFIX}
 exit-address-family
 address-family ipv6 unicast
  neighbor ${GATEWAY_IP} activate
 exit-address-family
`,
  );
  execFileSync('chown', ['-R', 'frr:frr', runDir, etcDir]);
  const vtysh = (command: string): string => net.exec(ns, ['vtysh', '-N', ns, '-c', command]);
  return {
    async start() {
      for (const daemon of ['zebra', 'staticd', 'bgpd']) {
        const where = ['--vty_socket', runDir, '-i', `${runDir}/${daemon}.pid`, '-z', `${runDir}/zserv.api`];
        const process = net.spawn(ns, [`/usr/lib/frr/${daemon}`, '-N', ns, ...where, '-P', '0']);
        processes.push(process);
        await answers(daemon, process, () =>
          net.exec(ns, ['vtysh', '-N', ns, '-d', daemon, '-c', 'show version']),
        );
      }
      net.exec(ns, ['vtysh', '-N', ns, '-f', `${etcDir}/frr.conf`]);
    },
    kill: () => killAll(processes),
    learned: () =>
      ['ip', 'ipv6'].flatMap((ip) => {
        const table = JSON.parse(vtysh(`show ${ip} route bgp json`) || '{}') as Record<string, unknown[]>;
        const rib = JSON.parse(vtysh(`show bgp ${ip === 'ip' ? 'ipv4' : 'ipv6'} unicast json`) || '{}') as {
          routes?: Record<string, { path?: string }[]>;
        };
        // IPv6 next hops are not resolved in a namespace without IPv6, so there the BGP table is what counts.
        const own = Object.entries(rib.routes ?? {}).filter(([, paths]) => paths[0]?.path !== '');
        return ip === 'ip' ? Object.keys(table) : own.map(([prefix]) => prefix);
      }),
    softIn: () => void vtysh(`clear bgp ipv4 unicast ${GATEWAY_IP} soft in`),
    async remove() {
      await killAll(processes);
      for (const dir of [runDir, etcDir]) rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function createBird({ net, ns, passive, gatewayAs = GATEWAY_AS }: DaemonOptions): RouterDaemon {
  const dir = mkdtempSync(join(tmpdir(), 'nhp-bird-'));
  const processes: LabProcess[] = [];
  writeFileSync(
    `${dir}/bird.conf`,
    `router id ${ROUTER_IP};
protocol device {}
protocol direct { ipv4; }
protocol static { ipv4; route ${ROUTER_PREFIX} blackhole; }
protocol bgp nearhop {
  local ${ROUTER_IP} as ${ROUTER_AS};
  neighbor ${GATEWAY_IP} as ${gatewayAs};
  passive ${passive ? 'yes' : 'no'};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export none; gateway recursive; };
}
`,
  );
  const birdc = (command: string): string =>
    net.exec(ns, ['birdc', '-s', `${dir}/ctl`, ...command.split(' ')]);
  return {
    async start() {
      const files = ['-c', `${dir}/bird.conf`, '-s', `${dir}/ctl`, '-P', `${dir}/pid`];
      const process = net.spawn(ns, ['bird', '-f', ...files]);
      processes.push(process);
      await answers('bird', process, () => birdc('show status'));
    },
    kill: () => killAll(processes),
    learned: () =>
      [...birdc('show route all protocol nearhop').matchAll(/^([0-9a-f.:]+\/\d+)/gm)].map((m) => m[1]),
    softIn: () => void birdc('reload in nearhop'),
    async remove() {
      await killAll(processes);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function createGobgp({ net, ns, passive, gatewayAs = GATEWAY_AS }: DaemonOptions): RouterDaemon {
  const dir = mkdtempSync(join(tmpdir(), 'nhp-gobgp-'));
  const processes: LabProcess[] = [];
  writeFileSync(
    `${dir}/gobgpd.toml`,
    `[global.config]
as = ${ROUTER_AS}
router-id = "${ROUTER_IP}"
[[neighbors]]
[neighbors.config]
neighbor-address = "${GATEWAY_IP}"
peer-as = ${gatewayAs}
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.transport.config]
passive-mode = ${passive}
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv6-unicast"
`,
  );
  const gobgp = (command: string): string => net.exec(ns, ['gobgp', ...command.split(' ')]);
  const rib = (family: string): string[] => {
    const table = JSON.parse(gobgp(`global rib -a ${family} -j`)) as Record<string, unknown>;
    return Object.keys(table).filter((prefix) => prefix !== ROUTER_PREFIX);
  };
  return {
    async start() {
      const args = ['-f', `${dir}/gobgpd.toml`, '--api-hosts', '127.0.0.1:50051', '--pprof-disable'];
      const process = net.spawn(ns, ['gobgpd', ...args]);
      processes.push(process);
      await answers('gobgpd', process, () => gobgp(`global rib add ${ROUTER_PREFIX}`));
    },
    kill: () => killAll(processes),
    learned: () => [...rib('ipv4'), ...rib('ipv6')],
    // It keeps what it was told and looks there: it never asks.
    softIn: undefined,
    async remove() {
      await killAll(processes);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
