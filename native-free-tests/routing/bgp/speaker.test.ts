// Whole speakers against each other, and against a peer that sends what the test likes, on virtual time.

import { beforeEach, describe, expect, it } from 'vitest';
import { createPrng } from '../../../src/base/prng.ts';
import { VirtualTimers } from '../../../src/base/timers.ts';
import { encodeKeepalive, HEADER_LEN } from '../../../src/routing/bgp/message.ts';
import { nlriOf } from '../../../src/routing/bgp/nlri.ts';
import { encodeNotification } from '../../../src/routing/bgp/notification.ts';
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
import { attribute, message, updateBody } from './bytes.ts';
import { MemoryNetwork } from './memory-transport.ts';

const A = '10.0.0.1';
const B = '10.0.0.2';
const VM = 0xc0a80a0b;

interface Node {
  readonly speaker: BgpSpeaker;
  readonly events: string[];
  readonly connections: BgpConnection[];
  peer(): PeerStatus;
}

let timers: VirtualTimers;
let network: MemoryNetwork;
beforeEach(() => {
  timers = new VirtualTimers(1_000_000);
  network = new MemoryNetwork(timers);
});

const wait = (ms: number): void => timers.advanceTo(timers.nowMs() + ms);

const node = (
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

const pair = async (
  toB: Partial<BgpPeerOptions> = {},
  toA: Partial<BgpPeerOptions> = {},
): Promise<[Node, Node]> => {
  const a = node(A, 65001, { address: B, as: 65002, ...toB });
  const b = node(B, 65002, { address: A, as: 65001, ...toA });
  await a.speaker.start();
  await b.speaker.start();
  return [a, b];
};

const states = (...nodes: Node[]): string[] => nodes.map((n) => n.peer().state);

describe('two speakers', () => {
  it('settle on one connection, the one that the higher BGP Identifier opened (RFC 4271 §6.8)', async () => {
    const [a, b] = await pair();
    wait(100);
    expect(states(a, b)).toEqual(['Established', 'Established']);
    expect([a.peer().direction, b.peer().direction]).toEqual(['incoming', 'outgoing']);
    expect(network.connects).toBe(2);
    wait(600_000);
    expect(network.connects).toBe(2);
    expect([a.peer().counters.established, b.peer().counters.established]).toEqual([1, 1]);
    expect([a.peer().counters.endedByUs, b.peer().counters.endedByPeer]).toEqual([0, 0]);
  });

  it('come up whoever starts how much later', async () => {
    for (const delay of [0, 1, 2, 3, 4, 5, 7, 1000, 5000]) {
      timers = new VirtualTimers(1_000_000);
      network = new MemoryNetwork(timers);
      const a = node(A, 65001, { address: B, as: 65002 });
      const b = node(B, 65002, { address: A, as: 65001 });
      await a.speaker.start();
      wait(delay);
      await b.speaker.start();
      wait(10_000);
      expect(states(a, b)).toEqual(['Established', 'Established']);
    }
  });

  it.each([
    ['a', { passive: true }, {}],
    ['b', {}, { passive: true }],
  ])('come up when %s only waits', async (_name, toB, toA) => {
    const [a, b] = await pair(toB, toA);
    wait(10_000);
    expect(states(a, b)).toEqual(['Established', 'Established']);
  });

  it('tell each other what they announce and withdraw, at once and in few messages', async () => {
    const [a, b] = await pair();
    wait(100);
    a.speaker.announce({ prefix: VM, len: 32, med: 5 });
    wait(2);
    expect(b.events).toEqual(['session up', `route ${VM}/32 via ${0x0a000001}`]);
    for (let i = 0; i < 10_000; i++) a.speaker.announce({ prefix: 0x0b000000 + i, len: 32 });
    wait(50);
    expect(b.peer().prefixes).toMatchObject({ received: 10_001, accepted: 10_001 });
    expect(b.peer().messages.received.update).toBeLessThan(20);
    for (let i = 0; i < 10_000; i++) a.speaker.withdraw(0x0b000000 + i, 32);
    a.speaker.withdraw(0x0c000000, 32);
    wait(50);
    expect(b.peer().prefixes.received).toBe(1);
    expect(a.peer().prefixes.announced).toBe(1);
    expect(b.speaker.received()).toMatchObject([
      {
        prefix: '192.168.10.11/32',
        nextHop: A,
        asPath: '65001',
        origin: 'igp',
        med: 5,
        localPref: undefined,
      },
    ]);
    expect(a.speaker.advertised()).toMatchObject([{ prefix: '192.168.10.11/32', nextHop: A }]);
  });

  it('say nothing twice: the same announcement again, or one taken back before it left', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    const before = b.peer().messages.received.update;
    a.speaker.announce({ prefix: VM, len: 32 });
    a.speaker.announce({ prefix: VM + 1, len: 32 });
    a.speaker.withdraw(VM + 1, 32);
    wait(100);
    expect(b.peer().messages.received.update).toBe(before);
  });

  it('replace a route whose attributes change', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    a.speaker.announce({ prefix: VM, len: 32, nextHop: 0x0a000009, communities: [(65001 << 16) | 7] });
    wait(10);
    expect(b.events.at(-1)).toBe(`route ${VM}/32 via ${0x0a000009}`);
    expect(b.speaker.received()[0].communities).toEqual(['65001:7']);
  });

  it('withdraw all of a peer whose session ends, and have it again after', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    b.events.length = 0;
    a.speaker.reset('peer', 'new policy');
    wait(5);
    const reason = 'peer: Cease/Administrative Reset "new policy"';
    expect(b.events).toEqual([`withdraw ${VM}/32`, `session down: ${reason}`]);
    expect(b.peer().lastError?.text).toBe(reason);
    wait(5000);
    expect(b.events.slice(2)).toEqual(['session up', `route ${VM}/32 via ${0x0a000001}`]);
  });

  it('find out about a dead link by the hold timer, and come back when it lives', async () => {
    const [a, b] = await pair({ holdSeconds: 9 }, { holdSeconds: 9 });
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    network.dead.add(A);
    wait(9000);
    expect(b.events.slice(-2)).toEqual([`withdraw ${VM}/32`, 'session down: us: Hold Timer Expired']);
    network.dead.delete(A);
    wait(15_000);
    expect(states(a, b)).toEqual(['Established', 'Established']);
    expect(b.events.at(-1)).toBe(`route ${VM}/32 via ${0x0a000001}`);
  });

  it('refresh in both directions without a needless event (RFC 2918)', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    b.events.length = 0;
    const before = b.peer().messages.received.update;
    expect(b.speaker.refreshIn('peer')).toBe(true);
    wait(10);
    expect(a.peer().messages.received.routeRefresh).toBe(1);
    expect(b.peer().messages.received.update).toBe(before + 1);
    a.speaker.refreshOut('peer');
    wait(10);
    expect(b.peer().messages.received.update).toBe(before + 2);
    expect(b.events).toEqual([]);
  });

  it('a withdrawal right after a refresh is not lost', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    a.speaker.refreshOut('peer');
    a.speaker.withdraw(VM, 32);
    wait(10);
    expect(b.peer().prefixes.received).toBe(0);
  });

  it('a peer that does not read costs one list entry a prefix, and hears the latest when it reads', async () => {
    const [a, b] = await pair();
    wait(100);
    network.stalled.add(B);
    for (let i = 0; i < 30_000; i++) a.speaker.announce({ prefix: 0x0b000000 + i, len: 32 });
    wait(1000);
    const queued = (): number => Math.max(...a.connections.map((c) => c.queuedBytes));
    expect(queued()).toBeLessThan(64_000);
    expect(a.peer().outQueue).toBeGreaterThan(15_000);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 30_000; i++) a.speaker.announce({ prefix: 0x0b000000 + i, len: 32, med: round });
      wait(10);
    }
    expect(a.peer().outQueue).toBe(30_000);
    expect(queued()).toBeLessThan(64_000);
    network.resume(B, a.connections);
    wait(2000);
    expect(b.peer().prefixes.received).toBe(30_000);
    expect(new Set(b.speaker.received().map((r) => r.med))).toEqual(new Set([3]));
    expect(a.peer().outQueue).toBe(0);
  });

  it('stop with Cease/Administrative Shutdown and leave no timer behind', async () => {
    const [a, b] = await pair();
    wait(100);
    await a.speaker.stop('bye');
    await b.speaker.stop();
    expect(a.peer()).toMatchObject({ state: 'Idle', idleReason: 'stopped' });
    wait(10);
    expect(timers.pending).toBe(0);
    expect(a.events.at(-1)).toBe('session down: operator: Cease/Administrative Shutdown');
  });

  it('carry IPv6, with an own next hop', async () => {
    const families = ['ipv4', 'ipv6'] as const;
    const [a, b] = await pair({ families }, { families });
    wait(100);
    a.speaker.announce({ prefix: [0x20010db8, 0, 0, 1], len: 128, nextHop: [0x20010db8, 0, 0, 2] });
    a.speaker.announce({ prefix: [0x20010db8, 0, 0, 9], len: 128 });
    wait(10);
    // The second one has no next hop that an IPv4 session could tell.
    expect(b.speaker.received().map((r) => `${r.prefix} ${r.nextHop}`)).toEqual([
      '2001:db8::1/128 2001:db8::2',
    ]);
    a.speaker.withdraw([0x20010db8, 0, 0, 1], 128);
    wait(10);
    expect(b.speaker.received()).toEqual([]);
  });

  it('iBGP: an empty path, LOCAL_PREF 100 unless told otherwise (RFC 4271 §5.1.2, §5.1.5)', async () => {
    const a = node(A, 65001, { address: B, as: 65001 });
    const b = node(B, 65001, { address: A, as: 65001 });
    a.speaker.announce({ prefix: VM, len: 32 });
    a.speaker.announce({ prefix: VM + 1, len: 32, localPref: 300 });
    await a.speaker.start();
    await b.speaker.start();
    wait(1000);
    expect(b.speaker.received()).toMatchObject([
      { asPath: '', localPref: 100, refused: undefined },
      { asPath: '', localPref: 300, refused: undefined },
    ]);
    expect(b.peer().ebgp).toBe(false);
  });

  it('never announce a route to the peer that is its next hop (RFC 4271 §5.1.3)', async () => {
    const [a, b] = await pair();
    a.speaker.announce({ prefix: VM, len: 32, nextHop: 0x0a000002 });
    wait(100);
    expect([a.peer().prefixes.announced, b.peer().prefixes.received]).toEqual([0, 0]);
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(10);
    expect(b.peer().prefixes.received).toBe(1);
    a.speaker.announce({ prefix: VM, len: 32, nextHop: 0x0a000002 });
    wait(10);
    expect(b.peer().prefixes.received).toBe(0);
  });

  it('are no transit: what one peer announces, no other hears', async () => {
    const C = '10.0.0.3';
    const [a, b] = await pair();
    const c = createBgpSpeaker({
      as: 65003,
      routerId: 3,
      listen: { address: C },
      peers: [
        { name: 'a', address: A, as: 65001 },
        { name: 'b', address: B, as: 65002 },
      ],
      events: { route() {}, withdraw() {}, session() {} },
      timers,
      transport: network.transport(C),
      random: () => 0,
    });
    await c.start();
    a.speaker.announce({ prefix: VM, len: 32 });
    wait(100);
    expect(b.peer().messages.sent.update).toBe(0);
    expect(c.status().peers.map((p) => p.messages.sent.update)).toEqual([0, 0]);
  });
});

/** A peer at B that sends what the test likes, and what it heard: types of messages, NOTIFICATIONs with their codes. */
const rawPeer = (
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

const OPEN_B = encodeOpen({
  as: 65002,
  routerId: 2,
  holdSeconds: 90,
  families: ['ipv4'],
  routeRefresh: true,
  extendedMessage: true,
});

const announcement = (prefix: number, len: number, ases: number[], nextHop = 0x0a000002): Uint8Array =>
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

describe('a speaker and a peer of any kind', () => {
  const victim = async (peer: Partial<BgpPeerOptions> = {}): Promise<Node> => {
    const a = node(A, 65001, { address: B, as: 65002, passive: true, ...peer });
    await a.speaker.start();
    return a;
  };
  const established = async (peer: Partial<BgpPeerOptions> = {}) => {
    const a = await victim(peer);
    const raw = rawPeer();
    raw.send(OPEN_B);
    raw.send(encodeKeepalive());
    expect(a.peer().state).toBe('Established');
    return { a, raw };
  };

  it('refuses a connection from an address that is no peer', async () => {
    const a = await victim();
    const heard: string[] = [];
    network.transport('10.0.0.66').connect(
      { address: A, port: 179, localAddress: undefined },
      {
        connected() {},
        data: (bytes) => void heard.push(`${bytes[19]}/${bytes[20]}`),
        drain() {},
        closed: () => void heard.push('closed'),
      },
    );
    wait(10);
    expect(heard).toEqual(['6/5', 'closed']);
    expect(a.speaker.status().unknownPeerConnections).toBe(1);
  });

  it('knows a peer by any text of its address', async () => {
    const a = node('2001:db8::1', 65001, { address: '2001:DB8:0::2', as: 65002, passive: true });
    await a.speaker.start();
    const raw = rawPeer('2001:db8::2', '2001:db8::1');
    raw.send(OPEN_B);
    raw.send(encodeKeepalive());
    expect(a.peer()).toMatchObject({ state: 'Established', address: '2001:db8::2' });
  });

  it('stops its own attempts when the connection of the peer became the session', async () => {
    const a = node(A, 65001, { address: B, as: 65002 });
    await a.speaker.start();
    wait(100);
    const raw = rawPeer();
    raw.send(OPEN_B);
    raw.send(encodeKeepalive());
    expect(a.peer()).toMatchObject({ state: 'Established', direction: 'incoming' });
    const connects = network.connects;
    wait(60_000);
    expect(network.connects).toBe(connects);
  });

  it('reads nothing of what follows the message that ended the session', async () => {
    const { a, raw } = await established();
    raw.send(Buffer.concat([OPEN_B, encodeNotification(6, 2), encodeKeepalive()]));
    expect(a.peer().counters).toMatchObject({ endedByUs: 1, endedByPeer: 0 });
    expect(a.peer().messages.received).toMatchObject({ open: 2, notification: 0, keepalive: 1 });
  });

  it('keeps an established session when the same peer connects again', async () => {
    const { a } = await established();
    const second = rawPeer();
    wait(5);
    expect(second.heard).toEqual(['3 6/7', 'closed']);
    expect(a.peer()).toMatchObject({ state: 'Established', counters: { connectionsRefused: 1 } });
  });

  it('lets a second connection replace one that said nothing', async () => {
    const a = await victim();
    const first = rawPeer();
    const second = rawPeer();
    expect(first.heard).toEqual(['1', '3 6/7', 'closed']);
    second.send(OPEN_B);
    second.send(encodeKeepalive());
    expect(a.peer().state).toBe('Established');
  });

  it.each([
    ['a marker that is broken', new Uint8Array(19), '3 1/1'],
    ['a message of type 9', message(9, new Uint8Array(0)), '3 1/3'],
    ['an UPDATE with a bad prefix', message(2, updateBody('21 0000000000', '', '')), '3 3/10'],
    ['a second OPEN', OPEN_B, '3 5/3'],
  ])(
    'answers %s with its NOTIFICATION and forgets the routes of that peer',
    async (_name, bytes, expected) => {
      const { a, raw } = await established();
      raw.send(announcement(VM, 32, [65002]));
      expect(a.events.at(-1)).toBe(`route ${VM}/32 via ${0x0a000002}`);
      raw.send(bytes);
      expect(raw.heard.slice(-2)).toEqual([expected, 'closed']);
      expect(a.peer()).toMatchObject({ state: 'Active', counters: { endedByUs: 1, dropped: 1 } });
      expect(a.events.slice(-2)[0]).toBe(`withdraw ${VM}/32`);
      // Nothing is lost beyond that: the peer may come back at once.
      const again = rawPeer();
      again.send(OPEN_B);
      again.send(encodeKeepalive());
      expect(a.peer().state).toBe('Established');
    },
  );

  it('takes back the prefixes of an UPDATE with a bad attribute, and goes on (RFC 7606)', async () => {
    const { a, raw } = await established();
    raw.send(announcement(VM, 32, [65002]));
    const bad =
      attribute(0x40, 1, '09') + attribute(0x40, 2, '02010000fdea') + attribute(0x40, 3, '0a000002');
    raw.send(message(2, updateBody('', bad, '20c0a80a0b')));
    expect(a.events.at(-1)).toBe(`withdraw ${VM}/32`);
    expect(a.peer()).toMatchObject({ state: 'Established', counters: { updatesTreatedAsWithdraw: 1 } });
  });

  it.each([
    ['our own AS in the path', announcement(VM, 32, [65002, 65001]), 'our own AS'],
    ['our own address as next hop', announcement(VM, 32, [65002], 0x0a000001), 'our own address'],
    ['a multicast next hop', announcement(VM, 32, [65002], 0xe0000001), 'no unicast address'],
    ['a loopback prefix', announcement(0x7f000001, 32, [65002]), 'no unicast prefix'],
    ['a multicast prefix', announcement(0xe0000000, 4, [65002]), 'no unicast prefix'],
  ])('does not use a route with %s, but shows it', async (_name, bytes, reason) => {
    const { a, raw } = await established();
    raw.send(bytes);
    expect(a.events).toEqual(['session up']);
    expect(a.peer().prefixes).toMatchObject({ received: 1, accepted: 0 });
    expect(a.speaker.received('peer')[0].refused).toContain(reason);
  });

  it('takes a good route away when a bad one replaces it', async () => {
    const { a, raw } = await established();
    raw.send(announcement(VM, 32, [65002]));
    raw.send(announcement(VM, 32, [65002, 65001]));
    expect(a.events.at(-1)).toBe(`withdraw ${VM}/32`);
    expect(a.peer().prefixes).toMatchObject({ received: 1, accepted: 0 });
    raw.send(announcement(VM, 32, [65002]));
    expect(a.events.at(-1)).toBe(`route ${VM}/32 via ${0x0a000002}`);
  });

  it.each([
    ['a default route', 0, 0],
    ['an aggregate that covers 0/8', 0, 5],
    ['an aggregate that covers multicast', 0x80000000, 1],
  ])('takes %s', async (_name, prefix, len) => {
    const { a, raw } = await established();
    raw.send(announcement(prefix, len, [65002]));
    expect(a.events.at(-1)).toBe(`route ${prefix}/${len} via ${0x0a000002}`);
  });

  it('logs a failure once, and keeps its reason', async () => {
    const warned: string[] = [];
    const log = { info() {}, warn: (fields: object) => void warned.push(JSON.stringify(fields)) };
    const a = node(A, 65001, { address: B, as: 65002 }, { log });
    await a.speaker.start();
    wait(60_000);
    expect(warned).toEqual([`{"peer":"peer","address":"${B}","reason":"connect: ECONNREFUSED (connect)"}`]);
    network.dead.add(B);
    wait(60_000);
    expect(warned).toHaveLength(2);
    expect(a.peer()).toMatchObject({ lastError: { text: 'connect: no answer' } });
    expect(a.peer().counters.connectsFailed).toBeGreaterThan(15);
  });

  it('shuts a peer out that goes over its limit, for five minutes or until it is reset (RFC 4486 §4)', async () => {
    const { a, raw } = await established({ maxPrefixes: 2 });
    for (let i = 0; i < 3; i++) raw.send(announcement(VM + i, 32, [65002]));
    expect(raw.heard.slice(-2)).toEqual(['3 6/1', 'closed']);
    expect(a.peer()).toMatchObject({ state: 'Idle', idleReason: 'max-prefixes', prefixes: { received: 0 } });
    expect(a.events.filter((e) => e.startsWith('withdraw'))).toHaveLength(3);
    const soon = rawPeer();
    expect(soon.heard).toEqual(['3 6/5', 'closed']);
    a.speaker.reset('peer');
    expect(rawPeer().heard).toEqual(['1']);
    wait(300_000);
    expect(a.peer().idleReason).toBeUndefined();
  });

  it('waits longer after each session that fails, up to a minute', async () => {
    const a = node(A, 65001, { address: B, as: 65009 });
    const b = node(B, 65002, { address: A, as: 65001, passive: true });
    await b.speaker.start();
    await a.speaker.start();
    wait(600_000);
    // 1, 2, 4, 8, 16, 32, then 60 seconds: about 14 attempts in ten minutes, not 600.
    expect(network.connects).toBeGreaterThan(10);
    expect(network.connects).toBeLessThan(24);
    expect(a.peer().lastError?.text).toContain('Bad Peer AS');
  });

  it('hears nothing from a peer that sent a NOTIFICATION, and says why', async () => {
    const { a, raw } = await established();
    raw.send(encodeNotification(6, 3));
    expect(a.peer()).toMatchObject({
      state: 'Active',
      lastError: { text: 'peer: Cease/Peer De-configured' },
      counters: { endedByPeer: 1 },
    });
    expect(raw.heard.at(-1)).toBe('closed');
  });

  it('sends the End-of-RIB marker to a peer that knows graceful restart (RFC 4724 §2)', async () => {
    const a = await victim();
    a.speaker.announce({ prefix: VM, len: 32 });
    const raw = rawPeer();
    const open = Buffer.concat([OPEN_B, Uint8Array.of(2, 4, 64, 2, 0, 0)]);
    open[17] += 6;
    open[28] += 6;
    raw.send(open);
    raw.send(encodeKeepalive());
    expect(raw.heard).toEqual(['1', '4', '2', '2']);
    raw.send(message(2, new Uint8Array(4)));
    expect(a.peer().endOfRib).toEqual(['ipv4']);
  });

  it('takes an extended message once both sides announced them (RFC 8654)', async () => {
    const { a, raw } = await established();
    const nlri = Array.from({ length: 2000 }, (_, i) => nlriOf(VM + i, 32));
    const prefixes = nlri.map((n) => `20${n.prefix.toString(16)}`).join('');
    const good =
      attribute(0x40, 1, '00') + attribute(0x40, 2, '02010000fdea') + attribute(0x40, 3, '0a000002');
    const bytes = message(2, updateBody('', good, prefixes));
    expect(bytes.length).toBeGreaterThan(4096 + HEADER_LEN);
    raw.send(bytes);
    expect(a.peer().prefixes.accepted).toBe(2000);
  });
});

describe('createBgpSpeaker', () => {
  const options = (
    changes: Partial<BgpSpeakerOptions>,
    peer: Partial<BgpPeerOptions> = {},
  ): BgpSpeakerOptions => ({
    as: 65001,
    routerId: 1,
    peers: [{ name: 'b', address: B, as: 65002, ...peer }],
    events: { route() {}, withdraw() {}, session() {} },
    ...changes,
  });

  it.each([
    ['AS 0', options({ as: 0 })],
    ['router id 0', options({ routerId: 0 })],
    ['a peer without an address', options({}, { address: 'router' })],
    ['a hold time of 2 s', options({}, { holdSeconds: 2 })],
    ['a hold time of half a second', options({}, { holdSeconds: 3.5 })],
    ['AS 4294967295 for a peer', options({}, { as: 0xffffffff })],
    [
      'one address twice',
      options({
        peers: [
          { name: 'x', address: '2001:db8::1', as: 1 },
          { name: 'y', address: '2001:DB8:0::1', as: 1 },
        ],
      }),
    ],
    ['one name twice', options({ peers: [B, A].map((address) => ({ name: 'x', address, as: 1 })) })],
  ])('refuses %s', (_name, bad) => {
    expect(() => createBgpSpeaker(bad)).toThrow(expect.objectContaining({ code: 'bgp-config-invalid' }));
  });

  it('names the peers it has when asked for another', () => {
    const error = { code: 'bgp-peer-unknown', hint: 'peers are: b' };
    expect(() => createBgpSpeaker(options({})).received('c')).toThrow(expect.objectContaining(error));
  });

  it('refuses announcements that no message could carry', () => {
    const speaker = createBgpSpeaker(options({}));
    const invalid = expect.objectContaining({ code: 'bgp-announcement-invalid' });
    expect(() => speaker.announce({ prefix: VM, len: 33 })).toThrow(invalid);
    expect(() => speaker.announce({ prefix: VM, len: 32, communities: new Array(256).fill(1) })).toThrow(
      invalid,
    );
    expect(() => speaker.announce({ prefix: [0, 0, 0, 0], len: 129 })).toThrow(invalid);
  });
});
