import { portSuite } from '../../native-free-tests/conformance/port-suite.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createAfPacketPort } from '../../src/ports/af-packet.ts';
import { createNetns, describeRoot } from './netns.ts';
import { openOutside } from './outside.ts';

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
});
