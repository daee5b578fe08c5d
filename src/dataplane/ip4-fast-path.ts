// The fast path: the common packet from its port to interface-output in one loop. Common is an untagged IPv4 packet without
// options or offload bits, to the MAC of a routed interface, whose route ends at one resolved next hop behind another routed
// interface that it fits. Everything is looked at before anything is changed, so that any other packet still is what
// came, and goes the long way: ethernet-input and on.
//
// What a packet meets here is what it would meet there, counters included, and packets are forwarded in the same order: what
// the long way may send on in front of later packets ends the run, and all that is behind it goes the long way too. Such are
// rare (tags, options, packets to be cut, next hops that are not resolved). An ARP message ends the run, since it may
// change what later packets meet; so does a packet that is traced.

import type { Batch } from '../base/batch.ts';
import { IF_COUNTER, IF_COUNTER_STRIDE } from '../stats/counters.ts';
import { ADJ_REWRITE, RESOLVED } from '../tables/adjacency-table.ts';
import { IF_ROUTED } from '../tables/interface-table.ts';
import { dot1qIsTpid } from '../wire/dot1q.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetDstHi,
  ethernetEmit,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
  MAC_GROUP_BIT,
} from '../wire/ethernet.ts';
import { ipv4CheckPlain, ipv4DecrementTtl, ipv4FlowHash, ipv4Ttl } from '../wire/ipv4.ts';
import { NO_IFACE } from './bridge.ts';
import { type Context, NODE } from './graph.ts';

const LINK_LOCAL = 0xa9fe; // 169.254.0.0/16, upper half
const OUTPUT = NODE['interface-output'];

/**
 * Carries the common packets of `idx[0..n-1]` and leaves the others at its beginning, in order; returns how many those are.
 */
export function ip4FastPath(batch: Batch, idx: Uint16Array, n: number, ctx: Context): number {
  const { view } = batch;
  const { interfaces, adjacencies, fib4 } = ctx.tables;
  const port = batch.port[idx[0]];
  const iface = port * 4096 < interfaces.classify.length ? interfaces.classify[port * 4096] : NO_IFACE;
  if (iface === NO_IFACE || interfaces.kind[iface] !== IF_ROUTED || interfaces.up[iface] === 0) return n;
  // Signed words, which V8 keeps in registers.
  const macHi = interfaces.macHi[iface];
  const macLo = interfaces.macLo[iface] | 0;
  const ip = interfaces.ip[iface] | 0;
  const mask = interfaces.mask[iface];
  const broadcast = mask !== 0 && mask < 0xfffffffe ? ip | ~mask : 0;
  let packets = 0;
  let bytes = 0;
  let others = 0;
  let k = 0;
  for (; k < n; k++) {
    const i = idx[k];
    const off = batch.off[i];
    const len = batch.len[i];
    if (len < ETH_HLEN || batch.port[i] !== port || batch.trace[i] >= 0 || batch.offload[i] !== 0) break;
    const type = ethernetType(view, off);
    if (type !== ETHERTYPE_IPV4 || ethernetDstHi(view, off) !== macHi || view.getInt32(off + 2) !== macLo) {
      if (type === ETHERTYPE_ARP || dot1qIsTpid(type)) break;
      idx[others++] = i; // to end in the gateway: a routed interface passes nothing of this kind on
      continue;
    }
    const srcHi = ethernetSrcHi(view, off);
    if ((srcHi & MAC_GROUP_BIT) !== 0 || (srcHi | ethernetSrcLo(view, off)) === 0) break;
    const at = off + ETH_HLEN;
    const total = ipv4CheckPlain(view, at, len - ETH_HLEN);
    if (total < 0) break;
    const src = view.getInt32(at + 12);
    const dst = view.getInt32(at + 16);
    if (src === ip || src === broadcast || dst === broadcast) break;
    if (!isHost(src >>> 24) || !isHost(dst >>> 24) || dst >>> 16 === LINK_LOCAL) break;
    const nh = fib4.lookup(dst);
    const adj = fib4.resolve(nh, fib4.isGroup(nh) ? ipv4FlowHash(view, at) : 0);
    const out = adjacencies.iface[adj];
    if (adjacencies.kind[adj] !== ADJ_REWRITE || interfaces.kind[out] !== IF_ROUTED) {
      idx[others++] = i; // ends in the gateway, or leaves behind what ip4-rewrite sends
      continue;
    }
    if (adjacencies.resolved[adj] !== RESOLVED || total > interfaces.mtu[out] || ipv4Ttl(view, at) <= 1)
      break;
    packets++;
    bytes += len;
    adjacencies.packets[adj]++;
    adjacencies.bytes[adj] += total;
    ipv4DecrementTtl(view, at);
    const { macHi: outHi, macLo: outLo } = interfaces;
    ethernetEmit(view, off, adjacencies.macHi[adj], adjacencies.macLo[adj], outHi[out], outLo[out], type);
    batch.iface[i] = iface;
    batch.outIface[i] = out;
    batch.len[i] = ETH_HLEN + total;
    batch.l3[i] = ETH_HLEN;
    batch.adj[i] = adj;
    ctx.push(OUTPUT, i);
  }
  const row = iface * IF_COUNTER_STRIDE;
  ctx.counters.ifaces[row + IF_COUNTER.rxPackets] += packets;
  ctx.counters.ifaces[row + IF_COUNTER.rxBytes] += bytes;
  while (k < n) idx[others++] = idx[k++];
  return others;
}

/** Whether addresses with this first octet are hosts': neither zero, loopback nor a group. */
const isHost = (top: number): boolean => top !== 0 && top !== 127 && top < 224;
