// Messages of real routers, from the capture that comes with the project's data; skipped in a clone without it.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCapture } from '../../../src/pcap/open-capture.ts';
import { formatAsPath } from '../../../src/routing/bgp/as-path.ts';
import type { UpdateContext } from '../../../src/routing/bgp/attributes-decode.ts';
import { MessageReader } from '../../../src/routing/bgp/framing.ts';
import { decodeNotification } from '../../../src/routing/bgp/notification.ts';
import { decodeOpen } from '../../../src/routing/bgp/open.ts';
import { decodeRouteRefresh } from '../../../src/routing/bgp/route-refresh.ts';
import { formatNlri } from '../../../src/routing/bgp/status.ts';
import { decodeUpdate } from '../../../src/routing/bgp/update.ts';
import { CAPTURES } from '../../pcap/captures.ts';

const CONTEXT: UpdateContext = {
  fourOctetAs: true,
  ebgp: true,
  peerAs: 10,
  enforceFirstAs: true,
  families: ['ipv4'],
};

const describeMessage = (type: number, body: Uint8Array): string => {
  if (type === 1) {
    const { as, holdSeconds, families, fourOctetAs, routeRefresh } = decodeOpen(body);
    return `open as ${as} hold ${holdSeconds} ${families} ${fourOctetAs} ${routeRefresh}`;
  }
  if (type === 2) {
    const { withdrawn, announced, attributes, endOfRib, faults } = decodeUpdate(body, CONTEXT);
    expect(faults).toEqual([]);
    if (endOfRib !== undefined) return `end of ${endOfRib}`;
    const prefixes = announced.flatMap((a) => a.nlri).map(formatNlri);
    if (withdrawn.length > 0) return `withdraw ${withdrawn.map(formatNlri)}`;
    return `${attributes.origin} ${formatAsPath(attributes.asPath)}: ${prefixes}`;
  }
  if (type === 3) return decodeNotification(body).text;
  return type === 4 ? 'keepalive' : `refresh ${decodeRouteRefresh(body)}`;
};

describe.skipIf(CAPTURES === undefined)('messages of real routers (needs ../shared/data/captures)', () => {
  it('are read as Wireshark reads them', () => {
    const capture = openCapture(join(CAPTURES ?? '', 'BgpPackets.pcap'));
    const got: string[] = [];
    while (capture.next()) {
      const ip = capture.off + 14;
      const tcp = ip + (capture.u8[ip] & 15) * 4;
      const end = ip + capture.view.getUint16(ip + 2);
      const reader = new MessageReader((type, body) => {
        got.push(describeMessage(type, body));
        return true;
      });
      reader.push(capture.u8.slice(tcp + (capture.u8[tcp + 12] >> 4) * 4, end));
    }
    capture.close();
    expect(got).toEqual([
      'open as 64512 hold 180 ipv4 true true',
      // RFC 7313's mark for the beginning of a refresh, which we did not ask for
      'refresh undefined',
      'incomplete 10 20 40: 104.104.40.0/24',
      'igp 10 20 40: 40.1.1.0/24,40.40.40.0/24,103.103.0.0/16,103.103.40.0/24',
      'igp 10 20: 20.100.100.20/32',
      'end of ipv4',
      'withdraw 40.1.1.0/24,40.40.40.0/24,103.103.0.0/16,103.103.40.0/24',
      'withdraw 104.104.40.0/24',
      'open as 1 hold 180 ipv4 true true',
      'keepalive',
      'Cease/Administrative Reset',
      'Cease/Administrative Shutdown "NTT will perform maintenance on this router. This is tracked in TICKET-1-24824294. Contact noc@ntt.net for more information."',
    ]);
  });
});
