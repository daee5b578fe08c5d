// Faults on purpose: what a scenario must notice. A claim that holds with its fault in place claims nothing.

import { ARP_LEN, arpSenderIp, arpTargetIp } from '../wire/arp.ts';
import { ETH_HLEN, ETHERTYPE_ARP, ethernetType } from '../wire/ethernet.ts';
import { viewOf } from './frames.ts';
import type { Site } from './site.ts';

/**
 * `leak-gateway-arp`: ARP about the default gateway crosses the extension behind the gateway's back, both ways (against S15).
 * `drop-announcements`: nothing that the gateway announces by BGP reaches the source router (against S17).
 */
export type SimFault = 'leak-gateway-arp' | 'drop-announcements';

/** Leads ARP about `gatewayIp` around the gateway, between the VMs at the target and the extension. */
export function leakGatewayArp(site: Site, extensionPort: string, gatewayIp: number): void {
  const far = site.cables.get(extensionPort);
  if (far === undefined) return;
  for (const { target, gatewayEnd } of site.vms.values()) {
    target.watch((frame, from) => {
      if (from !== gatewayEnd && isArp(frame) && arpTargetIp(viewOf(frame), ETH_HLEN) === gatewayIp) {
        far.send(frame);
      }
    });
    site.extension.watch((frame, from) => {
      if (from !== far && isArp(frame) && arpSenderIp(viewOf(frame), ETH_HLEN) === gatewayIp) {
        gatewayEnd.send(frame);
      }
    });
  }
}

const isArp = (frame: Uint8Array): boolean =>
  frame.length >= ETH_HLEN + ARP_LEN && ethernetType(viewOf(frame), 0) === ETHERTYPE_ARP;
