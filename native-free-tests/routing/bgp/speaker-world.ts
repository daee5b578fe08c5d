// Speakers on a network in memory and on virtual time, and a peer that sends what a test likes.

import { createPrng } from '../../../src/base/prng.ts';
import { VirtualTimers } from '../../../src/base/timers.ts';
import { nlriOf } from '../../../src/routing/bgp/nlri.ts';
import { encodeOpen } from '../../../src/routing/bgp/open.ts';
import {
  type BgpPeerOptions,
  type BgpSpeaker,
  type BgpSpeakerOptions,
  createBgpSpeaker,
} from '../../../src/routing/bgp/speaker.ts';
import type { PeerStatus } from '../../../src/routing/bgp/status.ts';
import type { BgpConnection } from '../../../src/routing/bgp/transport.ts';
import { encodeAnnouncements } from '../../../src/routing/bgp/update.ts';
import { MemoryNetwork } from './memory-transport.ts';

export const A = '10.0.0.1';
export const B = '10.0.0.2';
export const VM = 0xc0a80a0b;

export interface Node {
  readonly speaker: BgpSpeaker;
  readonly events: string[];
  readonly connections: BgpConnection[];
  peer(): PeerStatus;
}

export let timers: VirtualTimers;
export let network: MemoryNetwork;

/** Another network without speakers, and another clock. */
export function newWorld(): void {
  timers = new VirtualTimers(1_000_000);
  network = new MemoryNetwork(timers);
}

export const wait = (ms: number): void => timers.advanceTo(timers.nowMs() + ms);

export const node = (
  address: string,
  as: number,
  peer: Partial<BgpPeerOptions> & { address: string; as: number },
  options: Partial<BgpSpeakerOptions> = {},
): Node => {
  const events: string[] = [];
  const connections: BgpConnection[] = [];
  const speaker = createBgpSpeaker({
    as,
    routerId: address === A ? 1 : 2,
    listen: { address },
    peers: [{ name: 'peer', ...peer }],
    events: {
      route: (r) => events.push(`route ${r.prefix}/${r.len} via ${r.nextHop}`),
      withdraw: (w) => events.push(`withdraw ${w.prefix}/${w.len}`),
      session: (s) => events.push(`session ${s.up ? 'up' : `down: ${s.reason}`}`),
    },
    timers,
    transport: network.transport(address, connections),
    random: createPrng(as),
    ...options,
  });
  return { speaker, events, connections, peer: () => speaker.status().peers[0] };
};

export const pair = async (
  toB: Partial<BgpPeerOptions> = {},
  toA: Partial<BgpPeerOptions> = {},
): Promise<[Node, Node]> => {
  const a = node(A, 65001, { address: B, as: 65002, ...toB });
  const b = node(B, 65002, { address: A, as: 65001, ...toA });
  await a.speaker.start();
  await b.speaker.start();
  return [a, b];
};

export const states = (...nodes: Node[]): string[] => nodes.map((n) => n.peer().state);

/** A peer at B that sends what the test likes, and what it heard: types of messages, NOTIFICATIONs with their codes. */
export const rawPeer = (
  from = B,
  to = A,
): { connection: BgpConnection; heard: string[]; send(bytes: Uint8Array): void } => {
  const heard: string[] = [];
  const connection = network.transport(from).connect(
    { address: to, port: 179, localAddress: undefined },
    {
      connected() {},
      data(bytes) {
        heard.push(bytes[18] === 3 ? `3 ${bytes[19]}/${bytes[20]}` : `${bytes[18]}`);
      },
      drain() {},
      closed() {
        heard.push('closed');
      },
    },
  );
  wait(5);
  return {
    connection,
    heard,
    send(bytes) {
      connection.write(bytes);
      wait(5);
    },
  };
};

export const OPEN_B = encodeOpen({
  as: 65002,
  routerId: 2,
  holdSeconds: 90,
  families: ['ipv4'],
  routeRefresh: true,
  extendedMessage: true,
});

export const announcement = (prefix: number, len: number, ases: number[], nextHop = 0x0a000002): Uint8Array =>
  encodeAnnouncements(
    'ipv4',
    [nlriOf(prefix, len)],
    {
      origin: 'igp',
      asPath: [{ type: 'sequence', ases }],
      med: undefined,
      localPref: undefined,
      communities: [],
    },
    nextHop,
    true,
  )[0];
