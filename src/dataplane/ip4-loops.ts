// The loops of the fast path in WebAssembly (assembly/ip4.ts), bound to one batch. V8 tests no bounds there and has words of 64
// bits and vectors of 128, so that a packet costs about half of what it does in JavaScript, and a third when it comes from memory.

import type { Batch } from '../base/batch.ts';
import { IP4_WASM } from './ip4-wasm.ts';

/** `base`: the batch's `columns`. `vector`, `leaving`: offset in the slab of a list of slots, 16 bits each. */
export interface Ip4Loops {
  /** Fills the columns of addresses by the position in the vector, and brings the frames into the cache. */
  look(base: number, vector: number, n: number): void;
  /** Marks in the source column whose addresses are not those of a common packet; `ip` and `broadcast` are the interface's. */
  judge(base: number, n: number, ip: number, broadcast: number): void;
  /**
   * Carries packets from position `from` on, as long as they are common, have this next hop and fit into `mtu` bytes, and lists
   * their slots at `leaving`. Returns the position where it stopped; the seen words say why, and what it carried.
   */
  carry(
    base: number,
    vector: number,
    from: number,
    until: number,
    port: number,
    nextHop: number,
    mtu: number,
    iface: number,
    out: number,
    leaving: number,
  ): number;
}

let compiled: WebAssembly.Module | undefined;

/** The loops over the slab of this batch. */
export function createIp4Loops(batch: Batch): Ip4Loops {
  compiled ??= new WebAssembly.Module(Buffer.from(IP4_WASM, 'base64'));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: batch.slab.memory } });
  return exports as Ip4Loops;
}
