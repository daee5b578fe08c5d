// Does what an event of a replay says, through the same handlers that a running gateway's operator uses.

import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import { ifIndex } from '../base/ids.ts';
import { setPermanentNeighbor } from '../dataplane/neighbor-resolution.ts';
import type { Call } from '../gateway/api.ts';
import type { InlineGateway } from '../gateway/inline.ts';
import type { ReplayAction, ReplayEvent } from './replay-events.ts';

/** Key of the routes that events bring, where a running gateway has the BGP neighbor's name. */
const ROUTE_KEY = 'replay';

/** Applies the event. Throws what the gateway says, with the event's place in front. */
export function applyReplayEvent(gateway: InlineGateway, event: ReplayEvent): void {
  try {
    apply(gateway, event.action);
  } catch (error) {
    if (!(error instanceof NearhopError)) throw error;
    throw new NearhopError(error.code, `${event.place()}: ${event.text}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

const CALL: Call<never> = { warn: () => {}, emit: () => true, signal: new AbortController().signal };

function apply({ plane, dataplane, handlers }: InlineGateway, action: ReplayAction): void {
  switch (action.kind) {
    case 'migrate':
      handlers['vm.migrate']({ vm: action.vm, kind: action.migrate }, CALL);
      return;
    case 'addresses':
      handlers['vm.set-ip']({ vm: action.vm, addresses: action.addresses.map(formatIpv4) }, CALL);
      return;
    case 'learned':
      handlers['vm.mark-learned']({ vm: action.vm }, CALL);
      return;
    case 'neighbor': {
      const iface = ifIndex(plane.interfaces.names.indexOf(action.interface));
      dataplane.originate((ctx) => {
        setPermanentNeighbor(ctx, iface, action.neighbor, action.mac.hi, action.mac.lo);
      });
      return;
    }
    case 'route': {
      const nextHops = action.via.map((ip) => ({ kind: 'via', ip }) as const);
      const { prefix, len } = action.route;
      plane.rib.add({ source: 'bgp', key: ROUTE_KEY, prefix, len, nextHops });
      return;
    }
    case 'withdraw':
      plane.rib.remove('bgp', action.withdraw.prefix, action.withdraw.len, ROUTE_KEY);
      return;
  }
}
