// VMs as the data plane sees them: MAC → which gateway is this VM's. Written by main (mobility) before the first frame of a
// VM that switched; read by the bridging nodes. Open addressing in shared memory: a row is filled before its key is
// published by one atomic store, and a removed row keeps its place as a tombstone, so that a reader never sees half a VM.

import { NearhopError } from '../base/errors.ts';
import { type NetworkId, type VmIndex, vmIndex } from '../base/ids.ts';

/** The VM's gateway is the source's (source VM, pinned VM, VM without a known IP). */
export const SIDE_SOURCE = 0;
/** The VM's gateway is the target's: a local VM. */
export const SIDE_TARGET = 1;

const FREE = 0;
const USED = 1;
const GONE = 2;

export class VmTable {
  readonly capacity: number;
  readonly buffer: SharedArrayBuffer;
  readonly #state: Int32Array;
  /** Upper 16 bits of the MAC. */
  readonly macHi: Uint32Array;
  readonly macLo: Uint32Array;
  readonly network: Uint32Array;
  /** SIDE_SOURCE or SIDE_TARGET. */
  readonly side: Uint32Array;
  /** The VM's first IPv4 address as u32, 0 = unknown. Further addresses are routes of their own. */
  readonly ip: Uint32Array;
  #used = 0;

  /** @param capacity most VMs; a power of two. @param shared memory of a `VmTable` of another thread. */
  constructor(capacity = 16384, shared?: SharedArrayBuffer) {
    this.capacity = capacity;
    const slots = capacity * 2;
    this.buffer = shared ?? new SharedArrayBuffer(slots * 4 * 6);
    const column = (n: number): Uint32Array => new Uint32Array(this.buffer, n * slots * 4, slots);
    this.#state = new Int32Array(this.buffer, 0, slots);
    this.macHi = column(1);
    this.macLo = column(2);
    this.network = column(3);
    this.side = column(4);
    this.ip = column(5);
  }

  /** Row of the VM with this MAC in this network, or -1. */
  find(network: number, macHi: number, macLo: number): VmIndex | -1 {
    const mask = this.capacity * 2 - 1;
    let i = (Math.imul(macLo, 0x9e3779b1) ^ Math.imul(macHi + network, 0x85ebca6b)) >>> 0;
    for (i = (i ^ (i >>> 15)) & mask; ; i = (i + 1) & mask) {
      const state = this.#state[i];
      if (state === FREE) return -1;
      if (
        state === USED &&
        this.macLo[i] === macLo &&
        this.macHi[i] === macHi &&
        this.network[i] === network
      ) {
        return vmIndex(i);
      }
    }
  }

  /** Adds or changes a VM. Throws `vm-table-full`. */
  set(network: NetworkId, macHi: number, macLo: number, side: number, ip: number): VmIndex {
    const found = this.find(network, macHi, macLo);
    if (found >= 0) {
      this.ip[found] = ip;
      this.side[found] = side;
      return found as VmIndex;
    }
    if (this.#used >= this.capacity) {
      throw new NearhopError('vm-table-full', `more than ${this.capacity} VMs`, {
        hint: 'raise gateway.maxVms',
      });
    }
    const mask = this.capacity * 2 - 1;
    let i = (Math.imul(macLo, 0x9e3779b1) ^ Math.imul(macHi + network, 0x85ebca6b)) >>> 0;
    for (i = (i ^ (i >>> 15)) & mask; this.#state[i] === USED || this.#state[i] === GONE; i = (i + 1) & mask);
    this.macHi[i] = macHi;
    this.macLo[i] = macLo;
    this.network[i] = network;
    this.ip[i] = ip;
    this.side[i] = side;
    Atomics.store(this.#state, i, USED);
    this.#used++;
    return vmIndex(i);
  }

  /** Forgets a VM; its row is not used again, so a reader that holds it reads stale data, never another VM's. */
  remove(network: NetworkId, macHi: number, macLo: number): void {
    const i = this.find(network, macHi, macLo);
    if (i >= 0) Atomics.store(this.#state, i, GONE);
  }

  /** VM of this network with this IPv4 address whose gateway is the target's, or -1. Walks the table: 30 µs at most. */
  findLocalByIp(network: number, ip: number): VmIndex | -1 {
    return this.#findByIp(network, ip, SIDE_TARGET);
  }

  /** As `findLocalByIp`, for a VM whose gateway is the source's. */
  findPinnedByIp(network: number, ip: number): VmIndex | -1 {
    return this.#findByIp(network, ip, SIDE_SOURCE);
  }

  #findByIp(network: number, ip: number, side: number): VmIndex | -1 {
    for (let i = 0; i < this.#state.length; i++) {
      if (
        this.ip[i] === ip &&
        this.#state[i] === USED &&
        this.network[i] === network &&
        this.side[i] === side
      ) {
        return vmIndex(i);
      }
    }
    return -1;
  }
}
