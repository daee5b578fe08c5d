// Publishing: the RIB's best routes become FIB entries.
//
// A route's way: its path list becomes adjacencies (one for each distinct interface and next hop, shared by all), these
// become a next-hop index, and the prefix is set to that index in the FIB. Prefixes of 16 bits or longer share the index
// of their path list: when the list resolves to other paths, one change of the index moves them all. A shorter prefix has
// an index of its own: when its route changes, the index changes and not the thousands of entries of the FIB that hold it.
//
// What is taken out (an index, an adjacency) is used again only when the data plane has finished the round it was in.

import { NearhopError } from '../base/errors.ts';
import { type AdjIndex, ifIndex } from '../base/ids.ts';
import {
  ADJ_BLACKHOLE,
  ADJ_GLEAN,
  ADJ_LOCAL,
  ADJ_REWRITE,
  type AdjacencyTable,
} from '../tables/adjacency-table.ts';
import type { Epoch } from '../tables/epoch.ts';
import type { Fib4 } from '../tables/fib4.ts';
import type { NextHopTable } from '../tables/next-hop-table.ts';
import type { FibSlot, NextHopKind, Path, PathList, RibEntry, RibSink } from './rib-route.ts';

/** A prefix shorter than this fills so many FIB entries that it gets an index of its own: at most 65,535 prefixes. */
const OWN_INDEX_BELOW = 16;

const ADJ_KIND: Readonly<Record<NextHopKind, number>> = {
  via: ADJ_REWRITE,
  connected: ADJ_GLEAN,
  local: ADJ_LOCAL,
  blackhole: ADJ_BLACKHOLE,
};

export interface FibPublisherOptions {
  readonly fib4: Fib4;
  readonly nextHops: NextHopTable;
  readonly adjacencies: AdjacencyTable;
  readonly epoch: Epoch;
  /** Hears of each new adjacency that rewrites to a neighbor, so that the neighbor can be resolved before the first packet. */
  readonly adjacencyAdded?: (index: AdjIndex) => void;
}

export class FibPublisher implements RibSink {
  readonly #fib4: Fib4;
  readonly #nextHops: NextHopTable;
  readonly #adjacencies: AdjacencyTable;
  readonly #epoch: Epoch;
  readonly #adjacencyAdded: (index: AdjIndex) => void;
  /** Indices that all longer prefixes over a path list share. */
  readonly #shared = new Map<PathList, FibSlot>();
  /** Indices of the shorter prefixes. */
  readonly #own = new Set<FibSlot>();
  /** References to adjacencies that the slots hold. */
  readonly #held = new Map<AdjIndex, number>();
  /** All indices in use, by number: the FIB says which a prefix has. */
  readonly #slots: (FibSlot | undefined)[] = [];
  /** Best routes for which there was no room, and what was said. */
  readonly #failed = new Map<number, { readonly entry: RibEntry; readonly error: string }>();
  /** A prefix left the FIB, or something was reclaimed: what failed may fit now. */
  #freed = false;

  constructor(options: FibPublisherOptions) {
    this.#fib4 = options.fib4;
    this.#nextHops = options.nextHops;
    this.#adjacencies = options.adjacencies;
    this.#epoch = options.epoch;
    this.#adjacencyAdded = options.adjacencyAdded ?? (() => {});
  }

  /** Best routes that are not in the FIB for want of room. */
  get failed(): number {
    return this.#failed.size;
  }

  installed(prefix: number, len: number): FibSlot | undefined {
    return this.#slots[this.#fib4.get(prefix, len)];
  }

  fibError(prefix: number, len: number): string {
    return this.#failed.get(keyOf(prefix, len))?.error ?? '';
  }

  pathsChanged(list: PathList, users: () => Iterable<RibEntry>): void {
    const shared = this.#shared.get(list);
    const slots = [...this.#own].filter((slot) => slot.list === list);
    for (const slot of shared === undefined ? slots : [shared, ...slots]) {
      try {
        this.#repoint(slot, list);
      } catch (error) {
        for (const entry of [...users()]) if (entry.installed === slot) this.#fail(entry, error);
      }
    }
  }

  entryChanged(entry: RibEntry): void {
    try {
      if (entry.list === undefined) this.#uninstall(entry);
      else this.#install(entry, entry.list);
      this.#failed.delete(keyOf(entry.prefix, entry.len));
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  settled(): void {
    if (this.#epoch.pending > 0 && this.#epoch.reclaim() > 0) this.#freed = true;
    if (!this.#freed) return;
    this.#freed = false;
    // One failure is enough to know that there is still no room.
    for (const [key, { entry }] of this.#failed) {
      this.entryChanged(entry);
      if (this.#failed.has(key)) break;
    }
  }

  /** No room for an entry. What it had is not what the RIB says any more: better the next shorter prefix than a dead path. */
  #fail(entry: RibEntry, error: unknown): void {
    if (!(error instanceof NearhopError)) throw error;
    this.#uninstall(entry);
    this.#failed.set(keyOf(entry.prefix, entry.len), { entry, error: error.message });
  }

  #install(entry: RibEntry, list: PathList): void {
    const old = entry.installed;
    if (entry.len < OWN_INDEX_BELOW) {
      if (old !== undefined) {
        this.#repoint(old, list);
        return;
      }
      const slot = this.#create(list, 0);
      this.#own.add(slot);
      this.#enter(entry, slot);
      return;
    }
    let slot = this.#shared.get(list);
    if (slot === undefined) {
      slot = this.#create(list, old?.nh ?? 0);
      this.#shared.set(list, slot);
    }
    this.#enter(entry, slot);
    if (old !== undefined) this.#release(old);
  }

  /** Sets the prefix to the slot's index; a slot that nobody uses does not outlive a failure. */
  #enter(entry: RibEntry, slot: FibSlot): void {
    slot.refs++;
    try {
      this.#fib4.set(entry.prefix, entry.len, slot.nh);
    } catch (error) {
      this.#release(slot);
      throw error;
    }
  }

  #uninstall(entry: RibEntry): void {
    const old = entry.installed;
    if (old === undefined) return;
    this.#fib4.remove(entry.prefix, entry.len);
    this.#freed = true;
    this.#release(old);
  }

  /** A new slot for the list's paths; flows of index `like` stay where they are, as far as those paths are the same. */
  #create(list: PathList, like: number): FibSlot {
    const members = this.#acquire(list.paths);
    try {
      const slot = { nh: this.#nextHops.add(members, like), list, members, refs: 0 };
      this.#slots[slot.nh] = slot;
      return slot;
    } catch (error) {
      this.#drop(members);
      throw error;
    }
  }

  /** Sends everything that uses the slot over the list's paths: one store. */
  #repoint(slot: FibSlot, list: PathList): void {
    const members = this.#acquire(list.paths);
    try {
      this.#nextHops.replace(slot.nh, members);
    } catch (error) {
      this.#drop(members);
      throw error;
    }
    const before = slot.members;
    slot.members = members;
    slot.list = list;
    this.#drop(before);
  }

  #release(slot: FibSlot): void {
    if (--slot.refs > 0) return;
    this.#own.delete(slot);
    if (this.#shared.get(slot.list) === slot) this.#shared.delete(slot.list);
    this.#slots[slot.nh] = undefined;
    this.#nextHops.remove(slot.nh);
    this.#drop(slot.members);
  }

  /** Adjacencies of the paths, with a reference each. */
  #acquire(paths: readonly Path[]): AdjIndex[] {
    const members: AdjIndex[] = [];
    try {
      for (const path of paths) members.push(this.#adjacency(path));
    } catch (error) {
      this.#drop(members);
      throw error;
    }
    return members;
  }

  #adjacency({ kind, iface, ip }: Path): AdjIndex {
    const index = this.#orReclaim(() => this.#adjacencies.acquire(ADJ_KIND[kind], ifIndex(iface), ip));
    const held = this.#held.get(index) ?? 0;
    this.#held.set(index, held + 1);
    if (held === 0 && kind === 'via') this.#adjacencyAdded(index);
    return index;
  }

  #drop(members: readonly AdjIndex[]): void {
    for (const index of members) {
      const held = this.#held.get(index)! - 1;
      if (held > 0) this.#held.set(index, held);
      else this.#held.delete(index);
      if (this.#adjacencies.release(index)) this.#epoch.retire(() => this.#adjacencies.recycle(index));
    }
  }

  /** Calls `acquire` again if it failed for want of what readers may still hold. */
  #orReclaim(acquire: () => AdjIndex): AdjIndex {
    try {
      return acquire();
    } catch (error) {
      if (!(error instanceof NearhopError) || this.#epoch.reclaimNow() === 0) throw error;
      return acquire();
    }
  }
}

const keyOf = (prefix: number, len: number): number => prefix * 64 + len;
