// The speaker over real TCP on the loopback: 127.0.0.0/8 gives each speaker an address of its own.

import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { type BgpPeerOptions, type BgpSpeaker, createBgpSpeaker } from '../../../src/routing/bgp/speaker.ts';

const A = '127.0.0.71';
const B = '127.0.0.72';

const until = async (probe: () => boolean): Promise<void> => {
  const endMs = performance.now() + 10_000;
  while (!probe()) {
    if (performance.now() > endMs) throw new Error('not within ten seconds');
    await new Promise((done) => setTimeout(done, 2));
  }
};

const running: BgpSpeaker[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((s) => s.stop()));
});

const start = async (
  me: string,
  as: number,
  listenPort: number | undefined,
  peer: Omit<BgpPeerOptions, 'name' | 'localAddress'>,
) => {
  const gone: string[] = [];
  const speaker = createBgpSpeaker({
    as,
    routerId: as,
    ...(listenPort === undefined ? {} : { listen: { address: me, port: listenPort } }),
    peers: [{ name: 'peer', localAddress: me, connectRetrySeconds: 0.05, ...peer }],
    events: { route() {}, withdraw: (w) => void gone.push(`${w.prefix}/${w.len}`), session() {} },
  });
  await speaker.start();
  running.push(speaker);
  return { speaker, gone, status: () => speaker.status().peers[0] };
};

/** A listens on a port of the system's choice, B connects. */
const pair = async () => {
  const a = await start(A, 65001, 0, { address: B, as: 65002, passive: true });
  const port = a.speaker.status().listenPort ?? 0;
  const b = await start(B, 65002, undefined, { address: A, as: 65001, port });
  await until(() => a.status().state === 'Established' && b.status().state === 'Established');
  return { a, b, port };
};

describe('createTcpTransport', () => {
  it('carries a session, 20,000 routes each way, and their end', async () => {
    const { a, b } = await pair();
    for (let i = 0; i < 20_000; i++) {
      a.speaker.announce({ prefix: 0x0a000000 + i, len: 32 });
      b.speaker.announce({ prefix: 0x0b000000 + i, len: 32 });
    }
    await until(() => a.status().prefixes.accepted === 20_000 && b.status().prefixes.accepted === 20_000);
    expect(a.speaker.received()[0]).toMatchObject({ prefix: '11.0.0.0/32', nextHop: B });
    await b.speaker.stop('done');
    await until(() => a.gone.length === 20_000);
    expect(a.status().lastError?.text).toBe('peer: Cease/Administrative Shutdown "done"');
  });

  it('tries again until somebody listens', async () => {
    const reserved = createServer();
    await new Promise<void>((done) => reserved.listen(0, A, done));
    const address = reserved.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((done) => reserved.close(done));
    const b = await start(B, 65002, undefined, { address: A, as: 65001, port });
    await until(() => b.status().counters.connectsFailed >= 2);
    expect(b.status().lastError?.text).toContain('ECONNREFUSED');
    const a = await start(A, 65001, port, { address: B, as: 65002, passive: true });
    await until(() => a.status().state === 'Established' && b.status().state === 'Established');
  });

  it('delivers the NOTIFICATION to a peer that is still talking', async () => {
    const { port } = await pair();
    const heard: Buffer[] = [];
    const socket = connect({ host: A, port, localAddress: '127.0.0.73' });
    socket.on('data', (chunk) => heard.push(chunk));
    socket.on('error', () => {}); // it goes on writing into a closed connection
    socket.write(Buffer.alloc(60_000, 0xff));
    await new Promise((done) => socket.on('close', done));
    expect(Buffer.concat(heard).subarray(18).toString('hex')).toBe('030605');
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((i) => i?.some((a) => a.address === '::1'));
  it.skipIf(!hasIpv6)('knows an IPv4 peer at a listener for both families (needs IPv6)', async () => {
    const a = await start('::', 65001, 0, { address: B, as: 65002, passive: true });
    const port = a.speaker.status().listenPort ?? 0;
    const b = await start(B, 65002, undefined, { address: '127.0.0.1', as: 65001, port });
    await until(() => a.status().state === 'Established' && b.status().state === 'Established');
    expect(a.status().localAddress).toBe('127.0.0.1');
  });

  it('says who has the port', async () => {
    const { port } = await pair();
    const second = createBgpSpeaker({
      as: 65003,
      routerId: 3,
      listen: { address: A, port },
      peers: [],
      events: { route() {}, withdraw() {}, session() {} },
    });
    await expect(second.start()).rejects.toMatchObject({
      code: 'bgp-listen-failed',
      hint: expect.stringContaining('another BGP daemon'),
    });
  });
});
