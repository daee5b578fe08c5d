import { expect, it } from 'vitest';
import { parseTransfer } from '../../src/bench/iperf.ts';
import { tcpConfig } from '../../src/bench/tcp-topology.ts';
import { parseConfig } from '../../src/config/parse.ts';

it('parseTransfer reads what the receiver got and what the sender sent again', () => {
  const text = JSON.stringify({
    end: { sum_sent: { bits_per_second: 9e9, retransmits: 12 }, sum_received: { bits_per_second: 8.5e9 } },
  });
  expect(parseTransfer(text)).toEqual({ gbps: 8.5, retransmits: 12 });
});

it.each([
  ['{"start":{},"end":{},"error":"unable to connect to server"}', 'unable to connect to server'],
  ['iperf3: parameter error', 'iperf3: parameter error'],
  ['', 'it said nothing'],
])('parseTransfer gives the error of %j', (text, said) => {
  expect(() => parseTransfer(text)).toThrow(
    expect.objectContaining({ code: 'bench-dut-failed', message: expect.stringContaining(said) }),
  );
});

it.each(['routed', 'vxlan', 'vxlan-gso'] as const)('tcpConfig is a config without faults for %s', (path) => {
  const { config, errors } = parseConfig(tcpConfig(path));
  expect(errors).toEqual([]);
  expect(config?.ports.map(({ name }) => name)).toEqual(path === 'routed' ? ['d0', 'd1'] : ['d0', 'ext']);
});
