// The frames of `bench wire`: UDP over IPv4 with a mark, and in some of them the moment when they were sent.
//
//   Ethernet 14 · IPv4 20 · UDP 8 · mark u32 · 4 free · seconds u32 · nanoseconds u32 (little-endian, CLOCK_REALTIME) · zeros
//
// A frame without a time of sending has seconds 0. The generator writes them, the sink checks those that carry a time.

import { formatMac } from '../addr/mac.ts';
import { fold16, sum16 } from '../base/checksum.ts';
import {
  ETHERTYPE_IPV4,
  ethernetDstHi,
  ethernetDstLo,
  ethernetEmit,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../wire/ethernet.ts';
import { IPPROTO_UDP, ipv4Dst, ipv4Emit, ipv4Ttl } from '../wire/ipv4.ts';
import { udpEmit } from '../wire/udp.ts';

/** `l3`: the device under test routes; `l2`: it bridges. */
export type WireMode = 'l3' | 'l2';

/** "NHB1". */
export const MARK = 0x4e48_4231;
export const MARK_AT = 42;
export const STAMP_AT = 50;
/** Bytes that every frame has, without FCS; what is longer is zeros. */
export const FRAME_MIN = 60;
export const FRAME_MAX = 1514;
export const SENT_TTL = 64;
const FCS = 4;
const IP_AT = 14;

/** The MACs have 02:00 in front; these are the other four bytes. */
export const MAC_HI = 0x0200;
export const MAC = { g0: 0x102, d0: 0x101, d1: 0x201, s0: 0x202 } as const;
export const macText = (lo: number): string => formatMac(MAC_HI, lo);

const SENDER_IP = 0x0a01_0002; // 10.1.0.2
/** Of the sink, and so the next hop of all routes to it. */
export const FAR_IP = 0x0a02_0002; // 10.2.0.2
/** Destinations, and host routes of the device under test, are from here on. */
export const FIRST_ROUTE = 0x0a03_0001; // 10.3.0.1
const FIRST_PORT = 1024;
const PORTS = 60_000;
const DISCARD = 9; // RFC 863

/** Frame sizes with FCS, as RFC 2544 §9.1 counts them; IMIX is the mix of 28 x 64, 16 x 570, 4 x 1518. */
export type FrameSize = number | 'imix';

/** Bytes of the `i`th frame of a load, without FCS. The mix comes in an order in which no size stands in a row for long. */
export function frameBytes(size: FrameSize, i: number): number {
  if (size !== 'imix') return size - FCS;
  const k = (i * 29) % 48; // 29 and 48 have no common factor, so every k comes once in 48 frames
  return k < 28 ? 64 - FCS : k < 44 ? 570 - FCS : 1518 - FCS;
}

/** Writes the first FRAME_MIN bytes of frame `i` of a load at `off`; flows differ in destination and source port. */
export function emitFrame(
  view: DataView,
  off: number,
  bytes: number,
  i: number,
  load: { readonly mode: WireMode; readonly flows: number; readonly routes: number },
): void {
  const flow = i % load.flows;
  const to = load.mode === 'l3' ? MAC.d0 : MAC.s0;
  const ip = ethernetEmit(view, off, MAC_HI, to, MAC_HI, MAC.g0, ETHERTYPE_IPV4);
  const dst = FIRST_ROUTE + (flow % load.routes);
  const udp = ipv4Emit(view, ip, bytes - IP_AT, 0, 0, SENT_TTL, IPPROTO_UDP, SENDER_IP, dst);
  udpEmit(view, udp, FIRST_PORT + (flow % PORTS), DISCARD, bytes - IP_AT - 20);
  view.setUint32(off + MARK_AT, MARK);
}

/** A router takes one off the TTL; one that does not (DPDK's testpmd) is measured all the same, and the report says so. */
const rightTtls = (mode: WireMode): readonly number[] =>
  mode === 'l3' ? [SENT_TTL - 1, SENT_TTL] : [SENT_TTL];

export const ttlUnchanged = (view: DataView, off: number): boolean => ipv4Ttl(view, off + IP_AT) === SENT_TTL;

/** What can be wrong with a frame that came out of the device under test. */
export type FrameFault = 'destination-mac' | 'source-mac' | 'ttl' | 'checksum' | 'destination' | 'ether-type';

/** Checks a frame that left the device under test; undefined when it was forwarded as it should. */
export function frameFault(view: DataView, off: number, mode: WireMode): FrameFault | undefined {
  if (ethernetType(view, off) !== ETHERTYPE_IPV4) return 'ether-type';
  if (ethernetDstHi(view, off) !== MAC_HI || ethernetDstLo(view, off) !== MAC.s0) return 'destination-mac';
  const from = mode === 'l3' ? MAC.d1 : MAC.g0;
  if (ethernetSrcHi(view, off) !== MAC_HI || ethernetSrcLo(view, off) !== from) return 'source-mac';
  if (!rightTtls(mode).includes(ipv4Ttl(view, off + IP_AT))) return 'ttl';
  if (fold16(sum16(view, off + IP_AT, 20)) !== 0xffff) return 'checksum';
  if (ipv4Dst(view, off + IP_AT) < FIRST_ROUTE) return 'destination';
  return undefined;
}

/** One instruction of classic BPF: code, jump if true, jump if false, operand (bpf(4)). */
export type BpfLine = readonly [code: number, jt: number, jf: number, k: number];

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const LOAD_LENGTH = 0x80;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const RETURN = 0x06;

/** A field of a frame and the values that it may have. */
type Field = readonly [load: number, at: number, values: readonly number[]];

/** A filter that returns `yes` for frames in which each field has one of its values, and otherwise `no`. */
function filter(fields: readonly Field[], yes: number, no: number): BpfLine[] {
  const lines: BpfLine[] = [];
  let left = fields.reduce((sum, [, , values]) => sum + 1 + values.length, 1); // instructions before `return no`
  for (const [load, at, values] of fields) {
    lines.push([load, 0, 0, at]);
    left -= 1 + values.length;
    values.forEach((value, i) => {
      const after = values.length - 1 - i; // other values of this field
      lines.push([JUMP_EQUAL, after, after === 0 ? left : 0, value]);
    });
  }
  lines.push([RETURN, 0, 0, yes], [RETURN, 0, 0, no]);
  return lines;
}

const TC_ACT_OK = 0;
const TC_ACT_SHOT = 2;

/** For tc: drops, and so counts, frames that were forwarded as they should (MACs, TTL, mark); others pass. */
export function goodFrameFilter(mode: WireMode): BpfLine[] {
  return filter(
    [
      [LOAD_WORD, MARK_AT, [MARK]],
      [LOAD_HALF, 0, [MAC_HI]],
      [LOAD_WORD, 2, [MAC.s0]],
      [LOAD_BYTE, 22, rightTtls(mode)],
    ],
    TC_ACT_SHOT,
    TC_ACT_OK,
  );
}

/** For tc: drops, and so counts, whatever the device under test has sent to the sink with a right TTL; others pass. */
export const forwardedFrameFilter = (mode: WireMode): BpfLine[] =>
  filter(forwardedFields(mode, 0), TC_ACT_SHOT, TC_ACT_OK);

/** @param base where the frame begins, as loads count */
const forwardedFields = (mode: WireMode, base: number): Field[] => [
  [LOAD_HALF, base, [MAC_HI]],
  [LOAD_WORD, base + 2, [MAC.s0]],
  [LOAD_HALF, base + 6, [MAC_HI]],
  [LOAD_WORD, base + 8, [mode === 'l3' ? MAC.d1 : MAC.g0]],
  ...(mode === 'l3' ? [[LOAD_BYTE, base + 22, rightTtls(mode)] as const] : []),
];

/** In front of what a fanout program sees as the packet lies its Ethernet header, from this offset on (SKF_LL_OFF). */
const LINK_LAYER = 0xffe0_0000;

/**
 * For a fanout group: the number of the first size that a forwarded frame is not longer than, and `sizes.length` for other frames.
 * @param sizes bytes of frames, rising
 */
export function sizeProgram(mode: WireMode, sizes: readonly number[]): BpfLine[] {
  const select: BpfLine[] = [[LOAD_LENGTH, 0, 0, 0]];
  // The length counts from behind the Ethernet header on.
  sizes.forEach((most, i) => {
    select.push([JUMP_GREATER, 1, 0, most - IP_AT], [RETURN, 0, 0, i]);
  });
  select.push([RETURN, 0, 0, sizes.length]);
  const forwarded = filter(forwardedFields(mode, LINK_LAYER), 0, sizes.length);
  // `return yes` gives way to the selection, and each jump to `return no` goes as much further.
  const yes = forwarded.length - 2;
  const test = forwarded.slice(0, yes).map(([code, jt, jf, k], i): BpfLine => {
    const toNo = code === JUMP_EQUAL && i + 1 + jf > yes;
    return [code, jt, toNo ? jf - 1 + select.length : jf, k];
  });
  return [...test, ...select, [RETURN, 0, 0, sizes.length]];
}

/** For tc: drops everything. */
export const everyFrameFilter = (): BpfLine[] => [[RETURN, 0, 0, TC_ACT_SHOT]];

/** For a packet socket: frames of ours that carry their time of sending, right or wrong. */
export function stampedFrameFilter(): BpfLine[] {
  return [
    [LOAD_WORD, 0, 0, MARK_AT],
    [JUMP_EQUAL, 0, 3, MARK],
    [LOAD_WORD, 0, 0, STAMP_AT],
    [JUMP_EQUAL, 1, 0, 0],
    [RETURN, 0, 0, 0x4_0000],
    [RETURN, 0, 0, 0],
  ];
}

/** A filter as tc reads it: the count, then each instruction. */
export const tcBytecode = (lines: readonly BpfLine[]): string =>
  [lines.length, ...lines.map((line) => line.join(' '))].join(',');
