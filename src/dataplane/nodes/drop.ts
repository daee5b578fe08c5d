// drop: ends packets whose reason an earlier node wrote into `batch.reason`. For nodes that find out early and end late.

import type { Batch } from '../../base/batch.ts';
import type { Context, GraphNode } from '../graph.ts';

export function createDrop(): GraphNode {
  return {
    name: 'drop',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      for (let k = 0; k < n; k++) ctx.drop(idx[k], batch.reason[idx[k]]);
    },
  };
}
