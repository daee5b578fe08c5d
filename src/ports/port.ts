// The contract of every port. A port moves frames between the outside and a batch; it knows nothing of routing.
//
// A frame's way in: `rx` adds it to the batch where it lies (a ring slot, or a buffer that the port reserved in the slab),
// the nodes read and rewrite it in place, `tx` of another port sends it from there, and `rxRelease` gives the place back.
// So `tx` must be done with the bytes when it returns: a port that sends later takes a copy.

import type { Batch } from '../base/batch.ts';
import type { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';

export type PortKind = 'memory' | 'pcap-file' | 'tap' | 'af-packet' | 'af-xdp' | 'cap' | 'raw-ip' | 'vxlan';

/** What a port counts itself: the frames that never became a packet of a batch, or that the system did not take. */
export interface PortStats {
  rxPackets: number;
  rxBytes: number;
  txPackets: number;
  txBytes: number;
  /** Frames that the kernel's ring or queue had no room for, as far as the system tells. */
  rxDropped: number;
  /** Frames that arrived cut short (snap length, buffer size) and were therefore not handed over. */
  rxTruncated: number;
  /** Frames whose encapsulation or format was not understood (VXLAN flags or VNI, virtio header, link type). */
  rxInvalid: number;
  /** Frames that `tx` was given and could not send. */
  txDropped: number;
  /** Frames lost on purpose by the port's fault settings, in either direction. */
  faultLost: number;
}

export const createPortStats = (): PortStats => ({
  rxPackets: 0,
  rxBytes: 0,
  txPackets: 0,
  txBytes: 0,
  rxDropped: 0,
  rxTruncated: 0,
  rxInvalid: 0,
  txDropped: 0,
  faultLost: 0,
});

/** Where frames come from: a port, or another worker that hands them over. */
export interface Inlet {
  /**
   * Adds up to `max` received frames to the batch (never more than `batch.room`) and returns how many.
   * They stay where they are until `rxRelease`. Returns 0 when there is nothing.
   */
  rx(batch: Batch, max: number): number;
  /** Gives back the places of all frames that `rx` has handed out. */
  rxRelease(): void;
}

export interface Port extends Inlet {
  readonly id: PortId;
  /** Name in the config, unique. */
  readonly name: string;
  readonly kind: PortKind;
  /** The port's own MAC as 48-bit number parts, 0/0 when it has none. */
  readonly macHi: number;
  readonly macLo: number;
  /** Largest L3 packet that `tx` takes, in bytes (Ethernet header and tags not counted). */
  readonly mtu: number;
  /** Whether `tx` takes frames with OFFLOAD_CSUM and OFFLOAD_GSO. If not, the data plane completes and splits them. */
  readonly offload: boolean;
  /** True for a port without Ethernet (raw-ip): `off + l3` is what is sent. */
  readonly l3Only: boolean;
  /** File descriptor to wait on for received frames, -1 for none: then the port is asked in every round. */
  readonly pollFd: number;
  readonly stats: PortStats;

  /**
   * Sends packets `idx[0..n-1]` in order and returns how many the system took: those are the first ones of `idx` then, since
   * a frame that is refused for its own sake (its size, its virtio header) is moved behind those that were sent. The rest is
   * counted in `stats.txDropped` and by the caller as `tx-failed`. Must not change the frames' bytes, except the HEADROOM.
   */
  tx(batch: Batch, idx: Uint16Array, n: number): number;
  /** True when no frame can come any more (end of a capture). */
  readonly ended?: boolean;
  /** Why the port has stopped for good, when it has: a broken capture, a full disk. */
  readonly failure?: NearhopError | undefined;
  /** Whether the device is there, up, and has a carrier, as of half a second ago; absent = there is no such thing. */
  readonly linkUp?: boolean;
  /** When `rx` wants to be called though no frame arrives, ms of the clock: frames that are held back become due. */
  readonly nextDueMs?: number;
  /** By this number other workers open a ring or queue of their own; absent = the port is this worker's alone. */
  readonly share?: number;
  /** Releases everything; idempotent. */
  close(): void;
}
