// ip4-local: packets for an address of the gateway itself. Pings are answered; for the rest there is an ICMP unreachable,
// because nothing else listens here. What the host's own stack has already got by the same interface is left to it.

import { OFFLOAD_CSUM } from '../../base/batch.ts';
import { REASON } from '../../stats/reasons.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetEmit } from '../../wire/ethernet.ts';
import {
  ICMP4_DEST_UNREACHABLE,
  ICMP4_ECHO_REQUEST,
  ICMP4_PORT_UNREACHABLE,
  ICMP4_PROTOCOL_UNREACHABLE,
  icmp4Check,
  icmp4EmitEchoReply,
  icmp4Type,
} from '../../wire/icmpv4.ts';
import {
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HLEN,
  ipv4Dst,
  ipv4Emit,
  ipv4HeaderLen,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Src,
  ipv4Tos,
  ipv4TotalLen,
} from '../../wire/ipv4.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';
import { type Ip4Origin, icmpError, TTL_DEFAULT } from '../ip4-originate.ts';
import { completeChecksum } from '../offload.ts';
import { RULE } from '../rules.ts';
import { MADE_REPLY } from '../trace.ts';

const PORT_UNREACHABLE = icmpError(ICMP4_DEST_UNREACHABLE, ICMP4_PORT_UNREACHABLE, 0);
const PROTOCOL_UNREACHABLE = icmpError(ICMP4_DEST_UNREACHABLE, ICMP4_PROTOCOL_UNREACHABLE, 0);

export function createIp4Local(origin: Ip4Origin): GraphNode {
  return {
    name: 'ip4-local',
    process(batch, idx, n, ctx) {
      const { view } = batch;
      const { interfaces, adjacencies } = ctx.tables;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const at = batch.off[i] + batch.l3[i];
        if (batch.trace[i] >= 0) ctx.trace.rule(batch, i, RULE['to-gateway']);
        // The kernel has its own copy of a frame only where it came by an interface that is the kernel's too.
        const owner = adjacencies.iface[batch.adj[i]];
        const protocol = ipv4Protocol(view, at);
        if (interfaces.hostStack[owner] !== 0 && interfaces.hostStack[batch.iface[i]] !== 0) {
          ctx.drop(i, REASON['ip4-to-host']);
        } else if (ipv4IsFragment(view, at)) ctx.drop(i, REASON['ip4-local-fragment']);
        else if (protocol === IPPROTO_ICMP) icmp(ctx, origin, i, at);
        else {
          const served = protocol === IPPROTO_UDP || protocol === IPPROTO_TCP;
          batch.reason[i] = REASON['ip4-local-unsupported'];
          batch.aux[i] = served ? PORT_UNREACHABLE : PROTOCOL_UNREACHABLE;
          ctx.push(NODE['icmp4-error'], i);
        }
      }
    },
  };
}

function icmp(ctx: Context, origin: Ip4Origin, i: number, at: number): void {
  const { batch } = ctx;
  const { view } = batch;
  if ((batch.offload[i] & OFFLOAD_CSUM) !== 0) completeChecksum(batch, i);
  const hlen = ipv4HeaderLen(view, at);
  const len = ipv4TotalLen(view, at) - hlen;
  if (icmp4Check(view, at + hlen, len) < 0) ctx.drop(i, REASON['icmp-malformed']);
  else if (icmp4Type(view, at + hlen) !== ICMP4_ECHO_REQUEST || batch.originated[i] !== 0) {
    ctx.drop(i, REASON['icmp-ignored']);
  } else echoReply(ctx, origin, i, at, len);
}

/** Answers from the address that was pinged, with the same data and TOS (RFC 1812 §4.3.3.6); options are not sent back. */
function echoReply(ctx: Context, origin: Ip4Origin, i: number, at: number, len: number): void {
  const { batch } = ctx;
  const { view, u8 } = batch;
  const j = batch.alloc(ETH_HLEN + IPV4_HLEN + len);
  if (j < 0) {
    ctx.drop(i, REASON['no-buffer']);
    return;
  }
  const from = at + ipv4HeaderLen(view, at);
  const ip = ethernetEmit(view, batch.off[j], 0, 0, 0, 0, ETHERTYPE_IPV4);
  const total = IPV4_HLEN + len;
  const src = ipv4Dst(view, at);
  const dst = ipv4Src(view, at);
  const tos = ipv4Tos(view, at);
  const to = ipv4Emit(view, ip, total, origin.nextId(), 0, TTL_DEFAULT, IPPROTO_ICMP, src, dst, tos);
  u8.copyWithin(to, from, from + len);
  icmp4EmitEchoReply(view, to);
  batch.iface[j] = batch.iface[i];
  if (batch.trace[i] >= 0) ctx.trace.made(batch, j, i, MADE_REPLY);
  ctx.originate(NODE['ip4-lookup'], j);
  ctx.drop(i, REASON['icmp-echo-answered']);
}
