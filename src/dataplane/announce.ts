// What the control plane lets the data plane say to the networks on its own account: where a VM's MAC is now, and which MAC
// the gateway has. Each function makes the frame in an empty batch (`Dataplane.originate`) and hands it to the graph.

import { FDB_MIGRATED } from '../tables/fdb.ts';
import { ARP_REPLY, RARP_REQUEST } from '../wire/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_RARP, MAC_BROADCAST_HI, MAC_BROADCAST_LO } from '../wire/ethernet.ts';
import { arpFrame } from './arp-emit.ts';
import { NO_IFACE } from './bridge.ts';
import { type Context, NODE } from './graph.ts';

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
  else if (extension !== NO_IFACE) fdb.set(network, macHi, macLo, extension, FDB_MIGRATED, ctx.nowMs);
  if (extension === NO_IFACE) return;
  const out = at === 'target' ? [extension] : networks.locals[network];
  for (const iface of out) {
    const i = arpFrame(
      ctx.batch,
      ETHERTYPE_RARP,
      MAC_BROADCAST_HI,
      MAC_BROADCAST_LO,
      RARP_REQUEST,
      macHi,
      macLo,
      0,
      macHi,
      macLo,
      0,
    );
    if (i < 0) {
      ctx.notMade();
      return;
    }
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
  const i = arpFrame(
    ctx.batch,
    ETHERTYPE_ARP,
    macHi,
    macLo,
    ARP_REPLY,
    networks.targetMacHi[network],
    networks.targetMacLo[network],
    networks.gatewayIp[network],
    macHi,
    macLo,
    ip,
  );
  if (i < 0) {
    ctx.notMade();
    return;
  }
  ctx.batch.iface[i] = networks.bvi[network];
  ctx.batch.outIface[i] = networks.bvi[network];
  ctx.originate(NODE['l2-forward'], i);
}
