// The loops of the fast path over a batch (../ip4-fast-path.ts), in AssemblyScript. `base` is the address of the batch's columns,
// `vector` that of the slots to look at, 16 bits each; `k` counts positions in it. Words of frames are in network byte order, and
// stay so: constants that they are compared with are written the other way round.

import {
  DST_AT,
  EXPECTED_AT,
  IFACE_AT,
  LEN_AT,
  NEXT_HOP_AT,
  OFF_AT,
  OFFLOAD_AT,
  OFFLOAD_GSO,
  OUT_IFACE_AT,
  PORT_AT,
  REWRITE_AT,
  SEEN_AT,
  SEEN_FRAME_BYTES,
  SEEN_OFFLOADS,
  SEEN_PACKET_BYTES,
  SEEN_STOP,
  SRC_AT,
  STOP_END,
  STOP_ENDS_HERE,
  STOP_LONG_WAY,
  STOP_OVER_MTU,
} from '../../base/batch-columns';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
} from '../../wire/ether-types';

const ETH: usize = ETH_HLEN;
/** Bytes of an IPv4 header without options (RFC 791 §3.1). */
const IPV4_HLEN: i32 = 20;
const LOW: u64 = 0xffffffff;

// A sum with a right checksum is a multiple of 65535 (RFC 1071 §1), and a number is one of those when its product with the
// inverse of 65535 modulo 2^64 is at most 2^64 / 65535: a multiplication instead of folding.
const MULTIPLES: u64 = 0x0001000100010001;
const INVERSE: u64 = 0 - MULTIPLES;

/** Address of element `i` of a column of 16 bits; the column's place comes with the load. */
function at2(base: usize, i: u32): usize {
  return base + ((<usize>i) << 1);
}

function at4(base: usize, i: u32): usize {
  return base + ((<usize>i) << 2);
}

/** Reads the addresses of each frame as if it were an IPv4 packet, and nothing else, so that the memory brings many at a time. */
export function look(base: usize, vector: usize, n: u32): void {
  for (let k: u32 = 0; k < n; k++) {
    const frame = load<u32>(at4(base, load<u16>(at2(vector, k))), OFF_AT);
    const addresses = load<u64>(frame, ETH + 12);
    store<u32>(at4(base, k), bswap<u32>(<u32>addresses), SRC_AT);
    store<u32>(at4(base, k), bswap<u32>(<u32>(addresses >> 32)), DST_AT);
  }
}

/** 1 in the lanes whose first octet is 0, 127, or 224 and more: not of a host. */
function notHosts(addresses: v128): v128 {
  const top = i32x4.shr_u(addresses, 24);
  const outside = i32x4.gt_u(i32x4.sub(top, i32x4.splat(1)), i32x4.splat(222));
  return v128.or(outside, i32x4.eq(top, i32x4.splat(127)));
}

/** Marks in the source column, four at a time, whose addresses no router forwards by (RFC 1812 §5.3.7), or are the interface's own. */
export function judge(base: usize, n: u32, ip: i32, broadcast: i32): void {
  const ips = i32x4.splat(ip);
  const broadcasts = i32x4.splat(broadcast);
  const linkLocal = i32x4.splat(0xa9fe);
  for (let k: u32 = 0; k < n; k += 4) {
    const at = at4(base, k);
    const src = v128.load(at, SRC_AT);
    const dst = v128.load(at, DST_AT);
    const own = v128.or(i32x4.eq(src, ips), v128.or(i32x4.eq(src, broadcasts), i32x4.eq(dst, broadcasts)));
    const link = i32x4.eq(i32x4.shr_u(dst, 16), linkLocal);
    v128.store(at, v128.or(v128.or(own, link), v128.or(notHosts(src), notHosts(dst))), SRC_AT);
  }
}

function halves(words: u64): u64 {
  return (words & LOW) + (words >> 32);
}

/**
 * Carries packets from position `from` on: while they are common and have this next hop and fit, it rewrites them and lists their
 * slots at `leaving`. Returns the position at which it stopped, and why in the seen words. A frame begins with the expected 16
 * bytes but for what the mask leaves open: the source MAC, whose I/G bit has to be clear, and the type of service.
 */
export function carry(
  base: usize,
  vector: usize,
  from: u32,
  until: u32,
  port: u32,
  nextHop: u32,
  mtu: i32,
  iface: u32,
  out: u32,
  leaving: usize,
): u32 {
  const mask = i8x16(-1, -1, -1, -1, -1, -1, 1, 0, 0, 0, 0, 0, -1, -1, -1, 0);
  const expected = v128.load(base, EXPECTED_AT);
  const eth0 = load<u64>(base, REWRITE_AT);
  const eth1 = load<u32>(base, REWRITE_AT + 8);
  let offloads: u32 = 0;
  let bytes: i32 = 0;
  let run: i32 = 0;
  let stop = STOP_END;
  let k = from;
  for (; k < until; k++) {
    if (<u32>load<u16>(at2(base, k), NEXT_HOP_AT) !== nextHop) break;
    const i = <u32>load<u16>(at2(vector, k));
    const frame = <usize>load<u32>(at4(base, i), OFF_AT);
    const len = load<i32>(at4(base, i), LEN_AT);
    const offload = <u32>load<u8>(base + i, OFFLOAD_AT);
    stop = STOP_LONG_WAY;
    if (<u32>load<u16>(at2(base, i), PORT_AT) !== port || (offload & OFFLOAD_GSO) !== 0) break;
    if (!i8x16.all_true(i8x16.eq(v128.and(v128.load(frame), mask), expected))) {
      if (endsHere(base, frame, len)) stop = STOP_ENDS_HERE;
      break;
    }
    const words = load<u64>(frame, ETH);
    const sum = halves(words) + halves(load<u64>(frame, ETH + 8)) + load<u32>(frame, ETH + 16);
    const total = <i32>(((<u32>words >> 8) & 0xff00) | (<u32>words >> 24));
    if (sum * INVERSE > MULTIPLES || total < IPV4_HLEN || total > len - ETH_HLEN) break;
    const word = load<u32>(frame, ETH + 8);
    if ((word & 0xff) <= 1 || load<u64>(frame, 6) << 16 === 0 || load<i32>(at4(base, k), SRC_AT) !== 0) break;
    stop = STOP_OVER_MTU;
    if (total > mtu) break;
    stop = STOP_END;
    offloads |= offload;
    run += total;
    bytes += len;
    store<u64>(frame, eth0);
    store<u32>(frame, eth1, 8);
    // TTL - 1; the checksum gains 0x0100, of which the upper byte comes first, with the carry brought back in (RFC 1624 §3).
    const check = (word >> 16) + 1;
    store<u32>(frame, ((word - 1) & 0xffff) | ((check + ((check + 1) >> 16)) << 16), ETH + 8);
    store<u16>(at2(base, i), <u16>iface, IFACE_AT);
    store<u16>(at2(base, i), <u16>out, OUT_IFACE_AT);
    store<i32>(at4(base, i), ETH_HLEN + total, LEN_AT);
    store<u16>(leaving, <u16>i);
    leaving += 2;
  }
  store<u32>(base, bytes, SEEN_AT + 4 * SEEN_FRAME_BYTES);
  store<u32>(base, run, SEEN_AT + 4 * SEEN_PACKET_BYTES);
  store<u32>(base, offloads, SEEN_AT + 4 * SEEN_OFFLOADS);
  store<u32>(base, stop, SEEN_AT + 4 * SEEN_STOP);
  return k;
}

/** Whether a frame that is not as expected is one that a routed interface passes on to nobody: then later ones may overtake it. */
function endsHere(base: usize, frame: usize, len: i32): bool {
  const type = <i32>bswap<u16>(load<u16>(frame, 12));
  if (len < ETH_HLEN || type === ETHERTYPE_ARP || type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ)
    return false;
  const ours = (load<u64>(frame) ^ load<u64>(base, EXPECTED_AT)) << 16 === 0;
  return type !== ETHERTYPE_IPV4 || !ours;
}
