// The speaker against real daemons: FRR, BIRD and GoBGP in namespaces of their own, each asked for its own table.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import type { BgpPeerOptions } from '../../src/routing/bgp/speaker.ts';
import type { PeerStatus } from '../../src/routing/bgp/status.ts';
import {
  createBird,
  createFrr,
  createGobgp,
  type DaemonOptions,
  GATEWAY_AS,
  GATEWAY_IP,
  ROUTER_AS,
  ROUTER_IP,
  ROUTER_PREFIX,
  type RouterDaemon,
  type SpeakerProcess,
  startSpeaker,
  until,
} from './bgp-lab.ts';
import { createNetns, describeRoot, type Netns } from './netns.ts';

const DAEMONS: readonly {
  readonly name: string;
  readonly tools: readonly string[];
  readonly create: (options: DaemonOptions) => RouterDaemon;
}[] = [
  { name: 'FRR', tools: ['/usr/lib/frr/bgpd', 'vtysh'], create: createFrr },
  { name: 'BIRD', tools: ['bird', 'birdc'], create: createBird },
  { name: 'GoBGP', tools: ['gobgpd', 'gobgp'], create: createGobgp },
];

const VM = { prefix: parseIpv4('192.168.10.11'), len: 32, communities: [(65002 << 16) | 100] };
const TEN_THOUSAND = { prefix: parseIpv4('10.128.0.0'), len: 32 };

const speakerOptions = (peer: Partial<BgpPeerOptions>, as = GATEWAY_AS) => ({
  as,
  routerId: parseIpv4(GATEWAY_IP),
  listen: { address: '0.0.0.0' },
  peers: [
    {
      name: 'router',
      address: ROUTER_IP,
      as: ROUTER_AS,
      families: ['ipv4', 'ipv6'] as const,
      connectRetrySeconds: 1,
      holdSeconds: 9,
      ...peer,
    },
  ],
});

for (const { name, tools, create } of DAEMONS) {
  describeRoot(`createBgpSpeaker with ${name}`, tools, () => {
    let net: Netns;
    let ns: { router: string; gateway: string };
    let daemon: RouterDaemon;
    let speaker: SpeakerProcess;
    const peer = async (): Promise<PeerStatus> => (await speaker.status()).peers[0];
    const isUp = async (): Promise<boolean> => (await peer()).state === 'Established';
    const has = (prefix: string) => async () => daemon.learned().includes(prefix);
    const hasNot = (prefix: string) => async () => !daemon.learned().includes(prefix);
    const routes = async (): Promise<string[]> => (await speaker.received()).map((r) => r.prefix);

    beforeAll(async () => {
      net = createNetns('nhp-bgp');
      ns = { router: net.ns('r'), gateway: net.ns('g') };
      const router = { ns: ns.router, dev: 'eth0', ip: `${ROUTER_IP}/30` };
      net.veth(router, { ns: ns.gateway, dev: 'eth0', ip: `${GATEWAY_IP}/30` });
      daemon = create({ net, ns: ns.router, passive: true });
      await daemon.start();
      speaker = await startSpeaker(net, ns.gateway, speakerOptions({}));
    });
    afterAll(async () => {
      await daemon?.remove();
      await net?.cleanup();
    });

    test('comes up as the side that connects', async () => {
      await until('established', isUp);
      const status = await peer();
      expect(status.direction).toBe('outgoing');
      expect(status.routerId).toBe(ROUTER_IP);
      expect(status.families).toEqual(['ipv4', 'ipv6']);
    });

    test('an announced /32 stands in the table of the router, and leaves it when it is withdrawn', async () => {
      await speaker.call({ op: 'announce', route: VM });
      await until('learned', has('192.168.10.11/32'));
      expect((await peer()).prefixes.announced).toBe(1);
      await speaker.call({ op: 'withdraw', route: VM });
      await until('gone', hasNot('192.168.10.11/32'));
    });

    test('an announced /128 stands in the BGP table of the router', async () => {
      const route = { prefix: [0x20010db8, 0, 0, 0x11], len: 128, nextHop: [0x20010db8, 0, 0, 1] } as const;
      await speaker.call({ op: 'announce', route });
      await until('learned', has('2001:db8::11/128'));
      await speaker.call({ op: 'withdraw', route });
      await until('gone', hasNot('2001:db8::11/128'));
    });

    test('the routes of the router reach us', async () => {
      await until('received', async () => (await routes()).includes(ROUTER_PREFIX));
      const [row] = await speaker.received();
      expect(row).toMatchObject({ nextHop: ROUTER_IP, asPath: `${ROUTER_AS}` });
      expect(row.refused).toBeUndefined();
    });

    test('both sides can ask for a route refresh', async () => {
      await speaker.call({ op: 'announce', route: VM });
      await until('learned', has('192.168.10.11/32'));
      const before = (await peer()).messages;
      daemon.softIn?.();
      await until('asked', async () => {
        const { received, sent } = (await peer()).messages;
        if (daemon.softIn === undefined) return true;
        return received.routeRefresh > before.received.routeRefresh && sent.update > before.sent.update;
      });
      const updates = (await peer()).messages.received.update;
      expect(await speaker.call({ op: 'refreshIn', peer: 'router' })).toBe(true);
      await until('answered', async () => (await peer()).messages.received.update > updates);
      expect(await isUp()).toBe(true);
      expect(daemon.learned()).toContain('192.168.10.11/32');
    });

    test('a killed router loses its routes here, and a restarted one gets ours again', async () => {
      const heard = speaker.events.length;
      await daemon.kill();
      await until('withdrawn', async () => (await routes()).length === 0);
      const events = speaker.events.slice(heard).map((e) => (e.event === 'session' ? `up ${e.up}` : e.event));
      expect(events).toEqual(['withdraw', 'up false']);
      await daemon.start();
      await until('back', async () => (await isUp()) && (await routes()).includes(ROUTER_PREFIX));
      await until('learned', has('192.168.10.11/32'));
    });

    test('10,000 /32s arrive, and leave', async () => {
      await until('only the VM', async () => daemon.learned().length === 1);
      await speaker.call({ op: 'announce', route: TEN_THOUSAND, count: 10_000 });
      await until('all', async () => daemon.learned().length === 10_001);
      await speaker.call({ op: 'withdraw', route: TEN_THOUSAND, count: 10_000 });
      await until('none', async () => daemon.learned().length === 1);
    });

    test('a killed speaker loses its routes at the router', async () => {
      await speaker.kill();
      await until('gone', hasNot('192.168.10.11/32'));
    });

    test('comes up as the side that is connected to, with a 4-octet AS number', async () => {
      await daemon.remove();
      daemon = create({ net, ns: ns.router, passive: false, gatewayAs: 4_200_000_001 });
      await daemon.start();
      speaker = await startSpeaker(net, ns.gateway, speakerOptions({ passive: true }, 4_200_000_001));
      await until('established', isUp);
      expect((await peer()).direction).toBe('incoming');
      await speaker.call({ op: 'announce', route: VM });
      await until('learned', has('192.168.10.11/32'));
      await speaker.call({ op: 'stop' });
      await until('gone', hasNot('192.168.10.11/32'));
    });
  });
}
