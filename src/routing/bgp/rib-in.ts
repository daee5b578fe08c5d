// Adj-RIB-In: what one peer announced, accepted or not (RFC 4271 §3.2). An UPDATE goes in, changes come out.
//
// A refused route is kept with its reason, so that `received` can show it, and counts towards the peer's limit; for the rest
// of the gateway it does not exist, and it takes an accepted route to the same prefix away (RFC 4271 §9: a new route
// replaces the old one even if it cannot be used).
//
// A prefix costs a number in a trie: that of what the peer said of it (path-sets.ts), and of the reason that it is refused for.

import type { RibTrie4 } from '../../tables/rib-trie.ts';
import { asPathHas } from './as-path.ts';
import type { PathAttributes } from './attributes.ts';
import type { Address, Family, Nlri } from './nlri.ts';
import { NlriTable } from './nlri-table.ts';
import { type PathSet, PathSets, sameAddress } from './path-sets.ts';
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
/** Refusals by the three low bits of a prefix's number; 0 is none. */
const REFUSAL_CODES = [undefined, ...(Object.keys(REFUSALS) as Refusal[])];

/** Prefixes that `clear` holds as objects at a time: a full table of them would take 100 MB. */
const SLICE = 65_536;

export interface RibInEntry {
  readonly nlri: Nlri;
  readonly nextHop: Address;
  readonly attributes: PathAttributes;
  readonly refused: Refusal | undefined;
}

export interface RibInSink {
  accepted(nlri: Nlri, set: PathSet): void;
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
  /** Number of each prefix: its set's, times 8, and the code of its refusal. */
  readonly #numbers: NlriTable;
  readonly #sets = new PathSets();
  readonly #sink: RibInSink;
  readonly #accepted: Record<Family, number> = { ipv4: 0, ipv6: 0 };

  /** @param over a trie over whose tree the IPv4 prefixes are laid; absent: a tree of their own. */
  constructor(sink: RibInSink, over?: RibTrie4) {
    this.#sink = sink;
    this.#numbers = new NlriTable(over);
  }

  /** Prefixes that the peer announces. */
  received(family: Family): number {
    return this.#numbers.size(family);
  }
  /** Those of them that are used. */
  accepted(family: Family): number {
    return this.#accepted[family];
  }
  /** All of them, ascending. */
  *entries(): Generator<RibInEntry> {
    for (const [nlri, number] of this.#numbers.entries()) {
      const { nextHop, attributes } = this.#sets.at(number >> 3);
      yield { nlri, nextHop, attributes, refused: REFUSAL_CODES[number & 7] };
    }
  }

  apply(update: UpdateMessage, context: RibInContext): void {
    for (const nlri of update.withdrawn) this.#remove(nlri);
    for (const { nextHop, nlri } of update.announced) {
      for (const one of nlri) this.#put(one, nextHop, update.attributes, context);
    }
  }

  /** The session is gone, and everything with it. */
  clear(): void {
    while (this.received('ipv4') + this.received('ipv6') > 0) {
      const some: Nlri[] = [];
      for (const [nlri] of this.#numbers.entries()) if (some.push(nlri) === SLICE) break;
      for (const nlri of some) this.#remove(nlri);
    }
  }

  #put(nlri: Nlri, nextHop: Address, attributes: PathAttributes, context: RibInContext): void {
    const old = this.#numbers.get(nlri);
    const refused = REFUSAL_CODES.indexOf(refusal(nlri, nextHop, attributes, context));
    const set = this.#sets.acquire(nextHop, attributes);
    const number = set.index * 8 + refused;
    if (old >= 0) this.#sets.release(this.#sets.at(old >> 3));
    if (number === old) return; // a refresh that changes nothing
    this.#numbers.set(nlri, number);
    const wasAccepted = old >= 0 && (old & 7) === 0;
    if (refused === 0) {
      if (!wasAccepted) this.#accepted[nlri.family]++;
      this.#sink.accepted(nlri, set);
    } else if (wasAccepted) {
      this.#accepted[nlri.family]--;
      this.#sink.withdrawn(nlri);
    }
  }

  #remove(nlri: Nlri): void {
    const old = this.#numbers.get(nlri);
    if (old < 0) return;
    this.#numbers.delete(nlri);
    this.#sets.release(this.#sets.at(old >> 3));
    if ((old & 7) === 0) {
      this.#accepted[nlri.family]--;
      this.#sink.withdrawn(nlri);
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
