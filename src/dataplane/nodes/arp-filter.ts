// arp-filter: all ARP of the extended networks (RARP is none of its business). Two gateways have one IP, so ARP decides who
// uses which: a VM hears of its own side's gateway only, and each gateway of those VMs only that are on its side.
//
// An ARP message is from a VM at the target (`fromLocal`) or out of the extension (`fromExtension`). What is not about the
// gateway is bridged as any other frame: duplicate address detection must go on working across the sites (S10, RFC 5227).

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_EXTENSION } from '../../tables/interface-table.ts';
import {
  ARP_REPLY,
  ARP_REQUEST,
  arpCheck,
  arpOp,
  arpSenderIp,
  arpSenderMacHi,
  arpSenderMacLo,
  arpTargetIp,
} from '../../wire/arp.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ethernetDstHi,
  ethernetDstLo,
  ethernetIsGroup,
  ethernetSrcHi,
  ethernetSrcLo,
  MAC_GROUP_BIT,
} from '../../wire/ethernet.ts';
import { arpFrame } from '../arp-emit.ts';
import {
  enterExtension,
  FLOOD_ALL,
  FLOOD_PINNED,
  isOnTargetGateway,
  isTargetMac,
  NO_IFACE,
} from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { neighborHeard } from '../neighbor-resolution.ts';
import { MADE_ARP } from '../trace.ts';

export function createArpFilter(): GraphNode {
  return {
    name: 'arp-filter',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const reason = senderReason(batch, i, ctx);
        if (reason !== 0) ctx.drop(i, reason);
        else if (interfaces.kind[batch.iface[i]] === IF_EXTENSION) fromExtension(batch, i, ctx);
        else fromLocal(batch, i, ctx);
      }
    },
  };
}

/** Why the message is to be believed by nobody; 0 for none. */
function senderReason(batch: Batch, i: number, ctx: Context): number {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const arp = off + ETH_HLEN;
  if (arpCheck(view, arp, batch.len[i] - ETH_HLEN) < 0) return REASON['arp-malformed'];
  const op = arpOp(view, arp);
  if (op !== ARP_REQUEST && op !== ARP_REPLY) return REASON['arp-malformed'];
  const hi = arpSenderMacHi(view, arp);
  const lo = arpSenderMacLo(view, arp);
  if (hi === ethernetSrcHi(view, off) && lo === ethernetSrcLo(view, off)) return 0;
  // A router of a redundant pair may answer for the gateway's virtual MAC with its own as the frame's (RFC 5798 §8.1.2).
  const iface = batch.iface[i];
  const network = interfaces.network[iface];
  const speaksForGateway =
    interfaces.kind[iface] === IF_EXTENSION && arpSenderIp(view, arp) === networks.gatewayIp[network];
  if (!speaksForGateway || (hi & MAC_GROUP_BIT) !== 0) return REASON['arp-sender-invalid'];
  if (networks.proximity[network] !== 0 && isTargetMac(ctx.tables, network, hi, lo)) {
    ctx.events.tell('target-mac-leak', ctx.nowMs, iface, network, hi, lo, networks.gatewayIp[network]);
    return REASON['target-mac-from-extension']; // invariant 3
  }
  return 0;
}

function fromLocal(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, networks } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const arp = off + ETH_HLEN;
  const network = interfaces.network[batch.iface[i]];
  const gateway = networks.gatewayIp[network];
  const hi = ethernetSrcHi(view, off);
  const lo = ethernetSrcLo(view, off);
  if (arpSenderIp(view, arp) === gateway) {
    // I: nobody at the target may say that it is the gateway, neither in an answer nor in the sender of a request
    ctx.events.tell('gateway-claim', ctx.nowMs, batch.iface[i], network, hi, lo, gateway);
    ctx.drop(i, REASON['gateway-claim']);
    return;
  }
  if (networks.proximity[network] === 0) {
    bridge(batch, i, ctx); // S4: off, a plain stretched network
    return;
  }
  const forGateway = arpOp(view, arp) === ARP_REQUEST && arpTargetIp(view, arp) === gateway;
  if (isOnTargetGateway(ctx.tables, network, hi, lo)) {
    if (forGateway) answerAsGateway(batch, i, ctx, network);
    else if (isTargetMac(ctx.tables, network, ethernetDstHi(view, off), ethernetDstLo(view, off))) {
      ctx.push(NODE['arp-input'], i); // an answer to the target gateway
    } else bridge(batch, i, ctx);
  } else if (forGateway) {
    enterExtension(batch, i, ctx, network); // S19: the source gateway alone answers a pinned VM
  } else if (isTargetMac(ctx.tables, network, ethernetDstHi(view, off), ethernetDstLo(view, off))) {
    ctx.drop(i, REASON['pinned-to-target-gateway']);
  } else bridge(batch, i, ctx);
}

function fromExtension(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, networks, vms } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const arp = off + ETH_HLEN;
  const network = interfaces.network[batch.iface[i]];
  const gateway = networks.gatewayIp[network];
  if (networks.proximity[network] === 0) {
    bridge(batch, i, ctx); // S4
    return;
  }
  const request = arpOp(view, arp) === ARP_REQUEST;
  const target = arpTargetIp(view, arp);
  if (arpSenderIp(view, arp) !== gateway) {
    // S15: a source VM asks for its gateway, which is at its own site
    if (request && target === gateway) ctx.drop(i, REASON['arp-gateway-request-from-extension']);
    else bridge(batch, i, ctx);
    return;
  }
  // From here on the source gateway speaks, by whatever MAC: its sender fields would go into every cache that hears them.
  const asked = request && target !== gateway ? vms.findLocalByIp(network, target) : -1;
  if (asked >= 0) {
    // S14: until the source has learned the VM's /32 it looks for the VM here. The VM must be found, yet not hear who asks.
    answerForVm(batch, i, ctx, vms.macHi[asked], vms.macLo[asked], target);
  } else if (ethernetIsGroup(view, off)) {
    batch.aux[i] = FLOOD_PINNED; // S15, S19: pinned VMs only
    ctx.push(NODE['l2-flood'], i);
  } else if (isOnTargetGateway(ctx.tables, network, ethernetDstHi(view, off), ethernetDstLo(view, off))) {
    ctx.drop(i, REASON['arp-gateway-wrong-side']); // S15
  } else bridge(batch, i, ctx); // S19: the answer to a pinned VM
}

function bridge(batch: Batch, i: number, ctx: Context): void {
  if (ethernetIsGroup(batch.view, batch.off[i])) {
    batch.aux[i] = FLOOD_ALL;
    ctx.push(NODE['l2-flood'], i);
  } else ctx.push(NODE['l2-forward'], i);
}

/** S15: the target gateway answers its own VM, and the question goes nowhere else. A probe (RFC 5227) gets the same answer. */
function answerAsGateway(batch: Batch, i: number, ctx: Context, network: number): void {
  const { networks } = ctx.tables;
  const { view } = batch;
  const arp = batch.off[i] + ETH_HLEN;
  const asker = arpSenderIp(view, arp);
  if (networks.bvi[network] !== NO_IFACE && isInside(ctx, network, asker)) {
    // RFC 826: the message is for the gateway, so the asker becomes a neighbor, without a request of the gateway's own
    const hi = arpSenderMacHi(view, arp);
    const lo = arpSenderMacLo(view, arp);
    neighborHeard(ctx, i, networks.bvi[network], asker, hi, lo, true, false);
  }
  const made = reply(
    batch,
    i,
    ctx,
    networks.targetMacHi[network],
    networks.targetMacLo[network],
    networks.gatewayIp[network],
  );
  ctx.drop(i, made ? REASON['arp-gateway-answered'] : REASON['no-buffer']);
}

/** Whether an address is one of the network's; 0.0.0.0, the sender of a probe, is not. */
const isInside = (ctx: Context, network: number, ip: number): boolean =>
  (ip & ctx.tables.networks.mask[network]) >>> 0 === ctx.tables.networks.subnet[network];

/** Answers the source gateway for a local VM, as ARP suppression of EVPN does (RFC 7432 §10): with the VM's own MAC. */
function answerForVm(batch: Batch, i: number, ctx: Context, hi: number, lo: number, ip: number): void {
  ctx.drop(i, reply(batch, i, ctx, hi, lo, ip) ? REASON['arp-gateway-proxied'] : REASON['no-buffer']);
}

/** Makes the answer `ip is at hi:lo` to request `i`, out of the interface that it came by. False when there is no room. */
function reply(batch: Batch, i: number, ctx: Context, hi: number, lo: number, ip: number): boolean {
  const { view } = batch;
  const asker = batch.off[i] + ETH_HLEN;
  const toHi = arpSenderMacHi(view, asker);
  const toLo = arpSenderMacLo(view, asker);
  const to = arpSenderIp(view, asker);
  const j = arpFrame(batch, ETHERTYPE_ARP, toHi, toLo, ARP_REPLY, hi, lo, ip, toHi, toLo, to);
  if (j < 0) return false;
  batch.iface[j] = batch.iface[i];
  batch.outIface[j] = batch.iface[i];
  if (batch.trace[i] >= 0) ctx.trace.made(batch, j, i, MADE_ARP);
  ctx.originate(NODE['interface-output'], j);
  return true;
}
