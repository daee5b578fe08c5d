// l2-flood: frames for more than one, or for nobody known. Copies go to every member of the network but the one that the
// frame came by; from the extension to local members only (there is one extension, so nothing goes around); what the
// gateway sends, to local members only. A token bucket for each source interface bounds it all.
//
// ARP of a gateway is never broadcast where VMs of both sides live, for its sender fields go into every cache that hears it
// (RFC 826): each VM that may hear it gets a unicast copy. Of the source gateway those are the pinned VMs (S15, S19), of the
// target gateway the local ones.

import type { Batch } from '../../base/batch.ts';
import { TOTAL } from '../../stats/counters.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_EXTENSION, MAX_INTERFACES } from '../../tables/interface-table.ts';
import { ARP_REQUEST, arpCheck, arpOp, arpSenderIp, arpTargetIp } from '../../wire/arp.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ethernetIsGroup,
  ethernetSetDst,
  ethernetType,
} from '../../wire/ethernet.ts';
import { clampMss, enterExtension, FLOOD_PINNED, isOnTargetGateway, NO_IFACE } from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { RateLimit } from '../rate-limit.ts';
import { ENTRY_FDB, MADE_COPY } from '../trace.ts';

export function createL2Flood(): GraphNode {
  const limit = new RateLimit(MAX_INTERFACES);

  return {
    name: 'l2-flood',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces, networks } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const routed = batch.outIface[i] !== NO_IFACE;
        const source = routed ? batch.outIface[i] : batch.iface[i];
        const network = interfaces.network[source];
        // what the gateway makes itself has limits of its own: requests are counted out by the neighbor's timers
        if (batch.originated[i] === 0 && !limit.take(source, networks.floodPps[network], ctx.nowMs)) {
          ctx.drop(i, REASON['flood-limited']);
        } else if (routed) fromGateway(batch, i, ctx, network);
        else if (batch.aux[i] === FLOOD_PINNED) toPinned(batch, i, ctx, network);
        else toMembers(batch, i, ctx, network);
      }
    },
  };
}

/** Broadcast, multicast and unknown unicast of the bridge. */
function toMembers(batch: Batch, i: number, ctx: Context, network: number): void {
  const { interfaces, networks } = ctx.tables;
  const from = batch.iface[i];
  if (interfaces.kind[from] === IF_EXTENSION) {
    clampMss(batch, i, ctx, network);
    toLocals(batch, i, ctx, network, from);
    return;
  }
  const extension = networks.extension[network];
  if (extension === NO_IFACE || interfaces.up[extension] === 0) {
    toLocals(batch, i, ctx, network, from);
    return;
  }
  // the original goes into the extension, which may change it (MSS) or refuse it (MTU); the others get theirs before
  const locals = networks.locals[network];
  for (let m = 0; m < locals.length; m++) {
    if (locals[m] !== from && interfaces.up[locals[m]] !== 0) copyTo(batch, i, ctx, locals[m]);
  }
  enterExtension(batch, i, ctx, network);
}

/** To every local member that is up, but not back to `from`. The last one gets the original. */
function toLocals(batch: Batch, i: number, ctx: Context, network: number, from: number): void {
  const { interfaces, networks } = ctx.tables;
  const locals = networks.locals[network];
  let last = -1;
  for (let m = 0; m < locals.length; m++) {
    const to = locals[m];
    if (to === from || interfaces.up[to] === 0) continue;
    if (last >= 0) copyTo(batch, i, ctx, last);
    last = to;
  }
  if (last < 0) {
    ctx.drop(i, REASON['flood-no-member']);
    return;
  }
  batch.outIface[i] = last;
  ctx.push(NODE['interface-output'], i);
}

/** What the target gateway sends into the network: to local members only (S15; invariant 3). */
function fromGateway(batch: Batch, i: number, ctx: Context, network: number): void {
  const { networks, vms } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  // where there is no other gateway, everybody may hear this one's ARP
  const filtered =
    ethernetIsGroup(view, off) &&
    ethernetType(view, off) === ETHERTYPE_ARP &&
    networks.extension[network] !== NO_IFACE;
  if (!filtered) {
    toLocals(batch, i, ctx, network, NO_IFACE);
    return;
  }
  const asked = requestedIp(batch, i);
  const vm = asked === 0 ? -1 : vms.findLocalByIp(network, asked);
  if (vm >= 0) {
    toVm(batch, i, ctx, network, vms.macHi[vm], vms.macLo[vm]);
    return;
  }
  const last = copyToSide(batch, i, ctx, network, true);
  if (last < 0) ctx.drop(i, REASON['flood-no-member']);
  else readdress(batch, i, ctx, last);
}

/** A broadcast ARP message of the source gateway: to the pinned VMs. */
function toPinned(batch: Batch, i: number, ctx: Context, network: number): void {
  const { fdb, vms } = ctx.tables;
  const last = copyToSide(batch, i, ctx, network, false);
  if (last >= 0) {
    const copy = makeCopy(batch, i, ctx);
    if (copy >= 0) readdress(batch, copy, ctx, last);
  }
  // a pinned VM that has been silent for so long that the FDB forgot it must still be found when it is asked for
  const asked = requestedIp(batch, i);
  const vm = asked === 0 ? -1 : vms.findPinnedByIp(network, asked);
  const silent = vm >= 0 && fdb.find(network, vms.macHi[vm], vms.macLo[vm]) < 0;
  if (silent) {
    const copy = makeCopy(batch, i, ctx);
    if (copy >= 0) toVm(batch, copy, ctx, network, vms.macHi[vm], vms.macLo[vm]);
  }
  ctx.drop(i, REASON[last >= 0 || silent ? 'arp-gateway-to-pinned' : 'arp-gateway-wrong-side']);
}

/** The address that an ARP request asks for; 0 for anything else, a gratuitous request (RFC 5227 §1.1) too. */
function requestedIp(batch: Batch, i: number): number {
  const { view } = batch;
  const arp = batch.off[i] + ETH_HLEN;
  if (arpCheck(view, arp, batch.len[i] - ETH_HLEN) < 0 || arpOp(view, arp) !== ARP_REQUEST) return 0;
  const target = arpTargetIp(view, arp);
  return target === arpSenderIp(view, arp) ? 0 : target;
}

/** Makes the frame unicast to one VM at the target, and sends it there, or everywhere there when the VM's place is unknown. */
function toVm(batch: Batch, i: number, ctx: Context, network: number, hi: number, lo: number): void {
  const { interfaces, fdb } = ctx.tables;
  ethernetSetDst(batch.view, batch.off[i], hi, lo);
  const row = fdb.find(network, hi, lo);
  if (row < 0) toLocals(batch, i, ctx, network, NO_IFACE);
  else if (interfaces.kind[fdb.iface[row]] === IF_EXTENSION) ctx.drop(i, REASON['bvi-egress-extension']);
  else readdress(batch, i, ctx, row);
}

/**
 * Unicast copies to the VMs at the target whose gateway is the target's (`onTarget`) or the source's. Returns the FDB row of
 * the last one, which has not got its copy yet; -1 when there is none.
 */
function copyToSide(batch: Batch, i: number, ctx: Context, network: number, onTarget: boolean): number {
  const { interfaces, networks, fdb } = ctx.tables;
  const locals = networks.locals[network];
  let last = -1;
  for (let m = 0; m < locals.length; m++) {
    if (interfaces.up[locals[m]] === 0) continue;
    for (let row = fdb.firstOn(locals[m]); row >= 0; row = fdb.nextOn(row)) {
      if (isOnTargetGateway(ctx.tables, network, fdb.macHi[row], fdb.macLo[row]) !== onTarget) continue;
      if (last >= 0) {
        const copy = makeCopy(batch, i, ctx);
        if (copy >= 0) readdress(batch, copy, ctx, last);
      }
      last = row;
    }
  }
  return last;
}

/** Sends slot `i` to the VM of an FDB row, with that VM as its Ethernet destination. */
function readdress(batch: Batch, i: number, ctx: Context, row: number): void {
  const { fdb } = ctx.tables;
  ethernetSetDst(batch.view, batch.off[i], fdb.macHi[row], fdb.macLo[row]);
  if (batch.trace[i] >= 0) ctx.trace.entry(batch, i, ENTRY_FDB, row, fdb.iface[row]);
  batch.outIface[i] = fdb.iface[row];
  ctx.push(NODE['interface-output'], i);
}

function copyTo(batch: Batch, i: number, ctx: Context, to: number): void {
  const copy = makeCopy(batch, i, ctx);
  if (copy < 0) return;
  batch.outIface[copy] = to;
  ctx.push(NODE['interface-output'], copy);
}

/** A copy of slot `i`, counted; -1 when the batch has no room. */
function makeCopy(batch: Batch, i: number, ctx: Context): number {
  const copy = batch.clone(i);
  if (copy < 0) {
    ctx.unmade();
    return copy;
  }
  ctx.counters.totals[TOTAL.replicated]++;
  if (batch.trace[i] >= 0) ctx.trace.made(batch, copy, i, MADE_COPY);
  return copy;
}
