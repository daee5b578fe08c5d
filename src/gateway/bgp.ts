// BGP as the gateway uses it: peers' routes go into the RIB; what of it is announced is in redistribute.ts.

import { formatIpv4 } from '../addr/ipv4.ts';
import type { Config } from '../config/config.ts';
import type { Rib } from '../control/rib.ts';
import { DISTANCE, IBGP_DISTANCE, type RibNextHop } from '../control/rib-route.ts';
import type { BgpLog } from '../routing/bgp/environment.ts';
import { type BgpSpeaker, createBgpSpeaker } from '../routing/bgp/speaker.ts';
import type { Fib4 } from '../tables/fib4.ts';
import type { EventLog } from './event-log.ts';

/** What of the control plane BGP works with. */
export interface BgpPlane {
  readonly config: Config;
  readonly rib: Rib;
  readonly events: EventLog;
  readonly shared: { readonly fib4: Fib4 };
}

/** Makes the speaker of the config; it runs from `start` on. Its routes go into the RIB with the peer's name as key. */
export function createGatewayBgp(plane: BgpPlane, log: BgpLog | undefined): BgpSpeaker | undefined {
  const { config, rib, events } = plane;
  const { bgp } = config;
  if (bgp === undefined) return undefined;
  // The prefixes of an UPDATE have one next hop: the RIB sees at once that it is the same.
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
    prefixes: plane.shared.fib4.trie,
    events: {
      route(route) {
        if (route.family !== 'ipv4') return;
        if (nextHops[0].ip !== route.nextHop) nextHops = [{ kind: 'via', ip: route.nextHop }];
        rib.add({
          source: 'bgp',
          key: route.path.peer,
          prefix: route.prefix,
          len: route.len,
          nextHops,
          attributes: route.path,
          distance: route.path.ebgp ? DISTANCE.bgp : IBGP_DISTANCE,
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
