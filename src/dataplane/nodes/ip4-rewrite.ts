// ip4-rewrite: the last layer-3 step. Does the packet fit the egress MTU (if not: fragments, or ICMP frag-needed and the
// end)? TTL minus one, then the Ethernet header of the next hop. A packet for a VM goes on to the network's bridge
// (l2-forward), any other to its interface. ICMP redirects are never sent, even where in and out are the same (I).

import { type Batch, OFFLOAD_CSUM, OFFLOAD_GSO } from '../../base/batch.ts';
import { TOTAL } from '../../stats/counters.ts';
import { REASON } from '../../stats/reasons.ts';
import { ADJ_GLEAN } from '../../tables/adjacency-table.ts';
import { IF_BVI, IF_ROUTED } from '../../tables/interface-table.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetEmit } from '../../wire/ethernet.ts';
import { ICMP4_DEST_UNREACHABLE, ICMP4_FRAG_NEEDED } from '../../wire/icmpv4.ts';
import { ipv4DecrementTtl, ipv4IsDf } from '../../wire/ipv4.ts';
import { planSegments, SegmentPlan } from '../../wire/segmentation.ts';
import { FRAGMENT_NO_ROOM, fragmentIpv4, MAX_FRAGMENTS } from '../fragment.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { type Ip4Origin, icmpError } from '../ip4-originate.ts';
import { completeChecksum, emitSegment, wireL3Len } from '../offload.ts';
import { RULE } from '../rules.ts';
import { ENTRY_REWRITE, MADE_FRAGMENT } from '../trace.ts';

const pieces = new Uint16Array(MAX_FRAGMENTS);
const plan = new SegmentPlan();

export function createIp4Rewrite(origin: Ip4Origin): GraphNode {
  return {
    name: 'ip4-rewrite',
    process(batch, idx, n, ctx) {
      const { adjacencies, interfaces } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const adj = batch.adj[i];
        const out = adjacencies.iface[adj];
        const mtu = interfaces.mtu[out];
        const l3Len = batch.len[i] - batch.l3[i];
        const fits = l3Len <= mtu || wireL3Len(batch, i) <= mtu;
        if (!fits && ipv4IsDf(batch.view, batch.off[i] + batch.l3[i])) {
          origin.error(ctx, i, icmpError(ICMP4_DEST_UNREACHABLE, ICMP4_FRAG_NEEDED, mtu));
          ctx.drop(i, REASON['ip4-frag-needed']);
          continue;
        }
        adjacencies.packets[adj]++;
        adjacencies.bytes[adj] += l3Len;
        rewrite(ctx, i, adj, out);
        if (fits) send(ctx, i, out);
        else if ((batch.offload[i] & OFFLOAD_GSO) !== 0) cutSegments(ctx, i, out, mtu);
        else cutFragments(ctx, i, out, mtu);
      }
    },
  };
}

function rewrite(ctx: Context, i: number, adj: number, out: number): void {
  const { batch } = ctx;
  const { adjacencies, interfaces, neighbors } = ctx.tables;
  const off = batch.off[i];
  // RFC 1812 §5.3.1: forwarding takes one from the TTL; what starts here is not forwarded
  if (batch.originated[i] === 0) ipv4DecrementTtl(batch.view, off + ETH_HLEN);
  const byNeighbor = adjacencies.kind[adj] === ADJ_GLEAN || !adjacencies.isResolved(adj);
  const hi = byNeighbor ? neighbors.macHi[batch.aux[i]] : adjacencies.macHi[adj];
  const lo = byNeighbor ? neighbors.macLo[batch.aux[i]] : adjacencies.macLo[adj];
  ethernetEmit(batch.view, off, hi, lo, interfaces.macHi[out], interfaces.macLo[out], ETHERTYPE_IPV4);
  batch.outIface[i] = out;
  if (batch.trace[i] >= 0) {
    if (batch.originated[i] === 0) ctx.trace.rule(batch, i, routingRule(ctx, batch.iface[i], out));
    ctx.trace.entry(batch, i, ENTRY_REWRITE, adj, hi, lo);
  }
}

function routingRule(ctx: Context, iface: number, out: number): number {
  const { kind } = ctx.tables.interfaces;
  const fromVm = kind[iface] !== IF_ROUTED;
  if (kind[out] === IF_BVI) return fromVm ? RULE['local-to-local'] : RULE['routed-to-local'];
  return fromVm ? RULE['local-to-routed'] : RULE.transit;
}

function send(ctx: Context, i: number, out: number): void {
  const bridged = ctx.tables.interfaces.kind[out] === IF_BVI;
  ctx.push(bridged ? NODE['l2-forward'] : NODE['interface-output'], i);
}

/** A packet without DF that is too long: its fragments go on, the packet ends. */
function cutFragments(ctx: Context, i: number, out: number, mtu: number): void {
  const { batch } = ctx;
  if ((batch.offload[i] & OFFLOAD_CSUM) !== 0) completeChecksum(batch, i);
  const n = fragmentIpv4(batch, i, mtu, pieces);
  if (n <= 0) {
    ctx.drop(i, n === FRAGMENT_NO_ROOM ? REASON['no-buffer'] : REASON['ip4-unfragmentable']);
    return;
  }
  for (let k = 0; k < n; k++) sendPiece(ctx, pieces[k], i, out);
  ctx.drop(i, REASON['ip4-fragmented']);
}

/** A GSO frame without DF whose segments are too long: the segments that its sender meant, and of each the fragments. */
function cutSegments(ctx: Context, i: number, out: number, mtu: number): void {
  const batch: Batch = ctx.batch;
  if (!planSegments(batch, i, plan)) {
    ctx.drop(i, REASON['ip4-unfragmentable']);
    return;
  }
  for (let k = 0; k < plan.count; k++) {
    const j = emitSegment(batch, i, plan, k);
    if (j < 0) {
      ctx.drop(i, REASON['no-buffer']);
      return;
    }
    if (batch.len[j] - ETH_HLEN <= mtu) sendPiece(ctx, j, i, out);
    else {
      ctx.counters.totals[TOTAL.replicated]++;
      cutFragments(ctx, j, out, mtu);
    }
  }
  ctx.drop(i, REASON['ip4-fragmented']);
}

function sendPiece(ctx: Context, j: number, cause: number, out: number): void {
  ctx.counters.totals[TOTAL.replicated]++;
  if (ctx.batch.trace[cause] >= 0) ctx.trace.made(ctx.batch, j, cause, MADE_FRAGMENT);
  send(ctx, j, out);
}
