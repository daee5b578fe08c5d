// What the data plane does with its neighbors, between the table (states, timers, waiting packets) and the nodes:
//
//   a packet without a MAC waits (`neighborHold`) while ARP asks · a message that names a MAC is learned (`neighborHeard`):
//   the adjacency gets its rewrite and the waiting packets start again at ip4-lookup, as routes may have changed meanwhile ·
//   a neighbor that never answers fails (`neighborFail`): its packets end as neighbor-unresolved, with an ICMP error.

import { NearhopError } from '../base/errors.ts';
import type { AdjIndex, IfIndex } from '../base/ids.ts';
import { TOTAL } from '../stats/counters.ts';
import { REASON } from '../stats/reasons.ts';
import { ADJ_REWRITE } from '../tables/adjacency-table.ts';
import { IF_ROUTED } from '../tables/interface-table.ts';
import { WAIT_FRAME_MAX, WAIT_PER_NEIGHBOR } from '../tables/neighbor-queue.ts';
import { NEIGHBOR_FAILED, NEIGHBOR_INCOMPLETE } from '../tables/neighbor-table.ts';
import { ICMP4_DEST_UNREACHABLE, ICMP4_HOST_UNREACHABLE } from '../wire/icmpv4.ts';
import { arpRequest } from './arp-emit.ts';
import { type Context, NODE } from './graph.ts';
import { icmpError } from './ip4-originate.ts';

/** The interface whose neighbor a host behind `iface` is: a network's members share its BVI. 0xffff for none. */
export function neighborInterface(ctx: Context, iface: number): number {
  const { interfaces, networks } = ctx.tables;
  return interfaces.kind[iface] === IF_ROUTED ? iface : networks.bvi[interfaces.network[iface]];
}

/** Row of the neighbor, asked for if it is not known; -1 when the table is full. `cause`: slot that wants it, or -1. */
export function neighborWanted(ctx: Context, iface: number, ip: number, cause: number): number {
  const { neighbors } = ctx.tables;
  let row = neighbors.find(iface, ip);
  if (row < 0) {
    row = neighbors.add(iface, ip, ctx.nowMs);
    if (row >= 0) arpRequest(ctx, iface, ip, 0, 0, cause);
  } else if (neighbors.state[row] === NEIGHBOR_FAILED) {
    neighbors.retry(row, ctx.nowMs);
    arpRequest(ctx, iface, ip, 0, 0, cause);
  }
  return row;
}

/** Slot `i` waits for the neighbor, or ends because it cannot. The oldest that waits makes room (RFC 4861 §7.2.2). */
export function neighborHold(ctx: Context, i: number, row: number): void {
  const { batch } = ctx;
  const { queue } = ctx.tables.neighbors;
  if (batch.len[i] > WAIT_FRAME_MAX) {
    ctx.drop(i, REASON['neighbor-queue-oversize']);
    return;
  }
  if (queue.length(row) >= WAIT_PER_NEIGHBOR) {
    const oldest = neighborTake(ctx, row);
    if (oldest >= 0) ctx.drop(oldest, REASON['neighbor-queue-full']);
  }
  if (queue.full || queue.length(row) >= WAIT_PER_NEIGHBOR) {
    ctx.drop(i, REASON['neighbor-queue-full']);
    return;
  }
  ctx.note(i, REASON['neighbor-queued']);
  queue.put(row, batch, i, ctx.trace.idOf(batch, i));
  ctx.counters.totals[TOTAL.queued]++;
}

/**
 * Slot `cause` says that `ip` on `iface` (a routed interface or a BVI) is at this MAC. RFC 826: a neighbor that is known is
 * updated; one that is not is added only when `create` (the message was for the gateway). `solicited` for an answer to a
 * request of ours. Returns whether the neighbor is in the table now. For nodes before ip4-lookup.
 */
export function neighborHeard(
  ctx: Context,
  cause: number,
  iface: number,
  ip: number,
  macHi: number,
  macLo: number,
  create: boolean,
  solicited: boolean,
): boolean {
  const { neighbors, interfaces } = ctx.tables;
  let row = neighbors.find(iface, ip);
  if (row < 0) {
    if (!create) return false;
    row = neighbors.add(iface, ip, ctx.nowMs);
    if (row < 0) return false;
  }
  if (neighbors.confirm(row, macHi, macLo, solicited, ctx.nowMs)) {
    ctx.note(cause, REASON['neighbor-changed']);
    ctx.events.tell(
      'neighbor-changed',
      ctx.nowMs,
      iface,
      eventNetwork(interfaces.network[iface]),
      macHi,
      macLo,
      ip,
    );
  }
  adjacencyFollow(ctx, row);
  neighborRelease(ctx, row);
  return true;
}

/** The packets that wait for a neighbor whose MAC is known now start again at ip4-lookup. Those without room go on waiting. */
export function neighborRelease(ctx: Context, row: number): void {
  const { queue } = ctx.tables.neighbors;
  while (queue.length(row) > 0) {
    const i = neighborTake(ctx, row);
    if (i < 0) return;
    ctx.push(NODE['ip4-lookup'], i);
  }
}

/** The neighbor did not answer: its adjacency is unresolved, its packets end with ICMP host unreachable (RFC 1812 §5.2.7.1). */
export function neighborFail(ctx: Context, row: number): void {
  const { neighbors, interfaces } = ctx.tables;
  adjacencyLetGo(ctx, row);
  const { queue } = neighbors;
  while (queue.length(row) > 0) {
    const i = neighborTake(ctx, row);
    if (i < 0) return;
    ctx.batch.reason[i] = REASON['neighbor-unresolved'];
    ctx.batch.aux[i] = icmpError(ICMP4_DEST_UNREACHABLE, ICMP4_HOST_UNREACHABLE, 0);
    ctx.push(NODE['icmp4-error'], i);
  }
  const iface = neighbors.iface[row];
  const network = eventNetwork(interfaces.network[iface]);
  ctx.events.tell('neighbor-failed', ctx.nowMs, iface, network, 0, 0, neighbors.ip[row]);
}

function neighborTake(ctx: Context, row: number): number {
  const { queue } = ctx.tables.neighbors;
  const traceId = queue.traceOf(row);
  const i = queue.take(row, ctx.batch);
  if (i < 0) return -1;
  ctx.counters.totals[TOTAL.queued]--;
  if (traceId >= 0) ctx.trace.resume(ctx.batch, i, traceId);
  return i;
}

/** Ties a rewrite adjacency to its neighbor, so that the adjacency has the neighbor's MAC as long as it is usable. */
export function adjacencyTie(ctx: Context, adj: number, row: number): void {
  ctx.tables.neighbors.adj[row] = adj;
  adjacencyFollow(ctx, row);
}

/** Writes the neighbor's MAC, or that it has none, into the adjacency that is tied to it. */
export function adjacencyFollow(ctx: Context, row: number): void {
  const { adjacencies, neighbors } = ctx.tables;
  const adj = neighbors.adj[row];
  if (adj < 0) return;
  if (!sameNextHop(ctx, adj, row)) {
    neighbors.adj[row] = -1;
    return;
  }
  if (neighbors.usable(row)) adjacencies.resolve(adj, neighbors.macHi[row], neighbors.macLo[row]);
  else adjacencies.unresolve(adj);
  // main may have given the row to another next hop in between, and have cleared `resolved` before the store
  if (!sameNextHop(ctx, adj, row)) {
    adjacencies.unresolve(adj);
    neighbors.adj[row] = -1;
  }
}

/** Unties the neighbor from its adjacency, whose next packet then asks for it again. */
export function adjacencyLetGo(ctx: Context, row: number): void {
  const { adjacencies, neighbors } = ctx.tables;
  const adj = neighbors.adj[row];
  if (adj >= 0 && sameNextHop(ctx, adj, row)) adjacencies.unresolve(adj);
  neighbors.adj[row] = -1;
}

function sameNextHop(ctx: Context, adj: number, row: number): boolean {
  const { adjacencies, neighbors } = ctx.tables;
  return (
    adjacencies.kind[adj] === ADJ_REWRITE &&
    adjacencies.nextHop[adj] === neighbors.ip[row] &&
    adjacencies.iface[adj] === neighbors.iface[row]
  );
}

// ── for the control plane, by `Dataplane.originate` ──

/** Resolves a rewrite adjacency before its first packet. Nothing happens for other kinds, or when it is resolved already. */
export function resolveAdjacency(ctx: Context, adj: AdjIndex): void {
  const { adjacencies } = ctx.tables;
  if (adjacencies.kind[adj] !== ADJ_REWRITE || adjacencies.isResolved(adj)) return;
  const row = neighborWanted(ctx, adjacencies.iface[adj], adjacencies.nextHop[adj], -1);
  if (row >= 0) adjacencyTie(ctx, adj, row);
}

/** Makes a neighbor permanent. Throws `neighbor-table-full`. */
export function setPermanentNeighbor(
  ctx: Context,
  iface: IfIndex,
  ip: number,
  macHi: number,
  macLo: number,
): void {
  const { neighbors } = ctx.tables;
  let row = neighbors.find(iface, ip);
  if (row < 0) row = neighbors.add(iface, ip, ctx.nowMs);
  if (row < 0) {
    throw new NearhopError('neighbor-table-full', `more than ${neighbors.capacity} neighbors`, {
      hint: 'remove permanent neighbors, or split the gateway',
    });
  }
  neighbors.setPermanent(row, macHi, macLo, ctx.nowMs);
  adjacencyFollow(ctx, row);
  neighborRelease(ctx, row);
}

/** Forgets what is known of a neighbor: its next packet asks again. For a VM that left, or an interface that went down. */
export function forgetNeighbor(ctx: Context, iface: IfIndex, ip: number): void {
  const { neighbors } = ctx.tables;
  const row = neighbors.find(iface, ip);
  if (row < 0) return;
  adjacencyLetGo(ctx, row);
  if (neighbors.state[row] !== NEIGHBOR_INCOMPLETE && neighbors.queue.length(row) === 0)
    neighbors.remove(row);
}

const eventNetwork = (network: number): number => (network === 0xffff ? -1 : network);
