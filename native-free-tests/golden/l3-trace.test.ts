// What a trace says about packets that are routed, answered, refused or kept waiting.

import { describe, expect, it } from 'vitest';
import { compileTraceFilter, type TraceFilter } from '../../src/dataplane/trace-filter.ts';
import { formatTrace, type TraceRecord } from '../../src/dataplane/trace-format.ts';
import { arpReply, icmpEcho, pattern, udp } from './frames.ts';
import type { World } from './harness.ts';
import { far, greenT, l3Site, lan, laptop, server, vm1, vm5 } from './l3-site.ts';

function traced(w: World, filter: TraceFilter = {}, count = 100): World {
  compileTraceFilter(w.trace.filter, filter);
  w.trace.start(count);
  return w;
}

function records(w: World): TraceRecord[] {
  const names = {
    port: (p: number) => w.ports[p].name,
    iface: (i: number) => w.interfaces.names[i],
  };
  return Array.from({ length: w.trace.committed }, (_, k) => formatTrace(w.trace.read(k + 1)!, names));
}

/** The text without the packet's own line. */
const steps = (record: TraceRecord): string[] => record.text.split('\n').slice(1);

describe('trace', () => {
  it('of a local VM to a native network: each node, what it found, the claims', () => {
    const w = traced(l3Site()).send({ vm1: [udp({ from: vm1, to: server, via: greenT })] });
    const [record] = records(w);
    expect(record.packet).toContain('192.168.10.11.4000 > 10.20.0.5.5000');
    const routed = record.steps.filter((s) => s.node.startsWith('ip4') || s.node === 'interface-output');
    const row = w.neighbors.find(w.iface('lan'), server.ip);
    expect(routed.map((s) => [s.node, s.text, s.rule])).toEqual([
      ['ip4-input', '', ''],
      ['ip4-lookup', expect.stringMatching(/^10\.20\.0\.5 has next hop \d+; adjacency \d+$/), ''],
      ['ip4-neighbor', `neighbor ${row}: 10.20.0.5 on lan`, ''],
      [
        'ip4-rewrite',
        'local VM to the Internet or a network outside: routed at the target, where the VM is; to 02:00:00:00:1a:05',
        'S6 S7 S12 S13',
      ],
      ['interface-output', 'sent on lan, 68 bytes', ''],
    ]);
  });

  it.each([
    ['local to local on another network', 'vm1', udp({ from: vm1, to: vm5, via: greenT }), 'S12'],
    ['from outside to a local VM', 'lan', udp({ from: server, to: vm1, via: lan }), 'S14 S16 S17'],
    ['between two routed interfaces', 'lan', udp({ from: server, to: far, via: lan }), 'RFC 1812 §5.2.1'],
  ])('names the rule: %s', (_, port, frame, rule) => {
    const [record] = records(traced(l3Site()).send({ [port]: [frame] }));
    expect(record.steps.find((s) => s.node === 'ip4-rewrite')?.rule).toBe(rule);
  });

  it('of a ping to the gateway: the reply belongs to it', () => {
    const w = traced(l3Site()).send({ vm1: [icmpEcho({ from: vm1, to: greenT })] });
    const [record] = records(w);
    const text = steps(record);
    expect(text).toContain('  reply made by the gateway:');
    expect(record.steps.find((s) => s.packet === 0 && s.node === 'ip4-local')?.text).toContain(
      'done: ping to the gateway; answered (icmp-echo-answered)',
    );
    expect(record.steps.at(-1)).toMatchObject({ packet: 1, text: 'sent on vm1, 74 bytes' });
  });

  it('of a packet that is refused: the reason, and the ICMP error', () => {
    const w = traced(l3Site()).send({ vm1: [udp({ from: vm1, to: server, via: greenT, ttl: 1 })] });
    const [record] = records(w);
    expect(record.steps.find((s) => s.node === 'icmp4-error')).toMatchObject({
      packet: 0,
      text: 'dropped: TTL ran out here (ip4-ttl-expired)',
      rule: 'RFC 1812 §5.3.1',
    });
    expect(record.steps.some((s) => s.packet === 1 && s.text.startsWith('sent on vm1'))).toBe(true);
  });

  it('of a packet that waits: the ARP that it caused, and a second trace when it goes on', () => {
    const w = traced(l3Site(), { host: laptop.ip }, 1);
    w.send({ vm1: [udp({ from: vm1, to: laptop, via: greenT })] });
    w.send({ lan: [arpReply({ from: laptop, to: lan })] });
    const [first, second, ...more] = records(w);
    expect(more).toEqual([]);
    expect(steps(first)).toContain('  ARP made by the gateway:');
    expect(first.steps.filter((s) => s.packet === 0).at(-1)?.text).toContain(
      'packet waits for its neighbor to be resolved (neighbor-queued)',
    );
    expect(second.from).toBe(first.id);
    expect(second.text).toContain(`(after #${first.id}, which waited)`);
    expect(second.steps.at(-1)?.text).toBe('sent on lan, 68 bytes');
  });

  it('of fragments: each is followed to its port', () => {
    const w = l3Site({ ports: { vm1: { mtu: 3000 } } });
    traced(w).send({ vm1: [udp({ from: vm1, to: server, via: greenT, payload: pattern(2000) })] });
    const [record] = records(w);
    const sent = record.steps.filter((s) => s.text.startsWith('sent on lan')).map((s) => s.packet);
    expect(sent).toEqual([1, 2]);
    expect(steps(record).filter((line) => line === '  fragment:').length).toBe(2);
  });

  it('keeps to its filter', () => {
    const w = traced(l3Site(), { port: 5001 });
    w.send({ vm1: [5000, 5001, 5002].map((dport) => udp({ from: vm1, to: server, via: greenT, dport })) });
    expect(records(w).map((r) => r.packet)).toEqual([expect.stringContaining('10.20.0.5.5001')]);
  });

  it('changes nothing about what is sent and counted', () => {
    const frames = [
      udp({ from: vm1, to: server, via: greenT }),
      icmpEcho({ from: vm1, to: greenT }),
      udp({ from: vm1, to: laptop, via: greenT, ttl: 1 }),
    ];
    const plain = l3Site().send({ vm1: frames });
    const withTrace = traced(l3Site()).send({ vm1: frames });
    expect(withTrace.sent()).toEqual(plain.sent());
    expect(withTrace.counted()).toEqual(plain.counted());
  });
});
