// l2-guard: what a bridge must never pass, and what nobody but the gateway may send. All else goes to l2-learn.

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_EXTENSION } from '../../tables/interface-table.ts';
import {
  ETH_HLEN,
  ETHERTYPE_IPV4,
  ETHERTYPE_LLDP,
  ethernetDstHi,
  ethernetDstLo,
  ethernetIsGroup,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../../wire/ethernet.ts';
import {
  IPPROTO_UDP,
  IPPROTO_VRRP,
  IPV4_HLEN,
  IPV4_OFFSET_MASK,
  ipv4FlagsFrag,
  ipv4HeaderLen,
  ipv4Protocol,
  ipv4Src,
} from '../../wire/ipv4.ts';
import { UDP_HLEN, UDP_PORT_HSRP, udpDstPort } from '../../wire/udp.ts';
import { isSourceMac, isTargetMac } from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';

const UDP_PORT_GLBP = 3222;

export function createL2Guard(): GraphNode {
  return {
    name: 'l2-guard',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        let reason = groupReason(batch, i);
        if (reason === 0) {
          reason =
            interfaces.kind[batch.iface[i]] === IF_EXTENSION
              ? extensionReason(batch, i, ctx)
              : localReason(batch, i, ctx);
        }
        if (reason === 0) ctx.push(NODE['l2-learn'], i);
        else ctx.drop(i, reason);
      }
    },
  };
}

/** Control protocols of links and of gateways: 0, or the reason why the frame goes no further. */
function groupReason(batch: Batch, i: number): number {
  const { view } = batch;
  const off = batch.off[i];
  if (!ethernetIsGroup(view, off)) return 0;
  const hi = ethernetDstHi(view, off);
  const lo = ethernetDstLo(view, off);
  const type = ethernetType(view, off);
  // 01:80:c2:00:00:0x, reserved for the link (IEEE 802.1Q table 8-1), LLDP to whatever group, and Cisco's CDP/VTP and PVST+
  if (
    (hi === 0x0180 && lo >>> 4 === 0xc20_0000) ||
    (hi === 0x0100 && (lo === 0x0ccc_cccc || lo === 0x0ccc_cccd)) ||
    type === ETHERTYPE_LLDP
  ) {
    return REASON['link-local-group'];
  }
  // 224.0.0.18 and ff02::12 are VRRP's groups (RFC 5798 §5.1.1), 224.0.0.102 and ff02::66 those of HSRPv2 and GLBP
  if (
    (hi === 0x0100 && (lo === 0x5e00_0012 || lo === 0x5e00_0066)) ||
    (hi === 0x3333 && (lo === 0x0000_0012 || lo === 0x0000_0066))
  ) {
    return REASON['fhrp-hello'];
  }
  if (type !== ETHERTYPE_IPV4 || batch.len[i] < ETH_HLEN + IPV4_HLEN) return 0;
  const ip = off + ETH_HLEN;
  const protocol = ipv4Protocol(view, ip);
  if (protocol === IPPROTO_VRRP) return REASON['fhrp-hello'];
  if (protocol !== IPPROTO_UDP || (ipv4FlagsFrag(view, ip) & IPV4_OFFSET_MASK) !== 0) return 0;
  const hlen = ipv4HeaderLen(view, ip);
  if (ETH_HLEN + hlen + UDP_HLEN > batch.len[i]) return 0;
  const port = udpDstPort(view, ip + hlen);
  // HSRPv1 speaks to 224.0.0.2, the group of all routers, so its port tells (RFC 2281 §5)
  return port === UDP_PORT_HSRP || port === UDP_PORT_GLBP ? REASON['fhrp-hello'] : 0;
}

/** A VM at the target must not be the gateway (I): neither gateway's MAC, nor their IP. ARP claims are for arp-filter. */
function localReason(batch: Batch, i: number, ctx: Context): number {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const iface = batch.iface[i];
  const network = interfaces.network[iface];
  const hi = ethernetSrcHi(view, off);
  const lo = ethernetSrcLo(view, off) | 0;
  let claim = isTargetMac(ctx.tables, network, hi, lo) || isSourceMac(ctx.tables, network, hi, lo);
  if (!claim && ethernetType(view, off) === ETHERTYPE_IPV4 && batch.len[i] >= ETH_HLEN + IPV4_HLEN) {
    claim = ipv4Src(view, off + ETH_HLEN) === networks.gatewayIp[network];
  }
  if (!claim) return 0;
  ctx.events.tell('gateway-claim', ctx.nowMs, iface, network, hi, lo >>> 0, networks.gatewayIp[network]);
  return REASON['gateway-claim'];
}

/** T-MAC lives at the target alone (invariant 3): whoever uses it across the extension has seen what should never get there. */
function extensionReason(batch: Batch, i: number, ctx: Context): number {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const iface = batch.iface[i];
  const network = interfaces.network[iface];
  if (networks.proximity[network] === 0) return 0; // S4: off, so there is no gateway at the target
  const hi = ethernetSrcHi(view, off);
  const lo = ethernetSrcLo(view, off);
  if (
    !isTargetMac(ctx.tables, network, hi, lo) &&
    !isTargetMac(ctx.tables, network, ethernetDstHi(view, off), ethernetDstLo(view, off))
  ) {
    return 0;
  }
  ctx.events.tell('target-mac-leak', ctx.nowMs, iface, network, hi, lo, 0);
  return REASON['target-mac-from-extension'];
}
