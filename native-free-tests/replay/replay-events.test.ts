import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { parseReplayEvents } from '../../src/replay/replay-events.ts';

const CONFIG = parseConfig(`
gateway: { name: esg }
ports: [ { name: p0, kind: memory }, { name: p1, kind: memory } ]
interfaces: [ { name: wan, port: p0, address: 203.0.113.2/30 } ]
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: "02:00:00:00:10:02" }
    members: [ p1 ]
    vms: [ { name: vm1, mac: "02:00:00:00:0a:11", addresses: [192.168.10.11] } ]
`).config;
if (CONFIG === undefined) throw new Error('the config of this test is wrong');
const config = CONFIG;

const parse = (text: string) => parseReplayEvents(text, config, 'e.yaml');
const faultOf = (text: string): NearhopError => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof NearhopError) return error;
    throw error;
  }
  throw new Error('no fault');
};

describe('parseReplayEvents', () => {
  it('reads every kind of event', () => {
    const events = parse(`
- { at: 1, vm: vm1, migrate: bulk }
- { at: 2, vm: vm1, addresses: [192.168.10.12] }
- { at: 3, vm: vm1, learned: true }
- { at: 4, neighbor: 203.0.113.1, interface: wan, mac: "02:00:00:00:99:01" }
- { at: 5, route: 10.0.0.0/8, via: 203.0.113.1 }
- { at: 6, withdraw: 10.0.0.0/8 }
`);
    expect(events.map((e) => e.text)).toEqual([
      'vm1: bulk',
      'vm1: addresses reported: 192.168.10.12',
      "vm1: its /32 is in the source's own table",
      'neighbor 203.0.113.1 on wan is known',
      'route 10.0.0.0/8 via 203.0.113.1',
      'route 10.0.0.0/8 withdrawn',
    ]);
    expect(events.map((e) => e.place())).toEqual([2, 3, 4, 5, 6, 7].map((line) => `e.yaml:${line}:3`));
    expect(events[3].action).toEqual({
      kind: 'neighbor',
      neighbor: 0xcb007101,
      interface: 'wan',
      mac: { hi: 0x0200, lo: 0x9901 },
    });
    expect(events[4].action).toMatchObject({ via: [0xcb007101] });
  });

  it.each([
    ['0', { afterMs: 0 }],
    ['2.5', { afterMs: 2500 }],
    ['250ms', { afterMs: 250 }],
    ['1.5s', { afterMs: 1500 }],
    ['2m', { afterMs: 120_000 }],
    ['1h', { afterMs: 3_600_000 }],
    ['2026-03-01T12:00:00Z', { atMs: Date.UTC(2026, 2, 1, 12) }],
    ['2026-03-01T12:00:00.250+01:00', { atMs: Date.UTC(2026, 2, 1, 11, 0, 0, 250) }],
  ])('reads the time %s', (at, time) => {
    expect(parse(`- { at: ${at}, vm: vm1, migrate: dr }`)[0].time).toEqual(time);
  });

  it.each(['-1', 'soon', '2026-03-01', '2026-03-01T12:00:00', '5 parsecs', '.nan', '[]'])(
    'refuses the time %s',
    (at) => {
      expect(faultOf(`- { at: ${at}, vm: vm1, migrate: dr }`).message).toContain('at: ');
    },
  );

  it('an empty file, and an empty list, have no events', () => {
    expect(parse('[]')).toEqual([]);
    expect(faultOf('{}').message).toContain('the file is not a list');
  });

  it('names every problem with its place and what would be right', () => {
    const { code, message } = faultOf(`- { at: 1, vm: vm1, migrate: teleport }
- { at: 1, vm: vm2, migrate: bulk }
- { at: 1, vm: vm1, migrate: bulk, kind: x }
- { at: 1, neighbor: 203.0.113.300, interface: wan, mac: "02:00:00:00:99:01" }
- { at: 1, neighbor: 203.0.113.1, interface: lan, mac: "02:00:00:00:99:01" }
- { at: 1, vm: vm1 }
- just text
`);
    expect(code).toBe('replay-events');
    for (const line of [1, 2, 3, 4, 5, 6, 7]) expect(message).toContain(`e.yaml:${line}:`);
    expect(message).toContain("no vm 'vm2' in the config");
    expect(message).toContain("did you mean 'vm1'?");
    expect(message).toContain("unknown key 'kind'");
    expect(message).toContain('bulk');
    expect(message).toContain("no interface 'lan' in the config");
    expect(message).toContain('one of these says what happens: migrate,');
  });

  it('says where YAML itself is broken', () => {
    expect(faultOf('- { at: 1, vm: [').message).toMatch(/e\.yaml:\d+:\d+/);
  });

  it('gives events or a fault for any text', () => {
    const line = fc.constantFrom(
      '- ',
      '{',
      '}',
      'at: 1',
      ', ',
      'vm: vm1',
      'migrate: bulk',
      '\n',
      '*a',
      '&a',
      '[',
      '"',
    );
    const text = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc.array(line, { maxLength: 20 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          for (const event of parse(source)) expect(event.text).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(NearhopError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
