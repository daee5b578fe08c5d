// Frames that read aloud: `arpRequest({ from: vm1, for: gateway })`. Every builder returns a whole Ethernet frame, padded to
// 60 bytes as a network card pads it.

import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { type Mac, parseMac } from '../../src/addr/mac.ts';
import { checksum, pseudoSum4, pseudoSum6 } from '../../src/base/checksum.ts';
import { ARP_REPLY, ARP_REQUEST, arpEmit, RARP_REQUEST } from '../../src/wire/arp.ts';
import { dot1qPush } from '../../src/wire/dot1q.ts';
import {
  ETH_HLEN,
  ETH_ZLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_RARP,
  ethernetEmit,
  ethernetSetDst,
  ethernetType,
} from '../../src/wire/ethernet.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN, ipv4Emit } from '../../src/wire/ipv4.ts';
import { IPV6_HLEN } from '../../src/wire/ipv6.ts';

/** Somebody with a MAC and, mostly, an IPv4 address. */
export interface Host {
  readonly name: string;
  readonly mac: Mac;
  readonly ip: number;
}

export const host = (name: string, mac: string, ip = '0.0.0.0'): Host => ({
  name,
  mac: parseMac(mac),
  ip: parseIpv4(ip),
});

/** The same machine with another address, or another MAC. */
export const withIp = (h: Host, ip: string): Host => ({ ...h, ip: parseIpv4(ip) });
export const withMac = (h: Host, mac: string): Host => ({ ...h, mac: parseMac(mac) });

export const broadcast = host('broadcast', 'ff:ff:ff:ff:ff:ff', '255.255.255.255');

/** The group MAC of an IPv4 multicast address (RFC 1112 §6.4). */
export const group = (ip: string): Host => ({
  name: ip,
  mac: { hi: 0x0100, lo: (0x5e00_0000 | (parseIpv4(ip) & 0x7f_ffff)) >>> 0 },
  ip: parseIpv4(ip),
});

const viewOf = (u8: Uint8Array): DataView => new DataView(u8.buffer, u8.byteOffset, u8.byteLength);

/** Any Ethernet frame. */
export function ethernet(o: {
  from: Host;
  to: Host;
  type: number;
  payload?: Uint8Array;
  pad?: boolean;
}): Uint8Array {
  const payload = o.payload ?? new Uint8Array(0);
  const len = ETH_HLEN + payload.length;
  const frame = new Uint8Array(o.pad === false ? len : Math.max(ETH_ZLEN, len));
  ethernetEmit(viewOf(frame), 0, o.to.mac.hi, o.to.mac.lo, o.from.mac.hi, o.from.mac.lo, o.type);
  frame.set(payload, ETH_HLEN);
  return frame;
}

interface ArpFields {
  op: number;
  from: Host;
  /** Ethernet destination. */
  to: Host;
  senderIp: number;
  targetMac: Mac;
  targetIp: number;
  type?: number;
}

function arp(o: ArpFields): Uint8Array {
  const payload = new Uint8Array(28);
  arpEmit(
    viewOf(payload),
    0,
    o.op,
    o.from.mac.hi,
    o.from.mac.lo,
    o.senderIp,
    o.targetMac.hi,
    o.targetMac.lo,
    o.targetIp,
  );
  return ethernet({ from: o.from, to: o.to, type: o.type ?? ETHERTYPE_ARP, payload });
}

const noMac: Mac = { hi: 0, lo: 0 };

/** `from` asks who has the address of `for`; by broadcast, or of `to` alone. */
export const arpRequest = (o: { from: Host; for: Host; to?: Host }): Uint8Array =>
  arp({
    op: ARP_REQUEST,
    from: o.from,
    to: o.to ?? broadcast,
    senderIp: o.from.ip,
    targetMac: noMac,
    targetIp: o.for.ip,
  });

/** `from` says to `to` that it has its address. */
export const arpReply = (o: { from: Host; to: Host }): Uint8Array =>
  arp({
    op: ARP_REPLY,
    from: o.from,
    to: o.to,
    senderIp: o.from.ip,
    targetMac: o.to.mac,
    targetIp: o.to.ip,
  });

/** RFC 5227 §2.1.1: `from` asks whether its address is taken, without saying that it has it. */
export const arpProbe = (o: { from: Host; for: Host }): Uint8Array =>
  arp({
    op: ARP_REQUEST,
    from: o.from,
    to: broadcast,
    senderIp: 0,
    targetMac: noMac,
    targetIp: o.for.ip,
  });

/** RFC 5227 §2.3: `from` announces its address; a gratuitous ARP. To everybody, or to one. */
export const gratuitousArp = (o: { from: Host; to?: Host; op?: number }): Uint8Array =>
  arp({
    op: o.op ?? ARP_REQUEST,
    from: o.from,
    to: o.to ?? broadcast,
    senderIp: o.from.ip,
    targetMac: o.op === ARP_REPLY ? broadcast.mac : noMac,
    targetIp: o.from.ip,
  });

/** RARP as hypervisors send it after a move. */
export const rarp = (o: { from: Host }): Uint8Array =>
  arp({
    op: RARP_REQUEST,
    from: o.from,
    to: broadcast,
    senderIp: 0,
    targetMac: o.from.mac,
    targetIp: 0,
    type: ETHERTYPE_RARP,
  });

export interface Ip4Fields {
  from: Host;
  to: Host;
  /** Whose MAC the frame goes to: the gateway, where `to` is not on the link. */
  via?: Host;
  ttl?: number;
  id?: number;
  /** Flags and fragment offset: IPV4_DF, IPV4_MF, units of 8 bytes. */
  flagsFrag?: number;
  tos?: number;
  pad?: boolean;
}

/** An IPv4 packet with any payload. */
export function ip4(o: Ip4Fields & { protocol: number; payload?: Uint8Array }): Uint8Array {
  const payload = o.payload ?? new Uint8Array(0);
  const packet = new Uint8Array(IPV4_HLEN + payload.length);
  ipv4Emit(
    viewOf(packet),
    0,
    packet.length,
    o.id ?? 1,
    o.flagsFrag ?? 0,
    o.ttl ?? 64,
    o.protocol,
    o.from.ip,
    o.to.ip,
    o.tos ?? 0,
  );
  packet.set(payload, IPV4_HLEN);
  return ethernet({
    from: o.from,
    to: o.via ?? o.to,
    type: ETHERTYPE_IPV4,
    payload: packet,
    ...(o.pad === undefined ? {} : { pad: o.pad }),
  });
}

/** `len` bytes that differ from each other. */
export const pattern = (len: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length: len }, (_, i) => (i * 7 + seed) & 0xff);

export function udp(
  o: Ip4Fields & { sport?: number; dport?: number; payload?: Uint8Array; partial?: boolean },
): Uint8Array {
  const data = o.payload ?? pattern(26);
  const u8 = new Uint8Array(8 + data.length);
  const view = viewOf(u8);
  view.setUint16(0, o.sport ?? 4000);
  view.setUint16(2, o.dport ?? 5000);
  view.setUint16(4, u8.length);
  u8.set(data, 8);
  const pseudo = pseudoSum4(o.from.ip, o.to.ip, IPPROTO_UDP, u8.length);
  view.setUint16(6, o.partial ? pseudo : checksum(view, 0, u8.length, pseudo) || 0xffff);
  return ip4({ ...o, protocol: IPPROTO_UDP, payload: u8 });
}

export interface TcpFields {
  sport?: number;
  dport?: number;
  seq?: number;
  flags?: number;
  /** MSS option, for a SYN. */
  mss?: number;
  payload?: Uint8Array;
  /** The checksum field holds the pseudo-header's sum only, as for a card that would finish it. */
  partial?: boolean;
}

function tcpSegment(o: TcpFields, pseudoOf: (len: number) => number): Uint8Array {
  const options = o.mss === undefined ? 0 : 4;
  const data = o.payload ?? new Uint8Array(0);
  const u8 = new Uint8Array(20 + options + data.length);
  const view = viewOf(u8);
  view.setUint16(0, o.sport ?? 40000);
  view.setUint16(2, o.dport ?? 80);
  view.setUint32(4, o.seq ?? 1000);
  view.setUint8(12, ((20 + options) / 4) << 4);
  view.setUint8(13, o.flags ?? 0x10);
  view.setUint16(14, 65535);
  if (o.mss !== undefined) view.setUint32(20, ((2 << 24) | (4 << 16) | o.mss) >>> 0);
  u8.set(data, 20 + options);
  const pseudo = pseudoOf(u8.length);
  view.setUint16(16, o.partial ? pseudo : checksum(view, 0, u8.length, pseudo));
  return u8;
}

export const tcp = (o: Ip4Fields & TcpFields): Uint8Array =>
  ip4({
    ...o,
    protocol: IPPROTO_TCP,
    payload: tcpSegment(o, (len) => pseudoSum4(o.from.ip, o.to.ip, IPPROTO_TCP, len)),
  });

export const TCP_SYN = 0x02;

/** Ping: type 8, or its reply: type 0. */
export function icmpEcho(
  o: Ip4Fields & { reply?: boolean; ident?: number; seq?: number; payload?: Uint8Array },
): Uint8Array {
  const data = o.payload ?? pattern(32);
  const u8 = new Uint8Array(8 + data.length);
  const view = viewOf(u8);
  view.setUint8(0, o.reply ? 0 : 8);
  view.setUint16(4, o.ident ?? 7);
  view.setUint16(6, o.seq ?? 1);
  u8.set(data, 8);
  view.setUint16(2, checksum(view, 0, u8.length));
  return ip4({ ...o, protocol: IPPROTO_ICMP, payload: u8 });
}

/** IPv6 from `from` to `to`'s MAC, between link-local addresses made of their MACs' lower halves. */
export function ip6(o: { from: Host; to: Host; nextHeader: number; payload?: Uint8Array }): Uint8Array {
  const payload = o.payload ?? pattern(24);
  const packet = new Uint8Array(IPV6_HLEN + payload.length);
  const view = viewOf(packet);
  view.setUint32(0, 0x6000_0000);
  view.setUint16(4, payload.length);
  view.setUint8(6, o.nextHeader);
  view.setUint8(7, 64);
  view.setUint16(8, 0xfe80);
  view.setUint32(20, o.from.mac.lo);
  view.setUint16(24, 0xfe80);
  view.setUint32(36, o.to.mac.lo);
  packet.set(payload, IPV6_HLEN);
  return ethernet({ from: o.from, to: o.to, type: ETHERTYPE_IPV6, payload: packet });
}

/** TCP over IPv6, addresses as in `ip6`. */
export function tcp6(o: TcpFields & { from: Host; to: Host }): Uint8Array {
  const head = ip6({ from: o.from, to: o.to, nextHeader: IPPROTO_TCP });
  const view = viewOf(head);
  return ip6({
    from: o.from,
    to: o.to,
    nextHeader: IPPROTO_TCP,
    payload: tcpSegment(o, (len) => pseudoSum6(view, ETH_HLEN, IPPROTO_TCP, len)),
  });
}

/** The frame with an 802.1Q tag; the TCI is the VID unless it says more. */
export function tagged(frame: Uint8Array, tci: number): Uint8Array {
  const u8 = new Uint8Array(frame.length + 4);
  u8.set(frame, 4);
  dot1qPush(u8, viewOf(u8), 4, tci);
  return u8;
}

/** The frame with another Ethernet destination. */
export function readdressed(frame: Uint8Array, to: Host): Uint8Array {
  const copy = frame.slice();
  ethernetSetDst(viewOf(copy), 0, to.mac.hi, to.mac.lo);
  return copy;
}

/** The frame without the padding behind its ARP message or IPv4 packet: two frames that differ in it say the same. */
export function unpadded(frame: Uint8Array): Uint8Array {
  if (frame.length < 18) return frame;
  const view = viewOf(frame);
  const type = ethernetType(view, 0);
  if (type === ETHERTYPE_ARP || type === ETHERTYPE_RARP) return frame.slice(0, ETH_HLEN + 28);
  if (type === ETHERTYPE_IPV4) return frame.slice(0, ETH_HLEN + view.getUint16(ETH_HLEN + 2));
  return frame;
}
