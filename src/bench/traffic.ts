// A capture as the load of `bench wire`: which of its frames can go through the device under test, and what is rewritten in them.
//
//   capture → VLAN tags taken out → left out, with the reason counted, when no router or bridge would forward the frame
//           → MACs of the wire, for a router TTL 64 and a new header checksum → padded to 60 bytes
//
// Addresses, ports and payload stay as they were captured: the device under test has a default route to the sink. All frames lie
// in one piece of memory, up to a bound; of a longer capture only the beginning is sent, and the summary says so.

import type { CaptureReader } from '../pcap/capture-reader.ts';
import { dot1qIsTpid, VLAN_ETH_HLEN } from '../wire/dot1q.ts';
import {
  ETH_HLEN,
  ETH_ZLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetSetDst,
  ethernetSetSrc,
  ethernetType,
} from '../wire/ethernet.ts';
import { IPV4_HLEN, IPV4_TRUNCATED, ipv4Check, ipv4Dst, ipv4RefreshChecksum, ipv4Src } from '../wire/ipv4.ts';
import { FRAME_MAX, MAC, MAC_HI, SENT_TTL, type WireMode } from './wire-frame.ts';

/** Why a frame of a capture is not sent. */
export type LeftOut =
  /** The capture does not have all of it. */
  | 'cut-short'
  /** Longer than 1514 bytes: a device put it together, or will cut it. */
  | 'too-long'
  | 'not-ipv4'
  | 'bad-header'
  /** ARP, which would teach a bridge's neighbors false addresses. */
  | 'arp'
  /** To or from group, loopback, link-local or reserved addresses, which no router forwards. */
  | 'not-forwardable'
  /** To the wire's own networks, or from the far one. */
  | 'wire-address';

/** Frames of `most` bytes at most (without FCS), and more than the class before. The bounds are RMON's (RFC 2819), less the FCS. */
export const SIZE_CLASSES = [60, 123, 251, 507, 1019, 1514] as const;

export interface TrafficSummary {
  readonly frames: number;
  /** Frames in each of SIZE_CLASSES. */
  readonly bySize: readonly number[];
  readonly meanBytes: number;
  /** From the first frame to the last. */
  readonly seconds: number;
  readonly leftOut: Readonly<Partial<Record<LeftOut, number>>>;
  /** Frames after these were not read: there is room for no more. */
  readonly cut: boolean;
}

export interface Traffic {
  readonly bytes: Uint8Array;
  /** Where frame i lies, its bytes, and when it follows the first, ms. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint16Array;
  readonly atMs: Float64Array;
  readonly summary: TrafficSummary;
}

const MOST_FRAMES = 1 << 20;
const MOST_BYTES = 256 << 20;
/** Frames begin at multiples of it, so that none shares a cache line with the end of the one before. */
const ALIGN = 64;

export const sizeClass = (bytes: number): number => SIZE_CLASSES.findIndex((most) => bytes <= most);

/** Reads a capture to its end or to the bound. Throws what the reader throws. */
export function loadTraffic(
  reader: CaptureReader,
  mode: WireMode,
  mostFrames = MOST_FRAMES,
  mostBytes = MOST_BYTES,
): Traffic {
  let bytes = new Uint8Array(1 << 20);
  const offsets: number[] = [];
  const lengths: number[] = [];
  const atMs: number[] = [];
  const leftOut: Partial<Record<LeftOut, number>> = {};
  const bySize = SIZE_CLASSES.map(() => 0);
  const frame = new Uint8Array(FRAME_MAX + ALIGN);
  const view = new DataView(frame.buffer);
  let end = 0;
  let sum = 0;
  let firstMs = 0;
  let firstNs = 0;
  let cut = false;
  while (reader.next()) {
    if (offsets.length === mostFrames || end + frame.length > mostBytes) {
      cut = true;
      break;
    }
    const len = takeFrame(reader, frame, view);
    const taken = typeof len === 'number' ? rewriteFrame(view, len, mode) : len;
    if (typeof taken !== 'number') {
      leftOut[taken] = (leftOut[taken] ?? 0) + 1;
      continue;
    }
    if (offsets.length === 0) {
      firstMs = reader.timeMs;
      firstNs = reader.timeNs;
    }
    if (end + taken > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(frame.subarray(0, taken), end);
    offsets.push(end);
    lengths.push(taken);
    const at = reader.timeMs - firstMs + (reader.timeNs - firstNs) / 1e6;
    // A capture of several devices may step back in time; a frame is not sent before the one in front of it.
    atMs.push(Math.max(at, atMs.at(-1) ?? 0));
    bySize[sizeClass(taken)]++;
    sum += taken;
    end += (taken + ALIGN - 1) & ~(ALIGN - 1);
  }
  const frames = offsets.length;
  return {
    bytes: bytes.subarray(0, end),
    offsets: Uint32Array.from(offsets),
    lengths: Uint16Array.from(lengths),
    atMs: Float64Array.from(atMs),
    summary: {
      frames,
      bySize,
      meanBytes: frames === 0 ? 0 : sum / frames,
      seconds: (atMs.at(-1) ?? 0) / 1000,
      leftOut,
      cut,
    },
  };
}

/** Copies the reader's frame without its VLAN tags, padded with zeros; returns its bytes, or why it is left out. */
function takeFrame(reader: CaptureReader, frame: Uint8Array, view: DataView): number | LeftOut {
  const { u8, off, len, wireLen } = reader;
  if (len < wireLen) return 'cut-short';
  if (len < ETH_HLEN) return 'bad-header';
  let tags = 0;
  const typeAt = (): number => off + 12 + tags * 4;
  while (len >= VLAN_ETH_HLEN + tags * 4 && dot1qIsTpid(reader.view.getUint16(typeAt()))) tags++;
  const bytes = len - tags * 4;
  if (bytes > FRAME_MAX) return 'too-long';
  frame.set(u8.subarray(off, off + 12));
  frame.set(u8.subarray(typeAt(), off + len), 12);
  if (bytes < ETH_ZLEN) frame.fill(0, bytes, ETH_ZLEN);
  return view.getUint16(12) === ETHERTYPE_IPV4 && bytes < ETH_HLEN + IPV4_HLEN
    ? 'bad-header'
    : Math.max(bytes, ETH_ZLEN);
}

/** Gives a frame the wire's MACs, and for a router the TTL; returns its bytes, or why it is left out. */
function rewriteFrame(view: DataView, len: number, mode: WireMode): number | LeftOut {
  const type = ethernetType(view, 0);
  if (mode === 'l2') {
    if (type === ETHERTYPE_ARP) return 'arp';
  } else {
    if (type !== ETHERTYPE_IPV4) return 'not-ipv4';
    view.setUint8(ETH_HLEN + 8, SENT_TTL);
    ipv4RefreshChecksum(view, ETH_HLEN); // also of a capture whose device would have filled it in
    const payload = ipv4Check(view, ETH_HLEN, len - ETH_HLEN);
    if (payload < 0) return payload === IPV4_TRUNCATED ? 'cut-short' : 'bad-header';
    const src = ipv4Src(view, ETH_HLEN);
    const dst = ipv4Dst(view, ETH_HLEN);
    if (!forwardable(src) || !forwardable(dst)) return 'not-forwardable';
    const ours = dst >>> 8 === NEAR_NET || dst >>> 8 === FAR_NET || src >>> 8 === FAR_NET || src === DUT_IP;
    if (ours) return 'wire-address';
  }
  ethernetSetDst(view, 0, MAC_HI, mode === 'l3' ? MAC.d0 : MAC.s0);
  ethernetSetSrc(view, 0, MAC_HI, MAC.g0);
  return len;
}

const NEAR_NET = 0x0a_0100; // 10.1.0.0/24
const FAR_NET = 0x0a_0200; // 10.2.0.0/24
const DUT_IP = 0x0a01_0001; // 10.1.0.1
const LINK_LOCAL = 0xa9fe; // 169.254.0.0/16, RFC 3927 §7

/** RFC 1812 §5.3.7 and RFC 1122 §3.2.1.3: not 0/8, 127/8, or 224.0.0.0 and above. */
function forwardable(address: number): boolean {
  const high = address >>> 24;
  return high !== 0 && high !== 127 && high < 224 && address >>> 16 !== LINK_LOCAL;
}
