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
  /** `macLo` as signed words, for `find`. */
  readonly #macLoSigned: Int32Array;
  readonly network: Uint32Array;
  /** SIDE_SOURCE or SIDE_TARGET. */
  readonly side: Uint32Array;
  /** The VM's first IPv4 address as u32, 0 = unknown. Further addresses are routes of their own. */
  readonly ip: Uint32Array;
  /** (network, IP) → row + 1, 0 = free. An entry whose row has another IP by now is passed over. */
  readonly #byIp: Int32Array;
  /** Not 0 when addresses changed so often that the index has no room: then the rows are walked. */
  readonly #indexFull: Int32Array;
  #used = 0;
  #indexed = 0;

  /** @param capacity most VMs; a power of two. @param shared memory of a `VmTable` of another thread. */
  constructor(capacity = 16384, shared?: SharedArrayBuffer) {
    this.capacity = capacity;
    const slots = capacity * 2;
    this.buffer = shared ?? new SharedArrayBuffer(slots * 4 * 8 + 4);
    const column = (n: number): Uint32Array => new Uint32Array(this.buffer, n * slots * 4, slots);
    this.#state = new Int32Array(this.buffer, 0, slots);
    this.macHi = column(1);
    this.macLo = column(2);
    this.#macLoSigned = new Int32Array(this.buffer, 2 * slots * 4, slots);
    this.network = column(3);
    this.side = column(4);
    this.ip = column(5);
    this.#byIp = new Int32Array(this.buffer, slots * 4 * 6, slots * 2);
    this.#indexFull = new Int32Array(this.buffer, slots * 4 * 8, 1);
  }

  /** Row of the VM with this MAC in this network, or -1. `macLo` may be signed (`| 0`), as in `Fdb.find`. */
  find(network: number, macHi: number, macLo: number): VmIndex | -1 {
    const lo = macLo | 0;
    const mask = this.capacity * 2 - 1;
    let i = (Math.imul(lo, 0x9e3779b1) ^ Math.imul(macHi + network, 0x85ebca6b)) >>> 0;
    for (i = (i ^ (i >>> 15)) & mask; ; i = (i + 1) & mask) {
      const state = this.#state[i];
      if (state === FREE) return -1;
      if (
        state === USED &&
        this.#macLoSigned[i] === lo &&
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
      const moved = this.ip[found] !== ip;
      this.ip[found] = ip;
      this.side[found] = side;
      if (moved) this.#index(found);
      return found as VmIndex;
    }
    const mask = this.capacity * 2 - 1;
    let i = (Math.imul(macLo, 0x9e3779b1) ^ Math.imul(macHi + network, 0x85ebca6b)) >>> 0;
    for (i = (i ^ (i >>> 15)) & mask; this.#state[i] !== FREE; i = (i + 1) & mask) {
      // a VM that comes back gets its own row back
      if (this.macLo[i] === macLo && this.macHi[i] === macHi && this.network[i] === network) break;
    }
    if (this.#state[i] === FREE && this.#used++ >= this.capacity) {
      this.#used--;
      throw new NearhopError('vm-table-full', `more than ${this.capacity} VMs`, {
        hint: 'raise gateway.maxVms',
      });
    }
    this.macHi[i] = macHi;
    this.macLo[i] = macLo;
    this.network[i] = network;
    this.ip[i] = ip;
    this.side[i] = side;
    Atomics.store(this.#state, i, USED);
    this.#index(i);
    return vmIndex(i);
  }

  /** Forgets a VM; its row is not given to another, so a reader that holds it reads stale data, never another VM's. */
  remove(network: NetworkId, macHi: number, macLo: number): void {
    const i = this.find(network, macHi, macLo);
    if (i >= 0) Atomics.store(this.#state, i, GONE);
  }

  /** VM of this network with this IPv4 address whose gateway is the target's, or -1. */
  findLocalByIp(network: number, ip: number): VmIndex | -1 {
    return this.#findByIp(network, ip, SIDE_TARGET);
  }

  /** As `findLocalByIp`, for a VM whose gateway is the source's. */
  findPinnedByIp(network: number, ip: number): VmIndex | -1 {
    return this.#findByIp(network, ip, SIDE_SOURCE);
  }

  #findByIp(network: number, ip: number, side: number): VmIndex | -1 {
    if (ip === 0) return -1; // unknown is no address
    if (this.#indexFull[0] !== 0) {
      for (let row = 0; row < this.ip.length; row++)
        if (this.#is(row, network, ip, side)) return vmIndex(row);
      return -1;
    }
    const mask = this.#byIp.length - 1;
    for (let k = this.#ipHash(network, ip) & mask; this.#byIp[k] !== 0; k = (k + 1) & mask) {
      const row = this.#byIp[k] - 1;
      if (this.#is(row, network, ip, side)) return vmIndex(row);
    }
    return -1;
  }

  #is(row: number, network: number, ip: number, side: number): boolean {
    return (
      this.ip[row] === ip &&
      this.#state[row] === USED &&
      this.network[row] === network &&
      this.side[row] === side
    );
  }

  /** Makes a row findable by its present address. */
  #index(row: number): void {
    if (this.ip[row] === 0) return;
    const mask = this.#byIp.length - 1;
    let k = this.#ipHash(this.network[row], this.ip[row]) & mask;
    for (; this.#byIp[k] !== 0; k = (k + 1) & mask) if (this.#byIp[k] === row + 1) return;
    if (this.#indexed >= this.#byIp.length / 2) {
      Atomics.store(this.#indexFull, 0, 1);
      return;
    }
    this.#indexed++;
    Atomics.store(this.#byIp, k, row + 1);
  }

  #ipHash(network: number, ip: number): number {
    const h = Math.imul(ip ^ Math.imul(network, 0x85ebca6b), 0x9e3779b1);
    return h ^ (h >>> 15);
  }
}
