// A batch: the packets of one round, as columns over the slab. Everything is allocated once; a round only moves numbers.
//
// Slots 0..count-1 are in use: first what a port received, then what the gateway itself makes in this round (replies, ICMP
// errors, copies for flooding), which take their bytes from a scratch region that is free again when the round ends.

import {
  BATCH_SLOTS,
  COLUMN_BYTES,
  IFACE_AT,
  LEN_AT,
  OFF_AT,
  OFFLOAD_AT,
  OFFLOAD_CSUM,
  OFFLOAD_GSO,
  OFFLOAD_VNET,
  OUT_IFACE_AT,
  PORT_AT,
} from './batch-columns.ts';
import { FRAME_MAX, HEADROOM, type Slab } from './slab.ts';

/** Most packets that a port may hand over in one round. */
export const BATCH_RX = 256;
export { BATCH_SLOTS, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET };

export class Batch {
  readonly slab: Slab;
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Where the columns begin in the slab (batch-columns.ts). */
  readonly columns: number;
  count = 0;
  /** Whether a slot may have a reason or a trace, or be the gateway's own: whoever writes such a column says so here. */
  marked = false;
  /** Offset in the slab of the frame's first byte (Ethernet destination). At least HEADROOM bytes before it are free. */
  readonly off: Int32Array;
  /** Bytes of the frame, without FCS. */
  readonly len: Int32Array;
  /** PortId by which the frame came; 0xffff for a packet that the gateway made. */
  readonly port: Uint16Array;
  /** IfIndex by which it came. This and the next one are set by ethernet-input. */
  readonly iface: Uint16Array;
  /** IfIndex by which it shall leave. */
  readonly outIface: Uint16Array;
  /** Bytes from `off` to the network header: 14, or more while tags are in place. */
  readonly l3 = new Uint8Array(BATCH_SLOTS);
  /** AdjIndex that the lookup chose. */
  readonly adj = new Int32Array(BATCH_SLOTS);
  /** Index into REASONS: why the packet is dropped, consumed or reported. */
  readonly reason = new Uint16Array(BATCH_SLOTS);
  /** OFFLOAD_* bits. */
  readonly offload: Uint8Array;
  /** Row of the trace buffer, or -1 for a packet that nobody traces. */
  readonly trace = new Int32Array(BATCH_SLOTS).fill(-1);
  /** Node-private number that travels with the packet to the next node (an IPv4 address, a code). */
  readonly aux = new Uint32Array(BATCH_SLOTS);
  /** 1 for a packet that the gateway made: it never causes another one. */
  readonly originated = new Uint8Array(BATCH_SLOTS);

  readonly #scratch: number;
  readonly #scratchEnd: number;
  #top: number;

  constructor(slab: Slab, scratchBytes = 8 << 20) {
    this.slab = slab;
    this.u8 = slab.u8;
    this.view = slab.view;
    this.columns = slab.reserve(COLUMN_BYTES);
    this.off = new Int32Array(slab.buffer, this.columns + OFF_AT, BATCH_SLOTS);
    this.len = new Int32Array(slab.buffer, this.columns + LEN_AT, BATCH_SLOTS);
    this.port = new Uint16Array(slab.buffer, this.columns + PORT_AT, BATCH_SLOTS);
    this.iface = new Uint16Array(slab.buffer, this.columns + IFACE_AT, BATCH_SLOTS);
    this.outIface = new Uint16Array(slab.buffer, this.columns + OUT_IFACE_AT, BATCH_SLOTS);
    this.offload = new Uint8Array(slab.buffer, this.columns + OFFLOAD_AT, BATCH_SLOTS);
    this.#scratch = slab.reserve(scratchBytes);
    this.#scratchEnd = this.#scratch + scratchBytes;
    this.#top = this.#scratch;
  }

  /** Forgets all packets of the round and frees the scratch region. */
  reset(): void {
    this.count = 0;
    this.#top = this.#scratch;
    if (!this.marked) return;
    this.marked = false;
    this.reason.fill(0);
    this.trace.fill(-1);
    this.originated.fill(0);
  }

  /** Slots left for received packets, given what this round already holds. */
  get room(): number {
    return BATCH_SLOTS - this.count;
  }

  /**
   * Adds a received frame that lies in the slab; returns its slot. The caller has checked that there is room. What
   * else a packet has, `reset` and ethernet-input see to: a store for each of twelve columns was a tenth of a routed packet's time.
   */
  add(off: number, len: number, port: number, offload: number): number {
    const i = this.count++;
    this.off[i] = off;
    this.len[i] = len;
    this.port[i] = port;
    this.l3[i] = 14;
    this.offload[i] = offload;
    return i;
  }

  /** Adds `n` received frames whose columns in the slab are written already (batch-columns.ts); there is room. */
  addWritten(n: number): void {
    this.l3.fill(14, this.count, this.count + n);
    this.count += n;
  }

  /**
   * Makes a packet of `len` bytes in the scratch region, with HEADROOM before it; its bytes are not cleared.
   * Returns its slot, or -1 when slots or scratch are used up (the caller counts `no-buffer`).
   */
  alloc(len: number): number {
    const off = this.#top + HEADROOM;
    const end = (off + len + 63) & -64;
    if (this.count >= BATCH_SLOTS || len > FRAME_MAX || end > this.#scratchEnd) return -1;
    this.#top = end;
    const i = this.add(off, len, 0xffff, 0);
    this.marked = true;
    this.iface[i] = 0;
    this.outIface[i] = 0;
    this.adj[i] = -1;
    this.reason[i] = 0;
    this.trace[i] = -1;
    this.aux[i] = 0;
    this.originated[i] = 1;
    return i;
  }

  /** Copies packet `i`, its virtio header and its columns into a new slot; -1 when there is no room. `originated` is kept. */
  clone(i: number): number {
    const j = this.alloc(this.len[i]);
    if (j < 0) return -1;
    this.u8.copyWithin(this.off[j] - 10, this.off[i] - 10, this.off[i] + this.len[i]);
    this.inherit(j, i);
    this.adj[j] = this.adj[i];
    this.reason[j] = this.reason[i];
    this.offload[j] = this.offload[i];
    this.trace[j] = this.trace[i];
    this.aux[j] = this.aux[i];
    return j;
  }

  /** Gives slot `j` what a copy, a segment or a fragment of packet `i` has of it: where it is from, its way, its layers. */
  inherit(j: number, i: number): void {
    this.port[j] = this.port[i];
    this.iface[j] = this.iface[i];
    this.outIface[j] = this.outIface[i];
    this.l3[j] = this.l3[i];
    this.originated[j] = this.originated[i];
  }

  /** A mark of slots and scratch, for a node that makes packets, sends them and takes the room back (see `rewind`). */
  mark(): number {
    return this.#top;
  }

  /** Gives back all slots from `count` on and all scratch above `mark`: only for packets that are already sent. */
  rewind(count: number, mark: number): void {
    this.count = count;
    this.#top = mark;
  }
}
