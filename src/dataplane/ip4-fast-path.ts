// The fast path: the common packet from its port to interface-output. Common is an untagged IPv4 packet without
// options, no GSO frame, to the MAC of a routed interface, whose route ends at one resolved next hop behind another routed
// interface that it fits. Everything is looked at before anything is changed, so that any other packet still is what
// came, and goes the long way: ethernet-input and on.
//
// What a packet meets here is what it would meet there, counters included, and packets are forwarded in the same order: what
// the long way may send on in front of later packets ends the run, and all that is behind it goes the long way too. Such are
// rare (tags, options, packets to be cut, next hops that are not resolved). An ARP message ends the run, since it may
// change what later packets meet. A batch with a traced packet goes the long way.

import { BATCH_SLOTS, type Batch, OFFLOAD_GSO } from '../base/batch.ts';
import { IF_COUNTER, IF_COUNTER_STRIDE } from '../stats/counters.ts';
import { ADJ_REWRITE, RESOLVED } from '../tables/adjacency-table.ts';
import { IF_ROUTED } from '../tables/interface-table.ts';
import { dot1qIsTpid } from '../wire/dot1q.ts';
import { ETH_HLEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ethernetType, MAC_GROUP_BIT } from '../wire/ethernet.ts';
import { ipv4CheckPlain, ipv4DecrementTtl, ipv4FlowHash, ipv4Ttl } from '../wire/ipv4.ts';
import { NO_IFACE } from './bridge.ts';
import { type Context, NODE } from './graph.ts';

const LINK_LOCAL = 0xa9fe; // 169.254.0.0/16, upper half
const OUTPUT = NODE['interface-output'];
/** Bytes from the frame to the IPv4 destination. */
const DST_AT = ETH_HLEN + 16;

/** The bits of an offset in the slab. With this mask V8 knows that a sum with one does not overflow, and tests for none. */
const OFFSET = 0x3fff_ffff;

/**
 * Carries the common packets of `idx[0..n-1]` and leaves the others at its beginning, in order; returns how many those are.
 */
export type Ip4FastPath = (batch: Batch, idx: Uint16Array, n: number, ctx: Context) => number;

/** Makes the fast path of one data plane. */
export function createIp4FastPath(): Ip4FastPath {
  let carry: Carry | undefined;
  return (batch, idx, n, ctx) => {
    if (batch.marked) return n;
    const { interfaces } = ctx.tables;
    const port = batch.port[idx[0]];
    const iface = port * 4096 < interfaces.classify.length ? interfaces.classify[port * 4096] : NO_IFACE;
    if (iface === NO_IFACE || interfaces.kind[iface] !== IF_ROUTED || interfaces.up[iface] === 0) return n;
    carry ??= bind(ctx);
    return carry(idx, n, iface, port);
  };
}

/** As Ip4FastPath, of packets that came by `port`, whose routed interface is `iface`. */
type Carry = (idx: Uint16Array, n: number, iface: number, port: number) => number;

/**
 * Four loops, one after the other, which V8 makes better code of than of one loop with all of it. They are closures over the
 * columns and tables of the data plane, so that V8 writes the arrays' addresses and lengths into the code (tables/fib4-batch.ts);
 * it does so for the first data plane of a thread that wants this, and gateways have one.
 */
function bind(ctx: Context): Carry {
  const { batch } = ctx;
  const { view, off, len, offload, port: inPort, iface: inIface, outIface } = batch;
  const { interfaces, adjacencies, fib4 } = ctx.tables;
  const vector = ctx.vector(OUTPUT);
  /** Destination of each packet, and what the FIB says of it. */
  const dst = new Uint32Array(BATCH_SLOTS);
  const nextHops = new Uint16Array(BATCH_SLOTS);
  const lookup = fib4.batch(dst, nextHops);
  /** Bytes of each packet by its IPv4 header, 0 where it ends in the gateway. */
  const totals = new Int32Array(BATCH_SLOTS);

  /** Reads where each frame, whatever it is, would have its destination: the first look, and nothing else, so that the memory brings many at a time. */
  const lookAhead = (idx: Uint16Array, n: number): void => {
    for (let k = 0; k < n; k++) dst[k] = view.getInt32((off[idx[k]] & OFFSET) + DST_AT);
  };

  /** Fills `totals` up to the first packet for which only the long way knows what to do; returns how many packets that are. */
  const inspect = (idx: Uint16Array, n: number, iface: number, port: number): number => {
    // Signed words, which V8 keeps in registers.
    const mac0 = (interfaces.macHi[iface] << 16) | (interfaces.macLo[iface] >>> 16);
    const mac1 = interfaces.macLo[iface] & 0xffff;
    const ip = interfaces.ip[iface] | 0;
    const mask = interfaces.mask[iface];
    const broadcast = mask !== 0 && mask < 0xfffffffe ? ip | ~mask : 0;
    let k = 0;
    for (; k < n; k++) {
      const i = idx[k];
      const at = off[i] & OFFSET;
      if (len[i] < ETH_HLEN || inPort[i] !== port || (offload[i] & OFFLOAD_GSO) !== 0) break;
      const type = ethernetType(view, at);
      const word1 = view.getInt32(at + 4);
      if (type !== ETHERTYPE_IPV4 || view.getInt32(at) !== mac0 || word1 >>> 16 !== mac1) {
        if (type === ETHERTYPE_ARP || dot1qIsTpid(type)) break;
        totals[k] = 0; // to end in the gateway: a routed interface passes nothing of this kind on
        continue;
      }
      if ((word1 & MAC_GROUP_BIT) !== 0 || ((word1 & 0xffff) | view.getInt32(at + 8)) === 0) break;
      const total = ipv4CheckPlain(view, at + ETH_HLEN, len[i] - ETH_HLEN);
      if (total < 0 || ipv4Ttl(view, at + ETH_HLEN) <= 1) break;
      const from = view.getInt32(at + ETH_HLEN + 12);
      const to = view.getInt32(at + ETH_HLEN + 16);
      if (from === ip || from === broadcast || to === broadcast) break;
      if (!isHost(from >>> 24) || !isHost(to >>> 24) || to >>> 16 === LINK_LOCAL) break;
      totals[k] = total;
    }
    return k;
  };

  /** Sends the common ones of the first `end` packets on, up to the first one that the long way may let others overtake. */
  const carry = (idx: Uint16Array, end: number, n: number, iface: number): number => {
    const before = ctx.pending(OUTPUT);
    let packets = before;
    let bytes = 0;
    let others = 0;
    let k = 0;
    while (k < end) {
      // A run of packets to one adjacency.
      const nh = nextHops[k];
      const group = fib4.isGroup(nh);
      const adj = fib4.resolve(nh, group ? ipv4FlowHash(view, off[idx[k]] + ETH_HLEN) : 0);
      const out = adjacencies.iface[adj];
      const common = adjacencies.kind[adj] === ADJ_REWRITE && interfaces.kind[out] === IF_ROUTED;
      if (!common || totals[k] === 0) {
        idx[others++] = idx[k++]; // ends in the gateway, or leaves behind what ip4-rewrite sends
        continue;
      }
      if (adjacencies.resolved[adj] !== RESOLVED) break;
      const mtu = interfaces.mtu[out];
      const lo = adjacencies.macLo[adj];
      const eth0 = (adjacencies.macHi[adj] << 16) | (lo >>> 16);
      const eth1 = (lo << 16) | interfaces.macHi[out];
      const eth2 = interfaces.macLo[out] | 0;
      const first = packets;
      const until = group ? k + 1 : end;
      let runBytes = 0;
      for (; k < until && nextHops[k] === nh; k++) {
        const i = idx[k];
        const total = totals[k];
        if (total === 0 || total > mtu) break;
        const at = off[i] & OFFSET;
        runBytes += total;
        bytes += len[i];
        view.setInt32(at, eth0);
        view.setInt32(at + 4, eth1);
        view.setInt32(at + 8, eth2);
        ipv4DecrementTtl(view, at + ETH_HLEN);
        inIface[i] = iface;
        outIface[i] = out;
        len[i] = ETH_HLEN + total;
        vector[packets++] = i;
      }
      adjacencies.packets[adj] += packets - first;
      adjacencies.bytes[adj] += runBytes;
      if (k < end && totals[k] > mtu) break;
    }
    ctx.extend(OUTPUT, packets);
    const row = iface * IF_COUNTER_STRIDE;
    ctx.counters.ifaces[row + IF_COUNTER.rxPackets] += packets - before;
    ctx.counters.ifaces[row + IF_COUNTER.rxBytes] += bytes;
    while (k < n) idx[others++] = idx[k++];
    return others;
  };

  return (idx, n, iface, port) => {
    lookAhead(idx, n);
    lookup(0, n);
    return carry(idx, inspect(idx, n, iface, port), n, iface);
  };
}

/** Whether addresses with this first octet are hosts': neither zero, loopback nor a group. */
const isHost = (top: number): boolean => top !== 0 && top !== 127 && top < 224;
