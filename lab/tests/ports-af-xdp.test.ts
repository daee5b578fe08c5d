import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gsoFrame, portSuite, testFrame } from '../../native-free-tests/conformance/port-suite.ts';
import { Batch, OFFLOAD_CSUM, OFFLOAD_VNET } from '../../src/base/batch.ts';
import { pseudoSum4 } from '../../src/base/checksum.ts';
import { portId } from '../../src/base/ids.ts';
import { HEADROOM, Slab } from '../../src/base/slab.ts';
import { type AfXdpOptions, afXdpChunks, createAfXdpPort } from '../../src/ports/af-xdp.ts';
import { XdpUmem } from '../../src/ports/af-xdp-umem.ts';
import { closeWakeFd, createPoller, createWakeFd } from '../../src/ports/poll.ts';
import type { Port } from '../../src/ports/port.ts';
import type { XdpMode } from '../../src/ports/xdp-link.ts';
import { dot1qPush } from '../../src/wire/dot1q.ts';
import { vnetCsumStart } from '../../src/wire/virtio-net.ts';
import { createNetns, describeRoot, type Netns } from './netns.ts';
import { type Outside, openOutside } from './outside.ts';

const RX_SLOTS = 1024;

describeRoot('af-xdp', ['ethtool'], () => {
  describe.each(['native', 'generic'] as const)('%s', (mode: XdpMode) => {
    portSuite(`af-xdp ${mode}`, () => {
      const net = createNetns('nhp-xdp');
      const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
      net.veth({ dev }, { dev: peer });
      const outside = openOutside(peer);
      const slab = new Slab(64 << 20);
      const umem = new XdpUmem(slab, afXdpChunks(RX_SLOTS));
      const port = createAfXdpPort(
        { id: portId(3), name: 'p', device: dev, mode, rxSlots: RX_SLOTS },
        slab,
        umem,
      );
      return {
        port,
        slab,
        feed: (frames) => outside.feed(frames),
        collect: (count) => outside.collect(count),
        choke: () => {
          net.exec(null, ['ip', 'link', 'set', peer, 'down']);
        },
        cleanup: async () => {
          outside.close();
          await net.cleanup();
        },
      };
    });
  });

  let net: Netns;
  let slab: Slab;
  let batch: Batch;
  let umem: XdpUmem;
  let dev: string;
  let peer: string;
  const ends: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(end: T): T => {
    ends.push(end);
    return end;
  };
  const open = (device: string, options: Partial<AfXdpOptions> = {}): Port =>
    keep(
      createAfXdpPort(
        { id: portId(ends.length), name: 'p', device, rxSlots: RX_SLOTS, ...options },
        slab,
        umem,
      ),
    );
  const outsideOf = (device: string): Outside => keep(openOutside(device));
  const veth = (): void => net.veth({ dev }, { dev: peer });
  const load = (bytes: Uint8Array): number => {
    const slot = batch.alloc(bytes.length);
    batch.u8.set(bytes, batch.off[slot]);
    return slot;
  };
  /** Asks the port until it has `count` frames, three seconds at most; they stay in the batch. */
  const fill = async (port: Port, count: number): Promise<void> => {
    const end = Date.now() + 3000;
    batch.reset();
    while (batch.count < count && Date.now() < end) {
      if (port.rx(batch, 256) === 0) await new Promise((done) => setTimeout(done, 1));
    }
  };
  const frames = (): Uint8Array[] =>
    Array.from({ length: batch.count }, (_, i) => batch.u8.slice(batch.off[i], batch.off[i] + batch.len[i]));
  const receive = async (port: Port, count: number): Promise<Uint8Array[]> => {
    await fill(port, count);
    const got = frames();
    port.rxRelease();
    return got;
  };
  const idxOf = (first: number, count: number): Uint16Array =>
    Uint16Array.from({ length: count }, (_, i) => first + i);
  /** Asks an idle port for frames, so that it looks at its device, until something is so; three seconds at most. */
  const idleUntil = async (port: Port, done: () => boolean): Promise<void> => {
    const end = Date.now() + 3000;
    while (!done() && Date.now() < end) {
      for (let i = 0; i < 40; i++) port.rx(batch, 256);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const xdpOf = (device: string): string =>
    net.exec(null, `ip link show dev ${device} | grep -o ' xdp[a-z]* ' || true`).trim();

  beforeEach(() => {
    net = createNetns('nhp-xdp');
    [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    slab = new Slab(128 << 20);
    batch = new Batch(slab, 4 << 20);
    umem = new XdpUmem(slab, 2 * afXdpChunks(RX_SLOTS));
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) end.close();
    await net.cleanup();
  });

  test('tx sends a frame of another port from its chunk, rewritten and with a tag, and any other frame from a copy', async () => {
    veth();
    const [dev2, peer2] = [net.deviceName('c'), net.deviceName('d')];
    net.veth({ dev: dev2 }, { dev: peer2 });
    const [a, b, outside, far] = [open(dev), open(dev2), outsideOf(peer), outsideOf(peer2)];
    const free = umem.free;
    for (let round = 0; round < 40; round++) {
      const fed = Array.from({ length: 50 }, (_, i) => testFrame(round * 50 + i, 60 + round * 10));
      outside.feed(fed);
      await fill(a, 50);
      expect(batch.count).toBe(50);
      for (let i = 0; i < 50; i++) {
        expect(batch.off[i] - HEADROOM).toBeGreaterThanOrEqual(umem.off);
        batch.off[i] = dot1qPush(batch.u8, batch.view, batch.off[i], 7);
        batch.len[i] += 4;
      }
      const own = fed.map((bytes) => load(bytes));
      const taken: number[] = [];
      while (umem.free > 0) taken.push(umem.take(1));
      expect(b.tx(batch, Uint16Array.from(own), 50), 'no chunk for a copy').toBe(0);
      expect(b.tx(batch, idxOf(0, 50), 50), 'sent without a copy').toBe(50);
      for (const chunk of taken) umem.give(chunk);
      expect(b.tx(batch, Uint16Array.from(own), 50)).toBe(50);
      expect(b.tx(batch, idxOf(0, 50), 50), 'its bytes are still there').toBe(50);
      expect(await far.collect(150)).toEqual([...fed, ...fed, ...fed]); // the kernel there takes the tag out
      a.rxRelease();
      expect(umem.free).toBe(free);
    }
  });

  test('tx sends a frame that idx names twice, twice', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    outside.feed([testFrame(1, 300), testFrame(2, 200)]);
    await fill(port, 2);
    expect(port.tx(batch, Uint16Array.of(0, 1, 0), 3)).toBe(3);
    expect(await outside.collect(3)).toEqual([testFrame(1, 300), testFrame(2, 200), testFrame(1, 300)]);
    port.rxRelease();
  });

  test('tx takes more frames than its ring holds', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const list = Array.from({ length: 1500 }, (_, i) => testFrame(i, 64));
    const idx = Uint16Array.from(list.map(load));
    expect(port.tx(batch, idx, 1500)).toBe(1500);
    expect(await outside.collect(1500)).toEqual(list);
  });

  test('tx passes over a frame that is too large and sends the others', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const idx = Uint16Array.of(
      load(testFrame(0, 64)),
      load(testFrame(1, 1519)),
      load(testFrame(2, 2100)),
      load(testFrame(3, 1514)),
    );
    expect(port.tx(batch, idx, 4)).toBe(2);
    expect(await outside.collect(2)).toEqual([testFrame(0, 64), testFrame(3, 1514)]);
    expect([...idx]).toEqual([0, 3, 1, 2]); // what was sent stands first
    expect([port.stats.txPackets, port.stats.txDropped]).toEqual([2, 2]);
  });

  test('a device whose packets do not fit a chunk is refused', () => {
    net.veth({ dev, mtu: 1775 }, { dev: peer, mtu: 1775 });
    expect(() => open(dev)).toThrow(expect.objectContaining({ code: 'mtu-too-large' }));
    net.exec(null, ['ip', 'link', 'set', dev, 'mtu', '1774']);
    expect(open(dev).mtu).toBe(1774);
  });

  test('rx hands over frames of the largest MTU', async () => {
    net.veth({ dev, mtu: 1774 }, { dev: peer, mtu: 1774 });
    const [port, outside] = [open(dev), outsideOf(peer)];
    outside.feed([testFrame(1, 1788), testFrame(2, 60)]);
    expect(await receive(port, 2)).toEqual([testFrame(1, 1788), testFrame(2, 60)]);
  });

  test('rx counts frames that there was no chunk for', async () => {
    veth();
    const port = open(dev, { rxSlots: 64 });
    const outside = outsideOf(peer);
    const fed = Array.from({ length: 200 }, (_, i) => testFrame(i, 64));
    outside.feed(fed);
    expect(await receive(port, 64)).toEqual(fed.slice(0, 64));
    await idleUntil(port, () => port.stats.rxDropped === 136);
    expect(port.stats.rxDropped).toBe(136);
    outside.feed([testFrame(999, 64)]);
    expect(await receive(port, 1)).toEqual([testFrame(999, 64)]);
  });

  test.each([
    ['native', 3],
    ['generic', 0],
  ] as const)(
    'a GSO frame of a sender with default offloads arrives in mode %s as %i frames',
    async (mode, count) => {
      veth();
      const port = open(dev, { mode });
      const outside = outsideOf(peer);
      outside.feedOffload(gsoFrame(3000));
      if (count === 0) {
        await idleUntil(port, () => port.stats.rxDropped > 0);
        expect([port.stats.rxPackets, port.stats.rxDropped]).toEqual([0, 1]);
        return;
      }
      await fill(port, count);
      expect([...batch.len.subarray(0, batch.count)]).toEqual([1502, 1502, 158]);
      const payload = frames().flatMap((frame) => [...frame.subarray(54)]);
      expect(payload).toEqual([...gsoFrame(3000).bytes.subarray(54)]);
    },
  );

  test('rx marks a checksum that the sender left to its device', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const { bytes, vnet } = gsoFrame(100);
    vnet.fill(0, 1, 6); // partial checksum, no GSO
    const view = new DataView(bytes.buffer);
    view.setUint16(50, pseudoSum4(view.getUint32(26), view.getUint32(30), 6, bytes.length - 34));
    outside.feedOffload({ bytes, vnet });
    await fill(port, 1);
    expect(batch.offload[0]).toBe(OFFLOAD_VNET | OFFLOAD_CSUM);
    expect(vnetCsumStart(batch.view, batch.off[0])).toBe(34);
  });

  test('with a host, the port gets unicast IPv4 to others and a copy of ARP; the kernel gets the rest', async () => {
    veth();
    const port = open(dev, { host: { vlans: [0, 9], addresses: [0x0a000001] } });
    const [outside, kernel] = [outsideOf(peer), outsideOf(dev)];
    const ip = (dst: number, vlan = 0, group = false): Uint8Array => {
      const bytes = testFrame(dst, 100);
      const view = new DataView(bytes.buffer);
      if (group) bytes[0] = 0x01;
      if (vlan !== 0) view.setUint32(12, 0x8100_0000 + vlan);
      view.setUint16(vlan === 0 ? 12 : 16, 0x0800);
      view.setUint32(vlan === 0 ? 30 : 34, dst);
      return bytes;
    };
    const arp = testFrame(5, 60);
    arp.set([0x08, 0x06], 12);
    const [own, other, elsewhere] = [ip(0x0a000001), ip(0x0a000002), ip(0x0a000001, 8)];
    const multicast = ip(0x0a000002, 0, true);
    // Between two stacks a tag travels beside the frame, where no XDP program sees it.
    net.exec(null, ['ethtool', '-K', peer, 'txvlan', 'off']);
    outside.feed([own, other, arp, multicast, elsewhere, ip(0x0a000001, 9), ip(0x0a000002, 9)]);
    const got = await receive(port, 4);
    expect(got.filter((bytes) => bytes[13] !== 0x06)).toEqual([other, elsewhere, ip(0x0a000002, 9)]);
    expect(got.filter((bytes) => bytes[13] === 0x06)).toEqual([arp]);
    const left = await kernel.collect(4);
    expect(left.slice(0, 3)).toEqual([own, arp, multicast]);
    expect(left).toHaveLength(4); // the tagged one, whose tag the kernel has taken out
    expect([port.stats.rxPackets, port.stats.rxBytes]).toEqual([4, 360]);
  });

  test('with a host, a poller wakes by frames and by ARP alike', async () => {
    veth();
    const port = open(dev, { host: { vlans: [0], addresses: [] } });
    const outside = outsideOf(peer);
    const wakeFd = createWakeFd();
    const poller = createPoller([port.pollFd], wakeFd);
    const arp = testFrame(5, 60);
    arp.set([0x08, 0x06], 12);
    const ip = testFrame(6, 60);
    ip.set([0x08, 0x00], 12);
    for (const bytes of [arp, ip]) {
      expect(poller.wait(0)).toBe(0);
      outside.feed([bytes]);
      expect(poller.wait(1000)).toBe(1);
      expect(await receive(port, 1)).toEqual([bytes]);
    }
    closeWakeFd(wakeFd);
  });

  test('the port comes back with its device, under the same descriptor', async () => {
    veth();
    const port = open(dev);
    const fd = port.pollFd;
    const free = umem.free;
    net.exec(null, ['ip', 'link', 'del', dev]);
    expect(port.rx(batch, 256)).toBe(0);
    expect(port.tx(batch, Uint16Array.of(load(testFrame(0, 64))), 1)).toBe(0);
    await idleUntil(port, () => !port.linkUp);
    expect(port.linkUp).toBe(false);
    net.veth({ dev, mac: '02:00:00:00:77:01', mtu: 1400 }, { dev: peer });
    const outside = outsideOf(peer);
    await idleUntil(port, () => port.linkUp === true);
    expect(xdpOf(dev)).toBe('xdp');
    outside.feed([testFrame(5, 64)]);
    expect(await receive(port, 1)).toEqual([testFrame(5, 64)]);
    expect([port.pollFd, port.mtu, port.macHi, port.macLo]).toEqual([fd, 1400, 0x0200, 0x00007701]);
    batch.reset();
    expect(port.tx(batch, Uint16Array.of(load(testFrame(6, 64))), 1)).toBe(1);
    expect(await outside.collect(1)).toEqual([testFrame(6, 64)]);
    expect(umem.free).toBe(free);
  });

  test('frames that waited while the device was down are dropped, and later ones pass', async () => {
    veth();
    const [port, outside] = [open(dev), outsideOf(peer)];
    const free = umem.free;
    net.exec(null, ['ip', 'link', 'set', dev, 'down']);
    const early = Array.from({ length: 20 }, (_, i) => load(testFrame(i, 64)));
    expect(port.tx(batch, Uint16Array.from(early), 20)).toBe(0);
    expect(port.stats.txDropped).toBe(20);
    net.exec(null, ['ip', 'link', 'set', dev, 'up']);
    await expect.poll(() => net.exec(null, `ip -o link show ${dev}`)).toContain('state UP');
    const late = load(testFrame(77, 64));
    await idleUntil(port, () => port.tx(batch, Uint16Array.of(late), 1) === 1);
    expect(await outside.collect(1)).toEqual([testFrame(77, 64)]);
    expect(umem.free).toBe(free);
  });

  test('createAfXdpPort says that the device is missing or busy, and leaves nothing behind', () => {
    expect(() => open(dev)).toThrow(expect.objectContaining({ code: 'device-missing' }));
    expect(() => open(dev, { waitMs: 120 })).toThrow('after 0.12 s');
    veth();
    const free = umem.free;
    const first = open(dev);
    expect(() => open(dev)).toThrow(expect.objectContaining({ code: 'device-busy' }));
    first.close();
    expect([umem.free, xdpOf(dev)]).toEqual([free, '']);
    const second = open(dev, { mode: 'generic' });
    expect(xdpOf(dev)).toBe('xdpgeneric');
    second.close();
  });

  test('close takes the program off the device and gives every chunk back', async () => {
    veth();
    const chunks = umem.free;
    const [port, outside] = [open(dev), outsideOf(peer)];
    expect(xdpOf(dev)).toBe('xdp');
    expect(umem.free).toBe(chunks - RX_SLOTS);
    outside.feed([testFrame(1, 64)]);
    await fill(port, 1);
    port.close();
    expect(xdpOf(dev)).toBe('');
    expect(umem.free).toBe(chunks);
    slab.u8.fill(7, 8 << 20, 40 << 20);
    expect([port.rx(batch, 256), port.tx(batch, Uint16Array.of(load(testFrame(0, 64))), 1)]).toEqual([0, 0]);
  });
});
