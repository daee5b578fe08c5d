// Answers about BGP: neighbors as operators know them from `show bgp summary`, and what each sent and got.

import { formatIpv4 } from '../addr/ipv4.ts';
import { parsePrefix4 } from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';
import type { BgpSpeaker } from '../routing/bgp/speaker.ts';
import type { BgpRouteRow, MessageCounters } from '../routing/bgp/status.ts';
import type { BgpData, BgpRoute } from './api.ts';
import type { ControlPlane } from './control-plane.ts';

const total = (messages: MessageCounters): number => Object.values(messages).reduce((sum, n) => sum + n, 0);

export function bgpData(plane: ControlPlane, bgp: BgpSpeaker | undefined, routes: boolean): BgpData {
  if (bgp === undefined) {
    throw new NearhopError('bgp-not-configured', 'this gateway has no BGP', {
      hint: "add 'bgp:' to its config",
    });
  }
  const status = bgp.status();
  const own = (row: BgpRouteRow): BgpRoute => {
    const { prefix, len } = parsePrefix4(row.prefix);
    const entry = plane.rib.lookup(prefix);
    const best = entry?.prefix === prefix && entry.len === len ? entry.best[0]?.route.source : undefined;
    return {
      prefix: row.prefix,
      nextHop: row.nextHop,
      asPath: row.asPath,
      source: best ?? 'mobility',
      refused: null,
    };
  };
  const theirs = (row: BgpRouteRow): BgpRoute => ({
    prefix: row.prefix,
    nextHop: row.nextHop,
    asPath: row.asPath,
    source: 'bgp',
    refused: row.refused ?? null,
  });
  return {
    as: status.as,
    routerId: formatIpv4(plane.config.gateway.routerId),
    listening: status.listenPort !== undefined,
    peers: status.peers.map((peer) => ({
      name: peer.name,
      address: peer.address,
      as: peer.as,
      source: 'config',
      state: peer.state,
      stateSeconds: peer.sinceSeconds === undefined ? null : Math.round(peer.sinceSeconds),
      messagesReceived: total(peer.messages.received),
      messagesSent: total(peer.messages.sent),
      prefixesReceived: peer.prefixes.accepted,
      prefixesSent: peer.prefixes.announced,
      lastError: peer.lastError?.text ?? null,
      ...(routes
        ? { received: bgp.received(peer.name).map(theirs), advertised: bgp.advertised(peer.name).map(own) }
        : {}),
    })),
  };
}
