// The routes that this gateway originates: the one thing that it tells its peers. It is no transit: what a peer announces is
// never passed on, so this table is all that the Adj-RIBs-Out draw on.

import { NearhopError } from '../../base/errors.ts';
import type { Origin } from './attributes.ts';
import { type Address, type Nlri, type NlriKey, nlriKey, nlriOf } from './nlri.ts';
import type { Announcement } from './route.ts';

export interface OriginatedRoute {
  readonly nlri: Nlri;
  /** Undefined = the local address of each session. */
  readonly nextHop: Address | undefined;
  readonly origin: Origin;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  readonly communities: readonly number[];
  /** Equal for routes that can share an UPDATE. */
  readonly groupKey: string;
}

/** As many as surely leave room for prefixes in a message of 4096 bytes. */
const MAX_COMMUNITIES = 255;

export class OriginTable {
  readonly routes = new Map<NlriKey, OriginatedRoute>();

  /** Adds or replaces a route. Returns its key and prefix, or undefined when nothing changed. Throws `bgp-announcement-invalid`. */
  announce(announcement: Announcement): { key: NlriKey; nlri: Nlri } | undefined {
    const { prefix, len, origin = 'igp', med, localPref, communities = [] } = announcement;
    const maxLen = typeof prefix === 'number' ? 32 : 128;
    if (!Number.isInteger(len) || len < 0 || len > maxLen) {
      throw new NearhopError('bgp-announcement-invalid', `prefix length ${len}`, {
        hint: `use 0 to ${maxLen}`,
      });
    }
    if (communities.length > MAX_COMMUNITIES) {
      throw new NearhopError('bgp-announcement-invalid', `${communities.length} communities on one route`, {
        hint: `use ${MAX_COMMUNITIES} at most`,
      });
    }
    const nlri = nlriOf(prefix, len);
    const nextHop = announcement.nextHop === 0 ? undefined : announcement.nextHop;
    const groupKey = `${nlri.family} ${nextHop} ${origin} ${med} ${localPref} ${communities.join()}`;
    const key = nlriKey(nlri);
    if (this.routes.get(key)?.groupKey === groupKey) return undefined;
    this.routes.set(key, { nlri, nextHop, origin, med, localPref, communities: [...communities], groupKey });
    return { key, nlri };
  }

  /** Returns the key and the prefix, or undefined when there was no such route. */
  withdraw(prefix: Address, len: number): { key: NlriKey; nlri: Nlri } | undefined {
    const nlri = nlriOf(prefix, len);
    const key = nlriKey(nlri);
    return this.routes.delete(key) ? { key, nlri } : undefined;
  }
}
