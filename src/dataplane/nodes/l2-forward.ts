// l2-forward: known unicast. A frame of the bridge goes where its destination was last seen; what the gateway routed to a VM
// (outIface is the BVI, and the Ethernet header is the gateway's already) goes to local interfaces only. Whoever is not
// found is for l2-flood.

import type { Batch } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { IF_EXTENSION } from '../../tables/interface-table.ts';
import { ethernetDstHi, ethernetDstLo, ethernetIsGroup } from '../../wire/ethernet.ts';
import { clampMss, enterExtension, FLOOD_ALL, isSourceMac, NO_IFACE } from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { RULE } from '../rules.ts';
import { ENTRY_FDB } from '../trace.ts';

export function createL2Forward(): GraphNode {
  return {
    name: 'l2-forward',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        if (batch.outIface[i] === NO_IFACE) bridged(batch, i, ctx);
        else routed(batch, i, ctx);
      }
    },
  };
}

function bridged(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, fdb } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const from = batch.iface[i];
  const network = interfaces.network[from];
  const fromExtension = interfaces.kind[from] === IF_EXTENSION;
  const hi = ethernetDstHi(view, off);
  const lo = ethernetDstLo(view, off) | 0;
  if (isSourceMac(ctx.tables, network, hi, lo)) {
    // S19: the source gateway is nowhere but behind the extension, so no FDB entry is asked
    if (fromExtension) ctx.drop(i, REASON['split-horizon']);
    else enterExtension(batch, i, ctx, network);
    return;
  }
  const row = fdb.find(network, hi, lo);
  if (row < 0) {
    batch.aux[i] = FLOOD_ALL;
    ctx.push(NODE['l2-flood'], i);
    return;
  }
  const to = fdb.iface[row];
  if (batch.trace[i] >= 0) ctx.trace.entry(batch, i, ENTRY_FDB, row, to);
  if (to === from) {
    ctx.drop(i, REASON['split-horizon']);
  } else if (interfaces.kind[to] === IF_EXTENSION) {
    if (batch.trace[i] >= 0) ctx.trace.rule(batch, i, RULE['bridge-extension']); // S10
    enterExtension(batch, i, ctx, network);
  } else {
    if (fromExtension) clampMss(batch, i, ctx, network);
    if (batch.trace[i] >= 0)
      ctx.trace.rule(batch, i, RULE[fromExtension ? 'bridge-extension' : 'bridge-local']);
    batch.outIface[i] = to;
    ctx.push(NODE['interface-output'], i);
  }
}

/** Invariant 3: what the gateway sends with T-MAC reaches VMs at the target, and nobody else. */
function routed(batch: Batch, i: number, ctx: Context): void {
  const { interfaces, fdb } = ctx.tables;
  const { view } = batch;
  const off = batch.off[i];
  const network = interfaces.network[batch.outIface[i]];
  const row = ethernetIsGroup(view, off)
    ? -1
    : fdb.find(network, ethernetDstHi(view, off), ethernetDstLo(view, off) | 0);
  if (row < 0) {
    ctx.push(NODE['l2-flood'], i);
    return;
  }
  const to = fdb.iface[row];
  if (batch.trace[i] >= 0) ctx.trace.entry(batch, i, ENTRY_FDB, row, to);
  if (interfaces.kind[to] === IF_EXTENSION) {
    ctx.drop(i, REASON['bvi-egress-extension']);
    return;
  }
  batch.outIface[i] = to;
  ctx.push(NODE['interface-output'], i);
}
