// Faults on purpose, and the guard that stands whatever is set: what a scenario must notice, and what must never happen.
// A claim that holds with its fault in place claims nothing.

import type { Mac } from '../addr/mac.ts';
import { assert } from '../base/errors.ts';
import { ARP_LEN, arpSenderIp, arpTargetIp } from '../wire/arp.ts';
import { ETH_HLEN, ETHERTYPE_ARP, ethernetSrcHi, ethernetSrcLo, ethernetType } from '../wire/ethernet.ts';
import { viewOf } from './frames.ts';
import type { LinkEnd } from './link.ts';
import type { Site } from './site.ts';

/**
 * `leak-gateway-arp`: ARP about the default gateway crosses the extension behind the gateway's back, both ways (against S15).
 * `drop-announcements`: nothing that the gateway announces by BGP reaches the source router (against S17).
 * `leak-host-routes`: the source router has the /32 of every VM, wherever it is (against S3, S19).
 * `cut-extension`: the L2 extension carries nothing (against S10).
 */
export const SIM_FAULTS = [
  'leak-gateway-arp',
  'drop-announcements',
  'leak-host-routes',
  'cut-extension',
] as const;
export type SimFault = (typeof SIM_FAULTS)[number];

/** Leads ARP about `gatewayIp` around the gateway, between the VMs at the target and its end of the extension. */
export function leakGatewayArp(site: Site, extensionEnd: LinkEnd, gatewayIp: number): void {
  for (const { target, gatewayEnd } of site.vms.values()) {
    target.watch((frame, from) => {
      if (from !== gatewayEnd && isArp(frame) && arpTargetIp(viewOf(frame), ETH_HLEN) === gatewayIp) {
        extensionEnd.send(frame);
      }
    });
    site.extension.watch((frame, from) => {
      if (from !== extensionEnd && isArp(frame) && arpSenderIp(viewOf(frame), ETH_HLEN) === gatewayIp) {
        gatewayEnd.send(frame);
      }
    });
  }
}

/** Crashes when a frame of the target gateway's MAC enters the extension: the third invariant of its forwarding. */
export function guardTargetMac(extensionEnd: LinkEnd, mac: Mac): void {
  extensionEnd.link.watch((frame, from) => {
    const view = viewOf(frame);
    const leaks = ethernetSrcHi(view, 0) === mac.hi && ethernetSrcLo(view, 0) === mac.lo;
    assert(from !== extensionEnd || !leaks, "no frame of the target gateway's MAC enters the extension");
  });
}

const isArp = (frame: Uint8Array): boolean =>
  frame.length >= ETH_HLEN + ARP_LEN && ethernetType(viewOf(frame), 0) === ETHERTYPE_ARP;
