// What the bridging nodes share: on whose side a VM's gateway is, and the way into and out of the extension.

import { type Batch, OFFLOAD_CSUM } from '../base/batch.ts';
import { REASON } from '../stats/reasons.ts';
import { SIDE_TARGET } from '../tables/vm-table.ts';
import {
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../wire/ethernet.ts';
import {
  IPPROTO_TCP,
  IPV4_HLEN,
  IPV4_OFFSET_MASK,
  ipv4FlagsFrag,
  ipv4HeaderLen,
  ipv4Protocol,
} from '../wire/ipv4.ts';
import { IPV6_HLEN, ipv6NextHeader } from '../wire/ipv6.ts';
import { TCP_HLEN, TCP_SYN, tcpClampMss, tcpFlags, tcpMssOffset } from '../wire/tcp.ts';
import { type Context, NODE, type Tables } from './graph.ts';
import { wireL3Len } from './offload.ts';

/**
 * `batch.outIface` of a packet whose egress the bridge has still to find. A BVI there says that the packet comes from
 * routing (or from the gateway itself), and may only leave by local interfaces.
 */
export const NO_IFACE = 0xffff;

/** `batch.aux` on the way to l2-flood: to every member of the network that may have it. */
export const FLOOD_ALL = 0;
/** … a unicast copy to each VM at the target whose gateway is the source's. */
export const FLOOD_PINNED = 1;

/**
 * Whether the target gateway is this VM's (S13, S18): the inventory says so. An unknown VM is pinned (S23, S24). A network
 * without an extension has no other gateway any more, so all of its VMs are on this one (S8, S9).
 */
export function isOnTargetGateway(tables: Tables, network: number, macHi: number, macLo: number): boolean {
  const { networks, vms } = tables;
  if (networks.proximity[network] === 0) return false; // S4: off, so every VM stays on the source's
  if (networks.extension[network] === NO_IFACE) return true;
  const vm = vms.find(network, macHi, macLo | 0);
  return vm >= 0 && vms.side[vm] === SIDE_TARGET;
}

/** Whether a MAC is the source gateway's, as far as that is known. `macLo` may be signed, as in `Fdb.find`; below too. */
export function isSourceMac(tables: Tables, network: number, macHi: number, macLo: number): boolean {
  const { networks } = tables;
  return (
    (macLo ^ networks.sourceMacLo[network]) === 0 &&
    macHi === networks.sourceMacHi[network] &&
    (macHi | macLo) !== 0
  );
}

/** Whether a MAC is the target gateway's. */
export function isTargetMac(tables: Tables, network: number, macHi: number, macLo: number): boolean {
  const { networks } = tables;
  return (macLo ^ networks.targetMacLo[network]) === 0 && macHi === networks.targetMacHi[network];
}

/** Sends a packet of `network` into its extension, or ends it with the reason why it cannot go there. */
export function enterExtension(batch: Batch, i: number, ctx: Context, network: number): void {
  const { interfaces, networks } = ctx.tables;
  const extension = networks.extension[network];
  if (extension === NO_IFACE || interfaces.up[extension] === 0) {
    ctx.drop(i, REASON['extension-down']);
    return;
  }
  const off = batch.off[i];
  if (isTargetMac(ctx.tables, network, ethernetSrcHi(batch.view, off), ethernetSrcLo(batch.view, off))) {
    ctx.drop(i, REASON['bvi-egress-extension']); // invariant 3, whatever way the frame came here
    return;
  }
  if (wireL3Len(batch, i) > interfaces.mtu[extension]) {
    ctx.drop(i, REASON['extension-oversize']);
    return;
  }
  clampMss(batch, i, ctx, network);
  batch.outIface[i] = extension;
  ctx.push(NODE['interface-output'], i);
}

/** Lowers the MSS of a SYN that crosses the extension, in either direction, so that segments fit its MTU (RFC 9293 §3.7.1). */
export function clampMss(batch: Batch, i: number, ctx: Context, network: number): void {
  const { interfaces, networks } = ctx.tables;
  if (networks.mssClamp[network] === 0 || networks.extension[network] === NO_IFACE) return;
  const { view } = batch;
  const off = batch.off[i];
  const len = batch.len[i];
  const l3 = batch.l3[i];
  const type = ethernetType(view, off + l3 - 14);
  let ipLen: number;
  if (type === ETHERTYPE_IPV4) {
    if (len < l3 + IPV4_HLEN + TCP_HLEN || ipv4Protocol(view, off + l3) !== IPPROTO_TCP) return;
    if ((ipv4FlagsFrag(view, off + l3) & IPV4_OFFSET_MASK) !== 0) return;
    ipLen = ipv4HeaderLen(view, off + l3);
  } else if (type === ETHERTYPE_IPV6) {
    if (len < l3 + IPV6_HLEN + TCP_HLEN || ipv6NextHeader(view, off + l3) !== IPPROTO_TCP) return;
    ipLen = IPV6_HLEN;
  } else return;
  const l4 = l3 + ipLen;
  if (ipLen < IPV4_HLEN || l4 + TCP_HLEN > len || (tcpFlags(view, off + l4) & TCP_SYN) === 0) return;
  const fixedLen = (type === ETHERTYPE_IPV4 ? IPV4_HLEN : IPV6_HLEN) + TCP_HLEN;
  const mss = interfaces.mtu[networks.extension[network]] - fixedLen;
  if (lowerMss(batch, i, l4, mss)) ctx.note(i, REASON['mss-clamped']);
}

function lowerMss(batch: Batch, i: number, l4: number, mss: number): boolean {
  const at = batch.off[i] + l4;
  const len = batch.len[i] - l4;
  if ((batch.offload[i] & OFFLOAD_CSUM) === 0) return tcpClampMss(batch.view, at, len, mss);
  // a partial checksum does not cover the option yet
  const value = tcpMssOffset(batch.view, at, len);
  if (value === 0 || batch.view.getUint16(value) <= mss) return false;
  batch.view.setUint16(value, mss);
  return true;
}
