// IPv4 packets that the gateway makes because of one that it got: ICMP errors, and the numbers (identification, source
// address) that echo replies share with them. They start at ip4-lookup of the second walk.

import { REASON } from '../stats/reasons.ts';
import { IF_ROUTED, MAX_INTERFACES } from '../tables/interface-table.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetEmit } from '../wire/ethernet.ts';
import { ICMP4_ERROR_MAX, ICMP4_HLEN, icmp4EmitError, icmp4IsError, icmp4Type } from '../wire/icmpv4.ts';
import {
  IPPROTO_ICMP,
  IPV4_HLEN,
  IPV4_OFFSET_MASK,
  ipv4Emit,
  ipv4FlagsFrag,
  ipv4HeaderLen,
  ipv4Protocol,
  ipv4Src,
  ipv4Tos,
  ipv4TotalLen,
} from '../wire/ipv4.ts';
import { type Context, NODE } from './graph.ts';
import { RateLimit } from './rate-limit.ts';
import { MADE_REPLY } from './trace.ts';

/** TTL of what the gateway makes (RFC 1812 §4.2.2.9, the value of IANA's IP parameters). */
export const TTL_DEFAULT = 64;
/** Precedence "internetwork control", which ICMP errors carry (RFC 1812 §4.3.2.5). */
const TOS_INTERNETWORK_CONTROL = 0xc0;
/** DSCP bits below the precedence: an error keeps them from its cause. */
const TOS_KEPT = 0x1e;

export interface Ip4OriginOptions {
  /** Source address of ICMP errors about packets that came from an extended network, as u32; 0 = the network's gateway. */
  readonly siteAddress?: number;
  /** ICMP errors a second: all, and those about packets of one interface (RFC 1812 §4.3.2.8). 0 = unlimited. */
  readonly errorsPerSecond?: number;
  readonly errorsPerSecondAndInterface?: number;
}

/** An ICMP error as one number for `batch.aux`: type, code, and the next-hop MTU for frag-needed. */
export const icmpError = (type: number, code: number, mtu: number): number =>
  ((type << 24) | (code << 16) | mtu) >>> 0;

const ALL = MAX_INTERFACES;

export class Ip4Origin {
  readonly #siteAddress: number;
  readonly #limit = new RateLimit(MAX_INTERFACES + 1);
  readonly #perSecond: number;
  readonly #perSecondAndInterface: number;
  #id = 0;

  constructor(options: Ip4OriginOptions = {}) {
    this.#siteAddress = options.siteAddress ?? 0;
    this.#perSecond = options.errorsPerSecond ?? 1000;
    this.#perSecondAndInterface = options.errorsPerSecondAndInterface ?? 100;
  }

  /** Identification of the next packet. */
  nextId(): number {
    this.#id = (this.#id + 1) & 0xffff;
    return this.#id;
  }

  /**
   * Sends the error `icmpError(...)` about slot `i`, whose IPv4 header is checked, if the slot may cause one and the rate
   * allows. The slot itself is left to the caller, who ends it with its reason.
   */
  error(ctx: Context, i: number, error: number): void {
    const { batch } = ctx;
    if (!mayCauseError(ctx, i)) {
      ctx.note(i, REASON['icmp-error-suppressed']);
      return;
    }
    const iface = batch.iface[i];
    const src = this.#source(ctx, iface);
    if (src === 0) {
      ctx.note(i, REASON['icmp-error-suppressed']);
      return;
    }
    if (
      !this.#limit.take(iface, this.#perSecondAndInterface, ctx.nowMs) ||
      !this.#limit.take(ALL, this.#perSecond, ctx.nowMs)
    ) {
      ctx.note(i, REASON['icmp-error-limited']);
      return;
    }
    const { view, u8 } = batch;
    const from = batch.off[i] + batch.l3[i];
    const quoted = Math.min(ipv4TotalLen(view, from), ICMP4_ERROR_MAX - IPV4_HLEN - ICMP4_HLEN);
    const total = IPV4_HLEN + ICMP4_HLEN + quoted;
    const j = batch.alloc(ETH_HLEN + total);
    if (j < 0) {
      ctx.notMade();
      return;
    }
    const ip = ethernetEmit(view, batch.off[j], 0, 0, 0, 0, ETHERTYPE_IPV4);
    const tos = (ipv4Tos(view, from) & TOS_KEPT) | TOS_INTERNETWORK_CONTROL;
    const dst = ipv4Src(view, from);
    const icmp = ipv4Emit(view, ip, total, this.nextId(), 0, TTL_DEFAULT, IPPROTO_ICMP, src, dst, tos);
    u8.copyWithin(icmp + ICMP4_HLEN, from, from + quoted);
    icmp4EmitError(view, icmp, error >>> 24, (error >>> 16) & 0xff, error & 0xffff, quoted);
    batch.iface[j] = iface;
    if (batch.trace[i] >= 0) ctx.trace.made(batch, j, i, MADE_REPLY);
    ctx.originate(NODE['ip4-lookup'], j);
  }

  /** Source address of an error: that of the interface by which the packet came (RFC 1812 §4.3.2.4). 0 = there is none. */
  #source(ctx: Context, iface: number): number {
    const { interfaces, networks } = ctx.tables;
    if (interfaces.kind[iface] === IF_ROUTED) return interfaces.ip[iface] || this.#siteAddress;
    return this.#siteAddress || networks.gatewayIp[interfaces.network[iface]];
  }
}

/**
 * RFC 1812 §4.3.2.7: never about an ICMP error, a later fragment, or a packet from class E; and never about what the gateway
 * made itself. Group addresses of either layer and the other bad sources end before a packet gets here (ethernet-input,
 * ip4-input).
 */
function mayCauseError(ctx: Context, i: number): boolean {
  const { batch } = ctx;
  const { view } = batch;
  const ip = batch.off[i] + batch.l3[i];
  if (batch.originated[i] !== 0) return false;
  if ((ipv4FlagsFrag(view, ip) & IPV4_OFFSET_MASK) !== 0) return false;
  if (ipv4Src(view, ip) >>> 28 === 0xf) return false;
  if (ipv4Protocol(view, ip) !== IPPROTO_ICMP) return true;
  const hlen = ipv4HeaderLen(view, ip);
  return ipv4TotalLen(view, ip) > hlen && !icmp4IsError(icmp4Type(view, ip + hlen));
}
