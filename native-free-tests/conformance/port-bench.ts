// What the suite does with a port: feeds and receives, loads and sends, and collects outside.

import { expect } from 'vitest';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { HEADROOM, type Slab } from '../../src/base/slab.ts';
import type { Port } from '../../src/ports/port.ts';
import { isTestFrame, type OffloadFrame, testFrame } from './frames.ts';

export type Awaitable<T> = T | Promise<T>;

/** Longest wait for a frame. */
export const WAIT_MS = 3000;

/** A port with its outside. A fresh one is made for each test. */
export interface PortUnderTest {
  readonly port: Port;
  readonly slab: Slab;
  /** Puts frames on the outside of the port, in this order. */
  feed(frames: readonly Uint8Array[]): Awaitable<void>;
  /** All that left by the port since the last call, in order: waits until `count` frames are there, but not for ever. */
  collect(count: number): Awaitable<Uint8Array[]>;
  /** Feeds one frame that the port sees cut short, or larger than it can hold. */
  feedTruncated?(): Awaitable<void>;
  /** From now on the outside takes only some of the next frames, fewer than 300. */
  choke?(): Awaitable<void>;
  /** Feeds a frame with its virtio header. */
  feedOffload?(frame: OffloadFrame): Awaitable<void>;
  /** As `collect`, with the virtio header of each frame. */
  collectOffload?(count: number): Awaitable<OffloadFrame[]>;
  /** Takes the outside away; the suite has closed the port. */
  cleanup?(): Awaitable<void>;
}

/** What a port cannot be asked for. */
export interface PortTraits {
  /** Why nothing can be received from it (a port that only sends). */
  readonly noRx?: string;
  /** Why nothing can be sent by it. */
  readonly noTx?: string;
  /** Frame number `serial` of `len` bytes; the default is an Ethernet frame of EtherType 0x88b5. */
  readonly frame?: (serial: number, len: number) => Uint8Array;
  /** Whether a frame is one of `frame`'s: others (neighbor discovery of a host, say) are passed over. */
  readonly isOurs?: (bytes: Uint8Array) => boolean;
}

/** The port of one test after the other. */
export class PortBench {
  subject!: PortUnderTest;
  batch!: Batch;
  readonly makeFrame: (serial: number, len: number) => Uint8Array;
  readonly #isOurs: (bytes: Uint8Array) => boolean;

  constructor(traits: PortTraits) {
    this.makeFrame = traits.frame ?? testFrame;
    this.#isOurs = traits.isOurs ?? isTestFrame;
  }

  /** Takes the port of the next test. */
  open(subject: PortUnderTest): void {
    this.subject = subject;
    this.batch = new Batch(subject.slab, 1 << 20);
  }

  get port(): Port {
    return this.subject.port;
  }

  readonly frames = (count: number, len = 64, first = 0): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => this.makeFrame(first + i, len));

  readonly bytesOf = (slot: number): Uint8Array =>
    this.batch.u8.slice(this.batch.off[slot], this.batch.off[slot] + this.batch.len[slot]);

  /** Asks until `rx` has something of ours in the batch or the time is up; returns our slots. */
  readonly rxSome = async (max: number): Promise<number[]> => {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const first = this.batch.count;
      const n = this.port.rx(this.batch, max);
      expect(n).toBeLessThanOrEqual(max);
      expect(this.batch.count, 'rx adds as many slots as it says').toBe(first + n);
      const slots = Array.from({ length: n }, (_, i) => first + i);
      for (const slot of slots) this.checkSlot(slot);
      const ours = slots.filter((slot) => this.#isOurs(this.bytesOf(slot)));
      if (ours.length > 0 || Date.now() > end) return ours;
      await new Promise((done) => setTimeout(done, 1));
    }
  };

  /** Receives until `count` frames of ours are there, in batches of at most `max`; looks at each batch, then releases. */
  readonly rxAll = async (
    count: number,
    max = 256,
    inspect: (slots: number[]) => void = () => {},
  ): Promise<Uint8Array[]> => {
    const got: Uint8Array[] = [];
    while (got.length < count) {
      this.batch.reset();
      const slots = await this.rxSome(max);
      if (slots.length === 0) break;
      inspect(slots);
      for (const slot of slots) got.push(this.bytesOf(slot));
      this.port.rxRelease();
    }
    return got;
  };

  readonly checkSlot = (slot: number): void => {
    expect(this.batch.port[slot]).toBe(this.port.id);
    expect(this.batch.originated[slot]).toBe(0);
    expect(this.batch.off[slot]).toBeGreaterThanOrEqual(HEADROOM);
    const bits = this.batch.offload[slot];
    if ((bits & OFFLOAD_VNET) === 0) {
      expect(bits, 'no CSUM or GSO without a virtio header').toBe(0);
      return;
    }
    const header = this.batch.off[slot] - 10;
    const needsCsum = (this.batch.u8[header] & 1) !== 0;
    expect((bits & OFFLOAD_CSUM) !== 0).toBe(needsCsum);
    expect((bits & OFFLOAD_GSO) !== 0).toBe((this.batch.u8[header + 1] & 0x7f) !== 0);
    if (needsCsum) {
      const start = this.batch.view.getUint16(header + 6, true);
      const at = start + this.batch.view.getUint16(header + 8, true);
      expect(at + 2).toBeLessThanOrEqual(this.batch.len[slot]);
    }
  };

  /** Puts frames into the batch as the gateway's own; returns their slots as `tx` takes them. */
  readonly load = (list: readonly Uint8Array[]): Uint16Array => {
    const idx = new Uint16Array(list.length);
    list.forEach((frame, i) => {
      const slot = this.batch.alloc(frame.length);
      expect(slot).toBeGreaterThanOrEqual(0);
      this.batch.u8.fill(0xff, this.batch.off[slot] - HEADROOM, this.batch.off[slot]);
      this.batch.u8.set(frame, this.batch.off[slot]);
      idx[i] = slot;
    });
    return idx;
  };

  /** What is seen outside of a frame that was sent. */
  readonly outside = (frame: Uint8Array): Uint8Array => (this.port.l3Only ? frame.subarray(14) : frame);
  readonly collectOurs = async (count: number): Promise<Uint8Array[]> => {
    const got: Uint8Array[] = [];
    const end = Date.now() + WAIT_MS;
    while (got.length < count && Date.now() <= end) {
      got.push(
        ...(await this.subject.collect(count - got.length)).filter(
          (f) => this.port.l3Only || this.#isOurs(f),
        ),
      );
    }
    return got;
  };
}
