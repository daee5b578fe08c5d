// ip4-neighbor: packets whose next hop has no MAC in the adjacency: on a connected network the destination itself is the
// next hop (glean), and a rewrite adjacency may not be resolved yet. A neighbor that is known sends the packet on; for one
// that is not, the packet waits and ARP asks. The node's timer keeps the neighbors: asks again, probes, gives up.

import { REASON } from '../../stats/reasons.ts';
import { ADJ_GLEAN } from '../../tables/adjacency-table.ts';
import { IF_BVI } from '../../tables/interface-table.ts';
import {
  NEIGHBOR_ACT_FAIL,
  NEIGHBOR_ACT_IDLE,
  NEIGHBOR_ACT_NONE,
  NEIGHBOR_ACT_SOLICIT,
  NEIGHBOR_FAILED,
} from '../../tables/neighbor-table.ts';
import { ipv4Dst } from '../../wire/ipv4.ts';
import { arpRequest } from '../arp-emit.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import {
  adjacencyLetGo,
  adjacencyTie,
  neighborFail,
  neighborHold,
  neighborRelease,
  neighborWanted,
} from '../neighbor-resolution.ts';
import { ENTRY_NEIGHBOR } from '../trace.ts';

/** How often timers are looked at; the shortest of them is a second. */
const SWEEP_MS = 100;

export function createIp4Neighbor(): GraphNode {
  let sweepMs = 0;
  let packetsSeen = new Float64Array(0);
  return {
    name: 'ip4-neighbor',
    process(_batch, idx, n, ctx) {
      for (let k = 0; k < n; k++) resolve(ctx, idx[k]);
    },
    tick(nowMs, ctx) {
      if (nowMs < sweepMs) return;
      sweepMs = nowMs + SWEEP_MS;
      const { neighbors, adjacencies } = ctx.tables;
      if (packetsSeen.length === 0) packetsSeen = new Float64Array(neighbors.capacity);
      neighbors.publishNow(nowMs);
      for (let row = 0; row < neighbors.high; row++) {
        const adj = neighbors.adj[row];
        const packets = adj < 0 ? packetsSeen[row] : adjacencies.allPackets(adj);
        if (packets !== packetsSeen[row]) {
          packetsSeen[row] = packets;
          neighbors.uses[row]++;
        }
        act(ctx, row, neighbors.advance(row, nowMs));
      }
    },
  };
}

function resolve(ctx: Context, i: number): void {
  const { batch, ports } = ctx;
  const { adjacencies, interfaces, neighbors } = ctx.tables;
  const adj = batch.adj[i];
  const iface = adjacencies.iface[adj];
  const glean = adjacencies.kind[adj] === ADJ_GLEAN;
  if (interfaces.kind[iface] !== IF_BVI && ports[interfaces.port[iface]].l3Only) {
    ctx.push(NODE['ip4-rewrite'], i);
    return;
  }
  const ip = glean ? ipv4Dst(batch.view, batch.off[i] + batch.l3[i]) : adjacencies.nextHop[adj];
  if (glean && namesSubnet(ctx, iface, ip)) {
    ctx.drop(i, REASON['ip4-multicast']);
    return;
  }
  const row = neighborWanted(ctx, iface, ip, i);
  if (row < 0) {
    ctx.drop(i, REASON['neighbor-table-full']);
    return;
  }
  if (batch.trace[i] >= 0) ctx.trace.entry(batch, i, ENTRY_NEIGHBOR, row, iface, ip);
  if (!glean) adjacencyTie(ctx, adj, row);
  if (!neighbors.usable(row)) {
    neighborHold(ctx, i, row);
    return;
  }
  neighbors.uses[row]++;
  batch.aux[i] = row;
  ctx.push(NODE['ip4-rewrite'], i);
}

/** The broadcast address of a connected subnet, or the subnet's own: no host has it (RFC 2644, RFC 1812 §4.2.3.1). */
function namesSubnet(ctx: Context, iface: number, ip: number): boolean {
  const { interfaces, networks } = ctx.tables;
  const bridged = interfaces.kind[iface] === IF_BVI;
  const mask = bridged ? networks.mask[interfaces.network[iface]] : interfaces.mask[iface];
  if (mask >= 0xfffffffe) return false;
  const host = (ip & ~mask) >>> 0;
  return host === 0 || host === ~mask >>> 0;
}

function act(ctx: Context, row: number, action: number): void {
  const { neighbors } = ctx.tables;
  if (action === NEIGHBOR_ACT_NONE) {
    // packets that a full batch left behind
    if (neighbors.queue.waiting === 0 || neighbors.queue.length(row) === 0) return;
    if (neighbors.usable(row)) neighborRelease(ctx, row);
    else if (neighbors.state[row] === NEIGHBOR_FAILED) neighborFail(ctx, row);
  } else if (action === NEIGHBOR_ACT_FAIL) neighborFail(ctx, row);
  else if (action === NEIGHBOR_ACT_IDLE) adjacencyLetGo(ctx, row);
  else {
    const known = action !== NEIGHBOR_ACT_SOLICIT;
    const hi = known ? neighbors.macHi[row] : 0;
    const lo = known ? neighbors.macLo[row] : 0;
    arpRequest(ctx, neighbors.iface[row], neighbors.ip[row], hi, lo, -1);
  }
}
