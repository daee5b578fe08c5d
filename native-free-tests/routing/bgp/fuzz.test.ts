// Bytes that no peer should send: every decoder throws BgpError or nothing, and a speaker answers with a NOTIFICATION or goes
// on. Inputs are random bytes, and good messages with a few bytes changed, cut or added.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../../src/base/timers.ts';
import type { UpdateContext } from '../../../src/routing/bgp/attributes-decode.ts';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { encodeKeepalive, HEADER_LEN } from '../../../src/routing/bgp/message.ts';
import { type Nlri, nlriOf } from '../../../src/routing/bgp/nlri.ts';
import { decodeNotification, encodeCease } from '../../../src/routing/bgp/notification.ts';
import { decodeOpen, encodeOpen } from '../../../src/routing/bgp/open.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from '../../../src/routing/bgp/route-refresh.ts';
import { createBgpSpeaker } from '../../../src/routing/bgp/speaker.ts';
import {
  decodeUpdate,
  encodeAnnouncements,
  encodeEndOfRib,
  encodeWithdraws,
} from '../../../src/routing/bgp/update.ts';
import { message } from './bytes.ts';
import { MemoryNetwork } from './memory-transport.ts';

const OPEN = encodeOpen({
  as: 65002,
  routerId: 2,
  holdSeconds: 90,
  families: ['ipv4', 'ipv6'],
  routeRefresh: true,
  extendedMessage: true,
});
const nlri4 = [nlriOf(0x0a000000, 8), nlriOf(0xc0a80a0b, 32), nlriOf(0, 0)];
const nlri6: Nlri[] = [nlriOf([0x20010db8, 0, 0, 1], 128), nlriOf([0x20010db8, 0, 0, 0], 33)];
const OWN = {
  origin: 'igp',
  asPath: [
    { type: 'sequence', ases: [65002, 65010] },
    { type: 'set', ases: [1, 2] },
  ],
  med: 7,
  localPref: 100,
  communities: [1, 2],
} as const;
const GOOD = [
  OPEN,
  encodeKeepalive(),
  encodeCease(2, 'bye'),
  encodeRouteRefresh('ipv4'),
  ...encodeAnnouncements('ipv4', nlri4, OWN, 0x0a000002, true),
  ...encodeAnnouncements('ipv4', nlri4, OWN, 0x0a000002, false),
  ...encodeAnnouncements('ipv6', nlri6, OWN, [0x20010db8, 0, 0, 2], true),
  ...encodeWithdraws('ipv4', nlri4),
  ...encodeWithdraws('ipv6', nlri6),
  encodeEndOfRib('ipv6'),
];

const edit = fc.record({
  at: fc.nat(),
  byte: fc.integer({ min: 0, max: 255 }),
  how: fc.constantFrom('set', 'set', 'set', 'cut', 'insert'),
});
/** A good message that is not good any more; its header's length is true, so that its body is looked at. */
const mutated = fc
  .tuple(fc.constantFrom(...GOOD), fc.array(edit, { minLength: 1, maxLength: 6 }))
  .map(([good, edits]) => {
    const body = [...good.subarray(HEADER_LEN)];
    for (const { at, byte, how } of edits) {
      const where = at % (body.length + 1);
      if (how === 'set' && where < body.length) body[where] = byte;
      else if (how === 'cut') body.splice(where, 1 + (byte & 3));
      else if (how === 'insert') body.splice(where, 0, byte);
    }
    return { type: good[18], body: Uint8Array.from(body) };
  });
const random = fc.record({
  type: fc.integer({ min: 1, max: 5 }),
  body: fc.uint8Array({ maxLength: 120 }),
});
const MIN_BODY = [0, 10, 4, 2, 0, 4];

const context = fc.record({
  fourOctetAs: fc.boolean(),
  ebgp: fc.boolean(),
  peerAs: fc.constant(65002),
  enforceFirstAs: fc.boolean(),
  families: fc.subarray(['ipv4', 'ipv6'] as const),
});

const decode = (type: number, body: Uint8Array, ctx: UpdateContext): void => {
  if (type === 1) decodeOpen(body);
  else if (type === 2) {
    const update = decodeUpdate(body, ctx);
    const all = [...update.withdrawn, ...update.announced.flatMap((a) => a.nlri)];
    expect(all.length).toBeLessThanOrEqual(2 * body.length);
    expect(all.every((n) => ctx.families.includes(n.family))).toBe(true);
    expect(
      update.announced.length === 0 || update.faults.every((f) => f.action === 'attribute-discard'),
    ).toBe(true);
    for (const { nextHop, nlri } of update.announced) {
      expect(nlri.every((n) => (n.family === 'ipv4') === (typeof nextHop === 'number'))).toBe(true);
    }
  } else if (type === 3) decodeNotification(body);
  else if (type === 5) decodeRouteRefresh(body);
};

describe('the decoders', () => {
  it('throw BgpError or nothing, and find no more prefixes than bytes', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, mutated, random), context, ({ type, body }, ctx) => {
        if (body.length < MIN_BODY[type]) return; // the header's check lets no such message through
        try {
          decode(type, body, ctx);
        } catch (error) {
          if (!(error instanceof BgpError)) throw error;
          expect(error.code).toBeGreaterThan(0);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a speaker', () => {
  const run = async (chunks: readonly Uint8Array[], ready: boolean): Promise<void> => {
    const timers = new VirtualTimers();
    const network = new MemoryNetwork(timers);
    const routes = new Set<string>();
    const speaker = createBgpSpeaker({
      as: 65001,
      routerId: 1,
      listen: { address: '10.0.0.1' },
      peers: [{ name: 'b', address: '10.0.0.2', as: 65002, passive: true, families: ['ipv4', 'ipv6'] }],
      events: {
        route: (r) => void routes.add(`${r.prefix}/${r.len}`),
        withdraw: (w) => void routes.delete(`${w.prefix}/${w.len}`),
        session() {},
      },
      timers,
      transport: network.transport('10.0.0.1'),
    });
    await speaker.start();
    const heard: Uint8Array[] = [];
    let isClosed = false;
    const dial = () =>
      network.transport('10.0.0.2').connect(
        { address: '10.0.0.1', port: 179, localAddress: undefined },
        {
          connected() {},
          data: (bytes) => void heard.push(bytes),
          drain() {},
          closed: () => {
            isClosed = true;
          },
        },
      );
    const wait = (): void => timers.advanceTo(timers.nowMs() + 5);
    const connection = dial();
    wait();
    for (const bytes of ready ? [OPEN, encodeKeepalive(), ...chunks] : chunks) {
      connection.write(bytes);
      wait();
    }
    const status = speaker.status().peers[0];
    expect(routes.size).toBe(status.prefixes.accepted);
    if (isClosed) {
      // Whoever ended it, the reason is known, and it was told unless the peer told it.
      expect(status.lastError).toBeDefined();
      const told = heard.at(-1)?.[18] === 3;
      expect(told || status.counters.endedByPeer === 1).toBe(true);
      expect(routes.size).toBe(0);
    }
    if (!isClosed) connection.destroy();
    wait();
    // The speaker is as good as before.
    const again = dial();
    wait();
    again.write(OPEN);
    again.write(encodeKeepalive());
    wait();
    expect(speaker.status().peers[0].state).toBe('Established');
  };

  const garbage = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.oneof(mutated, random).map(({ type, body }) => message(type, body)),
      fc.constantFrom(...GOOD.slice(3)),
    ),
    { maxLength: 8 },
  );

  it('answers garbage with a NOTIFICATION, loses nothing else, and takes the peer back', async () => {
    await fc.assert(fc.asyncProperty(garbage, fc.boolean(), run), { numRuns: 400 });
  });
});
