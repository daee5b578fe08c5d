// ethernet-input: where every received frame starts. Finds the interface that the frame came by, takes its VLAN tag off,
// and parts what is bridged (to l2-guard) from what is routed here (to arp-input and ip4-input). The common packet of a routed
// interface skips all nodes up to interface-output (ip4-fast-path.ts).
//
// One tag is understood: the interface's own. What is tagged otherwise, or twice, belongs to no interface: bridged
// networks do not carry the VLANs of their VMs.

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_ROUTED } from '../../tables/interface-table.ts';
import { DOT1Q_LEN, dot1qIsTpid, dot1qPop, dot1qVid, VLAN_ETH_HLEN } from '../../wire/dot1q.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_VLAN,
  ethernetDstHi,
  ethernetDstLo,
  ethernetIsGroup,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
  MAC_BROADCAST_HI,
  MAC_BROADCAST_LO,
  MAC_GROUP_BIT,
} from '../../wire/ethernet.ts';
import { NO_IFACE } from '../bridge.ts';
import { type Context, countRx, type GraphNode, NODE } from '../graph.ts';
import { createIp4FastPath } from '../ip4-fast-path.ts';
import { moveVnetHeader } from '../offload.ts';

/** What was last seen of frames; see `lookAhead`. */
const seen = new Int32Array(32);

export function createEthernetInput(): GraphNode {
  const fastPath = createIp4FastPath();
  return {
    name: 'ethernet-input',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces } = ctx.tables;
      const others = fastPath(batch, idx, n, ctx);
      if (others === n) lookAhead(batch, idx, n);
      for (let k = 0; k < others; k++) {
        const i = idx[k];
        const reason = enter(batch, i, ctx);
        if (reason !== 0) {
          ctx.drop(i, reason);
          continue;
        }
        if (interfaces.kind[batch.iface[i]] === IF_ROUTED) routed(batch, i, ctx);
        else ctx.push(NODE['l2-guard'], i);
      }
    },
  };
}

/**
 * Looks at each frame once and does nothing else, so that the memory brings many at a time: the walk over the nodes meets them
 * in the cache. Bridged frames from memory that no cache had took half the time after that.
 */
function lookAhead(batch: Batch, idx: Uint16Array, n: number): void {
  const { view, off } = batch;
  let bits = 0;
  for (let k = 0; k < n; k++) bits |= view.getInt32(off[idx[k]] + 8);
  seen[0] = bits; // so that V8 keeps the loads
}

/** Finds the interface, untags and counts; returns the reason to drop the frame, 0 for none. */
function enter(batch: Batch, i: number, ctx: Context): number {
  const { interfaces } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const len = batch.len[i];
  batch.iface[i] = NO_IFACE; // a drop before the interface is known belongs to none
  batch.outIface[i] = NO_IFACE;
  batch.l3[i] = ETH_HLEN;
  if (len < ETH_HLEN) return REASON.runt;
  const row = batch.port[i] * 4096;
  if (row >= interfaces.classify.length) return REASON['vlan-unknown'];
  let iface = interfaces.classify[row];
  const tagged = ethernetType(view, off) === ETHERTYPE_VLAN;
  if (tagged) {
    if (len < VLAN_ETH_HLEN) return REASON.runt;
    // VID 0 is a priority tag: the frame belongs to the untagged interface (IEEE 802.1Q §6.9.1)
    iface = interfaces.classify[row + dot1qVid(view, off)];
    batch.off[i] = dot1qPop(batch.u8, off);
    batch.len[i] = len - DOT1Q_LEN;
    moveVnetHeader(batch, i, off, DOT1Q_LEN);
  }
  if (iface === NO_IFACE || dot1qIsTpid(ethernetType(view, batch.off[i]))) return REASON['vlan-unknown'];
  batch.iface[i] = iface;
  countRx(ctx.counters, iface, len);
  if (interfaces.up[iface] === 0) return REASON['interface-down'];
  const srcHi = ethernetSrcHi(view, batch.off[i]);
  if ((srcHi & MAC_GROUP_BIT) !== 0 || (srcHi | ethernetSrcLo(view, batch.off[i])) === 0) {
    return REASON['source-mac-invalid'];
  }
  return 0;
}

/** A frame on a layer-3 interface of the gateway. */
function routed(batch: Batch, i: number, ctx: Context): void {
  const { interfaces } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const iface = batch.iface[i];
  const type = ethernetType(view, off);
  const dstHi = ethernetDstHi(view, off);
  const dstLo = ethernetDstLo(view, off);
  if (dstHi === interfaces.macHi[iface] && dstLo === interfaces.macLo[iface]) {
    if (type === ETHERTYPE_IPV4) ctx.push(NODE['ip4-input'], i);
    else if (type === ETHERTYPE_ARP) ctx.push(NODE['arp-input'], i);
    else ctx.drop(i, REASON['ethertype-unsupported']);
  } else if (dstHi === MAC_BROADCAST_HI && dstLo === MAC_BROADCAST_LO && type === ETHERTYPE_ARP) {
    ctx.push(NODE['arp-input'], i);
  } else {
    // RFC 1812 §5.3.4: what was sent as a link-layer group is not forwarded
    ctx.drop(i, ethernetIsGroup(view, off) ? REASON['multicast-routed'] : REASON['not-for-us']);
  }
}
