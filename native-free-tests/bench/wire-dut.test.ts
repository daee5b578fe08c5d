import { expect, it } from 'vitest';
import { nearhopConfig } from '../../src/bench/wire-dut.ts';
import { parseConfig } from '../../src/config/parse.ts';

it('nearhopConfig routes 10.3.0.1 and on by the sink', () => {
  const { config, errors } = parseConfig(nearhopConfig('l3', 300));
  expect(errors).toEqual([]);
  expect(config?.routes).toHaveLength(300);
  expect(nearhopConfig('l3', 300)).toContain('{ prefix: 10.3.1.44/32, via: 10.2.0.2 }');
});

it('nearhopConfig has ports of the kind that is asked for', () => {
  const { config } = parseConfig(nearhopConfig('l2', 1, 'af-xdp'));
  expect(config?.ports.map((port) => port.kind)).toEqual(['af-xdp', 'af-xdp']);
});

it('nearhopConfig bridges d0 and d1', () => {
  const { config, errors } = parseConfig(nearhopConfig('l2', 1));
  expect(errors).toEqual([]);
  expect(config?.networks[0].members).toHaveLength(2);
});
