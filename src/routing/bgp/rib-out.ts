// Adj-RIB-Out: what one peer was told, and what it has still to be told (RFC 4271 §3.2).
//
// A change only puts the prefix on the list of pending ones; `flush` looks up what holds now, groups prefixes by equal
// attributes and packs each group into few UPDATEs. So a hundred changes of one prefix cost one message, 10,000 host routes
// cost 13, and a peer that does not read costs one list entry a prefix.

import { DEFAULT_LOCAL_PREF, type OwnAttributes } from './attributes.ts';
import type { Address, Family, Nlri, NlriKey } from './nlri.ts';
import type { Negotiated } from './open.ts';
import type { OriginatedRoute } from './origin-table.ts';
import { encodeAnnouncements, encodeEndOfRib, encodeWithdraws } from './update.ts';

/** Prefixes that one turn of `flush` looks at: about 2 ms. */
const SLICE = 4096;

export interface RibOutSession {
  readonly agreed: Negotiated;
  readonly as: number;
  /** Our address in the session, for `nextHop` self, by family. */
  readonly self: Readonly<Partial<Record<Family, Address>>>;
  /** The peer's own address: a route to it by way of itself is not announced (RFC 4271 §5.1.3). */
  readonly peerAddress: Address;
}

interface Advertised {
  readonly route: OriginatedRoute;
  readonly nextHop: Address;
  /** The peer asked for it once more. */
  resend: boolean;
}

interface Group {
  readonly route: OriginatedRoute;
  readonly nextHop: Address;
  readonly nlri: Nlri[];
}

export class RibOut {
  readonly #source: ReadonlyMap<NlriKey, OriginatedRoute>;
  readonly #pending = new Map<NlriKey, Nlri>();
  readonly #advertised = new Map<NlriKey, Advertised>();
  readonly #counts: Record<Family, number> = { ipv4: 0, ipv6: 0 };
  /** Families whose End-of-RIB marker is still to be sent. */
  #endOfRib: Family[] = [];
  #session: RibOutSession | undefined;

  constructor(source: ReadonlyMap<NlriKey, OriginatedRoute>) {
    this.#source = source;
  }

  /** A session is up: everything is to be told. */
  start(session: RibOutSession): void {
    this.#session = session;
    this.#endOfRib = session.agreed.endOfRib ? [...session.agreed.families] : [];
    for (const family of session.agreed.families) this.refresh(family);
  }

  stop(): void {
    this.#session = undefined;
    this.#pending.clear();
    this.#advertised.clear();
    this.#counts.ipv4 = 0;
    this.#counts.ipv6 = 0;
  }

  /** The peer wants to hear everything once more (RFC 2918 §4). */
  refresh(family: Family): void {
    for (const [key, route] of this.#source) {
      if (route.nlri.family !== family) continue;
      const known = this.#advertised.get(key);
      if (known !== undefined) known.resend = true;
      this.#pending.set(key, route.nlri);
    }
  }

  /** The route to a prefix came, changed or went. */
  changed(key: NlriKey, nlri: Nlri): void {
    if (this.#session?.agreed.families.includes(nlri.family)) this.#pending.set(key, nlri);
  }

  /** Prefixes that the peer has not been told about yet. */
  get pending(): number {
    return this.#pending.size;
  }
  get hasWork(): boolean {
    return this.#session !== undefined && (this.#pending.size > 0 || this.#endOfRib.length > 0);
  }
  advertised(family: Family): number {
    return this.#counts[family];
  }
  entries(): IterableIterator<{ readonly route: OriginatedRoute; readonly nextHop: Address }> {
    return this.#advertised.values();
  }

  /** UPDATEs for up to 4096 pending prefixes, withdrawals first. The caller sends them all, then asks again. */
  flush(): Uint8Array[] {
    const session = this.#session;
    if (session === undefined) return [];
    const gone: Record<Family, Nlri[]> = { ipv4: [], ipv6: [] };
    const groups = new Map<string, Group>();
    let n = 0;
    for (const [key, nlri] of this.#pending) {
      if (n++ === SLICE) break;
      this.#pending.delete(key);
      const route = this.#source.get(key);
      const known = this.#advertised.get(key);
      const nextHop = route === undefined ? undefined : exportNextHop(route, session);
      if (route === undefined || nextHop === undefined) {
        if (this.#forget(key, known)) gone[nlri.family].push(nlri);
      } else if (known === undefined || known.route !== route || known.resend) {
        this.#remember(key, route, nextHop);
        const group = groups.get(route.groupKey);
        if (group === undefined) groups.set(route.groupKey, { route, nextHop, nlri: [nlri] });
        else group.nlri.push(nlri);
      }
    }
    const messages: Uint8Array[] = [];
    for (const family of ['ipv4', 'ipv6'] as const) messages.push(...encodeWithdraws(family, gone[family]));
    const { fourOctetAs, ebgp } = session.agreed;
    for (const { route, nextHop, nlri } of groups.values()) {
      const attributes = exportAttributes(route, session.as, ebgp);
      messages.push(...encodeAnnouncements(route.nlri.family, nlri, attributes, nextHop, fourOctetAs));
    }
    if (this.#pending.size === 0) messages.push(...this.#endOfRib.splice(0).map(encodeEndOfRib));
    return messages;
  }

  #remember(key: NlriKey, route: OriginatedRoute, nextHop: Address): void {
    if (!this.#advertised.has(key)) this.#counts[route.nlri.family]++;
    this.#advertised.set(key, { route, nextHop, resend: false });
  }

  #forget(key: NlriKey, old: Advertised | undefined): boolean {
    if (old === undefined) return false;
    this.#advertised.delete(key);
    this.#counts[old.route.nlri.family]--;
    return true;
  }
}

/** The next hop to announce, undefined when the route must not or cannot be announced in this session. */
const exportNextHop = (route: OriginatedRoute, session: RibOutSession): Address | undefined => {
  const nextHop = route.nextHop ?? session.self[route.nlri.family];
  return nextHop === undefined || String(nextHop) === String(session.peerAddress) ? undefined : nextHop;
};

const exportAttributes = (route: OriginatedRoute, as: number, ebgp: boolean): OwnAttributes => ({
  origin: route.origin,
  // RFC 4271 §5.1.2 b: what we originate has an empty path inside our AS, and our AS alone outside.
  asPath: ebgp ? [{ type: 'sequence', ases: [as] }] : [],
  med: route.med,
  localPref: ebgp ? undefined : (route.localPref ?? DEFAULT_LOCAL_PREF),
  communities: route.communities,
});
