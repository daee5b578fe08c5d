// A port whose outside is the program itself: for tests, simulations and labs that live in one process.
//
// In: `inject` copies a frame into a ring of slots in the slab, `rx` hands the slot over, `rxRelease` frees it.
// Out: `tx` copies the frame into a ring outside of the slab, from where `take` gets it, or gives it to `deliver`.
// Both rings are bounded. Two ports back to back are a link: what one sends is injected into the other.

import type { Batch } from '../base/batch.ts';
import { OFFLOAD_VNET } from '../base/batch.ts';
import { copyBytes } from '../base/bytes.ts';
import { assert } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, HEADROOM, type Slab } from '../base/slab.ts';
import { VNET_LEN } from '../wire/virtio-net.ts';
import { createPortStats, type Port } from './port.ts';

export interface MemoryPortOptions {
  readonly id: PortId;
  readonly name: string;
  /** The port's MAC, 0/0 for none (default). */
  readonly macHi?: number;
  readonly macLo?: number;
  /** Largest L3 packet, bytes; default 1500. */
  readonly mtu?: number;
  /** Whether it takes offloaded frames; its slots then hold FRAME_MAX bytes. Default false. */
  readonly offload?: boolean;
  readonly l3Only?: boolean;
  /** Frames that can wait on each side; default 1024. */
  readonly slots?: number;
}

/** A frame that left by a memory port. */
export interface TakenFrame {
  readonly bytes: Uint8Array;
  /** OFFLOAD_* bits that it was sent with. */
  readonly offload: number;
  /** The virtio header where OFFLOAD_VNET is set, otherwise undefined. */
  readonly vnet: Uint8Array | undefined;
}

/** Gets a sent frame where it lies, its virtio header in front where OFFLOAD_VNET is set; false when it has no room. */
export type Deliver = (u8: Uint8Array, view: DataView, off: number, len: number, offload: number) => boolean;

export interface MemoryPort extends Port {
  readonly kind: 'memory';
  /**
   * Puts a copy of a frame on the outside. With OFFLOAD_VNET in `offload` the 10 bytes before `off` come along.
   * False when the ring is full (counted as rxDropped) or the frame is larger than a slot (rxTruncated).
   */
  inject(u8: Uint8Array, view: DataView, off: number, len: number, offload?: number): boolean;
  /** As `inject`, of a whole array: for tests. */
  injectFrame(bytes: Uint8Array): boolean;
  /** The oldest frame that was sent and not taken yet. */
  take(): TakenFrame | undefined;
  /** From now on sent frames go to `deliver` and not into the ring; undefined: into the ring again. */
  connect(deliver: Deliver | undefined): void;
  /** Frames that were sent and not taken yet. */
  readonly pending: number;
}

export function createMemoryPort(options: MemoryPortOptions, slab: Slab): MemoryPort {
  const { id, name, macHi = 0, macLo = 0, mtu = 1500, offload = false, l3Only = false } = options;
  const slots = options.slots ?? 1024;
  assert(slots > 0, 'a memory port has slots');
  // Ethernet header and two tags above the MTU; what is larger comes cut short, as it would from a network card.
  const frameBytes = offload ? FRAME_MAX : mtu + 22;
  const stride = (HEADROOM + frameBytes + 63) & -64;
  const stats = createPortStats();

  // The receive ring. Slots [freed, handed) are with the gateway, [handed, filled) wait for `rx`.
  const rxBase = slab.reserve(slots * stride);
  const rxLen = new Int32Array(slots);
  const rxOffload = new Uint8Array(slots);
  let freed = 0;
  let handed = 0;
  let filled = 0;

  // The transmit ring: [taken, sent), with room for the virtio header in front of each frame.
  const txStride = VNET_LEN + frameBytes;
  const txBytes = new Uint8Array(slots * txStride);
  const txView = new DataView(txBytes.buffer);
  const txLen = new Int32Array(slots);
  const txOffload = new Uint8Array(slots);
  let taken = 0;
  let sent = 0;
  let closed = false;

  const store: Deliver = (u8, view, off, len, bits) => {
    if (sent - taken >= slots || len > frameBytes) return false;
    const slot = sent % slots;
    const header = (bits & OFFLOAD_VNET) === 0 ? 0 : VNET_LEN;
    const at = slot * txStride + VNET_LEN - header;
    copyBytes(txBytes, txView, at, u8, view, off - header, header + len);
    txLen[slot] = len;
    txOffload[slot] = bits;
    sent++;
    return true;
  };
  let deliver = store;

  const inject = (u8: Uint8Array, view: DataView, off: number, len: number, bits = 0): boolean => {
    if (len > frameBytes) {
      stats.rxTruncated++;
      return false;
    }
    if (closed || filled - freed >= slots) {
      stats.rxDropped++;
      return false;
    }
    const slot = filled % slots;
    const header = (bits & OFFLOAD_VNET) === 0 ? 0 : VNET_LEN;
    const at = rxBase + slot * stride + HEADROOM - header;
    copyBytes(slab.u8, slab.view, at, u8, view, off - header, header + len);
    rxLen[slot] = len;
    rxOffload[slot] = bits;
    filled++;
    return true;
  };

  return {
    id,
    name,
    kind: 'memory',
    macHi,
    macLo,
    mtu,
    offload,
    l3Only,
    pollFd: -1,
    stats,
    inject,
    injectFrame: (bytes) =>
      inject(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length),
    rx(batch: Batch, max: number): number {
      const n = Math.min(max, batch.room, filled - handed);
      for (let i = 0; i < n; i++, handed++) {
        const slot = handed % slots;
        batch.add(rxBase + slot * stride + HEADROOM, rxLen[slot], id, rxOffload[slot]);
        stats.rxBytes += rxLen[slot];
      }
      stats.rxPackets += n;
      return n;
    },
    rxRelease(): void {
      freed = handed;
    },
    tx(batch: Batch, idx: Uint16Array, n: number): number {
      let done = 0;
      for (; done < n && !closed; done++) {
        const i = idx[done];
        const skip = l3Only ? batch.l3[i] : 0;
        const len = batch.len[i] - skip;
        if (!deliver(batch.u8, batch.view, batch.off[i] + skip, len, batch.offload[i])) break;
        stats.txBytes += len;
      }
      stats.txPackets += done;
      stats.txDropped += n - done;
      return done;
    },
    take(): TakenFrame | undefined {
      if (taken === sent) return undefined;
      const slot = taken++ % slots;
      const at = slot * txStride + VNET_LEN;
      return {
        bytes: txBytes.slice(at, at + txLen[slot]),
        offload: txOffload[slot],
        vnet: (txOffload[slot] & OFFLOAD_VNET) === 0 ? undefined : txBytes.slice(at - VNET_LEN, at),
      };
    },
    connect(next: Deliver | undefined): void {
      deliver = next ?? store;
    },
    get pending(): number {
      return sent - taken;
    },
    close(): void {
      closed = true;
    },
  };
}

/** Two ports back to back, each with the slab of its own data plane. A full receiver makes the sender's `tx` partial. */
export function createMemoryLink(
  a: { readonly options: MemoryPortOptions; readonly slab: Slab },
  b: { readonly options: MemoryPortOptions; readonly slab: Slab },
): readonly [MemoryPort, MemoryPort] {
  assert(
    (a.options.offload ?? false) === (b.options.offload ?? false),
    'both ends of a link carry the same kind of frames',
  );
  const left = createMemoryPort(a.options, a.slab);
  const right = createMemoryPort(b.options, b.slab);
  left.connect((u8, view, off, len, bits) => right.inject(u8, view, off, len, bits));
  right.connect((u8, view, off, len, bits) => left.inject(u8, view, off, len, bits));
  return [left, right];
}
