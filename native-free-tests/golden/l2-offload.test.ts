// Frames whose checksums and cutting their sender left to the hardware, on their way through the bridge.

import { describe, expect, it } from 'vitest';
import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import {
  VNET_GSO_NONE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  VNET_LEN,
  VNET_NEEDS_CSUM,
  vnetEmit,
} from '../../src/wire/virtio-net.ts';
import { pattern, tagged, tcp, tcp6, udp } from './frames.ts';
import { frames, type PortOptions, type World } from './harness.ts';
import { router, S, server, site, vm1, vm2, vm3, vm9, wan } from './site.ts';

const PSH_ACK = 0x18;
const ACK = 0x10;

/** A virtio header; csum_start counts from the frame's first byte. */
function vnet(
  flags: number,
  type: number,
  hdrLen: number,
  size: number,
  start: number,
  offset: number,
): Uint8Array {
  const u8 = new Uint8Array(VNET_LEN);
  vnetEmit(new DataView(u8.buffer), VNET_LEN, flags, type, hdrLen, size, start, offset);
  return u8;
}

const partialTcp = vnet(VNET_NEEDS_CSUM, VNET_GSO_NONE, 0, 0, 34, 16);
const partialUdp = vnet(VNET_NEEDS_CSUM, VNET_GSO_NONE, 0, 0, 34, 6);
const gsoTcp = (size: number, start = 34): Uint8Array =>
  vnet(VNET_NEEDS_CSUM, VNET_GSO_TCPV4, start + 20, size, start, 16);
const CSUM = OFFLOAD_VNET | OFFLOAD_CSUM;
const GSO = CSUM | OFFLOAD_GSO;

/** The segments that a GSO frame of `payload` stands for. */
const segments = (
  payload: Uint8Array,
  size: number,
  o: { from?: typeof vm1; to?: typeof vm9 } = {},
): Uint8Array[] =>
  Array.from({ length: Math.ceil(payload.length / size) }, (_, k) =>
    tcp({
      from: o.from ?? vm1,
      to: o.to ?? vm9,
      id: 1 + k,
      seq: 1000 + k * size,
      flags: (k + 1) * size < payload.length ? ACK : PSH_ACK,
      payload: payload.slice(k * size, (k + 1) * size),
    }),
  );

const offloading = { ext: { offload: true }, vm1: { offload: true }, vm2: { offload: true } };

describe('partial checksums', () => {
  it('are finished for a port that takes plain frames', () => {
    const w = site({}, { vm1: { offload: true } });
    w.sendOffload('vm1', partialTcp, tcp({ from: vm1, to: vm2, payload: pattern(33), partial: true }), CSUM);
    w.sendOffload('vm1', partialUdp, udp({ from: vm1, to: vm9, partial: true }), CSUM);
    expect(w.sent()).toEqual(
      frames({
        vm2: [tcp({ from: vm1, to: vm2, payload: pattern(33) })],
        ext: [udp({ from: vm1, to: vm9 })],
      }),
    );
  });

  it('go on as they are to a port that takes them', () => {
    const frame = tcp({ from: vm1, to: vm2, payload: pattern(33), partial: true });
    const w = site({}, offloading).sendOffload('vm1', partialTcp, frame, CSUM);
    expect(w.port('vm2').take()).toEqual({ bytes: frame, offload: CSUM, vnet: partialTcp });
  });

  it('are finished in each flooded copy, and not twice', () => {
    const lost = { ...vm9, mac: { hi: 0x0200, lo: 0x0afe } };
    const w = site({}, { vm1: { offload: true } });
    w.sendOffload('vm1', partialUdp, udp({ from: vm1, to: lost, partial: true }), CSUM);
    const whole = udp({ from: vm1, to: lost });
    expect(w.sent()).toEqual(frames({ vm2: [whole], vm3: [whole], ghost: [whole], ext: [whole] }));
  });

  it('do not cover the MSS that is clamped', () => {
    const syn = (mss: number, partial: boolean): Uint8Array =>
      tcp({ from: vm1, to: vm9, flags: 2, mss, partial });
    const w = site({ extensionMtu: 1400, mssClamp: true }, { vm1: { offload: true } });
    w.sendOffload('vm1', partialTcp, syn(1460, true), CSUM);
    expect(w.sent()).toEqual(frames({ ext: [syn(1360, false)] }));
  });
});

describe('GSO frames', () => {
  const payload = pattern(4000);
  const big = tcp({ from: vm1, to: vm9, flags: PSH_ACK, payload, partial: true });

  it('are cut for a port that takes plain frames', () => {
    const w = site({}, { vm1: { offload: true } }).sendOffload('vm1', gsoTcp(1448), big, GSO);
    expect(w.sent()).toEqual(frames({ ext: segments(payload, 1448) }));
    expect(w.total('replicated')).toBe(2);
    expect(w.ifaceCounter('ext', 'txPackets')).toBe(3);
  });

  it('go on whole to a port that takes them', () => {
    const w = site({}, offloading).sendOffload('vm1', gsoTcp(1448), big, GSO);
    expect(w.port('ext').take()).toEqual({ bytes: big, offload: GSO, vnet: gsoTcp(1448) });
    expect(w.total('sent')).toBe(1);
  });

  it('of UDP are cut into datagrams (USO)', () => {
    const frame = udp({ from: vm1, to: vm9, payload: pattern(2500), partial: true });
    const w = site({}, { vm1: { offload: true } });
    w.sendOffload('vm1', vnet(VNET_NEEDS_CSUM, VNET_GSO_UDP_L4, 42, 1000, 34, 6), frame, GSO);
    const piece = (k: number): Uint8Array =>
      udp({ from: vm1, to: vm9, id: 1 + k, payload: pattern(2500).slice(k * 1000, (k + 1) * 1000) });
    expect(w.sent()).toEqual(frames({ ext: [piece(0), piece(1), piece(2)] }));
  });

  it('of TCP over IPv6 go whole to a port that takes them, and are cut for another one', () => {
    const header = vnet(VNET_NEEDS_CSUM, VNET_GSO_TCPV6, 74, 1428, 54, 16);
    const segment = (start: number, end: number, flags: number): Uint8Array =>
      tcp6({ from: vm1, to: vm9, seq: 1000 + start, flags, payload: payload.slice(start, end) });
    const whole = tcp6({ from: vm1, to: vm9, seq: 1000, flags: PSH_ACK, payload, partial: true });
    const taking = site({}, offloading).sendOffload('vm1', header, whole, GSO);
    expect(taking.port('ext').take()).toEqual({ bytes: whole, offload: GSO, vnet: header });
    const plain = site({}, { vm1: { offload: true } }).sendOffload('vm1', header, whole, GSO);
    const expected = [segment(0, 1428, ACK), segment(1428, 2856, ACK), segment(2856, 4000, PSH_ACK)];
    expect(plain.sent()).toEqual(frames({ ext: expected }));
  });

  it('count by their segments at the MTU of the extension', () => {
    const w = site({ extensionMtu: 1400 }, { vm1: { offload: true } });
    w.sendOffload('vm1', gsoTcp(1360), big, GSO);
    expect(w.sent()).toEqual(frames({ ext: segments(payload, 1360) }));
    w.sendOffload('vm1', gsoTcp(1361), big, GSO);
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'extension-oversize': 1 });
  });

  it("count by their segments at the port's MTU", () => {
    const w = site({}, { ...offloading, vm2: { offload: true, mtu: 1400 }, vm3: { mtu: 1400 } });
    const to2 = tcp({ from: vm1, to: vm2, payload, partial: true });
    const to3 = tcp({ from: vm1, to: vm3, payload, partial: true });
    w.sendOffload('vm1', gsoTcp(1448), to2, GSO).sendOffload('vm1', gsoTcp(1448), to3, GSO);
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'tx-oversize': 2 });
  });

  it('more segments than a batch has slots: all are sent, in order', () => {
    const w = site({}, { vm1: { offload: true, slots: 64 }, ext: { slots: 4096 } });
    const long = pattern(60_000);
    for (let k = 0; k < 60; k++) {
      const frame = tcp({
        from: vm1,
        to: vm9,
        flags: PSH_ACK,
        payload: long,
        partial: true,
        seq: 1000 + k * 60_000,
      });
      const u8 = new Uint8Array([...gsoTcp(1448), ...frame]);
      w.port('vm1').inject(u8, new DataView(u8.buffer), VNET_LEN, frame.length, GSO);
    }
    w.send({});
    const sent = w.taken()['ext'] ?? [];
    expect(sent).toHaveLength(60 * 42);
    let next = 1000;
    for (const f of sent) {
      const view = new DataView(f.buffer);
      expect(view.getUint32(38)).toBe(next >>> 0);
      next += view.getUint16(16) - 40;
    }
    expect(next).toBe(1000 + 60 * 60_000);
  });

  it('between plain frames keep the order of the port', () => {
    const w = site({}, { vm1: { offload: true } });
    const before = udp({ from: vm1, to: vm9, id: 7 });
    const after = udp({ from: vm1, to: vm9, id: 9 });
    w.port('vm1').injectFrame(before);
    const u8 = new Uint8Array([...gsoTcp(1448), ...big]);
    w.port('vm1').inject(u8, new DataView(u8.buffer), VNET_LEN, big.length, GSO);
    w.port('vm1').injectFrame(after);
    w.send({});
    expect(w.sent()).toEqual(frames({ ext: [before, ...segments(payload, 1448), after] }));
  });

  it('are routed at T whole, and cut at the end', () => {
    const via = { ...vm1, mac: wan.mac };
    const w = site({ stale: 'intercept' }, { vm1: { offload: true } });
    const out = tcp({ from: vm1, to: server, via: S, flags: PSH_ACK, payload, partial: true });
    w.sendOffload('vm1', gsoTcp(1448), out, GSO);
    const expected = Array.from({ length: 3 }, (_, k) =>
      tcp({
        from: via,
        to: server,
        via: router,
        ttl: 63,
        id: 1 + k,
        seq: 1000 + k * 1448,
        flags: k < 2 ? ACK : PSH_ACK,
        payload: payload.slice(k * 1448, (k + 1) * 1448),
      }),
    );
    expect(w.sent()).toEqual(frames({ wan: expected }));
  });
});

describe('VLAN tags on offloaded frames', () => {
  const trunked = (ports: Readonly<Record<string, PortOptions>> = offloading): World =>
    site({ members: ['vm1', 'vm2', 'vm3.7', 'ghost'] }, ports).seen('green', vm3, 'vm3.7');

  it('pushing moves the virtio header and csum_start', () => {
    const frame = tcp({ from: vm1, to: vm3, payload: pattern(4000), partial: true });
    const w = trunked({ ...offloading, vm3: { offload: true } });
    w.sendOffload('vm1', gsoTcp(1448), frame, GSO);
    expect(w.port('vm3').take()).toEqual({ bytes: tagged(frame, 7), offload: GSO, vnet: gsoTcp(1448, 38) });
  });

  it('popping moves them back', () => {
    const frame = tcp({ from: vm3, to: vm2, payload: pattern(4000), partial: true });
    const w = trunked({ ...offloading, vm3: { offload: true } });
    w.sendOffload('vm3', gsoTcp(1448, 38), tagged(frame, 7), GSO);
    expect(w.port('vm2').take()).toEqual({ bytes: frame, offload: GSO, vnet: gsoTcp(1448) });
  });

  it('pushing and cutting go together', () => {
    const payload = pattern(3000);
    const frame = tcp({ from: vm1, to: vm3, flags: PSH_ACK, payload, partial: true });
    const w = trunked().sendOffload('vm1', gsoTcp(1448), frame, GSO);
    expect(w.sent()).toEqual(frames({ vm3: segments(payload, 1448, { to: vm3 }).map((s) => tagged(s, 7)) }));
  });

  it('pushing and finishing a checksum go together', () => {
    const w = trunked();
    w.sendOffload('vm1', partialUdp, udp({ from: vm1, to: vm3, partial: true }), CSUM);
    expect(w.sent()).toEqual(frames({ vm3: [tagged(udp({ from: vm1, to: vm3 }), 7)] }));
  });
});

describe('virtio headers that do not fit their frames', () => {
  const small = tcp({ from: vm1, to: vm9, payload: pattern(100), partial: true });

  it.each<[string, Uint8Array, number]>([
    ['csum_start beyond the frame', vnet(1, 0, 0, 0, 2000, 16), CSUM],
    ['csum_offset beyond the frame', vnet(1, 0, 0, 0, 34, 2000), CSUM],
    ['csum_start within the Ethernet header', vnet(1, 0, 0, 0, 2, 4), CSUM],
    ['gso_size 0', gsoTcp(0), GSO],
    ['GSO of UDP, but TCP', vnet(1, VNET_GSO_UDP_L4, 42, 50, 34, 6), GSO],
    ['an unknown kind of GSO', vnet(1, 9, 42, 50, 34, 6), GSO],
    ['UFO', vnet(1, 3, 42, 50, 34, 6), GSO],
    ['GSO of IPv6, but IPv4', vnet(1, 4, 54, 50, 34, 16), GSO],
  ])('%s: dropped', (_, header, bits) => {
    const w = site({}, { vm1: { offload: true } }).sendOffload('vm1', header, small, bits);
    expect(w.sent()).toEqual({});
    expect(w.counted()).toEqual({ 'offload-invalid': 1 });
  });
});
