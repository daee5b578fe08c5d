import { describe, expect, it } from 'vitest';
import { loadTraffic, SIZE_CLASSES, sizeClass, type Traffic } from '../../src/bench/traffic.ts';
import { MAC, MAC_HI, type WireMode } from '../../src/bench/wire-frame.ts';
import {
  ethernetDstHi,
  ethernetDstLo,
  ethernetEmit,
  ethernetSrcHi,
  ethernetSrcLo,
} from '../../src/wire/ethernet.ts';
import { ipv4Check, ipv4Dst, ipv4Emit, ipv4Src, ipv4Ttl } from '../../src/wire/ipv4.ts';
import { type BuiltFrame, buildPcap, readerOver } from '../pcap/capture-builder.ts';

const SRC = 0xc000_0201; // 192.0.2.1
const DST = 0xc633_6401; // 198.51.100.1

interface Made {
  readonly bytes?: number;
  readonly src?: number;
  readonly dst?: number;
  readonly ttl?: number;
  readonly type?: number;
}

/** An Ethernet frame with IPv4, and a payload whose bytes count up. */
function frame({ bytes = 100, src = SRC, dst = DST, ttl = 3, type = 0x0800 }: Made = {}): Uint8Array {
  const u8 = Uint8Array.from({ length: bytes }, (_, i) => i);
  const view = new DataView(u8.buffer);
  const ip = ethernetEmit(view, 0, 0x0011, 0x2233_4455, 0x0066, 0x7788_99aa, type);
  if (type === 0x0800) ipv4Emit(view, ip, bytes - 14, 0, 0, ttl, 17, src, dst);
  return u8;
}

function tagged(u8: Uint8Array, ...tags: number[]): Uint8Array {
  const words = tags.flatMap((tag) => [0x81, 0x00, tag >> 8, tag & 0xff]);
  return Uint8Array.from([...u8.subarray(0, 12), ...words, ...u8.subarray(12)]);
}

const load = (
  frames: readonly (Uint8Array | BuiltFrame)[],
  mode: WireMode = 'l3',
  ...limits: number[]
): Traffic => {
  const built = frames.map((f, i) =>
    f instanceof Uint8Array ? { bytes: f, timeNs: 1_700_000_000_000_000_000n + BigInt(i) * 250_000n } : f,
  );
  return loadTraffic(readerOver(buildPcap(built, { nanoseconds: true })), mode, ...limits);
};

const viewOf = ({ bytes, offsets, lengths }: Traffic, i: number): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + offsets[i], lengths[i]);

describe('loadTraffic', () => {
  it('gives a routed frame the MACs of the wire and TTL 64, and leaves addresses and payload', () => {
    const sent = frame({ bytes: 200 });
    const view = viewOf(load([sent]), 0);
    expect([ethernetDstHi(view, 0), ethernetDstLo(view, 0)]).toEqual([MAC_HI, MAC.d0]);
    expect([ethernetSrcHi(view, 0), ethernetSrcLo(view, 0)]).toEqual([MAC_HI, MAC.g0]);
    expect(ipv4Check(view, 14, 186)).toBe(34);
    expect([ipv4Ttl(view, 14), ipv4Src(view, 14), ipv4Dst(view, 14)]).toEqual([64, SRC, DST]);
    expect(new Uint8Array(view.buffer, view.byteOffset + 34, 166)).toEqual(sent.subarray(34));
  });

  it('gives a bridged frame the MACs of both ends, and leaves the rest', () => {
    const sent = frame({ type: 0x86dd });
    const view = viewOf(load([sent], 'l2'), 0);
    expect(ethernetDstLo(view, 0)).toBe(MAC.s0);
    expect(ethernetSrcLo(view, 0)).toBe(MAC.g0);
    expect(new Uint8Array(view.buffer, view.byteOffset + 12, 88)).toEqual(sent.subarray(12));
  });

  it('takes VLAN tags out, and pads to 60 bytes with zeros', () => {
    const traffic = load([tagged(frame({ bytes: 50 }), 7, 9)]);
    expect(traffic.summary.frames).toBe(1);
    const view = viewOf(traffic, 0);
    expect(view.byteLength).toBe(60);
    expect(view.getUint16(12)).toBe(0x0800);
    expect(new Uint8Array(view.buffer, view.byteOffset + 50, 10)).toEqual(new Uint8Array(10));
  });

  it('makes a header checksum that was left to the device', () => {
    const sent = frame();
    sent[24] = 0;
    sent[25] = 0;
    expect(ipv4Check(viewOf(load([sent]), 0), 14, 86)).toBe(34);
  });

  it.each([
    ['not-ipv4', frame({ type: 0x86dd })],
    ['too-long', frame({ bytes: 1515 })],
    ['bad-header', frame().fill(0x43, 14, 15)],
    ['cut-short', frame().fill(0xff, 16, 17)],
    ['not-forwardable', frame({ dst: 0xe000_0005 })],
    ['not-forwardable', frame({ dst: 0xffff_ffff })],
    ['not-forwardable', frame({ src: 0x7f00_0001 })],
    ['not-forwardable', frame({ src: 0 })],
    ['not-forwardable', frame({ dst: 0xa9fe_0001 })],
    ['wire-address', frame({ dst: 0x0a01_0009 })],
    ['wire-address', frame({ dst: 0x0a02_0002 })],
    ['wire-address', frame({ src: 0x0a01_0001 })],
  ] as const)('leaves out and counts %s', (reason, sent) => {
    const { summary } = load([sent, frame()]);
    expect(summary.leftOut).toEqual({ [reason]: 1 });
    expect(summary.frames).toBe(1);
  });

  it('leaves out what the capture has not all of, and ARP of a bridge', () => {
    expect(load([{ bytes: frame(), timeNs: 0n, wireLen: 101 }]).summary.leftOut).toEqual({ 'cut-short': 1 });
    expect(load([frame({ type: 0x0806 })], 'l2').summary.leftOut).toEqual({ arp: 1 });
  });

  it('keeps the times, and lets none step back', () => {
    const at = [0n, 250_000n, 100_000n, 2_000_000n];
    const base = 1_700_000_000_999_900_000n;
    const { atMs, summary } = load(at.map((ns) => ({ bytes: frame(), timeNs: base + ns })));
    [0, 0.25, 0.25, 2].forEach((ms, i) => {
      expect(atMs[i]).toBeCloseTo(ms, 6);
    });
    expect(summary.seconds).toBeCloseTo(0.002, 9);
  });

  it('counts by size, without FCS', () => {
    const { summary } = load([60, 61, 123, 124, 1514].map((bytes) => frame({ bytes })));
    expect(summary.bySize).toEqual([1, 2, 1, 0, 0, 1]);
    expect(summary.meanBytes).toBeCloseTo((60 + 61 + 123 + 124 + 1514) / 5, 9);
    expect(SIZE_CLASSES[sizeClass(1000)]).toBe(1019);
  });

  it('stops where its memory ends, and says so', () => {
    const frames = Array.from({ length: 5 }, () => frame());
    expect(load(frames, 'l3', 3).summary).toMatchObject({ frames: 3, cut: true });
    expect(load(frames, 'l3', 5).summary).toMatchObject({ frames: 5, cut: false });
    expect(load(frames, 'l3', 100, 1700).summary).toMatchObject({ frames: 1, cut: true });
  });
});
