// What must hold whatever frames come: nothing throws, the conservation law (checked by the harness), and that no VM ever
// hears of the gateway of the other side.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import {
  arpProbe,
  arpReply,
  arpRequest,
  broadcast,
  gratuitousArp,
  group,
  type Host,
  ip6,
  pattern,
  TCP_SYN,
  tagged,
  tcp,
  udp,
} from './frames.ts';
import type { NetworkOptions } from './harness.ts';
import { ghost, S, server, site, T, vm1, vm2, vm3, vm9 } from './site.ts';

const who = fc.constantFrom<Host>(vm1, vm2, vm3, vm9, ghost, S, T, server);
const whom = fc.oneof(
  { weight: 4, arbitrary: who },
  { weight: 1, arbitrary: fc.constantFrom(broadcast, group('224.0.0.5')) },
);

/** Frames that somebody might send, honest or not: anyone's MAC with anyone's address, to anyone. */
const plausible = fc
  .record({ mac: who, ip: who, to: whom, via: whom, kind: fc.nat(7), len: fc.nat(900), ttl: fc.nat(3) })
  .map(({ mac, ip, to, via, kind, len, ttl }) => {
    const from: Host = { name: 'x', mac: mac.mac, ip: ip.ip };
    const make = [
      () => arpRequest({ from, for: to, ...(len % 2 ? { to: via } : {}) }),
      () => arpReply({ from, to: via }),
      () => gratuitousArp({ from, to: via }),
      () => arpProbe({ from, for: to }),
      () => udp({ from, to, via, ttl, payload: pattern(len) }),
      () => tcp({ from, to, via, flags: TCP_SYN, mss: 1460 }),
      () => ip6({ from, to: via, nextHeader: 59 }),
      () => tagged(udp({ from, to, via }), len % 20),
    ];
    return (make[kind] as () => Uint8Array)();
  });

/** Some of their bytes changed, or cut short, or nothing but noise. */
const mangled = fc
  .tuple(plausible, fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 4 }), fc.nat(120))
  .map(([frame, edits, cut]) => {
    const copy = frame.slice(0, cut < 100 ? frame.length : 14 + (cut - 100) * 3);
    for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
    return copy;
  });

const frame = fc.oneof(plausible, mangled, fc.uint8Array({ maxLength: 100 }));
const port = fc.constantFrom('vm1', 'vm2', 'vm3', 'ghost', 'ext', 'wan');
const arrival = fc.record({ port, frame, vnet: fc.option(fc.uint8Array({ minLength: 10, maxLength: 10 })) });
const options: fc.Arbitrary<Partial<NetworkOptions>> = fc.record({
  stale: fc.constantFrom('intercept' as const, 'bridge' as const, 'drop' as const),
  dropAsymmetric: fc.boolean(),
  mssClamp: fc.boolean(),
  floodPps: fc.constantFrom(0, 3),
  extensionMtu: fc.constantFrom(1500, 600),
  source: fc.constantFrom(S, undefined),
});

interface Heard {
  readonly src: number;
  readonly senderMac: number;
  readonly senderIp: number;
}

const mac48 = (v: DataView, at: number): number => v.getUint16(at) * 2 ** 32 + v.getUint32(at + 2);
const macOf = (h: Host): number => h.mac.hi * 2 ** 32 + h.mac.lo;

/** The VM behind each port: a frame that is unicast to another MAC is flooded there at most, and the VM does not hear it. */
const behind: Record<string, Host> = { vm1, vm2, vm3, ghost };

/** Who a frame says that it is from; senders of ARP are 0 in any other frame. */
function heard(bytes: Uint8Array): Heard {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const arp = bytes.length >= 42 && v.getUint16(12) === 0x0806 && v.getUint16(20) <= 2;
  return { src: mac48(v, 6), senderMac: arp ? mac48(v, 22) : 0, senderIp: arp ? v.getUint32(28) : 0 };
}

const isFor = (f: Uint8Array, vm: Host): boolean =>
  (f[0] as number) % 2 === 1 || mac48(new DataView(f.buffer), 0) === macOf(vm);

describe('any frames at any ports', () => {
  it('keep the gateways apart, and every packet is accounted for', () => {
    fc.assert(
      fc.property(options, fc.array(arrival, { maxLength: 40 }), (o, arrivals) => {
        const w = site(o, { vm1: { offload: true, slots: 64 }, vm3: { mtu: 1000 } });
        for (const a of arrivals) {
          if (a.port === 'vm1' && a.vnet !== null) {
            w.sendOffload(
              'vm1',
              a.vnet,
              a.frame,
              OFFLOAD_VNET | OFFLOAD_CSUM | (a.vnet[1] ? OFFLOAD_GSO : 0),
            );
          } else w.send({ [a.port]: [a.frame] });
          w.clock.advanceTo(w.clock.nowMs() + 50);
          for (const [out, list] of Object.entries(w.taken())) {
            const vm = behind[out];
            for (const h of list.filter((f) => vm === undefined || isFor(f, vm)).map(heard)) {
              if (out === 'ext') {
                // invariant 3, and S15: T-MAC and T's word stay at the target
                expect([h.src, h.senderMac]).not.toContain(macOf(T));
              } else if (out === 'vm1' || out === 'vm2') {
                // S15: a local VM hears no gateway but T
                if (h.senderIp === T.ip) expect(h.senderMac).toBe(macOf(T));
              } else if (out === 'vm3' || out === 'ghost') {
                // S19: a pinned VM does not hear T's ARP
                expect(h.senderMac).not.toBe(macOf(T));
              }
            }
          }
        }
        w.checkConservation();
      }),
      { numRuns: 150 },
    );
  });
});
