// A device that two ports share, as the workers of a gateway do: each frame comes to one of them, a flow always to the same, also
// when what the other sends could make the kernel think otherwise.

import { expect, test } from 'vitest';
import { host, pattern, udp } from '../../native-free-tests/golden/frames.ts';
import { Batch } from '../../src/base/batch.ts';
import { portId } from '../../src/base/ids.ts';
import { Slab } from '../../src/base/slab.ts';
import { createAfPacketPort } from '../../src/ports/af-packet.ts';
import type { Port } from '../../src/ports/port.ts';
import { createTapPort } from '../../src/ports/tap.ts';
import { createNetns, describeRoot } from './netns.ts';
import { openOutside } from './outside.ts';

const FLOWS = 64;
const EACH = 5;
const here = host('here', '02:00:00:00:00:01', '198.18.0.1');
const there = host('there', '02:00:00:00:00:02', '198.18.0.2');

/** Frame `n` of a flow, and which it was. */
const frame = (flow: number, n: number): Uint8Array => {
  const payload = pattern(26);
  payload.set([flow, n]);
  return udp({ from: here, to: there, sport: 1000 + flow, payload });
};
const answer = (flow: number): Uint8Array => udp({ from: there, to: here, sport: 5000, dport: 1000 + flow });

class End {
  readonly got: string[] = [];
  readonly port: Port;
  readonly #batch: Batch;

  constructor(open: (slab: Slab) => Port) {
    const slab = new Slab(64 << 20);
    this.port = open(slab);
    this.#batch = new Batch(slab, 1 << 20);
  }

  /** Takes what is there: `flow n`. */
  take(): void {
    const { u8, off } = this.#batch;
    this.#batch.reset();
    const n = this.port.rx(this.#batch, 256);
    for (let i = 0; i < n; i++) {
      // the kernel of the other side sends IPv6 of its own
      if (u8[off[i] + 12] === 8 && u8[off[i] + 13] === 0)
        this.got.push(`${u8[off[i] + 42]} ${u8[off[i] + 43]}`);
    }
    this.port.rxRelease();
  }

  send(bytes: Uint8Array): void {
    this.#batch.reset();
    const i = this.#batch.alloc(bytes.length);
    this.#batch.u8.set(bytes, this.#batch.off[i]);
    this.port.tx(this.#batch, Uint16Array.of(i), 1);
  }
}

async function settle(ends: readonly End[]): Promise<void> {
  for (let quiet = 0; quiet < 20; quiet++) {
    const before = ends[0].got.length + ends[1].got.length;
    for (const end of ends) end.take();
    if (ends[0].got.length + ends[1].got.length > before) quiet = 0;
    await new Promise((done) => setTimeout(done, 2));
  }
}

const flowsOf = (end: End): Set<string> => new Set(end.got.map((g) => g.split(' ')[0]));

describeRoot('shares of a device', ['/dev/net/tun'], () => {
  test.each(['af-packet', 'tap'])(
    '%s: each frame comes to one, a flow to the same, in its order',
    async (kind) => {
      const net = createNetns('nhp-share');
      const [device, peer] = [net.deviceName('a'), net.deviceName('b')];
      if (kind === 'af-packet') net.veth({ dev: device }, { dev: peer });
      const options = { id: portId(0), name: 'p', device };
      const open = (share: number | undefined) =>
        new End((slab) =>
          kind === 'tap'
            ? createTapPort({ ...options, queues: true }, slab)
            : createAfPacketPort({ ...options, rxSlots: 255, fanout: share ?? -1 }, slab),
        );
      const first = open(undefined);
      const second = open(first.port.share);
      const outside = openOutside(kind === 'tap' ? device : peer);
      const ends = [first, second];
      await settle(ends);
      for (let n = 0; n < EACH; n++) {
        for (let flow = 0; flow < FLOWS; flow++) {
          outside.feed([frame(flow, n)]);
          // by the one that did not get the flow, half of the time
          if (flow % 2 === 0) ends[n % 2].send(answer(flow));
        }
        await settle(ends);
      }
      const all = [...first.got, ...second.got];
      expect(all).toHaveLength(FLOWS * EACH);
      expect(new Set(all).size).toBe(FLOWS * EACH);
      for (const end of ends) {
        expect(flowsOf(end).size).toBeGreaterThan(FLOWS / 8);
        for (const flow of flowsOf(end)) {
          const seqs = end.got.filter((g) => g.startsWith(`${flow} `));
          expect(seqs).toEqual(Array.from({ length: EACH }, (_, n) => `${flow} ${n}`));
        }
      }
      outside.close();
      for (const { port } of ends) port.close();
      await net.cleanup();
    },
  );
});
