// BGP as the gateway uses it: peers' routes go into the RIB, and what is best there and to be redistributed is announced.

import { formatIpv4 } from '../addr/ipv4.ts';
import type { Config } from '../config/config.ts';
import type { Rib } from '../control/rib.ts';
import { IBGP_DISTANCE, type RibNextHop, type RibRoute } from '../control/rib-route.ts';
import type { BgpLog } from '../routing/bgp/environment.ts';
import { type BgpRoute, compareBgpPreference } from '../routing/bgp/route.ts';
import { type BgpSpeaker, createBgpSpeaker } from '../routing/bgp/speaker.ts';
import type { EventLog } from './event-log.ts';

/** Where announced routes go: a BGP speaker, or the simulator's peering. */
export interface Announcer {
  announce(prefix: number, len: number): void;
  withdraw(prefix: number, len: number): void;
}

/** The RIB's comparison of two routes that BGP peers gave; 0 lets both share the traffic. */
export const compareRibBgp = (a: RibRoute, b: RibRoute): number =>
  compareBgpPreference(a.attributes as BgpRoute, b.attributes as BgpRoute);

/** Announces what the config redistributes, as it becomes best, and takes it back when it no longer is. */
export function redistribute(rib: Rib, sources: readonly string[], announcer: Announcer): void {
  const wanted = new Set(sources);
  rib.onBestChange(({ prefix, len, best, previous }) => {
    const now = best !== undefined && wanted.has(best.source) && best.nextHops[0]?.kind !== 'local';
    const before =
      previous !== undefined && wanted.has(previous.source) && previous.nextHops[0]?.kind !== 'local';
    if (now && !before) announcer.announce(prefix, len);
    else if (before && !now) announcer.withdraw(prefix, len);
  });
}

/** Makes the speaker of the config; it runs from `start` on. Its routes go into `rib` with the peer's name as key. */
export function createGatewayBgp(
  config: Config,
  rib: Rib,
  events: EventLog,
  log: BgpLog | undefined,
): BgpSpeaker | undefined {
  const { bgp } = config;
  if (bgp === undefined) return undefined;
  // The prefixes of an UPDATE have one next hop: they share it, for a full table has a million of them.
  let nextHops: readonly RibNextHop[] = [{ kind: 'via', ip: 0 }];
  return createBgpSpeaker({
    as: bgp.as,
    routerId: config.gateway.routerId,
    peers: bgp.neighbors.map((n) => ({
      name: n.name ?? formatIpv4(n.address),
      address: formatIpv4(n.address),
      as: n.as,
      port: n.port,
      passive: n.passive,
      holdSeconds: n.holdSeconds,
      maxPrefixes: n.maxPrefixes,
      ...(n.localAddress === undefined ? {} : { localAddress: formatIpv4(n.localAddress) }),
    })),
    ...(bgp.listen ? { listen: { address: '0.0.0.0', port: bgp.port } } : {}),
    ...(log === undefined ? {} : { log }),
    events: {
      route(route) {
        if (route.family !== 'ipv4') return;
        if (nextHops[0].ip !== route.nextHop) nextHops = [{ kind: 'via', ip: route.nextHop }];
        rib.add({
          source: 'bgp',
          key: route.peer,
          prefix: route.prefix,
          len: route.len,
          nextHops,
          attributes: route,
          ...(route.ebgp ? {} : { distance: IBGP_DISTANCE }),
        });
      },
      withdraw(gone) {
        if (gone.family === 'ipv4') rib.remove('bgp', gone.prefix, gone.len, gone.peer);
      },
      session({ peer, up, reason }) {
        const text = up ? `session to ${peer} is up` : `session to ${peer} is down: ${reason}`;
        events.add({ kind: up ? 'bgp-up' : 'bgp-down', source: 'bgp', text });
      },
    },
  });
}
