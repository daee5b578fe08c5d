import { describe, expect, it } from 'vitest';
import { Batch } from '../../src/base/batch.ts';
import { VirtualClock } from '../../src/base/clock.ts';
import { Slab } from '../../src/base/slab.ts';
import { NODE } from '../../src/dataplane/graph.ts';
import { RULE } from '../../src/dataplane/rules.ts';
import {
  MADE_REPLY,
  ROW,
  TRACE_ROWS,
  TRACE_STEPS,
  Trace,
  traceFrame,
  traceSteps,
} from '../../src/dataplane/trace.ts';
import { formatTrace } from '../../src/dataplane/trace-format.ts';
import { REASON } from '../../src/stats/reasons.ts';

function setUp() {
  const batch = new Batch(new Slab(16 << 20));
  const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
  const trace = new Trace({ clock });
  return { batch, clock, trace, reader: new Trace({ shared: trace.buffer }) };
}

function packet(batch: Batch, len = 60, fill = 0): number {
  const i = batch.alloc(len);
  batch.u8.fill(fill, batch.off[i], batch.off[i] + len);
  return i;
}

const names = { port: (p: number) => `port${p}`, iface: (i: number) => `if${i}` };

describe('Trace', () => {
  it('keeps count packets, and then stops by itself', () => {
    const { batch, trace, reader } = setUp();
    expect(trace.active).toBe(false);
    reader.start(2);
    expect(trace.active).toBe(true);
    const slots = [packet(batch), packet(batch), packet(batch)];
    for (const i of slots) trace.consider(batch, i);
    expect(slots.map((i) => batch.trace[i] >= 0)).toEqual([true, true, false]);
    expect(trace.active).toBe(false);
    expect(reader.committed, 'nothing is handed out before the round ends').toBe(0);
    trace.commit();
    expect(reader.committed).toBe(2);
  });

  it('keeps the first 128 bytes as they came in, though the packet is rewritten later', () => {
    const { batch, trace, reader } = setUp();
    trace.start(1);
    const i = packet(batch, 300, 0x5a);
    trace.consider(batch, i);
    batch.u8.fill(0, batch.off[i], batch.off[i] + 300);
    trace.commit();
    const row = reader.read(1)!;
    expect(traceFrame(row)).toEqual(new Uint8Array(128).fill(0x5a));
    expect(row.getUint32(ROW.lenBytes, true)).toBe(300);
  });

  it('keeps TRACE_STEPS steps and counts the rest', () => {
    const { batch, trace, reader } = setUp();
    trace.start(1);
    const i = packet(batch);
    trace.consider(batch, i);
    for (let k = 0; k < TRACE_STEPS + 5; k++) trace.note(batch, i, 1, k);
    trace.commit();
    const row = reader.read(1)!;
    expect(traceSteps(row).map((s) => s.a)).toEqual(Array.from({ length: TRACE_STEPS }, (_, k) => k));
    expect(row.getUint16(ROW.stepsLost, true)).toBe(5);
  });

  it('read answers null for a row that was never written, or is overwritten', () => {
    const { batch, trace, reader } = setUp();
    trace.start(10_000);
    for (let k = 0; k <= TRACE_ROWS; k++) {
      batch.reset();
      trace.consider(batch, packet(batch));
    }
    trace.commit();
    expect(reader.read(1)).toBeNull();
    expect(reader.read(2)).not.toBeNull();
    expect(reader.read(TRACE_ROWS + 2)).toBeNull();
  });

  it('resume opens a row that names the one it goes on from', () => {
    const { batch, trace, reader } = setUp();
    trace.start(1);
    const i = packet(batch);
    trace.consider(batch, i);
    const id = trace.idOf(batch, i);
    batch.reset();
    const j = packet(batch);
    expect(trace.idOf(batch, j)).toBe(-1);
    trace.resume(batch, j, id);
    trace.commit();
    expect(reader.read(2)!.getUint32(ROW.from, true)).toBe(1);
  });
});

describe('formatTrace', () => {
  it('puts a packet and its reply into words, node by node, with reasons and rules', () => {
    const { batch, trace, reader } = setUp();
    trace.start(1);
    const i = packet(batch);
    batch.port[i] = 4;
    trace.consider(batch, i);
    trace.step(batch, i, -1, NODE['ethernet-input']);
    trace.step(batch, i, NODE['ethernet-input'], NODE['ip4-lookup']);
    trace.entry(batch, i, 1, 5, 2, 0xc0a80a0b);
    trace.step(batch, i, NODE['ip4-lookup'], NODE['ip4-local']);
    trace.rule(batch, i, RULE['to-gateway']);
    const j = packet(batch);
    trace.made(batch, j, i, MADE_REPLY);
    trace.end(batch, i, NODE['ip4-local'], REASON['icmp-echo-answered']);
    trace.step(batch, j, NODE['ip4-lookup'], NODE['interface-output']);
    batch.outIface[j] = 7;
    trace.sent(batch, j);
    trace.commit();
    const record = formatTrace(reader.read(1)!, names);
    expect(record.text.split('\n').slice(1)).toEqual([
      '  ethernet-input',
      '  ip4-lookup       adjacency 5: 192.168.10.11 on if2',
      '  ip4-local        for an address of the gateway itself; done: ping to the gateway; answered (icmp-echo-answered) [RFC 1812 §5.2.3, RFC 1812 §4.3.3.6]',
      '  reply made by the gateway:',
      '    ip4-lookup',
      '    interface-output sent on if7, 60 bytes',
    ]);
    expect(record.text).toMatch(/^#1 2026-01-02T03:04:05\.006Z in port4 /);
    expect(record.steps.map((s) => [s.packet, s.node])).toEqual([
      [0, 'ethernet-input'],
      [0, 'ip4-lookup'],
      [0, 'ip4-local'],
      [1, 'ip4-lookup'],
      [1, 'interface-output'],
    ]);
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  });
});
