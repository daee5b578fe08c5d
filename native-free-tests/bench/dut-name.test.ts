import { describe, expect, it } from 'vitest';
import { dutName, dutNames } from '../../src/bench/dut-name.ts';

describe('dutName', () => {
  it.each([
    ['kernel', 'kernel'],
    ['scripts/bench/duts/testpmd-af-xdp.sh', 'testpmd-af-xdp'],
    ['exec ./duts/node-cap.mjs', 'node-cap'],
    ['OVS_PORT=afxdp bash /opt/ovs.sh --fast', 'ovs'],
    ['A=1', 'A=1'],
    ['x'.repeat(40), `${'x'.repeat(23)}…`],
  ])('calls %j %j', (dut, name) => {
    expect(dutName(dut)).toBe(name);
  });
});

describe('dutNames', () => {
  it('gives each device a name of its own', () => {
    expect(dutNames(['a/x.sh', 'kernel', 'b/x.sh', 'x'])).toEqual(['x', 'kernel', 'x 2', 'x 3']);
  });
});
