// icmp4-error: packets that end here with an ICMP error to their sender. `batch.aux` says which error, `batch.reason` why.

import type { GraphNode } from '../graph.ts';
import type { Ip4Origin } from '../ip4-originate.ts';

export function createIcmp4Error(origin: Ip4Origin): GraphNode {
  return {
    name: 'icmp4-error',
    process(batch, idx, n, ctx) {
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        origin.error(ctx, i, batch.aux[i]);
        ctx.drop(i, batch.reason[i]);
      }
    },
  };
}
