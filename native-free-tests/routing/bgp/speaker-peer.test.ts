// A whole speaker against a peer that sends what the test likes, on virtual time.

import { beforeEach, describe, expect, it } from 'vitest';
import { encodeKeepalive, HEADER_LEN } from '../../../src/routing/bgp/message.ts';
import { nlriOf } from '../../../src/routing/bgp/nlri.ts';
import { encodeNotification } from '../../../src/routing/bgp/notification.ts';
import type { BgpPeerOptions } from '../../../src/routing/bgp/speaker.ts';
import { attribute, message, updateBody } from './bytes.ts';
import {
  A,
  announcement,
  B,
  type Node,
  network,
  newWorld,
  node,
  OPEN_B,
  rawPeer,
  VM,
  wait,
} from './speaker-world.ts';

beforeEach(newWorld);

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
