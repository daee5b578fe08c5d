// What every port must do, whatever is behind it: one suite, imported by each port's own test with a factory that makes
// the port and a way to feed and to watch its outside. It judges contents and order, never counts alone: a ring that is
// read two bytes off has the right counters.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BATCH_SLOTS, Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { HEADROOM, type Slab } from '../../src/base/slab.ts';
import type { Port } from '../../src/ports/port.ts';

type Awaitable<T> = T | Promise<T>;

/** A frame with the virtio_net_hdr (10 bytes, virtio 1.2 §5.1.6) that belongs to it. */
export interface OffloadFrame {
  readonly bytes: Uint8Array;
  readonly vnet: Uint8Array;
}

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

/** EtherType for local experiments (IEEE 802 §9.2.4). */
const EXPERIMENTAL = 0x88b5;
const WAIT_MS = 3000;

/** A frame of `len` bytes that carries its serial number and a pattern which differs in each byte. */
export function testFrame(serial: number, len: number): Uint8Array {
  const frame = new Uint8Array(len);
  frame.set([0x02, 0, 0, 0, 0xbb, 1, 0x02, 0, 0, 0, 0xaa, 1, EXPERIMENTAL >> 8, EXPERIMENTAL & 0xff]);
  new DataView(frame.buffer).setUint32(14, serial);
  for (let i = 18; i < len; i++) frame[i] = (serial * 31 + i * 7) & 0xff;
  return frame;
}

const isTestFrame = (bytes: Uint8Array): boolean =>
  bytes.length >= 18 && ((bytes[12] << 8) | bytes[13]) === EXPERIMENTAL;

const hex = (frames: readonly Uint8Array[]): string[] =>
  frames.map((f) => Buffer.from(f.buffer, f.byteOffset, f.length).toString('hex'));

/** Expects the same frames in the same order. By hex text: comparing arrays byte by byte takes vitest a microsecond each. */
export function expectFrames(got: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(hex(got)).toEqual(hex(expected));
}

/** Declares the suite for one kind of port. */
export function portSuite(
  name: string,
  create: () => Awaitable<PortUnderTest>,
  traits: PortTraits = {},
): void {
  const makeFrame = traits.frame ?? testFrame;
  const isOurs = traits.isOurs ?? isTestFrame;
  const frames = (count: number, len = 64, first = 0): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => makeFrame(first + i, len));

  describe(`port ${name}`, () => {
    let subject: PortUnderTest;
    let port: Port;
    let batch: Batch;

    beforeEach(async () => {
      subject = await create();
      port = subject.port;
      batch = new Batch(subject.slab, 1 << 20);
    });
    afterEach(async () => {
      port.close();
      await subject.cleanup?.();
    });

    const bytesOf = (slot: number): Uint8Array =>
      batch.u8.slice(batch.off[slot], batch.off[slot] + batch.len[slot]);

    /** Asks until `rx` has something of ours in the batch or the time is up; returns our slots. */
    const rxSome = async (max: number): Promise<number[]> => {
      const end = Date.now() + WAIT_MS;
      for (;;) {
        const first = batch.count;
        const n = port.rx(batch, max);
        expect(n).toBeLessThanOrEqual(max);
        expect(batch.count, 'rx adds as many slots as it says').toBe(first + n);
        const slots = Array.from({ length: n }, (_, i) => first + i);
        for (const slot of slots) checkSlot(slot);
        const ours = slots.filter((slot) => isOurs(bytesOf(slot)));
        if (ours.length > 0 || Date.now() > end) return ours;
        await new Promise((done) => setTimeout(done, 1));
      }
    };

    /** Receives until `count` frames of ours are there, in batches of at most `max`; looks at each batch, then releases. */
    const rxAll = async (
      count: number,
      max = 256,
      inspect: (slots: number[]) => void = () => {},
    ): Promise<Uint8Array[]> => {
      const got: Uint8Array[] = [];
      while (got.length < count) {
        batch.reset();
        const slots = await rxSome(max);
        if (slots.length === 0) break;
        inspect(slots);
        for (const slot of slots) got.push(bytesOf(slot));
        port.rxRelease();
      }
      return got;
    };

    const checkSlot = (slot: number): void => {
      expect(batch.port[slot]).toBe(port.id);
      expect(batch.originated[slot]).toBe(0);
      expect(batch.off[slot]).toBeGreaterThanOrEqual(HEADROOM);
      const bits = batch.offload[slot];
      if ((bits & OFFLOAD_VNET) === 0) {
        expect(bits, 'no CSUM or GSO without a virtio header').toBe(0);
        return;
      }
      const header = batch.off[slot] - 10;
      const needsCsum = (batch.u8[header] & 1) !== 0;
      expect((bits & OFFLOAD_CSUM) !== 0).toBe(needsCsum);
      expect((bits & OFFLOAD_GSO) !== 0).toBe((batch.u8[header + 1] & 0x7f) !== 0);
      if (needsCsum) {
        const start = batch.view.getUint16(header + 6, true);
        const at = start + batch.view.getUint16(header + 8, true);
        expect(at + 2).toBeLessThanOrEqual(batch.len[slot]);
      }
    };

    /** Puts frames into the batch as the gateway's own; returns their slots as `tx` takes them. */
    const load = (list: readonly Uint8Array[]): Uint16Array => {
      const idx = new Uint16Array(list.length);
      list.forEach((frame, i) => {
        const slot = batch.alloc(frame.length);
        expect(slot).toBeGreaterThanOrEqual(0);
        batch.u8.fill(0xff, batch.off[slot] - HEADROOM, batch.off[slot]);
        batch.u8.set(frame, batch.off[slot]);
        idx[i] = slot;
      });
      return idx;
    };

    /** What is seen outside of a frame that was sent. */
    const outside = (frame: Uint8Array): Uint8Array => (port.l3Only ? frame.subarray(14) : frame);
    const collectOurs = async (count: number): Promise<Uint8Array[]> => {
      const got: Uint8Array[] = [];
      const end = Date.now() + WAIT_MS;
      while (got.length < count && Date.now() <= end) {
        got.push(...(await subject.collect(count - got.length)).filter((f) => port.l3Only || isOurs(f)));
      }
      return got;
    };

    it('describes itself', () => {
      expect(port.name).not.toBe('');
      expect(port.mtu).toBeGreaterThanOrEqual(68);
      expect(port.pollFd).toBeGreaterThanOrEqual(-1);
      expect(port.macHi).toBe(port.macHi & 0xffff);
      expect(port.macLo).toBe(port.macLo >>> 0);
    });

    it('close may be called twice', () => {
      port.close();
      expect(() => port.close()).not.toThrow();
    });

    describe.skipIf(traits.noRx !== undefined)(`rx${traits.noRx ? ` (${traits.noRx})` : ''}`, () => {
      it('hands over every frame in order with its content', async () => {
        const fed = [60, 61, 62, 63, 64, 100, 999, 1500, 1514].map((len, i) => makeFrame(i, len));
        await subject.feed(fed);
        expectFrames(await rxAll(fed.length), fed);
      });

      it('leaves the batch alone when there is nothing', async () => {
        await subject.feed(frames(1));
        await rxAll(1);
        batch.reset();
        const deadline = Date.now() + WAIT_MS;
        while (port.rx(batch, 256) > 0 && Date.now() < deadline) {
          port.rxRelease();
          batch.reset();
        }
        expect(batch.count).toBe(0);
      });

      it('takes no more than max', async () => {
        const fed = frames(10);
        await subject.feed(fed);
        expectFrames(await rxAll(10, 3), fed);
      });

      it('takes no more than the batch has room for, and loses nothing', async () => {
        const fed = frames(8);
        await subject.feed(fed);
        const got: Uint8Array[] = [];
        const end = Date.now() + WAIT_MS;
        while (got.length < 8 && Date.now() <= end) {
          batch.reset();
          while (batch.room > 3) batch.add(HEADROOM, 0, 0xffff, 0);
          const slots = await rxSome(256);
          expect(batch.count).toBeLessThanOrEqual(BATCH_SLOTS);
          for (const slot of slots) got.push(bytesOf(slot));
          port.rxRelease();
        }
        expectFrames(got, fed);
      });

      it('adds nothing to a full batch', async () => {
        await subject.feed(frames(1));
        while (batch.room > 0) batch.add(HEADROOM, 0, 0xffff, 0);
        expect(port.rx(batch, 256)).toBe(0);
        expectFrames(await rxAll(1), frames(1));
      });

      it('keeps HEADROOM bytes free in front of each frame, in every batch', async () => {
        const fed = frames(40, 1514);
        await subject.feed(fed);
        const scribble = (slots: number[]): void => {
          for (const slot of slots) batch.u8.fill(0xee, batch.off[slot] - HEADROOM, batch.off[slot]);
        };
        expectFrames(await rxAll(20, 10, scribble), fed.slice(0, 20));
        const more = frames(40, 1514, 100);
        await subject.feed(more);
        expectFrames(await rxAll(60, 10, scribble), [...fed.slice(20), ...more]);
      });

      it('leaves frames where they lie until rxRelease, while others arrive', async () => {
        const early = frames(4, 80);
        await subject.feed(early);
        const slots: number[] = [];
        const end = Date.now() + WAIT_MS;
        while (slots.length < 4 && Date.now() <= end) slots.push(...(await rxSome(4 - slots.length)));
        const late = frames(4, 80, 50);
        await subject.feed(late);
        const lateSlots: number[] = [];
        while (lateSlots.length < 4 && Date.now() <= end) lateSlots.push(...(await rxSome(256)));
        expectFrames([...slots, ...lateSlots].map(bytesOf), [...early, ...late]);
        port.rxRelease();
        await subject.feed(frames(2, 80, 70));
        expectFrames(await rxAll(2), frames(2, 80, 70));
      });

      it('never writes over a frame that is not released, however many arrive', async () => {
        const held = frames(4, 80);
        await subject.feed(held);
        const slots: number[] = [];
        const end = Date.now() + WAIT_MS;
        while (slots.length < 4 && Date.now() <= end) slots.push(...(await rxSome(4 - slots.length)));
        for (let round = 0; round < 6; round++) await subject.feed(frames(100, 80, 1000 + round * 100));
        expectFrames(slots.map(bytesOf), held);
      });

      it('lets a frame be rewritten in place', async () => {
        for (const first of [0, 30]) {
          const fed = frames(20, 200, first);
          await subject.feed(fed);
          const seen: Uint8Array[] = [];
          await rxAll(20, 8, (slots) => {
            seen.push(...slots.map(bytesOf));
            for (const slot of slots) batch.u8.fill(0xdd, batch.off[slot], batch.off[slot] + batch.len[slot]);
          });
          expectFrames(seen, fed);
        }
      });

      it('goes on round after round', async () => {
        for (let round = 0; round < 12; round++) {
          const fed = frames(100, 60 + round * 30, round * 1000);
          await subject.feed(fed);
          expectFrames(await rxAll(100, 64), fed);
        }
      });

      it('counts the frames and bytes that it hands over', async () => {
        const before = { ...port.stats };
        const fed = [60, 70, 80].map((len, i) => makeFrame(i, len));
        await subject.feed(fed);
        let packets = 0;
        let bytes = 0;
        let ours = 0;
        const end = Date.now() + WAIT_MS;
        while (ours < 3 && Date.now() <= end) {
          batch.reset();
          ours += (await rxSome(256)).length;
          for (let i = 0; i < batch.count; i++) {
            packets++;
            bytes += batch.len[i];
          }
          port.rxRelease();
        }
        expect(ours).toBe(3);
        expect(port.stats.rxPackets - before.rxPackets).toBe(packets);
        expect(port.stats.rxBytes - before.rxBytes).toBe(bytes);
        expect(port.stats.rxTruncated).toBe(before.rxTruncated);
      });

      it('counts a frame that came cut short, and does not hand it over', async (test) => {
        if (subject.feedTruncated === undefined) return test.skip('nothing arrives cut short at this port');
        const before = port.stats.rxTruncated;
        await subject.feed(frames(1));
        await subject.feedTruncated();
        await subject.feed(frames(1, 64, 9));
        expectFrames(await rxAll(2), [makeFrame(0, 64), makeFrame(9, 64)]);
        expect(port.stats.rxTruncated).toBe(before + 1);
      });

      it('hands over the virtio header of an offloaded frame', async (test) => {
        if (subject.feedOffload === undefined) return test.skip('no virtio headers outside of this port');
        const frame = gsoFrame(3000);
        await subject.feedOffload(frame);
        batch.reset();
        const slots: number[] = [];
        const end = Date.now() + WAIT_MS;
        while (slots.length === 0 && Date.now() <= end) {
          const first = batch.count;
          port.rx(batch, 256);
          for (let i = first; i < batch.count; i++) {
            checkSlot(i);
            if (batch.len[i] === frame.bytes.length) slots.push(i);
          }
        }
        expect(bytesOf(slots[0])).toEqual(frame.bytes);
        expect(batch.offload[slots[0]]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
        const vnet = batch.u8.slice(batch.off[slots[0]] - 10, batch.off[slots[0]]);
        expect(withoutHint(vnet)).toEqual(withoutHint(frame.vnet));
        port.rxRelease();
      });
    });

    describe.skipIf(traits.noTx !== undefined)(`tx${traits.noTx ? ` (${traits.noTx})` : ''}`, () => {
      it('sends every frame in order with its content', async () => {
        const list = [60, 61, 62, 63, 64, 100, 999, 1500, 1514].map((len, i) => makeFrame(i, len));
        expect(port.tx(batch, load(list), list.length)).toBe(list.length);
        expectFrames(await collectOurs(list.length), list.map(outside));
      });

      it('sends the slots that idx names, in its order', async () => {
        const list = frames(5, 70);
        const slots = load(list);
        expect(port.tx(batch, Uint16Array.of(slots[3], slots[0], slots[4]), 2)).toBe(2);
        expectFrames(await collectOurs(2), [outside(list[3]), outside(list[0])]);
      });

      it('does nothing for no frames', () => {
        const before = { ...port.stats };
        expect(port.tx(batch, new Uint16Array(4), 0)).toBe(0);
        expect(port.stats).toEqual(before);
      });

      it('leaves the bytes of the frames as they were', () => {
        const list = frames(10, 120);
        const slots = load(list);
        port.tx(batch, slots, 10);
        expectFrames([...slots].map(bytesOf), list);
      });

      it('is done with the bytes when it returns', async () => {
        const list = frames(10, 120);
        const slots = load(list);
        expect(port.tx(batch, slots, 10)).toBe(10);
        for (const slot of slots) batch.u8.fill(0, batch.off[slot] - HEADROOM, batch.off[slot] + 120);
        expectFrames(await collectOurs(10), list.map(outside));
      });

      it('goes on batch after batch', async () => {
        for (let round = 0; round < 12; round++) {
          batch.reset();
          const list = frames(50, 60 + round * 30, round * 1000);
          expect(port.tx(batch, load(list), 50)).toBe(50);
          expectFrames(await collectOurs(50), list.map(outside));
        }
      });

      it('counts the frames and bytes that it sends', () => {
        const before = { ...port.stats };
        const list = [60, 70, 80].map((len, i) => makeFrame(i, len));
        port.tx(batch, load(list), 3);
        expect(port.stats.txPackets - before.txPackets).toBe(3);
        const bytes = list.reduce((sum, frame) => sum + outside(frame).length, 0);
        expect(port.stats.txBytes - before.txBytes).toBe(bytes);
        expect(port.stats.txDropped).toBe(before.txDropped);
      });

      it('returns the prefix that was taken and counts the rest', async (test) => {
        if (subject.choke === undefined)
          return test.skip('the outside of this port cannot be made to refuse');
        await subject.choke();
        const list = frames(300, 64);
        const before = { ...port.stats };
        const taken = port.tx(batch, load(list), 300);
        expect(taken).toBeLessThan(300);
        expect(port.stats.txPackets - before.txPackets).toBe(taken);
        expect(port.stats.txDropped - before.txDropped).toBe(300 - taken);
        expectFrames(await collectOurs(taken), list.slice(0, taken).map(outside));
      });

      it('sends an offloaded frame with its virtio header', async (test) => {
        if (!port.offload || subject.collectOffload === undefined) {
          return test.skip('the port takes no offloaded frames, or nothing outside shows them');
        }
        const frame = gsoFrame(3000);
        const slots = load([frame.bytes]);
        batch.u8.set(frame.vnet, batch.off[slots[0]] - 10);
        batch.offload[slots[0]] = OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;
        expect(port.tx(batch, slots, 1)).toBe(1);
        const [got] = await subject.collectOffload(1);
        expect(got.bytes).toEqual(frame.bytes);
        expect(withoutHint(got.vnet)).toEqual(withoutHint(frame.vnet));
      });
    });

    it.skipIf(traits.noRx !== undefined || traits.noTx !== undefined)(
      'sends a received frame from where it lies',
      async () => {
        const fed = frames(30, 300);
        await subject.feed(fed);
        const echoed: Uint8Array[] = [];
        await rxAll(30, 16, (slots) => {
          for (const slot of slots) echoed.push(bytesOf(slot));
          expect(port.tx(batch, Uint16Array.from(slots), slots.length)).toBe(slots.length);
        });
        expectFrames(echoed, fed);
        expectFrames(await collectOurs(30), fed.map(outside));
      },
    );
  });
}

/** A virtio header less its hdr_len, a hint that each side fills in as it likes (virtio 1.2 §5.1.6.2). */
const withoutHint = (vnet: Uint8Array): Uint8Array => vnet.slice().fill(0, 2, 4);

/** A TCP frame of `payload` bytes above the MTU, with the header that a sender's stack gives it: 1448-byte segments. */
export function gsoFrame(payload: number): OffloadFrame {
  const bytes = new Uint8Array(14 + 20 + 20 + payload);
  const view = new DataView(bytes.buffer);
  bytes.set([0x02, 0, 0, 0, 0xbb, 1, 0x02, 0, 0, 0, 0xaa, 1, 0x08, 0x00, 0x45]);
  view.setUint16(16, bytes.length - 14);
  bytes.set([64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 22);
  bytes[46] = 0x50; // data offset: 5 words
  for (let i = 54; i < bytes.length; i++) bytes[i] = (i * 13) & 0xff;
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  const vnet = new Uint8Array(10);
  const header = new DataView(vnet.buffer);
  vnet[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
  vnet[1] = 1; // VIRTIO_NET_HDR_GSO_TCPV4
  header.setUint16(2, 54, true);
  header.setUint16(4, 1448, true);
  header.setUint16(6, 34, true);
  header.setUint16(8, 16, true);
  return { bytes, vnet };
}
