// l2-learn: remembers behind which interface a MAC is, and tells main about VMs that it does not know enough of.
// Gateway MACs are never learned: they do not move, and neither gateway's place is the FDB's to say. ARP goes on to
// arp-filter, everything else to l2-classify.

import type { Batch } from '../../base/batch.ts';
import { LEARN_MOVED } from '../../tables/fdb.ts';
import { IF_EXTENSION } from '../../tables/interface-table.ts';
import { MAX_NETWORKS } from '../../tables/network-table.ts';
import {
  ARP_REPLY,
  ARP_REQUEST,
  arpCheck,
  arpOp,
  arpSenderIp,
  arpSenderMacHi,
  arpSenderMacLo,
} from '../../wire/arp.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
  MAC_GROUP_BIT,
} from '../../wire/ethernet.ts';
import { IPV4_HLEN, ipv4Src } from '../../wire/ipv4.ts';
import { isSourceMac, isTargetMac } from '../bridge.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';

/** Main hears of an unknown VM this often as long as it stays unknown, and at once when an address of it is seen. */
const RETELL_MS = 10_000;

export function createL2Learn(): GraphNode {
  /** 1 where the source gateway's MAC was learned here, so that it may be learned anew; 0 where the config gave it. */
  const sourceLearned = new Uint8Array(MAX_NETWORKS);

  return {
    name: 'l2-learn',
    process(batch: Batch, idx: Uint16Array, n: number, ctx: Context): void {
      const { interfaces, vms, fdb } = ctx.tables;
      const { view } = batch;
      fdb.nowMs = ctx.nowMs;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const off = batch.off[i];
        const iface = batch.iface[i];
        const network = interfaces.network[iface];
        const hi = ethernetSrcHi(view, off);
        const lo = ethernetSrcLo(view, off) | 0;
        const extension = interfaces.kind[iface] === IF_EXTENSION;
        const arp = ethernetType(view, off) === ETHERTYPE_ARP;
        const source = isSourceMac(ctx.tables, network, hi, lo);
        if (extension && arp && !source) learnSourceGateway(batch, i, ctx, network, sourceLearned);
        if (!source && !isSourceMac(ctx.tables, network, hi, lo)) {
          learn(batch, i, ctx, network);
          if (!extension) {
            const vm = vms.find(network, hi, lo);
            if (vm < 0 || vms.ip[vm] === 0) tellAboutVm(batch, i, ctx, network, vm < 0);
          }
        }
        ctx.push(arp ? NODE['arp-filter'] : NODE['l2-classify'], i);
      }
    },
    tick(nowMs: number, ctx: Context): void {
      ctx.tables.fdb.age(nowMs);
    },
  };
}

function learn(batch: Batch, i: number, ctx: Context, network: number): void {
  const { interfaces, fdb } = ctx.tables;
  const iface = batch.iface[i];
  const hi = ethernetSrcHi(batch.view, batch.off[i]);
  const lo = ethernetSrcLo(batch.view, batch.off[i]);
  if (fdb.learn(network, hi, lo | 0, iface) !== LEARN_MOVED) return;
  // between two ports of the target it is the hypervisors' affair; across the extension it is a VM that moved
  if (interfaces.kind[fdb.movedFrom] !== interfaces.kind[iface]) {
    ctx.events.tell('mac-moved', ctx.nowMs, iface, network, hi, lo, 0);
  }
}

/**
 * The gateway's IP as the sender of an ARP message out of the extension is the source gateway speaking, so its MAC there is
 * S-MAC: the message's, for the frame's may be the router's own. Learned anew when it changes (a router was replaced), unless the config says what it is.
 */
function learnSourceGateway(
  batch: Batch,
  i: number,
  ctx: Context,
  network: number,
  learned: Uint8Array,
): void {
  const { networks, fdb } = ctx.tables;
  const { view } = batch;
  const arp = batch.off[i] + ETH_HLEN;
  const configured =
    (networks.sourceMacHi[network] | networks.sourceMacLo[network]) !== 0 && learned[network] === 0;
  if (configured || arpCheck(view, arp, batch.len[i] - ETH_HLEN) < 0) return;
  const op = arpOp(view, arp);
  const hi = arpSenderMacHi(view, arp);
  const lo = arpSenderMacLo(view, arp);
  if (
    (op !== ARP_REQUEST && op !== ARP_REPLY) ||
    arpSenderIp(view, arp) !== networks.gatewayIp[network] ||
    (hi & MAC_GROUP_BIT) !== 0 ||
    (hi | lo) === 0 ||
    isTargetMac(ctx.tables, network, hi, lo) ||
    isSourceMac(ctx.tables, network, hi, lo)
  ) {
    return;
  }
  networks.sourceMacHi[network] = hi;
  networks.sourceMacLo[network] = lo;
  learned[network] = 1;
  fdb.remove(network, hi, lo); // known from before as if it were a VM
  ctx.events.tell(
    'source-gateway-learned',
    ctx.nowMs,
    batch.iface[i],
    network,
    hi,
    lo,
    networks.gatewayIp[network],
  );
}

/** Tells main about a VM at the target that the inventory lacks, or has no address for (S23, S24). */
function tellAboutVm(batch: Batch, i: number, ctx: Context, network: number, unknown: boolean): void {
  const { fdb } = ctx.tables;
  const row = fdb.learnedRow;
  if (row < 0) return; // the FDB is full: whoever fills it with made-up MACs shall not fill main with events
  const ip = seenIp(batch, i, ctx, network);
  const news = (ip ^ fdb.toldIp[row]) !== 0 && ip !== 0;
  if (!news && (!unknown || ctx.nowMs - fdb.toldMs[row] < RETELL_MS)) return;
  const told = ctx.events.tell(
    unknown ? 'vm-unknown' : 'vm-ip-seen',
    ctx.nowMs,
    batch.iface[i],
    network,
    fdb.macHi[row],
    fdb.macLo[row],
    ip >>> 0,
  );
  if (!told) return;
  fdb.toldMs[row] = ctx.nowMs;
  if (ip !== 0) fdb.toldIp[row] = ip;
}

/** The IPv4 address of the network that the frame says is its sender's, as a signed word (see `Fdb.find`); 0 for none. */
function seenIp(batch: Batch, i: number, ctx: Context, network: number): number {
  const { networks } = ctx.tables;
  const { view } = batch;
  const payload = batch.off[i] + ETH_HLEN;
  const len = batch.len[i] - ETH_HLEN;
  const type = ethernetType(view, batch.off[i]);
  let ip = 0;
  if (type === ETHERTYPE_ARP && arpCheck(view, payload, len) >= 0) ip = arpSenderIp(view, payload);
  else if (type === ETHERTYPE_IPV4 && len >= IPV4_HLEN) ip = ipv4Src(view, payload);
  // out of the subnet the VM forwards for others; the gateway's own address is no VM's
  const inside = (ip & networks.mask[network]) >>> 0 === networks.subnet[network];
  return inside && ip !== networks.gatewayIp[network] ? ip | 0 : 0;
}
