// The host routes of Nearhop as device under test where they are too many for a config file: a BGP peer in its namespace, which
// announces them once and then says nothing more (hold time 0), so that it takes no CPU during a trial.

import { createBgpSpeaker } from '../routing/bgp/speaker.ts';
import { FAR_IP, FIRST_ROUTE } from './wire-frame.ts';

/** Both ends of the session, in the loopback of the namespace. */
export const ANNOUNCER = { address: '127.0.0.2', as: 64_999 } as const;
export const ANNOUNCED_TO = { address: '127.0.0.1', as: 65_000 } as const;

/** Announces `count` host routes from 10.3.0.1 on by 10.2.0.2, as soon as the gateway listens. */
export async function announceRoutes(count: number): Promise<void> {
  const speaker = createBgpSpeaker({
    as: ANNOUNCER.as,
    routerId: FAR_IP,
    peers: [
      {
        name: 'gateway',
        address: ANNOUNCED_TO.address,
        as: ANNOUNCED_TO.as,
        localAddress: ANNOUNCER.address,
        holdSeconds: 0,
        connectRetrySeconds: 1,
      },
    ],
    events: { route() {}, withdraw() {}, session() {} },
  });
  for (let i = 0; i < count; i++) {
    speaker.announce({ prefix: FIRST_ROUTE + i, len: 32, nextHop: FAR_IP });
  }
  await speaker.start();
}
