// l2-classify: what is not ARP in an extended network is either for a gateway, and then for which one, or for somebody in
// the network: unicast goes to l2-forward, everything else to l2-flood, and what the target gateway routes to ip4-input.

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_EXTENSION } from '../../tables/interface-table.ts';
import { STALE_BRIDGE, STALE_INTERCEPT } from '../../tables/network-table.ts';
import {
  ETH_HLEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ethernetDstHi,
  ethernetDstLo,
  ethernetIsGroup,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../../wire/ethernet.ts';
import {
  IPPROTO_UDP,
  IPV4_HLEN,
  ipv4Dst,
  ipv4HeaderLen,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Src,
} from '../../wire/ipv4.ts';
import {
  UDP_HLEN,
  UDP_PORT_DHCP_CLIENT,
  UDP_PORT_DHCP_SERVER,
  udpDstPort,
  udpSrcPort,
} from '../../wire/udp.ts';
import { FLOOD_ALL, isOnTargetGateway, isSourceMac, isTargetMac } from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { RULE } from '../rules.ts';

export function createL2Classify(): GraphNode {
  return {
    name: 'l2-classify',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        if (ethernetIsGroup(batch.view, batch.off[i])) {
          batch.aux[i] = FLOOD_ALL; // S10: broadcasts cross, DHCP's to the source's server too
          ctx.push(NODE['l2-flood'], i);
        } else if (interfaces.kind[batch.iface[i]] === IF_EXTENSION) fromExtension(batch, i, ctx);
        else fromLocal(batch, i, ctx);
      }
    },
  };
}

function fromLocal(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const network = interfaces.network[batch.iface[i]];
  const dstHi = ethernetDstHi(view, off);
  const dstLo = ethernetDstLo(view, off) | 0;
  if (networks.proximity[network] !== 0) {
    if (isTargetMac(ctx.tables, network, dstHi, dstLo)) {
      toTargetGateway(batch, i, ctx, network);
      return;
    }
    if (isSourceMac(ctx.tables, network, dstHi, dstLo)) {
      toSourceGateway(batch, i, ctx, network);
      return;
    }
  }
  ctx.push(NODE['l2-forward'], i); // S10 across the extension; two VMs at the target are switched here
}

/** S6, S7, S12: local VMs are routed here; S19: pinned ones are not. */
function toTargetGateway(batch: Batch, i: number, ctx: Context, network: number): void {
  const { view } = batch;
  const off = batch.off[i];
  const type = ethernetType(view, off);
  if (!isOnTargetGateway(ctx.tables, network, ethernetSrcHi(view, off), ethernetSrcLo(view, off))) {
    ctx.drop(i, REASON['pinned-to-target-gateway']);
  } else if (type === ETHERTYPE_IPV4) {
    if (batch.trace[i] >= 0) ctx.trace.rule(batch, i, RULE['route-at-target']);
    ctx.push(NODE['ip4-input'], i);
  } else ctx.drop(i, REASON[type === ETHERTYPE_IPV6 ? 'ip6-not-routed' : 'ethertype-unsupported']);
}

/**
 * S19: a pinned VM's way. A local VM that comes here has an old ARP entry, and the network's policy says what becomes of its
 * IPv4 packets; all else (IPv6 above all) has only the source gateway to go to.
 */
function toSourceGateway(batch: Batch, i: number, ctx: Context, network: number): void {
  const { networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const hi = ethernetSrcHi(view, off);
  const lo = ethernetSrcLo(view, off);
  if (ethernetType(view, off) !== ETHERTYPE_IPV4 || !isOnTargetGateway(ctx.tables, network, hi, lo)) {
    if (batch.trace[i] >= 0) ctx.trace.rule(batch, i, RULE['bridge-to-source-gateway']);
    ctx.push(NODE['l2-forward'], i);
    return;
  }
  const ip = batch.len[i] >= ETH_HLEN + IPV4_HLEN ? ipv4Src(view, off + ETH_HLEN) : 0;
  ctx.events.tell('stale-gateway', ctx.nowMs, batch.iface[i], network, hi, lo, ip);
  const policy = networks.stale[network];
  if (policy === STALE_INTERCEPT) {
    ctx.note(i, REASON['stale-gateway-intercepted']);
    ctx.push(NODE['ip4-input'], i);
  } else if (policy === STALE_BRIDGE) {
    ctx.note(i, REASON['stale-gateway-bridged']);
    ctx.push(NODE['l2-forward'], i);
  } else ctx.drop(i, REASON['stale-gateway-dropped']);
}

/**
 * S14: what the source gateway delivers to a local VM came in by the other gateway than the VM's answer will leave by: its /32
 * is not learned yet. It is the source gateway's packet by its MAC, or by a source address from outside of the network
 * (a router of a redundant pair sends with its own MAC, RFC 5798 §8.2).
 */
function fromExtension(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const ip = off + ETH_HLEN;
  const network = interfaces.network[batch.iface[i]];
  const dstHi = ethernetDstHi(view, off);
  const dstLo = ethernetDstLo(view, off);
  if (
    ethernetType(view, off) === ETHERTYPE_IPV4 &&
    batch.len[i] >= ETH_HLEN + IPV4_HLEN &&
    ((ipv4Src(view, ip) & networks.mask[network]) >>> 0 !== networks.subnet[network] ||
      isSourceMac(ctx.tables, network, ethernetSrcHi(view, off), ethernetSrcLo(view, off))) &&
    isOnTargetGateway(ctx.tables, network, dstHi, dstLo) &&
    !isDhcpToClient(batch, i)
  ) {
    ctx.events.tell(
      'asymmetric-inbound',
      ctx.nowMs,
      batch.iface[i],
      network,
      dstHi,
      dstLo,
      ipv4Dst(view, ip),
    );
    if (networks.dropAsymmetric[network] !== 0) {
      ctx.drop(i, REASON['asymmetric-dropped']);
      return;
    }
    ctx.note(i, REASON['asymmetric-inbound']);
  }
  ctx.push(NODE['l2-forward'], i);
}

/** A DHCP server's or relay's message: it answers a broadcast that crossed the extension, so it belongs there (I). */
function isDhcpToClient(batch: Batch, i: number): boolean {
  const { view } = batch;
  const ip = batch.off[i] + ETH_HLEN;
  const hlen = ipv4HeaderLen(view, ip);
  if (ipv4Protocol(view, ip) !== IPPROTO_UDP || ipv4IsFragment(view, ip)) return false;
  if (ETH_HLEN + hlen + UDP_HLEN > batch.len[i]) return false;
  return (
    udpSrcPort(view, ip + hlen) === UDP_PORT_DHCP_SERVER &&
    udpDstPort(view, ip + hlen) === UDP_PORT_DHCP_CLIENT
  );
}
