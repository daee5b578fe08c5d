// Two workers: what the carrier sends itself, what it hands over, and that a flow keeps its order whoever of the two is faster.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { ipv4RefreshChecksum } from '../../src/wire/ipv4.ts';
import { arpReply, arpRequest, gratuitousArp, type Host, host, tcp, udp, withMac } from '../golden/frames.ts';
import { left, right, router, type Sent, sender, server, TwoWorkers } from './two-workers-site.ts';

const otherRouter = withMac(router, '02:00:80:00:02:03');
const thirdRouter = host('thirdRouter', '02:00:00:00:04:02', '198.18.2.2');
const third = host('third', '02:00:00:00:04:01', '198.18.2.1');
const elsewhere = host('elsewhere', '02:00:00:00:03:03', '198.51.100.1');

function resolved(): TwoWorkers {
  const w = new TwoWorkers();
  w.inject('owner', 'right', arpReply({ from: router, to: right }));
  w.inject('owner', 'third', arpReply({ from: thirdRouter, to: third }));
  w.settle();
  w.taken();
  return w;
}

const FLOW_AT = 36; // UDP destination port
/** Packet `seq` of a flow: of a sender of its own, with its number in the payload. */
function packet(
  flow: number,
  seq: number,
  more: { to?: Host; ttl?: number; options?: boolean } = {},
): Uint8Array {
  const payload = new Uint8Array(26);
  new DataView(payload.buffer).setUint32(0, seq);
  const from = { ...sender, ip: sender.ip + flow };
  const plain = udp({
    from,
    to: more.to ?? server,
    via: left,
    ttl: more.ttl ?? 64,
    dport: 5000 + flow,
    payload,
  });
  if (more.options !== true) return plain;
  const frame = new Uint8Array(plain.length + 4);
  frame.set(plain.subarray(0, 34));
  frame.fill(1, 34, 38); // no-operation
  frame.set(plain.subarray(34), 38);
  frame[14]++;
  frame[17] += 4;
  ipv4RefreshChecksum(new DataView(frame.buffer), 14);
  return frame;
}

/** Flow and number of a packet of `packet` that left; undefined for anything else. */
function numbered({ bytes }: Sent): { flow: number; seq: number; mac: string } | undefined {
  if (bytes[12] !== 8 || bytes[13] !== 0 || bytes[23] !== 17) return undefined;
  const skip = ((bytes[14] & 15) - 5) * 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset + skip);
  const mac = Buffer.from(bytes.subarray(0, 6)).toString('hex');
  return { flow: view.getUint16(FLOW_AT) - 5000, seq: view.getUint32(42), mac };
}

const sentBy = (w: TwoWorkers): string[] => w.taken().map((s) => `${s.by} ${s.port}`);

describe('Carrier', () => {
  it('sends the common packet as the owner would, byte by byte', () => {
    const w = resolved();
    w.inject('carrier', 'left', packet(0, 1));
    w.inject('owner', 'left', packet(0, 1));
    w.settle();
    const [one, other] = w.taken();
    expect([one.by, other.by]).toEqual(['carrier', 'owner']);
    expect(Buffer.from(one.bytes).equals(Buffer.from(other.bytes))).toBe(true);
    expect(w.counted(1).totals).toMatchObject({ received: 1, sent: 1, queued: 0 });
  });

  it('hands over what the fast path leaves, and the sum of the counters keeps the law', () => {
    const w = resolved();
    w.inject('carrier', 'left', packet(0, 1, { ttl: 1 }));
    w.inject('carrier', 'left', arpRequest({ from: sender, for: left }));
    w.runCarrier();
    expect(w.counted(1)).toMatchObject({ totals: { received: 2, sent: 0, queued: 2 }, imbalance: 0 });
    expect(w.all()).toMatchObject({ totals: { queued: 2 }, imbalance: 0 });
    w.runOwner();
    expect(w.all()).toMatchObject({ totals: { queued: 0 }, imbalance: 0 });
    expect(w.all().reasons).toMatchObject({ 'ip4-ttl-expired': 1, 'arp-answered': 1 });
    expect(sentBy(w)).toEqual(['owner left', 'owner left']);
  });

  it('hands over what leaves by a port that it has not opened', () => {
    const w = resolved();
    w.inject('carrier', 'left', packet(0, 1, { to: elsewhere }));
    w.settle();
    expect(sentBy(w)).toEqual(['owner third']);
  });

  it('hands the virtio header over with the packet', () => {
    const w = resolved();
    const frame = tcp({ from: sender, to: elsewhere, via: left, partial: true });
    const vnet = Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 16, 0); // csum_start 34, csum_offset 16
    w.inject('carrier', 'left', frame, OFFLOAD_VNET | OFFLOAD_CSUM, vnet);
    w.settle();
    const [{ by, offload }] = w.taken();
    expect([by, offload]).toEqual(['owner', OFFLOAD_VNET | OFFLOAD_CSUM]);
  });

  it('sends packets of other flows past one that the owner has', () => {
    const w = resolved();
    w.inject('carrier', 'left', packet(0, 1, { options: true }));
    w.inject('carrier', 'left', packet(1, 1));
    w.runCarrier();
    expect(sentBy(w)).toEqual(['carrier right']);
  });

  it('sends a flow by the owner until the owner has finished its round, then itself again', () => {
    const w = resolved();
    w.inject('carrier', 'left', packet(0, 1, { options: true }));
    w.inject('carrier', 'left', packet(0, 2));
    w.runCarrier();
    w.inject('carrier', 'left', packet(0, 3));
    w.runCarrier();
    expect(sentBy(w)).toEqual([]);
    w.runOwner();
    expect(w.taken().map((s) => numbered(s)?.seq)).toEqual([1, 2, 3]);
    w.inject('carrier', 'left', packet(0, 4));
    w.runCarrier();
    expect(sentBy(w)).toEqual(['carrier right']);
  });

  it('sends by a neighbor that answers when those who waited for it have left', () => {
    const w = new TwoWorkers();
    w.inject('carrier', 'left', packet(0, 1));
    w.settle();
    w.inject('owner', 'right', arpReply({ from: router, to: right }));
    w.inject('carrier', 'left', packet(0, 2));
    w.meanwhile = () => void w.runCarrier();
    w.runOwner();
    w.meanwhile = () => {};
    w.settle();
    const sent = w.taken().map((s) => numbered(s)?.seq);
    expect(sent.filter((seq) => seq !== undefined)).toEqual([1, 2]);
  });

  it('hands all packets over while packets are traced', () => {
    const w = resolved();
    w.trace(true);
    w.inject('carrier', 'left', packet(0, 1));
    w.settle();
    w.trace(false);
    w.inject('carrier', 'left', packet(0, 2));
    w.settle();
    expect(sentBy(w)).toEqual(['owner right', 'carrier right']);
  });

  it('drops as handover-full what the ring has no room for', () => {
    const w = resolved();
    const batches = 140; // of 250 records of 256 bytes: more than the 8 MiB of the ring
    for (let n = 0; n < batches; n++) {
      for (let k = 0; k < 250; k++) w.inject('carrier', 'left', packet(k % 7, k, { options: true }));
      w.runCarrier();
    }
    const { totals, reasons, imbalance } = w.counted(1);
    expect(imbalance).toBe(0);
    expect(reasons['handover-full']).toBeGreaterThan(0);
    expect(totals.queued + totals.dropped).toBe(batches * 250);
    w.settle();
    expect(w.all()).toMatchObject({ totals: { queued: 0 }, imbalance: 0 });
  });

  it('wakes an owner that sleeps, once', () => {
    const w = resolved();
    expect(w.armed()).toBe(true);
    w.inject('carrier', 'left', packet(0, 1, { ttl: 1 }));
    w.runCarrier();
    w.inject('carrier', 'left', packet(0, 2, { ttl: 1 }));
    w.runCarrier();
    expect(w.wakes).toBe(1);
    expect(w.armed()).toBe(false);
  });

  it('counts the use of a neighbor, so that the owner keeps it', () => {
    const w = resolved();
    const adj = w.plane.shared.adjacencies.nextHop.indexOf(router.ip);
    w.inject('carrier', 'left', packet(0, 1));
    w.inject('owner', 'left', packet(0, 2));
    w.settle();
    expect(w.plane.shared.adjacencies.allPackets(adj)).toBe(2);
    w.wait(31_000);
    w.settle(); // stale
    const state = () => w.plane.neighbors?.list().find((n) => n.ip === router.ip)?.state;
    expect(state()).toBe('STALE');
    w.inject('carrier', 'left', packet(0, 3));
    w.runCarrier();
    w.wait(200);
    w.settle();
    expect(state()).toBe('DELAY');
  });
});

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('rx' as const),
      flow: fc.nat(3),
      kind: fc.constantFrom('plain', 'plain', 'plain', 'plain', 'options', 'ttl1', 'third'),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'carrier' as const }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('owner' as const), carrierToo: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('arp' as const), from: fc.constantFrom(router, otherRouter) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trace' as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(10, 150, 1100) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'forget' as const }) },
);

describe('two workers', () => {
  it('keep the order of each flow, whatever the neighbor and the other worker do meanwhile', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const w = new TwoWorkers(64);
        const macs = [router, otherRouter, thirdRouter].map(
          ({ mac }) => mac.hi.toString(16).padStart(4, '0') + mac.lo.toString(16).padStart(8, '0'),
        );
        const seqs = [0, 0, 0, 0];
        for (const s of steps) {
          if (s.do === 'rx') {
            const more = {
              ...{ plain: {}, options: { options: true }, ttl1: { ttl: 1 }, third: { to: elsewhere } }[
                s.kind
              ],
            };
            w.inject('carrier', 'left', packet(s.flow, ++seqs[s.flow], more));
          } else if (s.do === 'carrier') w.runCarrier();
          else if (s.do === 'owner') {
            if (s.carrierToo) w.meanwhile = () => void w.runCarrier();
            w.runOwner();
            w.meanwhile = () => {};
          } else if (s.do === 'arp') {
            // which of the workers hears of it is the kernel's choice
            w.inject('carrier', 'right', gratuitousArp({ from: s.from }));
            w.inject('owner', 'right', arpReply({ from: s.from, to: right }));
          } else if (s.do === 'trace') w.trace(s.on);
          else if (s.do === 'wait') w.wait(s.ms);
          else w.forget();
        }
        w.settle();
        const last = new Map<string, number>();
        for (const sent of w.taken()) {
          const n = numbered(sent);
          if (n === undefined) continue;
          const flow = `${sent.port} ${n.flow}`;
          expect(n.seq, flow).toBeGreaterThan(last.get(flow) ?? 0);
          last.set(flow, n.seq);
          expect(macs).toContain(n.mac);
        }
        expect([w.all().imbalance, w.counted(0).imbalance, w.counted(1).imbalance]).toEqual([0, 0, 0]);
        expect(w.counted(1).totals.received).toBe(w.counted(1).totals.sent + w.counted(1).totals.queued);
      }),
      { numRuns: 60 },
    );
  });
});
