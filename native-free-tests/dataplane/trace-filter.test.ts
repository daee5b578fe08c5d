import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { Batch } from '../../src/base/batch.ts';
import { Slab } from '../../src/base/slab.ts';
import {
  compileTraceFilter,
  type TraceFilter,
  traceFilterMatches,
} from '../../src/dataplane/trace-filter.ts';
import { ARP_REQUEST, arpEmit } from '../../src/wire/arp.ts';
import { ethernetEmit } from '../../src/wire/ethernet.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPV4_MF, ipv4Emit } from '../../src/wire/ipv4.ts';

const batch = new Batch(new Slab(16 << 20));
const words = new Uint32Array(24);
const A = parseIpv4('192.168.10.11');
const B = parseIpv4('10.0.0.1');
const C = parseIpv4('10.0.0.2');

function matches(filter: TraceFilter, i: number): boolean {
  compileTraceFilter(words, filter);
  return traceFilterMatches(words, batch, i);
}

function tcp(options: { tag?: number; protocol?: number; flags?: number; port?: number } = {}): number {
  batch.reset();
  const i = batch.alloc(80);
  const { view } = batch;
  let at = batch.off[i];
  view.setUint32(batch.off[i] + 76, 0);
  at = ethernetEmit(view, at, 0x0200, 1, 0x0200, 2, options.tag === undefined ? 0x0800 : 0x8100);
  if (options.tag !== undefined) {
    view.setUint32(at, ((options.tag << 16) | 0x0800) >>> 0);
    at += 4;
  }
  at = ipv4Emit(view, at, 40, 1, options.flags ?? 0, 64, options.protocol ?? IPPROTO_TCP, A, B);
  view.setUint16(at, 40_000);
  view.setUint16(at + 2, 443);
  batch.port[i] = options.port ?? 3;
  return i;
}

describe('traceFilterMatches', () => {
  it('an empty filter matches everything', () => {
    expect(matches({}, tcp())).toBe(true);
  });

  it.each<[string, TraceFilter, boolean]>([
    ['host: source', { host: A }, true],
    ['host: destination', { host: B }, true],
    ['host: neither', { host: C }, false],
    ['port: source', { port: 40_000 }, true],
    ['port: destination', { port: 443 }, true],
    ['port: neither', { port: 80 }, false],
    ['protocol', { protocol: 6 }, true],
    ['other protocol', { protocol: 17 }, false],
    ['EtherType', { etherType: 0x0800 }, true],
    ['other EtherType', { etherType: 0x0806 }, false],
    ['destination MAC', { mac: { hi: 0x0200, lo: 1 } }, true],
    ['source MAC', { mac: { hi: 0x0200, lo: 2 } }, true],
    ['other MAC', { mac: { hi: 0x0200, lo: 3 } }, false],
    ['port it came by', { inPorts: [9, 3] }, true],
    ['other port', { inPorts: [9, 4] }, false],
    ['no port at all', { inPorts: [] }, false],
    ['untagged', { vlan: 0 }, true],
    ['tagged', { vlan: 10 }, false],
    ['all together', { host: A, port: 443, protocol: 6, vlan: 0, inPorts: [3] }, true],
    ['all but one', { host: A, port: 443, protocol: 6, vlan: 0, inPorts: [4] }, false],
  ])('TCP 192.168.10.11:40000 > 10.0.0.1:443 and filter %s', (_, filter, expected) => {
    expect(matches(filter, tcp())).toBe(expected);
  });

  it('looks behind one VLAN tag', () => {
    expect(matches({ vlan: 10, host: A, port: 443 }, tcp({ tag: 0x600a }))).toBe(true);
    expect(matches({ vlan: 11 }, tcp({ tag: 0x600a }))).toBe(false);
  });

  it('a port filter passes over protocols without ports and later fragments', () => {
    expect(matches({ port: 443 }, tcp({ protocol: IPPROTO_ICMP }))).toBe(false);
    expect(matches({ port: 443 }, tcp({ flags: 5 }))).toBe(false);
    expect(matches({ port: 443 }, tcp({ flags: IPV4_MF }))).toBe(true);
  });

  it('a host filter matches ARP by sender and target', () => {
    batch.reset();
    const i = batch.alloc(60);
    const at = ethernetEmit(batch.view, batch.off[i], 0xffff, 0xffffffff, 0x0200, 2, 0x0806);
    arpEmit(batch.view, at, ARP_REQUEST, 0x0200, 2, A, 0, 0, B);
    expect(matches({ host: A }, i)).toBe(true);
    expect(matches({ host: B }, i)).toBe(true);
    expect(matches({ host: C }, i)).toBe(false);
    expect(matches({ host: A, protocol: 6 }, i)).toBe(false);
    expect(matches({ host: A, port: 80 }, i)).toBe(false);
  });

  it('never reads beyond a frame, whatever its bytes', () => {
    const filter: TraceFilter = { host: A, port: 443 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        batch.reset();
        const i = batch.alloc(bytes.length);
        batch.u8.set(bytes, batch.off[i]);
        // behind the frame lies what would match
        batch.u8.fill(0, batch.off[i] + bytes.length, batch.off[i] + 80);
        const before = matches(filter, i);
        batch.u8.fill(0xff, batch.off[i] + bytes.length, batch.off[i] + 80);
        expect(matches(filter, i)).toBe(before);
      }),
    );
  });
});
