// interface-output: where every packet leaves. Each one is made ready for its interface (VLAN tag) and for what the port
// takes (checksums, segments, MTU); then each port gets its packets in the order in which they came, as few `tx` calls as the
// batch has room for. Segments of GSO frames take room that is given back as soon as the port has them.

import { BATCH_SLOTS, type Batch, OFFLOAD_CSUM, OFFLOAD_GSO } from '../../base/batch.ts';
import { assert } from '../../base/errors.ts';
import type { Port } from '../../ports/port.ts';
import { IF_COUNTER, IF_COUNTER_STRIDE, TOTAL } from '../../stats/counters.ts';
import { REASON } from '../../stats/reasons.ts';
import { DOT1Q_LEN, dot1qPush } from '../../wire/dot1q.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ethernetType } from '../../wire/ethernet.ts';
import { planSegments, SegmentPlan } from '../../wire/segmentation.ts';
import { type Context, type GraphNode, plainPort } from '../graph.ts';
import { completeChecksum, emitSegment, moveVnetHeader, wireL3Len } from '../offload.ts';

const MAX_PORTS = 1024;
/** In the place of a slot that has ended; no slot has this number. */
const ENDED = 0xffff;

export function createInterfaceOutput(): GraphNode {
  /** Packets ready for each port. */
  const ready = new Int32Array(MAX_PORTS);
  const list = new Uint16Array(BATCH_SLOTS);
  const plan = new SegmentPlan();

  return {
    name: 'interface-output',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces } = ctx.tables;
      assert(ctx.ports.length <= MAX_PORTS, `at most ${MAX_PORTS} ports`);
      if (sendPlain(batch, idx, n, ctx)) return;
      for (let k = 0; k < n; ) {
        const out = batch.outIface[idx[k]];
        const first = k;
        while (k < n && batch.outIface[idx[k]] === out) k++;
        const fit = prepareRun(batch, idx, first, k, out, ctx, plan);
        if (fit > 0) ready[interfaces.port[out]] += fit;
      }
      for (let p = 0; p < ctx.ports.length; p++) {
        if (ready[p] === 0) continue;
        const all = ready[p] === n && !hasGso(batch, idx, n);
        ready[p] = 0;
        if (all) flush(ctx.ports[p], idx, n, ctx);
        else sendTo(ctx.ports[p], idx, n, ctx, list, plan);
      }
    },
  };
}

/**
 * The common round: all packets leave by one interface, which takes them as they are. Returns false, with nothing done, when
 * one of them needs more than that.
 */
function sendPlain(batch: Batch, idx: Uint16Array, n: number, ctx: Context): boolean {
  const { common } = ctx;
  const known = common.packets === n && !batch.marked;
  common.packets = 0;
  const out = batch.outIface[idx[0]];
  let bytes = known ? common.bytes : plainBytes(batch, idx, n, ctx);
  if (bytes < 0) return false;
  const sent = ctx.ports[ctx.tables.interfaces.port[out]].tx(batch, idx, n);
  if (sent < n) bytes = failed(idx, sent, n, bytes, ctx);
  ctx.counters.totals[TOTAL.sent] += sent;
  ctx.counters.ifaces[out * IF_COUNTER_STRIDE + IF_COUNTER.txPackets] += sent;
  ctx.counters.ifaces[out * IF_COUNTER_STRIDE + IF_COUNTER.txBytes] += bytes;
  return true;
}

/** Bytes of the packets of a common round, -1 for any other. */
function plainBytes(batch: Batch, idx: Uint16Array, n: number, ctx: Context): number {
  const out = batch.outIface[idx[0]];
  const port = plainPort(ctx, out);
  if (batch.marked || port === undefined) return -1;
  const { len, l3, outIface, offload } = batch;
  const { mtu } = port;
  const work = port.offload ? OFFLOAD_GSO : OFFLOAD_GSO | OFFLOAD_CSUM;
  let bytes = 0;
  for (let k = 0; k < n; k++) {
    const i = idx[k];
    if (outIface[i] !== out || (offload[i] & work) !== 0 || len[i] - l3[i] > mtu) return -1;
    bytes += len[i];
  }
  return bytes;
}

/** Ends the slots `idx[sent..n-1]`, which the port has refused; returns `bytes` without theirs. */
function failed(idx: Uint16Array, sent: number, n: number, bytes: number, ctx: Context): number {
  let left = bytes;
  for (let q = sent; q < n; q++) {
    left -= ctx.batch.len[idx[q]];
    ctx.dropEgress(idx[q], REASON['tx-failed']);
  }
  return left;
}

/** Makes slots `idx[first..end-1]`, which all leave by `out`, what its port takes, or ends them; returns how many are left. */
function prepareRun(
  batch: Batch,
  idx: Uint16Array,
  first: number,
  end: number,
  out: number,
  ctx: Context,
  plan: SegmentPlan,
): number {
  const { interfaces } = ctx.tables;
  const port = ctx.ports[interfaces.port[out]];
  const usable = port !== undefined && interfaces.up[out] !== 0;
  const plain = plainPort(ctx, out) !== undefined;
  const mtu = usable ? port.mtu : 0;
  let fit = 0;
  for (let k = first; k < end; k++) {
    const i = idx[k];
    let reason = 0;
    if (!plain || batch.offload[i] !== 0) {
      reason = usable ? prepare(batch, i, port, interfaces.vlan[out], plan) : REASON['interface-down'];
    }
    if (reason === 0 && wireL3Len(batch, i) > mtu) reason = REASON['tx-oversize'];
    if (reason === 0) fit++;
    else {
      ctx.dropEgress(i, reason);
      idx[k] = ENDED;
    }
  }
  return fit;
}

/** Makes slot `i` what the port takes; returns the reason why that cannot be, 0 for none. */
function prepare(batch: Batch, i: number, port: Port, vlan: number, plan: SegmentPlan): number {
  if (port.l3Only) {
    const type = ethernetType(batch.view, batch.off[i] + batch.l3[i] - ETH_HLEN);
    if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return REASON['port-unsuitable'];
  } else if (vlan !== 0) pushVlan(batch, i, vlan);
  const offload = batch.offload[i];
  if ((offload & OFFLOAD_GSO) !== 0) {
    if (!planSegments(batch, i, plan)) return REASON['offload-invalid'];
  } else if ((offload & OFFLOAD_CSUM) !== 0 && !port.offload && !completeChecksum(batch, i)) {
    return REASON['offload-invalid'];
  }
  return 0;
}

function hasGso(batch: Batch, idx: Uint16Array, n: number): boolean {
  let bits = 0;
  for (let k = 0; k < n; k++) bits |= batch.offload[idx[k]];
  return (bits & OFFLOAD_GSO) !== 0;
}

function pushVlan(batch: Batch, i: number, vlan: number): void {
  const off = batch.off[i];
  moveVnetHeader(batch, i, off, -DOT1Q_LEN);
  batch.off[i] = dot1qPush(batch.u8, batch.view, off, vlan);
  batch.len[i] += DOT1Q_LEN;
  batch.l3[i] += DOT1Q_LEN;
}

/** Sends what is ready for one port, in order. */
function sendTo(
  port: Port,
  idx: Uint16Array,
  n: number,
  ctx: Context,
  list: Uint16Array,
  plan: SegmentPlan,
): void {
  const { batch } = ctx;
  const { interfaces } = ctx.tables;
  const count = batch.count;
  const mark = batch.mark();
  let m = 0;
  for (let k = 0; k < n; k++) {
    const i = idx[k];
    if (i === ENDED || interfaces.port[batch.outIface[i]] !== port.id) continue;
    if ((batch.offload[i] & OFFLOAD_GSO) === 0 || port.offload) {
      list[m++] = i;
      continue;
    }
    planSegments(batch, i, plan);
    ctx.counters.totals[TOTAL.replicated]--; // the frame becomes its segments
    for (let s = 0; s < plan.count; s++) {
      let j = emitSegment(batch, i, plan, s);
      if (j < 0 && m > 0) {
        flush(port, list, m, ctx);
        m = 0;
        batch.rewind(count, mark);
        j = emitSegment(batch, i, plan, s);
      }
      if (j < 0) ctx.unmade();
      else {
        ctx.counters.totals[TOTAL.replicated]++;
        if (s > 0) batch.trace[j] = -1; // one segment stands for all in a trace
        list[m++] = j;
      }
    }
  }
  if (m > 0) flush(port, list, m, ctx);
  batch.rewind(count, mark);
}

/** Hands the first `n` of `list` to the port and counts what became of it. */
function flush(port: Port, list: Uint16Array, n: number, ctx: Context): void {
  const { batch, counters } = ctx;
  const sent = port.tx(batch, list, n);
  counters.totals[TOTAL.sent] += sent;
  for (let q = 0; q < sent; ) {
    // Counted once for a run of packets by one interface: a counter in memory takes as long as the rest of this loop.
    const out = batch.outIface[list[q]];
    const first = q;
    let bytes = 0;
    for (; q < sent && batch.outIface[list[q]] === out; q++) {
      const i = list[q];
      bytes += batch.len[i];
      if (batch.trace[i] >= 0) ctx.trace.sent(batch, i);
    }
    counters.ifaces[out * IF_COUNTER_STRIDE + IF_COUNTER.txPackets] += q - first;
    counters.ifaces[out * IF_COUNTER_STRIDE + IF_COUNTER.txBytes] += bytes;
  }
  for (let q = sent; q < n; q++) ctx.dropEgress(list[q], REASON['tx-failed']);
}
