// All nodes of the graph, in its order.

import type { GraphNode } from './graph.ts';
import { Ip4Origin, type Ip4OriginOptions } from './ip4-originate.ts';
import { createArpFilter } from './nodes/arp-filter.ts';
import { createArpInput } from './nodes/arp-input.ts';
import { createDrop } from './nodes/drop.ts';
import { createEthernetInput } from './nodes/ethernet-input.ts';
import { createIcmp4Error } from './nodes/icmp4-error.ts';
import { createInterfaceOutput } from './nodes/interface-output.ts';
import { createIp4Input } from './nodes/ip4-input.ts';
import { createIp4Local } from './nodes/ip4-local.ts';
import { createIp4Lookup } from './nodes/ip4-lookup.ts';
import { createIp4Neighbor } from './nodes/ip4-neighbor.ts';
import { createIp4Rewrite } from './nodes/ip4-rewrite.ts';
import { createL2Classify } from './nodes/l2-classify.ts';
import { createL2Flood } from './nodes/l2-flood.ts';
import { createL2Forward } from './nodes/l2-forward.ts';
import { createL2Guard } from './nodes/l2-guard.ts';
import { createL2Learn } from './nodes/l2-learn.ts';

/** Makes the nodes of one data plane. */
export function createNodes(options: Ip4OriginOptions = {}): GraphNode[] {
  const origin = new Ip4Origin(options);
  return [
    createEthernetInput(),
    createL2Guard(),
    createL2Learn(),
    createArpFilter(),
    createL2Classify(),
    createArpInput(),
    createIp4Input(),
    createIp4Lookup(),
    createIp4Local(origin),
    createIp4Neighbor(),
    createIcmp4Error(origin),
    createIp4Rewrite(origin),
    createL2Forward(),
    createL2Flood(),
    createInterfaceOutput(),
    createDrop(),
  ];
}
