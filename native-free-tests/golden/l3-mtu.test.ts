// Packets that are larger than the egress MTU: frag-needed with DF, fragments without, and GSO frames by their segments.

import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { checksum, pseudoSum4 } from '../../src/base/checksum.ts';
import { IPPROTO_UDP, IPV4_DF, ipv4Check, ipv4FlagsFrag, ipv4TotalLen } from '../../src/wire/ipv4.ts';
import { icmpEcho, pattern, tcp, udp } from './frames.ts';
import { frames, type World } from './harness.ts';
import { by, edge, far, greenT, icmpError, l3Site, lan, server, vm1, wan } from './l3-site.ts';

/** The site with a lan that takes 600-byte packets; VMs may send offloaded frames. */
const narrow = (lanOffload = false): World =>
  l3Site({
    routed: [
      { name: 'lan', self: lan, address: '10.20.0.1/24', mtu: 600 },
      { name: 'wan', self: wan, address: '172.16.0.2/30' },
      { name: 'edge', self: edge, address: '203.0.113.2/30' },
    ],
    ports: { vm1: { offload: true }, lan: { offload: lanOffload } },
  });

/** Puts the IPv4 fragments of one packet together again; checks each. */
function reassemble(list: Uint8Array[], mtu: number): Uint8Array {
  const parts = list.map((frame) => {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const body = ipv4Check(view, 14, frame.length - 14);
    expect(body).toBeGreaterThan(0);
    expect(ipv4TotalLen(view, 14)).toBeLessThanOrEqual(mtu);
    const word = ipv4FlagsFrag(view, 14);
    return {
      at: (word & 0x1fff) * 8,
      more: (word & 0x2000) !== 0,
      data: frame.slice(body, 14 + ipv4TotalLen(view, 14)),
    };
  });
  const whole: number[] = [];
  parts.forEach((p, k) => {
    expect(p.at, 'no gap').toBe(whole.length);
    expect(p.more).toBe(k < parts.length - 1);
    whole.push(...p.data);
  });
  return Uint8Array.from(whole);
}

const vnet = (
  flags: number,
  gsoType: number,
  hdrLen: number,
  gsoSize: number,
  start: number,
  offset: number,
) => {
  const u8 = new Uint8Array(10);
  const view = new DataView(u8.buffer);
  u8[0] = flags;
  u8[1] = gsoType;
  [hdrLen, gsoSize, start, offset].forEach((v, k) => {
    view.setUint16(2 + 2 * k, v, true);
  });
  return u8;
};

describe('larger than the egress MTU', () => {
  it('with DF: frag-needed with the next-hop MTU (RFC 1191 §4), nothing goes out', () => {
    const about = udp({ from: vm1, to: server, via: greenT, payload: pattern(573), flagsFrag: IPV4_DF });
    const w = narrow().send({ vm1: [about] });
    const error = icmpError({ from: greenT, to: vm1, type: 3, code: 4, mtu: 600, about });
    expect(w.sent()).toEqual(frames({ vm1: [error] }));
    expect(w.counted()).toEqual({ 'ip4-frag-needed': 1 });
  });

  it('that fits exactly goes on, with DF', () => {
    const w = narrow();
    w.send({ vm1: [udp({ from: vm1, to: server, via: greenT, payload: pattern(572), flagsFrag: IPV4_DF })] });
    expect(w.taken().lan.map((f) => f.length)).toEqual([614]);
  });

  it('without DF: fragments that put together are the packet', () => {
    const packet = udp({ from: vm1, to: server, via: greenT, payload: pattern(1400) });
    const w = narrow().send({ vm1: [packet] });
    const { lan: list } = w.taken();
    expect(list.map((f) => f.length)).toEqual([610, 610, 14 + 20 + 1408 - 2 * 576]);
    expect(reassemble(list, 600)).toEqual(packet.slice(34));
    expect(w.counted()).toEqual({ 'ip4-fragmented': 1 });
    expect(w.total('replicated')).toBe(3);
  });

  it('an echo reply of the gateway that is too long is cut as well', () => {
    const w = narrow();
    w.send({ lan: [icmpEcho({ from: server, to: lan, payload: pattern(1000) })] });
    const reply = icmpEcho({ from: lan, to: server, payload: pattern(1000), reply: true });
    expect(reassemble(w.taken().lan, 600)).toEqual(reply.slice(34));
  });

  it('a partial checksum is complete before the packet is cut', () => {
    const frame = udp({ from: vm1, to: server, via: greenT, payload: pattern(1000), partial: true });
    const w = narrow(true);
    w.sendOffload('vm1', vnet(1, 0, 0, 0, 34, 6), frame, OFFLOAD_VNET | OFFLOAD_CSUM);
    const datagram = reassemble(w.taken().lan, 600);
    const view = new DataView(datagram.buffer);
    const pseudo = pseudoSum4(vm1.ip, server.ip, IPPROTO_UDP, datagram.length);
    expect(checksum(view, 0, datagram.length, pseudo)).toBe(0);
  });
});

describe('GSO frames', () => {
  const gso = (size: number, flagsFrag: number) => ({
    header: vnet(1, 1, 54, size, 34, 16),
    frame: tcp({ from: vm1, to: server, via: greenT, payload: pattern(3000), flagsFrag, partial: true }),
    bits: OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO,
  });

  it('whose segments fit go on whole, though the frame is larger than the MTU', () => {
    const w = narrow(true);
    const { header, frame, bits } = gso(560, IPV4_DF);
    w.sendOffload('vm1', header, frame, bits);
    const expected = tcp({
      from: by(vm1, lan),
      to: server,
      payload: pattern(3000),
      flagsFrag: IPV4_DF,
      partial: true,
      ttl: 63,
    });
    expect(w.sent()).toEqual(frames({ lan: [expected] }));
    expect(w.counted()).toEqual({});
  });

  it('whose segments do not fit, with DF: frag-needed', () => {
    const w = narrow(true);
    const { header, frame, bits } = gso(561, IPV4_DF);
    w.sendOffload('vm1', header, frame, bits);
    const error = icmpError({ from: greenT, to: vm1, type: 3, code: 4, mtu: 600, about: frame });
    expect(w.sent()).toEqual(frames({ vm1: [error] }));
    expect(w.counted()).toEqual({ 'ip4-frag-needed': 1 });
  });

  it('whose segments do not fit, without DF: the segments that the sender meant, each in fragments', () => {
    const w = narrow(true);
    const { header, frame, bits } = gso(1400, 0);
    w.sendOffload('vm1', header, frame, bits);
    const { lan: list } = w.taken();
    const byId = new Map<number, Uint8Array[]>();
    for (const f of list) {
      const id = new DataView(f.buffer, f.byteOffset).getUint16(18);
      byId.set(id, [...(byId.get(id) ?? []), f]);
    }
    const segments = [...byId.values()].map((fragments) => reassemble(fragments, 600));
    expect(segments.map((s) => s.length - 20)).toEqual([1400, 1400, 200]);
    const expected = [0, 1, 2].map((k) =>
      tcp({
        from: by(vm1, lan),
        to: server,
        seq: 1000 + 1400 * k,
        payload: pattern(3000).slice(1400 * k, 1400 * (k + 1)),
      }).slice(34),
    );
    expect(segments).toEqual(expected);
    expect(w.counted()).toEqual({ 'ip4-fragmented': 3 });
  });

  it('whose headers make no sense cannot be cut, and end', () => {
    const w = narrow(true);
    const { frame, bits } = gso(1400, 0);
    w.sendOffload('vm1', vnet(1, 5, 54, 1400, 34, 16), frame, bits);
    expect(w.counted()).toEqual({ 'ip4-unfragmentable': 1 });
    expect(w.sent()).toEqual({});
  });

  it('TTL, rewrite and route are those of any packet, over a port that takes them whole', () => {
    const w = l3Site({ ports: { vm1: { offload: true }, edge: { offload: true } } });
    const frame = tcp({ from: vm1, to: far, via: greenT, payload: pattern(9000), partial: true });
    w.sendOffload('vm1', vnet(1, 1, 54, 1448, 34, 16), frame, OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
    expect(w.taken().edge.map((f) => [f.length, f[22]])).toEqual([[9054, 63]]);
  });
});
