// The ARP messages that the gateway itself sends for its neighbors: a reply for an address of its own, a request for one
// that it wants to reach; and the frame of every ARP and RARP message that is made here. They leave by an interface of the gateway; those for a network go to its bridge, which lets no
// VM of the other side hear them (l2-flood).

import type { Batch } from '../base/batch.ts';
import { TOTAL } from '../stats/counters.ts';
import { IF_BVI } from '../tables/interface-table.ts';
import { ARP_REPLY, ARP_REQUEST, arpEmit, arpSenderIp, arpSenderMacHi, arpSenderMacLo } from '../wire/arp.ts';
import {
  ETH_ZLEN,
  ETHERTYPE_ARP,
  ethernetEmit,
  MAC_BROADCAST_HI,
  MAC_BROADCAST_LO,
} from '../wire/ethernet.ts';
import { type Context, NODE } from './graph.ts';
import { MADE_ARP } from './trace.ts';

/**
 * Asks for `ip` on `iface`, in this walk. `cause` is the slot that wants to know, -1 for none (a timer).
 * With `macHi`/`macLo` other than 0/0 the request goes to that MAC alone (RFC 1122 §2.3.2.1: unicast poll).
 */
export function arpRequest(
  ctx: Context,
  iface: number,
  ip: number,
  macHi: number,
  macLo: number,
  cause: number,
): void {
  const { interfaces, networks } = ctx.tables;
  const bridged = interfaces.kind[iface] === IF_BVI;
  const spa = bridged ? networks.gatewayIp[interfaces.network[iface]] : interfaces.ip[iface];
  const broadcast = macHi === 0 && macLo === 0;
  const i = arpPacket(
    ctx,
    iface,
    broadcast ? MAC_BROADCAST_HI : macHi,
    broadcast ? MAC_BROADCAST_LO : macLo,
    ARP_REQUEST,
    spa,
    0,
    0,
    ip,
  );
  if (i < 0) return;
  if (cause >= 0 && ctx.batch.trace[cause] >= 0) ctx.trace.made(ctx.batch, i, cause, MADE_ARP);
  ctx.counters.totals[TOTAL.originated]++;
  if (!bridged) ctx.push(NODE['interface-output'], i);
  else ctx.push(broadcast ? NODE['l2-flood'] : NODE['l2-forward'], i);
}

/** Answers the request in slot `cause` (its ARP message at `at`), in the second walk: `ip` is at the MAC of `iface`. */
export function arpReply(ctx: Context, iface: number, ip: number, cause: number, at: number): void {
  const { view } = ctx.batch;
  const hi = arpSenderMacHi(view, at);
  const lo = arpSenderMacLo(view, at);
  const i = arpPacket(ctx, iface, hi, lo, ARP_REPLY, ip, hi, lo, arpSenderIp(view, at));
  if (i < 0) return;
  if (ctx.batch.trace[cause] >= 0) ctx.trace.made(ctx.batch, i, cause, MADE_ARP);
  ctx.originate(NODE['interface-output'], i);
}

function arpPacket(
  ctx: Context,
  iface: number,
  dstHi: number,
  dstLo: number,
  op: number,
  spa: number,
  thaHi: number,
  thaLo: number,
  tpa: number,
): number {
  const { batch } = ctx;
  const { interfaces } = ctx.tables;
  const hi = interfaces.macHi[iface];
  const lo = interfaces.macLo[iface];
  const i = arpFrame(batch, ETHERTYPE_ARP, dstHi, dstLo, op, hi, lo, spa, thaHi, thaLo, tpa);
  if (i < 0) {
    ctx.notMade();
    return -1;
  }
  batch.iface[i] = iface;
  batch.outIface[i] = iface;
  return i;
}

/**
 * Makes an ARP or RARP message in a frame from `sha` to `dst`, padded to the least length of Ethernet; returns its slot, or -1
 * when the batch has no room. MACs are (hi16, lo32), addresses u32.
 */
export function arpFrame(
  batch: Batch,
  etherType: number,
  dstHi: number,
  dstLo: number,
  op: number,
  shaHi: number,
  shaLo: number,
  spa: number,
  thaHi: number,
  thaLo: number,
  tpa: number,
): number {
  const i = batch.alloc(ETH_ZLEN);
  if (i < 0) return -1;
  const { u8, view } = batch;
  const off = batch.off[i];
  const at = ethernetEmit(view, off, dstHi, dstLo, shaHi, shaLo, etherType);
  const end = arpEmit(view, at, op, shaHi, shaLo, spa, thaHi, thaLo, tpa);
  u8.fill(0, end, off + ETH_ZLEN); // padding must not carry what an earlier packet left (RFC 894)
  return i;
}
