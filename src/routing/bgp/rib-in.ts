// Adj-RIB-In: what one peer announced, accepted or not (RFC 4271 §3.2). An UPDATE goes in, changes come out.
//
// A refused route is kept with its reason, so that `received` can show it, and counts towards the peer's limit; for the rest
// of the gateway it does not exist, and it takes an accepted route to the same prefix away (RFC 4271 §9: a new route
// replaces the old one even if it cannot be used).

import { asPathHas } from './as-path.ts';
import { type PathAttributes, sameAttributes } from './attributes.ts';
import type { Address, Family, Nlri, NlriKey } from './nlri.ts';
import { nlriKey } from './nlri.ts';
import type { UpdateMessage } from './update.ts';

/** Why a route is not used. */
export const REFUSALS = {
  'as-loop': 'our own AS stands in its path (RFC 4271 §9.1.2)',
  'originator-loop': 'we brought it into the AS ourselves (RFC 4456 §8)',
  'next-hop-ours': 'its next hop is our own address (RFC 4271 §6.3)',
  'next-hop-invalid': 'its next hop is no unicast address (RFC 4271 §6.3)',
  'prefix-invalid': 'its prefix is no unicast prefix (RFC 4271 §6.3)',
} as const;
export type Refusal = keyof typeof REFUSALS;

export interface RibInEntry {
  readonly nlri: Nlri;
  readonly nextHop: Address;
  readonly attributes: PathAttributes;
  readonly refused: Refusal | undefined;
}

export interface RibInSink {
  accepted(entry: RibInEntry): void;
  withdrawn(nlri: Nlri): void;
}

/** What the checks of a route compare it with. */
export interface RibInContext {
  readonly as: number;
  readonly routerId: number;
  /** Our address in the session. */
  readonly localAddress: Address;
  /** The peer's address: good as a next hop whatever it is (RFC 4271 §6.3), also on a loopback. */
  readonly peerAddress: Address;
}

export class RibIn {
  readonly #entries = new Map<NlriKey, RibInEntry>();
  readonly #sink: RibInSink;
  readonly #received: Record<Family, number> = { ipv4: 0, ipv6: 0 };
  readonly #accepted: Record<Family, number> = { ipv4: 0, ipv6: 0 };

  constructor(sink: RibInSink) {
    this.#sink = sink;
  }

  /** Prefixes that the peer announces. */
  received(family: Family): number {
    return this.#received[family];
  }
  /** Those of them that are used. */
  accepted(family: Family): number {
    return this.#accepted[family];
  }
  entries(): IterableIterator<RibInEntry> {
    return this.#entries.values();
  }

  apply(update: UpdateMessage, context: RibInContext): void {
    for (const nlri of update.withdrawn) this.#remove(nlri);
    for (const { nextHop, nlri } of update.announced) {
      for (const one of nlri) this.#put(one, nextHop, update.attributes, context);
    }
  }

  /** The session is gone, and everything with it. */
  clear(): void {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const family of ['ipv4', 'ipv6'] as const) {
      this.#received[family] = 0;
      this.#accepted[family] = 0;
    }
    for (const entry of entries) if (entry.refused === undefined) this.#sink.withdrawn(entry.nlri);
  }

  #put(nlri: Nlri, nextHop: Address, attributes: PathAttributes, context: RibInContext): void {
    const key = nlriKey(nlri);
    const old = this.#entries.get(key);
    const refused = refusal(nlri, nextHop, attributes, context);
    if (
      old !== undefined &&
      old.refused === refused &&
      sameAddress(old.nextHop, nextHop) &&
      sameAttributes(old.attributes, attributes)
    ) {
      return; // a refresh that changes nothing
    }
    const entry = { nlri, nextHop, attributes, refused };
    this.#entries.set(key, entry);
    if (old === undefined) this.#received[nlri.family]++;
    const wasAccepted = old !== undefined && old.refused === undefined;
    if (refused === undefined) {
      if (!wasAccepted) this.#accepted[nlri.family]++;
      this.#sink.accepted(entry);
    } else if (wasAccepted) {
      this.#accepted[nlri.family]--;
      this.#sink.withdrawn(nlri);
    }
  }

  #remove(nlri: Nlri): void {
    const key = nlriKey(nlri);
    const old = this.#entries.get(key);
    if (old === undefined) return;
    this.#entries.delete(key);
    this.#received[nlri.family]--;
    if (old.refused === undefined) {
      this.#accepted[nlri.family]--;
      this.#sink.withdrawn(old.nlri);
    }
  }
}

const refusal = (
  nlri: Nlri,
  nextHop: Address,
  attributes: PathAttributes,
  context: RibInContext,
): Refusal | undefined => {
  if (asPathHas(attributes.asPath, context.as)) return 'as-loop';
  if (attributes.originatorId === context.routerId) return 'originator-loop';
  if (sameAddress(nextHop, context.localAddress)) return 'next-hop-ours';
  if (reservedBlock(nextHop) !== undefined && !sameAddress(nextHop, context.peerAddress))
    return 'next-hop-invalid';
  // A default route, or an aggregate such as 0.0.0.0/5, covers a reserved block without lying in it.
  const block = reservedBlock(nlri.prefix);
  return block !== undefined && nlri.len >= block ? 'prefix-invalid' : undefined;
};

/**
 * Prefix length of the block without unicast that the address lies in, undefined when it is unicast: 0/8, 127/8, and
 * 224/3 for multicast and class E; ::/32 for the unspecified, loopback and IPv4-mapped addresses, and ff00::/8.
 */
const reservedBlock = (address: Address): number | undefined => {
  const top = (typeof address === 'number' ? address : address[0]) >>> 24;
  if (typeof address !== 'number') return address[0] === 0 ? 32 : top === 0xff ? 8 : undefined;
  return top === 0 || top === 127 ? 8 : top >= 224 ? 3 : undefined;
};

const sameAddress = (a: Address, b: Address): boolean =>
  typeof a === 'number' || typeof b === 'number' ? a === b : a.every((w, i) => w === b[i]);
