// A migration through the whole gateway: what the gateway itself says to a VM that has just arrived must go to the VM's new
// place, though the FDB knew it behind the extension a moment ago.

import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/base/clock.ts';
import { portId } from '../../src/base/ids.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { createInlineGateway, type InlineGateway } from '../../src/gateway/inline.ts';
import { createMemoryPort, type MemoryPort } from '../../src/ports/memory.ts';
import { formatFrame } from '../../src/wire/format.ts';
import { gratuitousArp, host } from '../golden/frames.ts';

const CONFIG = `gateway: { name: esg, packetMemoryMiB: 64 }
ports:
  - { name: ext0, kind: memory }
  - { name: rack0, kind: memory }
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: "02:00:00:00:10:fe", sourceMac: "02:00:00:00:10:01" }
    extension: { port: ext0 }
    members: [rack0]
    vms: [{ name: vm1, mac: "02:00:00:00:aa:01", addresses: [192.168.10.11] }]
`;
const vm1 = host('vm1', '02:00:00:00:aa:01', '192.168.10.11');
const call = { warn: () => {}, emit: () => true, signal: new AbortController().signal };

let gateway: InlineGateway;
let ports: MemoryPort[];

function start(): void {
  const { config, errors } = parseConfig(CONFIG);
  if (config === undefined) throw new Error(errors.map((e) => e.message).join('\n'));
  gateway = createInlineGateway({
    config,
    clock: new VirtualClock(1_000_000),
    openPorts: (slab) => {
      ports = config.ports.map((p, i) => createMemoryPort({ id: portId(i), name: p.name }, slab));
      return ports;
    },
  });
}

const sentBy = (port: number): string[] => {
  const frames: string[] = [];
  for (let f = ports[port].take(); f !== undefined; f = ports[port].take())
    frames.push(formatFrame(f.bytes, 0, f.bytes.length));
  return frames;
};
const reasonsOf = async (): Promise<string[]> =>
  (await gateway.handlers['show.counters']({}, call)).reasons.map((r) => r.reason);

afterEach(() => gateway.close());

describe('vm.migrate', () => {
  it.each(['bulk', 'dr'] as const)(
    '%s: ARP and GARP of T reach the new place, RARP the old one',
    async (kind) => {
      start();
      ports[0].injectFrame(gratuitousArp({ from: vm1 })); // it is seen at the source
      gateway.settle();
      sentBy(0);
      sentBy(1);
      await gateway.handlers['vm.migrate']({ vm: 'vm1', kind }, call);
      gateway.settle();
      expect(sentBy(1)).toEqual([
        'ARP, Request who-has 192.168.10.11 tell 192.168.10.1 (02:00:00:00:10:fe)',
        'ARP, Reply 192.168.10.1 is-at 02:00:00:00:10:fe',
      ]);
      expect(sentBy(0)).toEqual(['RARP, Request who-is 02:00:00:00:aa:01 tell 02:00:00:00:aa:01']);
      expect(await reasonsOf()).not.toContain('bvi-egress-extension');
    },
  );
});
