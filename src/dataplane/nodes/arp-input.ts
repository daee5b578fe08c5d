// arp-input: ARP messages for the gateway itself. From a routed interface all of them; from an extended network those that
// VMs address to the target gateway's MAC (arp-filter has dealt with the rest).
//
//   request for an address of ours → learn the asker, answer · anything that names a neighbor we know → learn ·
//   the rest is somebody else's. Where the host's stack owns the address it answers, and we only learn.

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_ROUTED } from '../../tables/interface-table.ts';
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
import { ethernetSrcHi, ethernetSrcLo } from '../../wire/ethernet.ts';
import { arpReply } from '../arp-emit.ts';
import type { Context, GraphNode } from '../graph.ts';
import { neighborHeard, neighborInterface } from '../neighbor-resolution.ts';

export function createArpInput(): GraphNode {
  return {
    name: 'arp-input',
    process(batch, idx, n, ctx) {
      const { view } = batch;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const at = batch.off[i] + batch.l3[i];
        const op = arpCheck(view, at, batch.len[i] - batch.l3[i]) < 0 ? 0 : arpOp(view, at);
        if (op !== ARP_REQUEST && op !== ARP_REPLY) ctx.drop(i, REASON['arp-malformed']);
        else if (!senderValid(batch, i, at)) ctx.drop(i, REASON['arp-sender-invalid']);
        else if (ctx.tables.interfaces.kind[batch.iface[i]] === IF_ROUTED) routed(ctx, i, at, op);
        else bridged(ctx, i, at, op);
      }
    },
  };
}

/** The sender's MAC is a host's, and the one that sent the frame. */
function senderValid(batch: Batch, i: number, at: number): boolean {
  const { view } = batch;
  const hi = arpSenderMacHi(view, at);
  const lo = arpSenderMacLo(view, at);
  if ((hi & 0x0100) !== 0 || (hi === 0 && lo === 0)) return false;
  return ethernetSrcHi(view, batch.off[i]) === hi && ethernetSrcLo(view, batch.off[i]) === lo;
}

function routed(ctx: Context, i: number, at: number, op: number): void {
  const { view } = ctx.batch;
  const { interfaces } = ctx.tables;
  const iface = ctx.batch.iface[i];
  const ip = interfaces.ip[iface];
  const toHost = interfaces.hostStack[iface] !== 0;
  const spa = arpSenderIp(view, at);
  const forUs = ip !== 0 && arpTargetIp(view, at) === ip;
  if (spa === ip && ip !== 0) {
    // RFC 5227 §2.4: nobody else may have our address; the host's stack defends its own
    ctx.drop(i, toHost ? REASON['arp-left-to-host'] : REASON['arp-address-conflict']);
    if (!toHost) tellConflict(ctx, iface, at);
    return;
  }
  const onLink = spa !== 0 && ((spa ^ ip) & interfaces.mask[iface]) === 0;
  // RFC 826: add only when the message is for us; beside the host's stack only what we asked for ourselves is known
  const solicited = op === ARP_REPLY && forUs;
  const learned = learn(ctx, i, iface, at, forUs && onLink && !toHost, solicited);
  if (op === ARP_REQUEST && forUs) {
    if (!toHost) arpReply(ctx, iface, ip, i, at);
    ctx.drop(i, toHost ? REASON['arp-left-to-host'] : REASON['arp-answered']);
  } else if (learned) ctx.drop(i, REASON['arp-learned']);
  else ctx.drop(i, toHost ? REASON['arp-left-to-host'] : REASON['arp-not-for-us']);
}

/** A VM's message to the target gateway's MAC: its answer to a request, or its own unicast poll (RFC 1122 §2.3.2.1). */
function bridged(ctx: Context, i: number, at: number, op: number): void {
  const { view } = ctx.batch;
  const { interfaces, networks } = ctx.tables;
  const network = interfaces.network[ctx.batch.iface[i]];
  const bvi = neighborInterface(ctx, ctx.batch.iface[i]);
  const spa = arpSenderIp(view, at);
  const onLink = spa !== 0 && ((spa ^ networks.subnet[network]) & networks.mask[network]) === 0;
  const forUs = arpTargetIp(view, at) === networks.gatewayIp[network];
  const solicited = op === ARP_REPLY && forUs;
  const learned = onLink && learn(ctx, i, bvi, at, forUs, solicited);
  ctx.drop(i, learned ? REASON['arp-learned'] : REASON['arp-not-for-us']);
}

function learn(
  ctx: Context,
  i: number,
  iface: number,
  at: number,
  create: boolean,
  solicited: boolean,
): boolean {
  const { view } = ctx.batch;
  const spa = arpSenderIp(view, at);
  const hi = arpSenderMacHi(view, at);
  const lo = arpSenderMacLo(view, at);
  return spa !== 0 && neighborHeard(ctx, i, iface, spa, hi, lo, create, solicited);
}

function tellConflict(ctx: Context, iface: number, at: number): void {
  const { view } = ctx.batch;
  const hi = arpSenderMacHi(view, at);
  const lo = arpSenderMacLo(view, at);
  ctx.events.tell('gateway-claim', ctx.nowMs, iface, -1, hi, lo, arpSenderIp(view, at));
}
