// A simulated node with an IPv4 stack: a host, or a router when it forwards. A packet's ways through it:
//
//   in    link → receive → ARP cache │ ours: ICMP, or whoever has bound the port │ not ours: forward
//   out   send → route → ARP cache → every leg of the interface
//
// A VM is a host whose one interface has two legs, its places at the source and at the target; one of the cables is up.

import type { Mac } from '../addr/mac.ts';
import { contains4, mask4 } from '../addr/prefix.ts';
import { assert } from '../base/errors.ts';
import type { Timers } from '../base/timers.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetCheck,
  ethernetDstHi,
  ethernetDstLo,
  ethernetIsGroup,
  ethernetSetDst,
  ethernetSetSrc,
  ethernetType,
} from '../wire/ethernet.ts';
import {
  ICMP4_DEST_UNREACHABLE,
  ICMP4_ECHO_REQUEST,
  ICMP4_HOST_UNREACHABLE,
  ICMP4_NET_UNREACHABLE,
  ICMP4_PORT_UNREACHABLE,
  ICMP4_TIME_EXCEEDED,
  ICMP4_TTL_EXCEEDED,
  icmp4Check,
  icmp4EmitEchoReply,
  icmp4IsError,
  icmp4Type,
} from '../wire/icmpv4.ts';
import {
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ipv4Check,
  ipv4DecrementTtl,
  ipv4Dst,
  ipv4HeaderLen,
  ipv4Protocol,
  ipv4RefreshChecksum,
  ipv4SetDst,
  ipv4SetSrc,
  ipv4Src,
  ipv4TotalLen,
  ipv4Ttl,
} from '../wire/ipv4.ts';
import { udpCheck, udpDstPort } from '../wire/udp.ts';
import { ArpCache } from './arp-cache.ts';
import { DEFAULT_TTL, icmpError, L3, viewOf } from './frames.ts';
import type { LinkEnd } from './link.ts';
import { SimRouteTable } from './route-table.ts';

export interface SimInterface {
  readonly mac: Mac;
  readonly ip: number;
  readonly len: number;
  readonly arp: ArpCache;
  readonly legs: readonly LinkEnd[];
}

/** Gets a packet for a bound port, or an ICMP message; the bytes are not to be changed. */
export type PacketHandler = (packet: Uint8Array) => void;

export class IpNode {
  readonly name: string;
  readonly routes = new SimRouteTable();
  readonly interfaces: SimInterface[] = [];
  /** Get every ICMP message for this node but echo requests. */
  readonly icmp = new Set<PacketHandler>();
  readonly #timers: Timers;
  readonly #forwards: boolean;
  readonly #addresses = new Set<number>();
  /** Protocol × 65536 + port → who gets its packets. */
  readonly #bound = new Map<number, PacketHandler>();

  constructor(name: string, timers: Timers, forwards: boolean) {
    this.name = name;
    this.#timers = timers;
    this.#forwards = forwards;
  }

  /** Gives the node an address that no cable belongs to, as on a loopback interface. */
  addAddress(ip: number): void {
    this.#addresses.add(ip);
  }

  addInterface(mac: Mac, ip: number, len: number, legs: readonly LinkEnd[]): SimInterface {
    const transmit = (frame: Uint8Array): void => {
      for (const leg of legs) leg.send(frame);
    };
    const arp = new ArpCache({
      timers: this.#timers,
      ip,
      mac,
      transmit,
      release(packet, to) {
        const view = viewOf(packet);
        ethernetSetDst(view, 0, to.hi, to.lo);
        ethernetSetSrc(view, 0, mac.hi, mac.lo);
        view.setUint16(ETH_HLEN - 2, ETHERTYPE_IPV4);
        transmit(packet);
      },
      failed: (packet) => this.#tellSender(packet, ip, ICMP4_DEST_UNREACHABLE, ICMP4_HOST_UNREACHABLE),
    });
    const itf: SimInterface = { mac, ip, len, arp, legs };
    for (const leg of legs) leg.receive = (frame) => this.#receive(itf, frame);
    this.interfaces.push(itf);
    this.#addresses.add(ip);
    this.routes.add({ prefix: (ip & mask4(len)) >>> 0, len, source: 'connected', via: 0 });
    return itf;
  }

  /** A guest that boots knows no neighbor, and says that it is there (RFC 5227 §2.3). */
  boot(): void {
    for (const { arp } of this.interfaces) {
      arp.clear();
      arp.announce();
    }
  }

  /** Gives the packets of a protocol's port to `handler`, until the function that comes back is called. */
  bind(protocol: number, port: number, handler: PacketHandler): () => void {
    const key = protocol * 65536 + port;
    assert(!this.#bound.has(key), `one program has port ${port} of ${this.name}`);
    this.#bound.set(key, handler);
    return () => this.#bound.delete(key);
  }

  /** Routes a packet of this node; false when there is no route to its destination. */
  send(packet: Uint8Array): boolean {
    const dst = ipv4Dst(viewOf(packet), L3);
    const route = this.routes.lookup(dst);
    const neighbor = route?.via || dst;
    const itf = this.interfaces.find((i) => contains4(i.ip, i.len, neighbor));
    if (route === undefined || itf === undefined) return false;
    itf.arp.send(neighbor, packet);
    return true;
  }

  #receive(itf: SimInterface, frame: Uint8Array): void {
    const view = viewOf(frame);
    if (ethernetCheck(view, 0, frame.length) < 0) return;
    const mine = ethernetDstHi(view, 0) === itf.mac.hi && ethernetDstLo(view, 0) === itf.mac.lo;
    if (!mine && !ethernetIsGroup(view, 0)) return;
    const type = ethernetType(view, 0);
    if (type === ETHERTYPE_ARP) itf.arp.receive(frame);
    else if (type === ETHERTYPE_IPV4 && mine && ipv4Check(view, L3, frame.length - L3) >= 0) {
      if (this.#addresses.has(ipv4Dst(view, L3))) this.#deliver(frame, view);
      else if (this.#forwards) this.#forward(itf, frame.slice());
    }
  }

  #forward(itf: SimInterface, packet: Uint8Array): void {
    const view = viewOf(packet);
    if (ipv4Ttl(view, L3) <= 1) {
      this.#tellSender(packet, itf.ip, ICMP4_TIME_EXCEEDED, ICMP4_TTL_EXCEEDED);
      return;
    }
    ipv4DecrementTtl(view, L3);
    if (!this.send(packet)) this.#tellSender(packet, itf.ip, ICMP4_DEST_UNREACHABLE, ICMP4_NET_UNREACHABLE);
  }

  #deliver(packet: Uint8Array, view: DataView): void {
    const protocol = ipv4Protocol(view, L3);
    const hlen = ipv4HeaderLen(view, L3);
    const at = L3 + hlen;
    const len = ipv4TotalLen(view, L3) - hlen;
    if (protocol === IPPROTO_ICMP) {
      if (icmp4Check(view, at, len) < 0) return;
      if (icmp4Type(view, at) === ICMP4_ECHO_REQUEST) this.#answerEcho(packet.slice(), at);
      else for (const handler of this.icmp) handler(packet);
      return;
    }
    if ((protocol !== IPPROTO_UDP && protocol !== IPPROTO_TCP) || len < 4) return;
    // The ports of TCP and UDP stand at the same place (RFC 9293 §3.1, RFC 768).
    const handler = this.#bound.get(protocol * 65536 + udpDstPort(view, at));
    if (handler !== undefined) handler(packet);
    else if (protocol === IPPROTO_UDP && udpCheck(view, at, len) >= 0) {
      this.#tellSender(packet, ipv4Dst(view, L3), ICMP4_DEST_UNREACHABLE, ICMP4_PORT_UNREACHABLE);
    }
  }

  #answerEcho(packet: Uint8Array, at: number): void {
    const view = viewOf(packet);
    const [src, dst] = [ipv4Src(view, L3), ipv4Dst(view, L3)];
    icmp4EmitEchoReply(view, at);
    ipv4SetSrc(view, L3, dst);
    ipv4SetDst(view, L3, src);
    view.setUint8(L3 + 8, DEFAULT_TTL);
    ipv4RefreshChecksum(view, L3);
    this.send(packet);
  }

  /** Sends an ICMP error about `packet` from `src`, unless the packet is one itself (RFC 1812 §4.3.2.7) or is our own. */
  #tellSender(packet: Uint8Array, src: number, type: number, code: number): void {
    const view = viewOf(packet);
    const to = ipv4Src(view, L3);
    const isError =
      ipv4Protocol(view, L3) === IPPROTO_ICMP && icmp4IsError(icmp4Type(view, L3 + ipv4HeaderLen(view, L3)));
    if (!isError && !this.#addresses.has(to)) this.send(icmpError({ src, dst: to }, type, code, packet));
  }
}
