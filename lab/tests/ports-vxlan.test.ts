import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { portSuite, testFrame } from '../../native-free-tests/conformance/port-suite.ts';
import { host, pattern, tagged, tcp } from '../../native-free-tests/golden/frames.ts';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { completeChecksum, emitSegment } from '../../src/dataplane/offload.ts';
import type { Port } from '../../src/ports/port.ts';
import { createVxlanPort } from '../../src/ports/vxlan.ts';
import { planSegments, SegmentPlan } from '../../src/wire/segmentation.ts';
import {
  VNET_GSO_NONE,
  VNET_GSO_TCPV4,
  VNET_GSO_UDP_L4,
  VNET_NEEDS_CSUM,
  vnetEmit,
} from '../../src/wire/virtio-net.ts';
import { describeRoot } from './netns.ts';

const loopback = (host: number): number => ((127 << 24) | host) >>> 0;
const text = (host: number): string => `127.0.0.${host}`;
const UDP_PORT = 20_000 + (process.pid % 20_000);
const VNI = 0x123456;

/** A tunnel endpoint at 127.0.0.`host` that speaks RFC 7348 by itself. */
class Endpoint {
  readonly socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });
  readonly got: Buffer[] = [];
  readonly #host: number;
  constructor(host: number) {
    this.#host = host;
    this.socket.on('message', (message) => this.got.push(message));
  }
  async open(): Promise<this> {
    this.socket.bind(UDP_PORT, text(this.#host));
    await once(this.socket, 'listening');
    return this;
  }
  send(frame: Uint8Array, vni = VNI, flags = 0x08): Promise<void> {
    const header = Buffer.from([flags, 0, 0, 0, vni >>> 16, (vni >>> 8) & 0xff, vni & 0xff, 0]);
    return this.raw(Buffer.concat([header, frame]));
  }
  raw(bytes: Uint8Array): Promise<void> {
    return new Promise((done, fail) => {
      this.socket.send(bytes, UDP_PORT, text(1), (error) => (error ? fail(error) : done()));
    });
  }
  /** Inner frames received since the last call; checks each header. */
  async take(count: number): Promise<Uint8Array[]> {
    const end = Date.now() + 2000;
    while (this.got.length < count && Date.now() < end) await new Promise((done) => setTimeout(done, 1));
    return this.got.splice(0).map((message) => {
      expect([...message.subarray(0, 8)]).toEqual([8, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
      return new Uint8Array(message.subarray(8));
    });
  }
}

const open = (slab: Slab, remotes: number[], vni = VNI, clock = new VirtualClock()): Port =>
  createVxlanPort(
    {
      id: portId(3),
      name: `v${vni}`,
      vni,
      local: loopback(1),
      remotes: remotes.map(loopback),
      udpPort: UDP_PORT,
      clock,
    },
    slab,
  );

describeRoot('vxlan', [], () => {
  portSuite('vxlan', async () => {
    const remote = await new Endpoint(2).open();
    const slab = new Slab(64 << 20);
    const port = open(slab, [2]);
    return {
      port,
      slab,
      feed: async (frames) => {
        for (const frame of frames) await remote.send(frame);
      },
      collect: (count) => remote.take(count),
      cleanup: () => {
        remote.socket.close();
      },
    };
  });

  let slab: Slab;
  let batch: Batch;
  const ends: { close(): void }[] = [];
  const endpoint = async (host: number): Promise<Endpoint> => {
    const made = await new Endpoint(host).open();
    ends.push(made.socket);
    return made;
  };
  const port = (remotes: number[], vni = VNI, clock = new VirtualClock()): Port => {
    const made = open(slab, remotes, vni, clock);
    ends.push(made);
    return made;
  };
  const receive = (from: Port): Uint8Array[] => {
    batch.reset();
    from.rx(batch, 256);
    const got = Array.from({ length: batch.count }, (_, i) =>
      batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]),
    );
    from.rxRelease();
    return got;
  };
  const send = (by: Port, frame: Uint8Array): number => {
    batch.reset();
    const slot = batch.alloc(frame.length);
    batch.u8.set(frame, batch.off[slot]);
    return by.tx(batch, Uint16Array.of(slot), 1);
  };
  /** testFrame with MACs 02::dst and 02::src. */
  const frame = (serial: number, dst: number, src: number): Uint8Array => {
    const bytes = testFrame(serial, 64);
    bytes.set(dst === 0xff ? new Uint8Array(6).fill(0xff) : [2, 0, 0, 0, 0, dst]);
    bytes.set([2, 0, 0, 0, 0, src], 6);
    return bytes;
  };

  beforeEach(() => {
    slab = new Slab(64 << 20);
    batch = new Batch(slab, 1 << 20);
  });
  afterEach(() => {
    for (const end of ends.splice(0)) end.close();
  });

  test('rx counts and drops other VNIs, missing flag, short datagrams and unknown senders', async () => {
    const [remote, stranger] = [await endpoint(2), await endpoint(9)];
    const p = port([2]);
    await remote.send(testFrame(1, 64), VNI + 1);
    await remote.send(testFrame(2, 64), VNI, 0);
    await remote.raw(Buffer.from([8, 0, 0]));
    await remote.send(new Uint8Array(13));
    await stranger.send(testFrame(3, 64));
    await remote.send(testFrame(4, 64));
    expect(receive(p)).toEqual([testFrame(4, 64)]);
    expect(p.stats.rxInvalid).toBe(5);
  });

  test('rx survives more bad datagrams than it has slots', async () => {
    const remote = await endpoint(2);
    const p = port([2]);
    for (let i = 0; i < 300; i++) await remote.raw(Buffer.from([1]));
    await remote.send(testFrame(4, 64));
    const got = [...receive(p), ...receive(p), ...receive(p)];
    expect(got).toEqual([testFrame(4, 64)]);
    expect(p.stats.rxInvalid).toBe(300);
  });

  test('tx sends to the endpoint behind which a MAC was learned, anything else to all', async () => {
    const [two, three] = [await endpoint(2), await endpoint(3)];
    const p = port([2, 3]);
    await two.send(frame(0, 0xff, 0x22));
    await three.send(frame(1, 0xff, 0x33));
    expect(receive(p)).toHaveLength(2);
    for (const [serial, dst] of [0x22, 0x33, 0xff, 0x44].entries()) {
      expect(send(p, frame(serial, dst, 0x11))).toBe(1);
    }
    expect(await two.take(3)).toEqual([frame(0, 0x22, 0x11), frame(2, 0xff, 0x11), frame(3, 0x44, 0x11)]);
    expect(await three.take(3)).toEqual([frame(1, 0x33, 0x11), frame(2, 0xff, 0x11), frame(3, 0x44, 0x11)]);
    expect(p.stats.txPackets).toBe(4);
  });

  test('tx follows a MAC that moved, and forgets one that was silent for five minutes', async () => {
    const [two, three] = [await endpoint(2), await endpoint(3)];
    const clock = new VirtualClock();
    const p = port([2, 3], VNI, clock);
    await two.send(frame(0, 0xff, 0x22));
    receive(p);
    await three.send(frame(1, 0xff, 0x22));
    receive(p);
    send(p, frame(2, 0x22, 0x11));
    expect(await three.take(1)).toEqual([frame(2, 0x22, 0x11)]);
    clock.advanceTo(302_000);
    receive(p);
    send(p, frame(3, 0x22, 0x11));
    expect(await two.take(1)).toEqual([frame(3, 0x22, 0x11)]);
    expect(await three.take(1)).toEqual([frame(3, 0x22, 0x11)]);
  });

  test('tx keeps order, lengths and contents of runs of equal frames, whatever stands between them', async () => {
    const two = await endpoint(2);
    const p = port([2]);
    const lengths = [
      ...Array.from({ length: 100 }, () => 1000), // longer than one message
      ...[900, 900, 60, 60, 1400, 1399, 1400, 61],
      ...Array.from({ length: 70 }, () => 1464), // more bytes than one message holds
      ...[9000, 9000, 100],
    ];
    const sent = lengths.map((len, i) => testFrame(i, len));
    batch.reset();
    const idx = Uint16Array.from(sent, (bytes) => {
      const slot = batch.alloc(bytes.length);
      batch.u8.set(bytes, batch.off[slot]);
      return slot;
    });
    expect(p.tx(batch, idx, idx.length)).toBe(sent.length);
    expect(await two.take(sent.length)).toEqual(sent);
    expect(p.stats.txPackets).toBe(sent.length);
    expect(p.stats.txBytes).toBe(lengths.reduce((sum, len) => sum + len, 0));
  });

  test('tx mixes floods and runs, and moves frames that are refused behind those that were sent', async () => {
    const [two, three] = [await endpoint(2), await endpoint(3)];
    const p = createVxlanPort(
      {
        id: portId(0),
        name: 'p',
        vni: VNI,
        local: loopback(1),
        remotes: [loopback(2), loopback(3), 0xfffffff0], // to the last one there is no way
        udpPort: UDP_PORT,
      },
      slab,
    );
    ends.push(p);
    await two.send(frame(0, 0xff, 0x22));
    expect(receive(p)).toHaveLength(1);
    batch.reset();
    const sent = [0x22, 0x22, 0xff, 0x22, 0x44, 0x22].map((dst, i) => frame(i, dst, 0x11));
    sent.splice(3, 0, new Uint8Array(65_530).fill(2)); // longer than a datagram
    const idx = Uint16Array.from(sent, (bytes) => {
      const slot = batch.alloc(bytes.length);
      batch.u8.set(bytes, batch.off[slot]);
      return slot;
    });
    expect(p.tx(batch, idx, 7)).toBe(6);
    expect([...idx]).toEqual([0, 1, 2, 4, 5, 6, 3]);
    expect(p.stats.txDropped).toBe(1);
    const at = (k: number): Uint8Array => sent[k];
    expect(await two.take(6)).toEqual([0, 1, 2, 4, 5, 6].map(at));
    expect(await three.take(2)).toEqual([2, 5].map(at));
  });

  describe('tx of frames with offloads', () => {
    const [a, b] = [host('a', '02:00:00:00:00:11', '192.0.2.1'), host('b', '02:00:00:00:00:22', '192.0.2.2')];
    /** Loads a TCP packet of `payload` bytes with a partial checksum, to be cut at `mss` unless that is 0. */
    const load = (payload: number, mss: number, tag = false): number => {
      const plain = tcp({
        from: a,
        to: b,
        seq: 0xfffff000,
        flags: 0x98,
        id: 7,
        payload: pattern(payload),
        partial: true,
      });
      const bytes = tag ? tagged(plain, 5) : plain;
      const slot = batch.alloc(bytes.length);
      batch.u8.set(bytes, batch.off[slot]);
      batch.l3[slot] = tag ? 18 : 14;
      batch.offload[slot] = OFFLOAD_VNET | OFFLOAD_CSUM | (mss > 0 ? OFFLOAD_GSO : 0);
      const l4 = batch.l3[slot] + 20;
      const type = mss > 0 ? VNET_GSO_TCPV4 : VNET_GSO_NONE;
      vnetEmit(batch.view, batch.off[slot], VNET_NEEDS_CSUM, type, l4 + 20, mss, l4, 16);
      return slot;
    };
    const bytesOf = (slot: number): Uint8Array =>
      batch.u8.slice(batch.off[slot], batch.off[slot] + batch.len[slot]);
    /** What the data plane makes of such a frame for a port without offloads. */
    const plainOf = (slot: number): Uint8Array[] => {
      const plan = new SegmentPlan();
      if ((batch.offload[slot] & OFFLOAD_GSO) === 0) {
        const copy = batch.clone(slot);
        expect(completeChecksum(batch, copy)).toBe(true);
        return [bytesOf(copy)];
      }
      expect(planSegments(batch, slot, plan)).toBe(true);
      return Array.from({ length: plan.count }, (_, k) => bytesOf(emitSegment(batch, slot, plan, k)));
    };

    test.each([1, 2])(
      'gives what a port without offloads would send, to %i endpoints, and keeps order',
      async (n) => {
        const ends = [await endpoint(2), await endpoint(3)].slice(0, n);
        const p = port([2, 3].slice(0, n));
        batch = new Batch(slab, 8 << 20);
        const slots = [
          ...[load(60_000, 1398), load(60_000, 1398), load(4000, 1000, true)],
          ...[load(100, 0), load(1400, 0, true), load(30_000, 101), load(2001, 667), load(500, 1398)],
        ];
        const idx = Uint16Array.from(slots);
        const before = slots.map(bytesOf);
        expect(p.tx(batch, idx, slots.length)).toBe(slots.length);
        expect(slots.map(bytesOf)).toEqual(before);
        const expected = slots.flatMap(plainOf);
        for (const end of ends) expect(await end.take(expected.length)).toEqual(expected);
        expect([p.stats.txPackets, p.stats.txDropped]).toEqual([slots.length, 0]);
      },
    );

    test('refuses a frame that its virtio header does not fit, and sends the others', async () => {
      const two = await endpoint(2);
      const p = port([2]);
      batch.reset();
      const slots = [load(3000, 1000), load(3000, 1000), load(100, 0), load(100, 0), load(50, 0)];
      vnetEmit(batch.view, batch.off[slots[1]], VNET_NEEDS_CSUM, VNET_GSO_UDP_L4, 54, 1000, 34, 6);
      vnetEmit(batch.view, batch.off[slots[2]], VNET_NEEDS_CSUM, VNET_GSO_NONE, 0, 0, 200, 16);
      const idx = Uint16Array.from(slots);
      expect(p.tx(batch, idx, 5)).toBe(3);
      expect([...idx]).toEqual([0, 3, 4, 1, 2].map((k) => slots[k]));
      const expected = [0, 3, 4].flatMap((k) => plainOf(slots[k]));
      expect(await two.take(5)).toEqual(expected);
      expect([p.stats.txPackets, p.stats.txDropped]).toEqual([3, 2]);
    });
  });

  test('a remote without a route does not stop the others', async () => {
    const two = await endpoint(2);
    const p = createVxlanPort(
      {
        id: portId(0),
        name: 'p',
        vni: VNI,
        local: loopback(1),
        remotes: [0xfffffff0, loopback(2)],
        udpPort: UDP_PORT,
      },
      slab,
    );
    ends.push(p);
    expect(send(p, testFrame(5, 80))).toBe(1);
    expect(await two.take(1)).toEqual([testFrame(5, 80)]);
  });

  test('ports of several VNIs share address and UDP port; each gets its own, also after one closed', async () => {
    const remote = await endpoint(2);
    const [a, b, c] = [port([2], 10), port([2], 20), port([2], 30)];
    const round = async (): Promise<Uint8Array[][]> => {
      for (const vni of [30, 10, 20, 10]) await remote.send(testFrame(vni, 64), vni);
      return [receive(a), receive(b), receive(c)];
    };
    const [ten, twenty, thirty] = [testFrame(10, 64), testFrame(20, 64), testFrame(30, 64)];
    expect(await round()).toEqual([[ten, ten], [twenty], [thirty]]);
    a.close();
    await remote.send(thirty, 30);
    await remote.send(twenty, 20);
    expect([receive(b), receive(c)]).toEqual([[twenty], [thirty]]);
    expect([b.stats.rxInvalid, c.stats.rxInvalid]).toEqual([0, 0]);
  });

  test('createVxlanPort says when address and port are taken, or not of this host', async () => {
    await endpoint(1);
    expect(() => port([2])).toThrow(expect.objectContaining({ code: 'address-in-use' }));
    const elsewhere = () =>
      createVxlanPort({ id: portId(0), name: 'p', vni: 1, local: 0xc0000201, remotes: [1] }, slab);
    expect(elsewhere).toThrow(expect.objectContaining({ code: 'address-not-local' }));
    expect(() => open(slab, [], 1)).toThrow(expect.objectContaining({ code: 'vxlan-invalid' }));
  });
});
