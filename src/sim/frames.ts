// Frames of the simulated nodes, made with the gateway's own codecs. An IPv4 packet is made with room for its Ethernet
// header in front, which the interface that sends it fills in: so a packet is copied only where a router forwards it.

import type { Mac } from '../addr/mac.ts';
import { ARP_LEN, arpEmit } from '../wire/arp.ts';
import { ETH_HLEN, ETH_ZLEN, ETHERTYPE_ARP, ethernetEmit } from '../wire/ethernet.ts';
import { ICMP4_HLEN, icmp4EmitEchoRequest, icmp4EmitError } from '../wire/icmpv4.ts';
import { IPPROTO_ICMP, IPPROTO_UDP, IPV4_DF, IPV4_HLEN, ipv4Emit } from '../wire/ipv4.ts';
import { UDP_HLEN, udpEmit, udpRefreshChecksum4 } from '../wire/udp.ts';

/** TTL of a packet whose sender asks for none (RFC 1700, as Linux has it). */
export const DEFAULT_TTL = 64;
/** Offset of the IPv4 header in a frame of a simulated node: nothing there is tagged. */
export const L3 = ETH_HLEN;
export const BROADCAST: Mac = { hi: 0xffff, lo: 0xffffffff };

export const viewOf = (frame: Uint8Array): DataView =>
  new DataView(frame.buffer, frame.byteOffset, frame.byteLength);

export interface ArpFields {
  readonly op: number;
  readonly sender: Mac;
  readonly senderIp: number;
  /** Target's MAC; absent: not known, as in a request. */
  readonly target?: Mac;
  readonly targetIp: number;
  /** Ethernet destination. */
  readonly to: Mac;
}

/** An ARP message in a padded frame. */
export function arpFrame(arp: ArpFields): Uint8Array {
  const frame = new Uint8Array(Math.max(ETH_ZLEN, ETH_HLEN + ARP_LEN));
  const view = viewOf(frame);
  const { sender, target = { hi: 0, lo: 0 }, to } = arp;
  const body = ethernetEmit(view, 0, to.hi, to.lo, sender.hi, sender.lo, ETHERTYPE_ARP);
  arpEmit(view, body, arp.op, sender.hi, sender.lo, arp.senderIp, target.hi, target.lo, arp.targetIp);
  return frame;
}

export interface Ipv4Fields {
  readonly src: number;
  readonly dst: number;
  /** Absent: DEFAULT_TTL. */
  readonly ttl?: number | undefined;
}

/** An IPv4 packet with `len` bytes of payload to be written at L3 + 20; its Ethernet header is still to come. */
export function ipv4Packet(
  { src, dst, ttl = DEFAULT_TTL }: Ipv4Fields,
  protocol: number,
  len: number,
): Uint8Array {
  const frame = new Uint8Array(Math.max(ETH_ZLEN, L3 + IPV4_HLEN + len));
  ipv4Emit(viewOf(frame), L3, IPV4_HLEN + len, 0, IPV4_DF, ttl, protocol, src, dst);
  return frame;
}

/** An echo request with 56 bytes of data, as ping sends it. */
export function echoRequest(ip: Ipv4Fields, id: number, seq: number): Uint8Array {
  const data = 56;
  const frame = ipv4Packet(ip, IPPROTO_ICMP, ICMP4_HLEN + data);
  const at = L3 + IPV4_HLEN;
  for (let i = 0; i < data; i++) frame[at + ICMP4_HLEN + i] = i;
  icmp4EmitEchoRequest(viewOf(frame), at, id, seq, data);
  return frame;
}

/** An ICMP error about `packet`, of which it quotes the IPv4 header and 8 bytes (RFC 792). */
export function icmpError(ip: Ipv4Fields, type: number, code: number, packet: Uint8Array): Uint8Array {
  const quote = packet.subarray(L3, L3 + IPV4_HLEN + 8);
  const frame = ipv4Packet(ip, IPPROTO_ICMP, ICMP4_HLEN + quote.length);
  frame.set(quote, L3 + IPV4_HLEN + ICMP4_HLEN);
  icmp4EmitError(viewOf(frame), L3 + IPV4_HLEN, type, code, 0, quote.length);
  return frame;
}

export function udpPacket(ip: Ipv4Fields, srcPort: number, dstPort: number, data: Uint8Array): Uint8Array {
  const frame = ipv4Packet(ip, IPPROTO_UDP, UDP_HLEN + data.length);
  const view = viewOf(frame);
  frame.set(data, udpEmit(view, L3 + IPV4_HLEN, srcPort, dstPort, UDP_HLEN + data.length));
  udpRefreshChecksum4(view, L3 + IPV4_HLEN, ip.src, ip.dst);
  return frame;
}
