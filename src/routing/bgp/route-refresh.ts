// ROUTE-REFRESH (RFC 2918): a peer asks for everything once more. Four bytes: AFI, a reserved byte, SAFI.
// RFC 7313 uses the reserved byte for begin and end marks; we do not announce that, and any but 0 is ignored (§5).

import { MSG_ROUTE_REFRESH, messageOf } from './message.ts';
import { AFI, type Family, familyOf, SAFI_UNICAST } from './nlri.ts';

export const encodeRouteRefresh = (family: Family): Uint8Array => {
  const bytes = messageOf(MSG_ROUTE_REFRESH, 4);
  bytes[20] = AFI[family];
  bytes[22] = SAFI_UNICAST;
  return bytes;
};

/** Family that the peer wants again; undefined for one that we do not speak, which is ignored (RFC 2918 §4). */
export const decodeRouteRefresh = (body: Uint8Array): Family | undefined =>
  body[2] === 0 ? familyOf((body[0] << 8) | body[1], body[3]) : undefined;
