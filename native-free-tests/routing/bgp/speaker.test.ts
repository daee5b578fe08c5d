// Whole speakers against each other, on virtual time.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  type BgpPeerOptions,
  type BgpSpeakerOptions,
  createBgpSpeaker,
} from '../../../src/routing/bgp/speaker.ts';
import { A, B, network, newWorld, node, pair, states, timers, VM, wait } from './speaker-world.ts';

beforeEach(newWorld);

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
      newWorld();
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
