// ip4-lookup: destination → next hop → adjacency, whose kind says which node is next. The TTL is looked at here and not
// before, because a packet for the gateway itself may arrive with TTL 1 (RFC 1812 §5.3.1).

import { REASON } from '../../stats/reasons.ts';
import { ADJ_BLACKHOLE, ADJ_GLEAN, ADJ_LOCAL, ADJ_REWRITE } from '../../tables/adjacency-table.ts';
import {
  ICMP4_DEST_UNREACHABLE,
  ICMP4_NET_UNREACHABLE,
  ICMP4_TIME_EXCEEDED,
  ICMP4_TTL_EXCEEDED,
} from '../../wire/icmpv4.ts';
import { ipv4Dst, ipv4FlowHash, ipv4Ttl } from '../../wire/ipv4.ts';
import { type GraphNode, NODE } from '../graph.ts';
import { icmpError } from '../ip4-originate.ts';
import { ENTRY_ADJACENCY, ENTRY_FIB } from '../trace.ts';

const TIME_EXCEEDED = icmpError(ICMP4_TIME_EXCEEDED, ICMP4_TTL_EXCEEDED, 0);
const NET_UNREACHABLE = icmpError(ICMP4_DEST_UNREACHABLE, ICMP4_NET_UNREACHABLE, 0);

export function createIp4Lookup(): GraphNode {
  const local = NODE['ip4-local'];
  const neighbor = NODE['ip4-neighbor'];
  const error = NODE['icmp4-error'];
  const rewrite = NODE['ip4-rewrite'];
  return {
    name: 'ip4-lookup',
    process(batch, idx, n, ctx) {
      const { view } = batch;
      const { fib4, adjacencies } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const at = batch.off[i] + batch.l3[i];
        const dst = ipv4Dst(view, at) | 0; // signed, so that it needs no heap where `lookup` is not inlined
        const nh = fib4.lookup(dst);
        const adj = fib4.resolve(nh, fib4.isGroup(nh) ? ipv4FlowHash(view, at) : 0);
        const kind = adjacencies.kind[adj];
        batch.adj[i] = adj;
        if (batch.trace[i] >= 0) {
          ctx.trace.entry(batch, i, ENTRY_FIB, nh, dst >>> 0);
          ctx.trace.entry(batch, i, ENTRY_ADJACENCY, adj, adjacencies.iface[adj], adjacencies.nextHop[adj]);
        }
        if (kind === ADJ_LOCAL) ctx.push(local, i);
        else if (kind === ADJ_BLACKHOLE) ctx.drop(i, REASON['ip4-blackhole']);
        else if (kind !== ADJ_REWRITE && kind !== ADJ_GLEAN) {
          batch.reason[i] = REASON['ip4-no-route'];
          batch.aux[i] = NET_UNREACHABLE;
          ctx.push(error, i);
        } else if (ipv4Ttl(view, at) <= 1) {
          batch.reason[i] = REASON['ip4-ttl-expired'];
          batch.aux[i] = TIME_EXCEEDED;
          ctx.push(error, i);
        } else if (kind === ADJ_REWRITE && adjacencies.isResolved(adj)) ctx.push(rewrite, i);
        else ctx.push(neighbor, i);
      }
    },
  };
}
