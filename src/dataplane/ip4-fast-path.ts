// The fast path: the common packet from its port to interface-output. Common is an untagged IPv4 packet without
// options, no GSO frame, to the MAC of a routed interface, whose route ends at one resolved next hop behind another routed
// interface that it fits. Everything is looked at before anything is changed, so that any other packet still is what
// came, and goes the long way: ethernet-input and on.
//
// What a packet meets here is what it would meet there, counters included, and packets are forwarded in the same order: what
// the long way may send on in front of later packets ends the run, and all that is behind it goes the long way too. Such are
// rare (tags, options, packets to be cut, next hops that are not resolved). An ARP message ends the run, since it may
// change what later packets meet. A batch with a traced packet goes the long way.

import { type Batch, OFFLOAD_CSUM } from '../base/batch.ts';
import {
  BATCH_SLOTS,
  DST_AT,
  EXPECTED_AT,
  NEXT_HOP_AT,
  REWRITE_AT,
  SEEN_AT,
  SEEN_FRAME_BYTES,
  SEEN_OFFLOADS,
  SEEN_PACKET_BYTES,
  SEEN_STOP,
  SEEN_WORDS,
  STOP_END,
  STOP_ENDS_HERE,
  STOP_OVER_MTU,
} from '../base/batch-columns.ts';
import { IF_COUNTER, IF_COUNTER_STRIDE } from '../stats/counters.ts';
import { ADJ_REWRITE, RESOLVED } from '../tables/adjacency-table.ts';
import { IF_ROUTED } from '../tables/interface-table.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ethernetEmit, ethernetSetDst, ethernetSetSrc } from '../wire/ethernet.ts';
import { ipv4FlowHash } from '../wire/ipv4.ts';
import { NO_IFACE } from './bridge.ts';
import { type Context, NODE, plainPort } from './graph.ts';
import { createIp4Loops } from './ip4-loops.ts';

const OUTPUT = NODE['interface-output'];
/** Version 4, a header of 20 bytes, type of service 0. */
const IPV4_PLAIN = 0x4500;

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
 * Closures over the columns and tables of the data plane, so that V8 writes the arrays' addresses and lengths into the code
 * (tables/fib4-batch.ts); it does so for the first data plane of a thread that wants this, and gateways have one.
 */
function bind(ctx: Context): Carry {
  const { batch } = ctx;
  const { view, off, columns } = batch;
  const { buffer } = batch.slab;
  const { interfaces, adjacencies, fib4 } = ctx.tables;
  const leaving = ctx.vector(OUTPUT).byteOffset;
  const nextHops = new Uint16Array(buffer, columns + NEXT_HOP_AT, BATCH_SLOTS);
  const seen = new Uint32Array(buffer, columns + SEEN_AT, SEEN_WORDS);
  const lookup = fib4.batch(new Uint32Array(buffer, columns + DST_AT, BATCH_SLOTS), nextHops);
  const loops = createIp4Loops(batch);

  /** Judges the addresses of all, and writes what a frame has to begin with. */
  const prepare = (n: number, iface: number): void => {
    const ip = interfaces.ip[iface] | 0;
    const mask = interfaces.mask[iface];
    loops.judge(columns, n, ip, mask !== 0 && mask < 0xfffffffe ? ip | ~mask : 0);
    const expected = columns + EXPECTED_AT;
    ethernetEmit(view, expected, interfaces.macHi[iface], interfaces.macLo[iface], 0, 0, ETHERTYPE_IPV4);
    view.setUint16(expected + ETH_HLEN, IPV4_PLAIN);
  };

  /** Sends the common packets on, up to the first one that the long way may let others overtake. */
  const carry = (idx: Uint16Array, n: number, iface: number, port: number): number => {
    const before = ctx.pending(OUTPUT);
    let packets = before;
    let frameBytes = 0;
    let packetBytes = 0;
    let others = 0;
    let only = -1; // the interface by which all leave so far
    let plain = before === 0;
    let k = 0;
    while (k < n) {
      // A run of packets to one adjacency.
      const nh = nextHops[k];
      const group = fib4.isGroup(nh);
      const adj = fib4.resolve(nh, group ? ipv4FlowHash(view, off[idx[k]] + ETH_HLEN) : 0);
      const out = adjacencies.iface[adj];
      const transit = adjacencies.kind[adj] === ADJ_REWRITE && interfaces.kind[out] === IF_ROUTED;
      const outPort = plainPort(ctx, out);
      let mtu = outPort === undefined ? interfaces.mtu[out] : Math.min(interfaces.mtu[out], outPort.mtu);
      if (!transit || adjacencies.resolved[adj] !== RESOLVED) mtu = 0; // nothing fits
      const macs = columns + REWRITE_AT;
      ethernetSetDst(view, macs, adjacencies.macHi[adj], adjacencies.macLo[adj]);
      ethernetSetSrc(view, macs, interfaces.macHi[out], interfaces.macLo[out]);
      const first = k;
      const until = group ? k + 1 : n;
      k = loops.carry(columns, idx.byteOffset, k, until, port, nh, mtu, iface, out, leaving + 2 * packets);
      if (only < 0) only = out;
      packets += k - first;
      frameBytes += seen[SEEN_FRAME_BYTES];
      packetBytes += seen[SEEN_PACKET_BYTES];
      adjacencies.packets[adj] += k - first;
      adjacencies.bytes[adj] += seen[SEEN_PACKET_BYTES];
      plain &&=
        out === only &&
        outPort !== undefined &&
        (outPort.offload || (seen[SEEN_OFFLOADS] & OFFLOAD_CSUM) === 0);
      const stop = seen[SEEN_STOP];
      if (stop === STOP_END) continue;
      // What ends in the gateway, or leaves behind what ip4-rewrite sends, may be overtaken.
      const behind = stop === STOP_ENDS_HERE || (stop === STOP_OVER_MTU && !transit);
      if (!behind) break;
      idx[others++] = idx[k++];
    }
    ctx.extend(OUTPUT, packets);
    if (plain) {
      ctx.common.packets = packets;
      ctx.common.bytes = packetBytes + ETH_HLEN * packets;
    }
    const row = iface * IF_COUNTER_STRIDE;
    ctx.counters.ifaces[row + IF_COUNTER.rxPackets] += packets - before;
    ctx.counters.ifaces[row + IF_COUNTER.rxBytes] += frameBytes;
    while (k < n) idx[others++] = idx[k++];
    return others;
  };

  return (idx, n, iface, port) => {
    loops.look(columns, idx.byteOffset, n);
    lookup(0, n);
    prepare(n, iface);
    return carry(idx, n, iface, port);
  };
}
