import { expect, test } from 'vitest';
import { portSuite } from '../../native-free-tests/conformance/port-suite.ts';
import { Batch } from '../../src/base/batch.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createTapPort } from '../../src/ports/tap.ts';
import { createNetns, describeRoot } from './netns.ts';
import { openOutside } from './outside.ts';

describeRoot('tap', ['/dev/net/tun'], () => {
  portSuite('tap', () => {
    const net = createNetns('nhp-tap');
    const device = net.deviceName('t');
    const slab = new Slab(64 << 20);
    const port = createTapPort({ id: portId(3), name: 'p', device }, slab);
    const outside = openOutside(device);
    return {
      port,
      slab,
      feed: (frames) => outside.feed(frames),
      collect: (count) => outside.collect(count),
      feedOffload: (frame) => outside.feedOffload(frame),
      collectOffload: (count) => outside.collectOffload(count),
      choke: () => {
        net.exec(null, ['ip', 'link', 'set', device, 'down']);
      },
      cleanup: async () => {
        outside.close();
        await net.cleanup();
      },
    };
  });

  test('createTapPort sets MAC and MTU, brings the device up and takes it away again', async () => {
    const net = createNetns('nhp-tap');
    const device = net.deviceName('t');
    const deviceMac = { hi: 0x0200, lo: 0x00001234 };
    const port = createTapPort(
      { id: portId(0), name: 'p', device, deviceMac, mtu: 1400 },
      new Slab(16 << 20),
    );
    const shown = net.exec(null, ['ip', 'link', 'show', device]);
    expect(shown).toContain('02:00:00:00:12:34');
    expect(shown).toContain('mtu 1400');
    expect(shown).toMatch(/[<,]UP[,>]/);
    expect(port.mtu).toBe(1400);
    port.close();
    expect(net.exec(null, 'ip -o link')).not.toContain(`${device}:`);
    await net.cleanup();
  });

  test('createTapPort keeps a persistent device, and takes it over the next time', async () => {
    const net = createNetns('nhp-tap');
    const device = net.deviceName('t');
    const open = (persistent: boolean) =>
      createTapPort({ id: portId(0), name: 'p', device, persistent }, new Slab(16 << 20));
    const first = open(true);
    expect(() => open(true)).toThrow(expect.objectContaining({ code: 'device-busy' }));
    first.close();
    expect(net.exec(null, 'ip -o link')).toContain(`${device}:`);
    open(false).close();
    expect(net.exec(null, 'ip -o link')).not.toContain(`${device}:`);
    await net.cleanup();
  });

  test('createTapPort refuses a device that is no TAP, and a name that is none', async () => {
    const net = createNetns('nhp-tap');
    const [dev, peer] = [net.deviceName('a'), net.deviceName('b')];
    net.veth({ dev }, { dev: peer });
    const open = (device: string) => createTapPort({ id: portId(0), name: 'p', device }, new Slab(16 << 20));
    expect(() => open(dev)).toThrow(`could not make the TAP device '${dev}': EINVAL`);
    expect(() => open('a-name-that-is-too-long')).toThrow(
      expect.objectContaining({ code: 'device-name-invalid' }),
    );
    await net.cleanup();
  });

  test('rx makes a device again that somebody removed', async () => {
    const net = createNetns('nhp-tap');
    const device = net.deviceName('t');
    const slab = new Slab(32 << 20);
    const port = createTapPort({ id: portId(0), name: 'p', device }, slab);
    const batch = new Batch(slab, 1 << 20);
    const fd = port.pollFd;
    net.exec(null, ['ip', 'link', 'del', device]);
    await expect
      .poll(() => {
        port.rx(batch, 256);
        port.rxRelease();
        return net.exec(null, 'ip -o link');
      })
      .toContain(`${device}:`);
    expect(port.pollFd).toBe(fd);
    port.close();
    await net.cleanup();
  });
});
