import { afterEach, expect, test } from 'vitest';
import { createNetns, describeRoot, type Netns } from './netns.ts';

describeRoot('createNetns', ['ping'], () => {
  let net: Netns;
  afterEach(() => net.cleanup());

  test('veth joins two namespaces, with addresses and MACs', () => {
    net = createNetns('nhp-netns');
    const [a, b] = [net.ns('a'), net.ns('b')];
    net.veth(
      { ns: a, dev: 'eth0', ip: '10.9.0.1/24', mac: '02:00:00:00:00:01' },
      { ns: b, dev: 'eth0', ip: '10.9.0.2/24', mac: '02:00:00:00:00:02', mtu: 1400 },
    );
    expect(net.exec(a, 'ping -c1 -W1 10.9.0.2')).toContain('1 received');
    expect(net.exec(a, 'ip neigh')).toContain('02:00:00:00:00:02');
    expect(net.exec(b, ['ip', 'link', 'show', 'eth0'])).toContain('mtu 1400');
  });

  test('exec and run throw with what the command wrote', async () => {
    net = createNetns('nhp-netns');
    const a = net.ns('a');
    expect(() => net.exec(a, 'echo broken >&2; exit 3')).toThrow('broken');
    await expect(net.run(a, 'echo broken >&2; exit 3')).rejects.toThrow('broken');
    expect(await net.run(a, 'echo fine')).toBe('fine\n');
  });

  test('spawn runs in the namespace; waitFor sees its output and its end', async () => {
    net = createNetns('nhp-netns');
    const a = net.ns('a');
    const proc = net.spawn(a, 'echo ready; exec sleep 60');
    await proc.waitFor(/ready/);
    expect(net.exec(null, ['ip', 'netns', 'pids', a]).trim()).toBe(String(proc.pid));
    await proc.stop();
    await expect(proc.waitFor(/never/)).rejects.toThrow('ended');
    await expect(net.spawn(a, 'sleep 60').waitFor(/never/, 50)).rejects.toThrow('no /never/ in 50 ms');
  });

  test('cleanup removes namespaces, devices of the own namespace and daemons left behind', async () => {
    net = createNetns('nhp-netns');
    const a = net.ns('a');
    const dev = net.deviceName('x');
    net.veth({ dev }, { ns: a, dev: 'eth0' });
    const pid = Number(net.exec(a, 'sleep 60 >/dev/null 2>&1 & echo $!'));
    expect(net.exec(null, 'ip -o link')).toContain(dev);
    await net.cleanup();
    expect(net.exec(null, 'ip -o link')).not.toContain(dev);
    expect(net.exec(null, 'ip netns list')).not.toContain(a);
    await expect
      .poll(() => net.exec(null, `cat /proc/${pid}/stat 2>/dev/null || true`))
      .not.toMatch(/sleep\) S/);
  });
});
