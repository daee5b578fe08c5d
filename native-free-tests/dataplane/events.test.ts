import { describe, expect, it } from 'vitest';
import { type DataplaneEvent, EventSink } from '../../src/dataplane/events.ts';

function sink(): { events: EventSink; told: DataplaneEvent[] } {
  const told: DataplaneEvent[] = [];
  return { events: new EventSink((e) => told.push(e)), told };
}

describe('EventSink', () => {
  it('tells a subject once a second', () => {
    const { events, told } = sink();
    for (let ms = 0; ms < 3000; ms += 10) events.tell('gateway-claim', ms, 1, 0, 2, 3, 4);
    expect(told.map((e) => e.atMs)).toEqual([0, 1000, 2000]);
  });

  it('keeps kinds, networks, MACs and addresses apart', () => {
    const { events, told } = sink();
    for (let round = 0; round < 2; round++) {
      events.tell('gateway-claim', 0, 1, 0, 2, 3, 4);
      events.tell('stale-gateway', 0, 1, 0, 2, 3, 4);
      events.tell('gateway-claim', 0, 1, 1, 2, 3, 4);
      events.tell('gateway-claim', 0, 1, 0, 9, 3, 4);
      events.tell('gateway-claim', 0, 1, 0, 2, 9, 4);
      events.tell('gateway-claim', 0, 1, 0, 2, 3, 9);
    }
    expect(told).toHaveLength(6);
    expect(told[0]).toEqual({
      kind: 'gateway-claim',
      atMs: 0,
      iface: 1,
      network: 0,
      macHi: 2,
      macLo: 3,
      ip: 4,
    });
  });

  it('tells a thousand a second at most, whatever MACs a VM makes up, and says what it did not tell', () => {
    const { events, told } = sink();
    let refused = 0;
    for (let mac = 0; mac < 5000; mac++) if (!events.tell('vm-unknown', 0, 1, 0, 0x200, mac, 0)) refused++;
    expect(told).toHaveLength(1000);
    expect(refused).toBe(4000);
    expect(events.suppressed).toBe(4000);
    expect(events.tell('vm-unknown', 500, 1, 0, 0x200, 4999, 0)).toBe(true);
    expect(told).toHaveLength(1001);
  });
});
