import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  expectFrames,
  gsoFrame,
  portSuite,
  testFrame,
} from '../../native-free-tests/conformance/port-suite.ts';
import { Batch, OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createAfPacketPort } from '../../src/ports/af-packet.ts';
import type { Port } from '../../src/ports/port.ts';
import { createNetns, describeRoot, type Netns } from './netns.ts';
import { type Outside, openOutside } from './outside.ts';

describeRoot('af-packet', [], () => {
  portSuite('af-packet', () => {
    const net = createNetns('nhp-ports');
    const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    net.veth({ dev }, { dev: peer });
    const outside = openOutside(peer);
    const slab = new Slab(64 << 20);
    const port = createAfPacketPort({ id: portId(3), name: 'p', device: dev }, slab);
    return {
      port,
      slab,
      feed: (frames) => outside.feed(frames),
      collect: (count) => outside.collect(count),
      feedOffload: (frame) => outside.feedOffload(frame),
      collectOffload: (count) => outside.collectOffload(count),
      choke: () => {
        net.exec(null, ['ip', 'link', 'set', peer, 'down']);
      },
      cleanup: async () => {
        outside.close();
        await net.cleanup();
      },
    };
  });

  let net: Netns;
  let slab: Slab;
  let batch: Batch;
  let dev: string;
  let peer: string;
  const ends: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(end: T): T => {
    ends.push(end);
    return end;
  };
  const open = (device: string, options: { waitMs?: number; rxSlots?: number } = {}): Port =>
    keep(createAfPacketPort({ id: portId(3), name: 'p', device, ...options }, slab));
  const outsideOf = (device: string): Outside => keep(openOutside(device));
  const veth = (): void => net.veth({ dev }, { dev: peer });
  const load = (bytes: Uint8Array, vnet?: Uint8Array): number => {
    const slot = batch.alloc(bytes.length);
    batch.u8.set(bytes, batch.off[slot]);
    if (vnet !== undefined) {
      batch.u8.set(vnet, batch.off[slot] - 10);
      batch.offload[slot] = OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;
    }
    return slot;
  };
  /** Asks the port until it has something; returns the frames. */
  const receive = async (port: Port): Promise<Uint8Array[]> => {
    const end = Date.now() + 3000;
    batch.reset();
    while (port.rx(batch, 256) === 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 1));
    const got = Array.from({ length: batch.count }, (_, i) =>
      batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]),
    );
    port.rxRelease();
    return got;
  };

  beforeEach(() => {
    net = createNetns('nhp-ports');
    [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    slab = new Slab(128 << 20);
    batch = new Batch(slab, 4 << 20);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) end.close();
    await net.cleanup();
  });

  test('rx puts back the VLAN tag that the kernel took out, with its priority', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const tagged = testFrame(1, 200);
    tagged.set([0x81, 0x00, 0xa0, 0x64], 12); // PCP 5, VLAN 100
    const service = testFrame(2, 200);
    service.set([0x88, 0xa8, 0x00, 0xc8, 0x81, 0x00, 0x00, 0x0a], 12); // VLAN 10 in S-VLAN 200
    outside.feed([tagged]);
    expect(await receive(port)).toEqual([tagged]);
    outside.feed([service]);
    expect(await receive(port)).toEqual([service]);
  });

  test('rx puts back the VLAN tag of a GSO frame and keeps csum_start and hdr_len right', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const plain = gsoFrame(3000);
    const bytes = new Uint8Array(plain.bytes.length + 4);
    bytes.set(plain.bytes.subarray(0, 12));
    bytes.set([0x81, 0x00, 0x60, 0x07], 12);
    bytes.set(plain.bytes.subarray(12), 16);
    const vnet = plain.vnet.slice();
    vnet[2] += 4; // hdr_len
    vnet[6] += 4; // csum_start
    outside.feedOffload({ bytes, vnet });
    expect(await receive(port)).toEqual([bytes]);
    expect(batch.offload[0]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO);
    const got = new DataView(batch.u8.slice(batch.off[0] - 10, batch.off[0]).buffer);
    const fields = [1, 3, 4, 5].map((i) => got.getUint16((i - 1) * 2, true)); // flags and type, size, start, offset
    expect(fields).toEqual([0x0101, 1448, 38, 16]);
    expect(got.getUint16(2, true)).toBe(bytes.length); // the kernel counts the linear part, here all of it
  });

  test('rx counts frames that the ring had no room for', async () => {
    veth();
    const port = open(dev, { rxSlots: 20 }); // rounded up to a block of 37
    const outside = outsideOf(peer);
    const fed = Array.from({ length: 60 }, (_, i) => testFrame(i, 64));
    outside.feed(fed);
    expect(await receive(port)).toEqual(fed.slice(0, 37));
    outside.feed([testFrame(99, 64)]);
    expect(await receive(port)).toEqual([testFrame(99, 64)]);
    expect(port.stats.rxDropped).toBe(23);
  });

  test('rx hands over large frames whole and in order among small ones, more than it has buffers for', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const fed: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      const small = testFrame(i, 64 + i);
      const { bytes, vnet } = gsoFrame(3000 + 600 * i);
      outside.feed([small]);
      outside.feedOffload({ bytes, vnet });
      fed.push(small, bytes);
    }
    const got = [];
    while (got.length < fed.length) {
      const some = await receive(port);
      if (some.length === 0) break;
      got.push(...some);
    }
    expectFrames(got, fed);
    expect([port.stats.rxTruncated, port.stats.rxDropped]).toEqual([0, 0]);
  });

  test('rx counts large frames that the queue had no room for, and stays in step with the others', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const { bytes, vnet } = gsoFrame(60_000);
    for (let i = 0; i < 1000; i++) outside.feedOffload({ bytes, vnet });
    const last = gsoFrame(4000);
    outside.feedOffload(last);
    outside.feed([testFrame(7, 100)]);
    const got = [];
    for (let some = await receive(port); some.length > 0; some = await receive(port)) got.push(...some);
    expect(got.length + port.stats.rxDropped).toBe(1002);
    expect(port.stats.rxDropped).toBeGreaterThan(0);
    expectFrames(got.slice(-1), [testFrame(7, 100)]);
    for (const frame of got.slice(0, -1)) expect(Buffer.compare(frame, bytes)).toBe(0);
    outside.feedOffload(last);
    expect(await receive(port)).toEqual([last.bytes]);
  });

  test('tx passes over a frame that the kernel refuses and sends the others', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const bad = gsoFrame(3000);
    bad.vnet[6] = 0xff; // csum_start beyond the frame
    bad.vnet[7] = 0xff;
    const idx = Uint16Array.of(
      load(testFrame(0, 64)),
      load(bad.bytes, bad.vnet),
      load(testFrame(1, 1600)),
      load(testFrame(2, 64)),
    );
    expect(port.tx(batch, idx, 4)).toBe(2);
    expect(await outside.collect(2)).toEqual([testFrame(0, 64), testFrame(2, 64)]);
    expect(port.stats.txDropped).toBe(2);
    expect([...idx]).toEqual([0, 3, 1, 2]); // what was sent stands first
  });

  test('tx sends GSO frames by a device without TSO, in segments', async () => {
    veth();
    net.exec(null, ['ethtool', '-K', dev, 'tso', 'off', 'gso', 'off']);
    const [port, outside] = [open(dev), outsideOf(peer)];
    const { bytes, vnet } = gsoFrame(3000);
    for (let i = 0; i < 2; i++) expect(port.tx(batch, Uint16Array.of(load(bytes, vnet)), 1)).toBe(1);
    const lengths = (await outside.collect(6)).map((frame) => frame.length);
    expect(lengths).toEqual([1502, 1502, 158, 1502, 1502, 158]);
    expect(port.stats.txDropped).toBe(0);
  });

  test('the port comes back with its device, under the same descriptor', async () => {
    veth();
    const port = open(dev);
    const fd = port.pollFd;
    net.exec(null, ['ip', 'link', 'del', dev]);
    expect(port.rx(batch, 256)).toBe(0);
    expect(port.tx(batch, Uint16Array.of(load(testFrame(0, 64))), 1)).toBe(0);
    net.veth({ dev, mac: '02:00:00:00:77:01', mtu: 1400 }, { dev: peer });
    const outside = outsideOf(peer);
    const end = Date.now() + 5000;
    let got: Uint8Array[] = [];
    while (got.length === 0 && Date.now() < end) {
      outside.feed([testFrame(5, 64)]);
      batch.reset();
      for (let i = 0; i < 40 && batch.count === 0; i++) port.rx(batch, 256);
      got = batch.count > 0 ? [batch.u8.slice(batch.off[0], batch.off[0] + batch.len[0])] : [];
      port.rxRelease();
      await new Promise((done) => setTimeout(done, 5));
    }
    expect(got).toEqual([testFrame(5, 64)]);
    expect([port.pollFd, port.mtu, port.macHi, port.macLo]).toEqual([fd, 1400, 0x0200, 0x00007701]);
    expect(port.tx(batch, Uint16Array.of(load(testFrame(6, 64))), 1)).toBe(1);
    expect(await outside.collect(1)).toEqual([testFrame(6, 64)]);
  });

  test('frames arrive again after the device was down and up', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    net.exec(null, ['ip', 'link', 'set', dev, 'down']);
    expect(port.tx(batch, Uint16Array.of(load(testFrame(0, 64))), 1)).toBe(0);
    net.exec(null, ['ip', 'link', 'set', dev, 'up']);
    await expect
      .poll(() => {
        outside.feed([testFrame(5, 64)]);
        batch.reset();
        const n = port.rx(batch, 256);
        port.rxRelease();
        return n;
      })
      .toBeGreaterThan(0);
  });

  test('createAfPacketPort says that the device is missing, or waits for it', () => {
    expect(() => open(dev)).toThrow(expect.objectContaining({ code: 'device-missing' }));
    const start = performance.now();
    expect(() => open(dev, { waitMs: 120 })).toThrow('after 0.12 s');
    expect(performance.now() - start).toBeGreaterThan(100);
    const maker = net.spawn(null, `sleep 0.2; ip link add ${dev} type veth peer name ${peer}`);
    const port = open(dev, { waitMs: 5000 });
    expect(port.mtu).toBe(1500);
    return maker.exited();
  });

  test('close leaves the slab usable where the ring was', () => {
    veth();
    const port = open(dev);
    port.close();
    slab.u8.fill(7, 8 << 20, 40 << 20);
    expect(slab.u8[20 << 20]).toBe(7);
    expect(port.rx(batch, 256)).toBe(0);
    expect(port.tx(batch, Uint16Array.of(load(testFrame(0, 64))), 1)).toBe(0);
  });
});
