// The ports that live behind a ring in the main thread, with the real packages; and the ring between two threads.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { portSuite, testFrame } from '../../native-free-tests/conformance/port-suite.ts';
import { Batch } from '../../src/base/batch.ts';
import { checksum } from '../../src/base/checksum.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createCapPort, startCapPump } from '../../src/ports/cap.ts';
import { HostRingPump, type HostRingShared } from '../../src/ports/host-ring.ts';
import { loadOptionalPackage } from '../../src/ports/optional-package.ts';
import { createRawIpPort, startRawIpPump } from '../../src/ports/raw-ip.ts';
import { createNetns, describeRoot } from './netns.ts';
import { openOutside } from './outside.ts';

const missing = ['cap', 'raw-socket'].filter((name) => {
  try {
    createRequire(import.meta.url)(name);
    return false;
  } catch {
    return true;
  }
});
const has = (name: string): string[] => (missing.includes(name) ? [`package-${name}`] : []);

describeRoot('cap', has('cap'), () => {
  portSuite('cap', () => {
    const net = createNetns('nhp-cap');
    const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    net.veth({ dev, mtu: 3000 }, { dev: peer, mtu: 3000 });
    const outside = openOutside(peer);
    const slab = new Slab(64 << 20);
    const port = createCapPort({ id: portId(3), name: 'c', device: dev }, slab);
    const pump = startCapPump({ name: 'c', device: dev, mtu: port.mtu, snapBytes: 2100 }, port.shared);
    outside.feed([new Uint8Array(60).fill(2)]); // libpcap loses the first frame behind its filter
    return {
      port,
      slab,
      feed: (frames) => outside.feed(frames),
      collect: (count) => outside.collect(count),
      feedTruncated: () => outside.feed([testFrame(7, 2500)]),
      cleanup: async () => {
        pump.close();
        outside.close();
        await net.cleanup();
      },
    };
  });

  test('createCapPort and startCapPump say that the device is missing or down', async () => {
    const net = createNetns('nhp-cap');
    const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    net.veth({ dev }, { dev: peer });
    const slab = new Slab(64 << 20);
    const open = (device: string) => createCapPort({ id: portId(0), name: 'c', device }, slab);
    expect(() => open('nhp-none')).toThrow(expect.objectContaining({ code: 'device-missing' }));
    const port = open(dev);
    const start = (device: string) => startCapPump({ name: 'c', device, mtu: 1500 }, port.shared);
    expect(() => start('nhp-none')).toThrow(expect.objectContaining({ code: 'device-missing' }));
    const tunnel = net.deviceName('t');
    net.exec(null, `ip tuntap add dev ${tunnel} mode tun && ip link set ${tunnel} up`);
    expect(() => start(tunnel)).toThrow(expect.objectContaining({ code: 'device-unsuitable' }));
    net.exec(null, ['ip', 'link', 'set', dev, 'down']);
    expect(() => start(dev)).toThrow(expect.objectContaining({ code: 'device-down' }));
    port.close();
    await net.cleanup();
  });
});

describeRoot('raw-ip', has('raw-socket'), () => {
  const subnet = `198.19.${process.pid & 0xff}`;
  const [source, target] = [1, 2].map((host) => [198, 19, process.pid & 0xff, host]);

  /** Ethernet with an IPv4 packet of protocol 253 (experiments, RFC 3692) that carries the serial number. */
  const ipFrame = (serial: number, len: number): Uint8Array => {
    const bytes = testFrame(serial, len);
    const view = new DataView(bytes.buffer);
    bytes.set([0x08, 0x00, 0x45, 0], 12);
    view.setUint16(16, len - 14);
    bytes.set([1, serial & 0xff, 0x40, 0, 64, 253, 0, 0, ...source, ...target], 18);
    view.setUint16(24, checksum(view, 14, 20));
    for (let i = 34; i < len; i++) bytes[i] = (serial * 31 + i * 7) & 0xff;
    return bytes;
  };

  portSuite(
    'raw-ip',
    () => {
      const net = createNetns('nhp-raw');
      const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
      net.veth({ dev, ip: `${subnet}.1/30` }, { dev: peer });
      net.exec(null, `ip neigh add ${subnet}.2 lladdr 02:00:00:00:00:99 dev ${dev} nud permanent`);
      const outside = openOutside(peer);
      const slab = new Slab(64 << 20);
      const port = createRawIpPort({ id: portId(3), name: 'r' }, slab);
      const pump = startRawIpPump({ name: 'r' }, port.shared);
      const wanted = (bytes: Uint8Array): boolean => bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 253;
      return {
        port,
        slab,
        feed: () => {},
        collect: async (count) => (await outside.collect(count, wanted)).map((bytes) => bytes.slice(14)),
        cleanup: async () => {
          pump.close();
          outside.close();
          await net.cleanup();
        },
      };
    },
    {
      noRx: 'it only sends',
      frame: ipFrame,
      isOurs: (bytes) => bytes.length >= 24 && bytes[23] === 253,
    },
  );

  test('tx counts what the host refuses: no IPv4, no route, longer than the MTU', async () => {
    const net = createNetns('nhp-raw');
    const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    net.veth({ dev, ip: `${subnet}.1/29` }, { dev: peer });
    net.exec(null, `ip route add unreachable ${subnet}.3 metric 1`);
    const slab = new Slab(64 << 20);
    const batch = new Batch(slab, 1 << 20);
    const port = createRawIpPort({ id: portId(0), name: 'r' }, slab);
    const pump = startRawIpPump({ name: 'r' }, port.shared);
    const noRoute = ipFrame(1, 100);
    noRoute[33] = 3;
    const tooLong = ipFrame(2, 9000);
    const noIp = ipFrame(3, 100);
    noIp[14] = 0x65;
    for (const frame of [noRoute, noIp, tooLong]) {
      const slot = batch.alloc(frame.length);
      batch.u8.set(frame, batch.off[slot]);
    }
    expect(port.tx(batch, Uint16Array.of(0, 1, 2), 3)).toBe(3);
    await expect
      .poll(() => {
        port.rx(batch, 1);
        return port.stats.txDropped;
      })
      .toBe(3);
    pump.close();
    port.close();
    net.exec(null, `ip route del unreachable ${subnet}.3`);
    await net.cleanup();
  });
});

describeRoot('host ring', [], () => {
  test('carries frames both ways between the main thread and a worker that sleeps in poll', async () => {
    const urls = ['poll', 'host-ring'].map(
      (name) => new URL(`../../src/ports/${name}.ts`, import.meta.url).href,
    );
    const base = ['slab', 'batch'].map((name) => new URL(`../../src/base/${name}.ts`, import.meta.url).href);
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       (async () => {
         const { tsImport } = await import('tsx/esm/api');
         const [poll, ring, slabs, batches] = await Promise.all(workerData.map((url) => tsImport(url, url)));
         const slab = new slabs.Slab(64 << 20);
         const port = ring.createHostRingPort(
           { id: 0, name: 'w', kind: 'cap', mtu: 1500, l3Only: false }, slab);
         const batch = new batches.Batch(slab, 1 << 20);
         const wakeFd = poll.createWakeFd();
         const poller = poll.createPoller([port.pollFd], wakeFd);
         const idx = Uint16Array.from({ length: 256 }, (_, i) => i);
         parentPort.postMessage(port.shared);
         let echoed = 0;
         let sleeps = 0;
         while (echoed < 2000) {
           batch.reset();
           const n = port.rx(batch, 256);
           if (n === 0) { poller.wait(1000); sleeps++; continue; }
           echoed += port.tx(batch, idx, n);
           port.rxRelease();
         }
         parentPort.postMessage(sleeps);
       })();`,
      { eval: true, workerData: [...urls, ...base] },
    );
    const [shared] = (await once(worker, 'message')) as [HostRingShared];
    const got: Uint8Array[] = [];
    const pump = new HostRingPump(shared, (off, len) => {
      got.push(pump.u8.slice(off, off + len));
    });
    const ended = once(worker, 'message');
    const exited = once(worker, 'exit');
    const sent: Uint8Array[] = [];
    const start = performance.now();
    for (let i = 0; i < 2000; i++) {
      const frame = testFrame(i, 60 + (i % 1400));
      const off = pump.place(frame.length);
      pump.u8.set(frame, off);
      pump.push(0);
      sent.push(frame);
      // pauses, so that both sides sleep and are woken many times
      while (i % 100 === 99 && got.length <= i) await new Promise((done) => setTimeout(done, 1));
    }
    expect(got).toEqual(sent);
    const [sleeps] = await ended;
    expect(sleeps).toBeGreaterThanOrEqual(10);
    expect(performance.now() - start).toBeLessThan(30_000); // a lost wake of the pump would be for ever
    pump.close();
    await exited;
  });

  test('loadOptionalPackage names the package and how to install it', () => {
    expect(() => loadOptionalPackage('nearhop-no-such-package', "port 'x'")).toThrow(
      expect.objectContaining({
        code: 'optional-package-missing',
        hint: expect.stringContaining('npm install'),
      }),
    );
  });
});
