// What every FIB reader has beside its lookup: the next hops that a lookup's answer points to, and the rounds by which the
// writer learns what a reader may still hold.

import type { AdjIndex } from '../base/ids.ts';
import { EpochReader } from './epoch.ts';
import { NextHopReader } from './next-hop-table.ts';

export class FibReader {
  readonly #nextHops: NextHopReader;
  readonly #epoch: EpochReader;

  constructor(shared: { readonly nextHops: SharedArrayBuffer; readonly epoch: SharedArrayBuffer }) {
    this.#nextHops = new NextHopReader(shared.nextHops);
    this.#epoch = new EpochReader(shared.epoch);
  }

  /** Adjacency of a lookup's answer. `flowHash` (u32) matters only where `isGroup(nh)`; pass 0 otherwise. */
  resolve(nh: number, flowHash: number): AdjIndex {
    return this.#nextHops.adjacency(nh, flowHash);
  }

  /** Whether the answer has several paths, so that `resolve` wants the packet's flow hash. */
  isGroup(nh: number): boolean {
    return this.#nextHops.isGroup(nh);
  }

  /** A round begins: next hops and adjacencies looked up before are no longer held. */
  beginRound(): void {
    this.#epoch.beginRound();
  }

  /** The round is over; nothing is held until the next one. A reader that never sleeps inside a round never delays the writer. */
  idle(): void {
    this.#epoch.idle();
  }

  /** The reader is done for good. */
  close(): void {
    this.#epoch.close();
  }
}
