// What a peer said of prefixes, each set of next hop and attributes kept once: a full table of a million prefixes has tens of
// thousands of them, and a peer repeats a set in UPDATE after UPDATE. A prefix holds the number of its set.

import { ORIGINS, type PathAttributes, sameAttributes } from './attributes.ts';
import type { Address } from './nlri.ts';
import type { ReceivedPath } from './route.ts';

export interface PathSet {
  readonly index: number;
  readonly nextHop: Address;
  readonly attributes: PathAttributes;
  /** What the rest of the gateway gets of it, made when a route of the set is first told. */
  path: ReceivedPath | undefined;
  /** Prefixes that have it. */
  refs: number;
  /** Next one of the same hash. */
  next: PathSet | undefined;
}

export class PathSets {
  readonly #sets: (PathSet | undefined)[] = [];
  readonly #free: number[] = [];
  /** First set of each hash. */
  readonly #byHash = new Map<number, PathSet>();
  /** The prefixes of an UPDATE have one set and come in a row: what was said last, and its set. */
  #said: PathAttributes | undefined;
  #last: PathSet | undefined;

  /** Sets that prefixes have. */
  get size(): number {
    return this.#sets.length - this.#free.length;
  }

  /** The set of a number that is in use. */
  at(index: number): PathSet {
    return this.#sets[index]!;
  }

  /** The set that says this, made if it is new, with a reference more. */
  acquire(nextHop: Address, attributes: PathAttributes): PathSet {
    let set = this.#last;
    if (set === undefined || this.#said !== attributes || !sameAddress(set.nextHop, nextHop)) {
      set = this.#find(nextHop, attributes);
      this.#last = set;
      this.#said = attributes;
    }
    set.refs++;
    return set;
  }

  /** Gives a reference back; with the last one the set is forgotten. */
  release(set: PathSet): void {
    if (--set.refs > 0) return;
    const hash = hashOf(set.nextHop, set.attributes);
    const first = this.#byHash.get(hash)!;
    if (first !== set) {
      let before = first;
      while (before.next !== set) before = before.next!;
      before.next = set.next;
    } else if (set.next === undefined) this.#byHash.delete(hash);
    else this.#byHash.set(hash, set.next);
    this.#sets[set.index] = undefined;
    this.#free.push(set.index);
    if (this.#last === set) this.#last = undefined;
  }

  #find(nextHop: Address, attributes: PathAttributes): PathSet {
    const hash = hashOf(nextHop, attributes);
    const first = this.#byHash.get(hash);
    for (let set = first; set !== undefined; set = set.next) {
      if (sameAddress(set.nextHop, nextHop) && sameAttributes(set.attributes, attributes)) return set;
    }
    const index = this.#free.pop() ?? this.#sets.length;
    const set: PathSet = {
      index,
      nextHop,
      attributes: trimmed(attributes),
      path: undefined,
      refs: 0,
      next: first,
    };
    this.#sets[index] = set;
    this.#byHash.set(hash, set);
    return set;
  }
}

const NOTHING: readonly number[] = [];

/** The same in arrays of just the length: those that grew by `push` have room for 16 more, 130 bytes each. */
function trimmed(attributes: PathAttributes): PathAttributes {
  const cut = (words: readonly number[]): readonly number[] => (words.length === 0 ? NOTHING : words.slice());
  return {
    ...attributes,
    asPath: attributes.asPath.map(({ type, ases }) => ({ type, ases: cut(ases) })),
    communities: cut(attributes.communities),
    clusterList: cut(attributes.clusterList),
  };
}

export const sameAddress = (a: Address, b: Address): boolean =>
  typeof a === 'number' || typeof b === 'number' ? a === b : a.every((w, i) => w === b[i]);

/** FNV-1a over words; 30 bits, so that V8 keeps it as a small integer. */
function hashOf(nextHop: Address, attributes: PathAttributes): number {
  const {
    origin,
    asPath,
    med = -1,
    localPref = -1,
    communities,
    originatorId = -1,
    clusterList,
  } = attributes;
  let hash = 0x811c9dc5;
  const mix = (word: number): void => {
    hash = Math.imul(hash ^ word, 0x01000193);
    hash ^= hash >>> 15;
  };
  for (const word of typeof nextHop === 'number' ? [nextHop] : nextHop) mix(word);
  for (const { ases } of asPath) for (const as of ases) mix(as);
  for (const community of communities) mix(community);
  for (const id of clusterList) mix(id);
  for (const word of [ORIGINS.indexOf(origin), med, localPref, originatorId]) mix(word);
  return hash & 0x3fffffff;
}
