import { expect, it } from 'vitest';
import { nearhopConfig } from '../../src/bench/wire-dut.ts';
import { parseConfig } from '../../src/config/parse.ts';

it('nearhopConfig routes 10.3.0.1 and on by the sink', () => {
  const { config, errors } = parseConfig(
    nearhopConfig({ mode: 'l3', routes: 300, defaultRoute: false }, false),
  );
  expect(errors).toEqual([]);
  expect(config?.routes).toHaveLength(300);
  expect(nearhopConfig({ mode: 'l3', routes: 300, defaultRoute: false }, false)).toContain(
    '{ prefix: 10.3.1.44/32, via: 10.2.0.2 }',
  );
});

it('nearhopConfig has ports of the kind that is asked for', () => {
  const { config } = parseConfig(
    nearhopConfig({ mode: 'l2', routes: 1, defaultRoute: false }, false, 'af-xdp'),
  );
  expect(config?.ports.map((port) => port.kind)).toEqual(['af-xdp', 'af-xdp']);
});

it('nearhopConfig bridges d0 and d1', () => {
  const { config, errors } = parseConfig(
    nearhopConfig({ mode: 'l2', routes: 1, defaultRoute: false }, false),
  );
  expect(errors).toEqual([]);
  expect(config?.networks[0].members).toHaveLength(2);
});

it('nearhopConfig sends everything else to the sink too when it shall', () => {
  const { config, errors } = parseConfig(nearhopConfig({ mode: 'l3', routes: 1, defaultRoute: true }, false));
  expect(errors).toEqual([]);
  expect(config?.routes.map((route) => route.prefix.len)).toEqual([0, 32]);
});

it('nearhopConfig asks a BGP peer for the routes when they are many', () => {
  const { config, errors } = parseConfig(
    nearhopConfig({ mode: 'l3', routes: 1_000_000, defaultRoute: false }, true),
  );
  expect(errors).toEqual([]);
  expect(config?.routes).toEqual([]);
  expect(config?.bgp?.neighbors[0]).toMatchObject({ maxPrefixes: 1_000_000, passive: true });
});
