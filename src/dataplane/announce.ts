// What the control plane lets the data plane say to the networks on its own account: where a VM's MAC is now, and which MAC
// the gateway has. Each function makes the frame in an empty batch (`Dataplane.originate`) and hands it to the graph.

import { FDB_MIGRATED } from '../tables/fdb.ts';
import { ARP_LEN, ARP_REPLY, arpEmit, RARP_REQUEST } from '../wire/arp.ts';
import { ETH_HLEN, ETHERTYPE_ARP, ETHERTYPE_RARP, ethernetEmit } from '../wire/ethernet.ts';
import { type Context, NODE } from './graph.ts';

const NONE = 0xffff;
const FRAME = ETH_HLEN + ARP_LEN;

/** Makes an Ethernet frame with an ARP or RARP message; returns its slot, or -1 when the batch has no room. */
function emit(
  ctx: Context,
  etherType: number,
  op: number,
  dst: readonly [number, number],
  src: readonly [number, number],
  senderIp: number,
  target: readonly [number, number],
  targetIp: number,
): number {
  const { batch } = ctx;
  const i = batch.alloc(FRAME);
  if (i < 0) {
    ctx.notMade();
    return -1;
  }
  const body = ethernetEmit(batch.view, batch.off[i], dst[0], dst[1], src[0], src[1], etherType);
  arpEmit(batch.view, body, op, src[0], src[1], senderIp, target[0], target[1], targetIp);
  return i;
}

/**
 * A VM has moved: RARP of the VM (RFC 903, as hypervisors send after a move) at the site that it left, so that the switches
 * there send to the extension or away from it; and the FDB forgets the old place, or knows the new one.
 */
export function announceVm(
  ctx: Context,
  network: number,
  macHi: number,
  macLo: number,
  at: 'source' | 'target',
): void {
  const { networks, fdb } = ctx.tables;
  const extension = networks.extension[network];
  if (at === 'target') fdb.remove(network, macHi, macLo);
  else if (extension !== NONE) fdb.set(network, macHi, macLo, extension, FDB_MIGRATED, ctx.nowMs);
  if (extension === NONE) return;
  const mac = [macHi, macLo] as const;
  const out = at === 'target' ? [extension] : networks.locals[network];
  for (const iface of out) {
    const i = emit(ctx, ETHERTYPE_RARP, RARP_REQUEST, [0xffff, 0xffffffff], mac, 0, mac, 0);
    if (i < 0) return;
    ctx.batch.outIface[i] = iface;
    ctx.originate(NODE['interface-output'], i);
  }
}

/**
 * Tells one VM that the gateway's IP is at T-MAC: a unicast gratuitous ARP, which reaches no other VM and never enters the
 * extension (S15). Linux takes it only for a neighbor that it knows already, which is the case that matters.
 */
export function announceGateway(
  ctx: Context,
  network: number,
  macHi: number,
  macLo: number,
  ip: number,
): void {
  const { networks } = ctx.tables;
  const gateway = [networks.targetMacHi[network], networks.targetMacLo[network]] as const;
  const i = emit(
    ctx,
    ETHERTYPE_ARP,
    ARP_REPLY,
    [macHi, macLo],
    gateway,
    networks.gatewayIp[network],
    [macHi, macLo],
    ip,
  );
  if (i < 0) return;
  ctx.batch.iface[i] = networks.bvi[network];
  ctx.batch.outIface[i] = networks.bvi[network];
  ctx.originate(NODE['l2-forward'], i);
}
