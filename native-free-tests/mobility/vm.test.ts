import { describe, expect, it } from 'vitest';
import { networkId } from '../../src/base/ids.ts';
import {
  MIGRATE_KINDS,
  type MigrateKind,
  nextState,
  type Vm,
  type VmState,
  vmIsLocal,
  vmLocation,
} from '../../src/mobility/vm.ts';

const STATES: readonly VmState[] = ['AT_SOURCE', 'PINNED', 'NO_IP', 'LOCAL_PENDING', 'LOCAL'];

const vm = (state: VmState, addresses: number[] = [1]): Vm => ({
  ...{ name: 'web', network: networkId(0), macHi: 0x0200, macLo: 1, addresses, state },
  ...{ route: 'none', seq: 0, alarm: '', stale: false },
});

/** The state after each kind in the order of MIGRATE_KINDS: bulk, dr, vmotion, power-cycle, reverse; '-' where it is refused. */
const row = (state: VmState, addresses: number[], proximity: boolean): string =>
  MIGRATE_KINDS.map((kind) => {
    try {
      return nextState(vm(state, addresses), kind, proximity);
    } catch (error) {
      expect(error).toMatchObject({ code: 'transition-invalid' });
      return '-';
    }
  }).join(' ');

describe('nextState', () => {
  it('goes the way of the table, for a VM whose IP is known (S18, S19)', () => {
    expect(Object.fromEntries(STATES.map((state) => [state, row(state, [1], true)]))).toEqual({
      AT_SOURCE: 'LOCAL_PENDING LOCAL_PENDING PINNED - -',
      PINNED: '- - - LOCAL_PENDING AT_SOURCE',
      NO_IP: '- - - NO_IP AT_SOURCE',
      LOCAL_PENDING: '- - - LOCAL_PENDING AT_SOURCE',
      LOCAL: '- - - LOCAL AT_SOURCE',
    });
  });

  it('leaves a VM without a known IP on the source gateway (S24)', () => {
    expect(row('AT_SOURCE', [], true)).toBe('NO_IP NO_IP PINNED - -');
    expect(row('PINNED', [], true)).toBe('- - - NO_IP AT_SOURCE');
  });

  it('pins every VM at the target where proximity routing is off (S3)', () => {
    expect(row('AT_SOURCE', [1], false)).toBe('PINNED PINNED PINNED - -');
    expect(row('PINNED', [1], false)).toBe('- - - PINNED AT_SOURCE');
  });

  it.each<[VmState, MigrateKind, string]>([
    ['AT_SOURCE', 'power-cycle', 'a VM at the source can be told bulk, dr or vmotion'],
    ['LOCAL', 'bulk', 'a VM at the target can be told power-cycle or reverse'],
  ])('says of %s what is possible instead of %s', (state, kind, hint) => {
    expect(() => nextState(vm(state), kind, true)).toThrow(
      expect.objectContaining({
        message: `${kind} is not possible for web: it is ${state}`,
        hint,
      }),
    );
  });
});

describe('vmLocation and vmIsLocal', () => {
  it('follow from the state', () => {
    expect(STATES.map((s) => `${s} ${vmLocation(vm(s))} ${vmIsLocal(vm(s))}`)).toEqual([
      'AT_SOURCE source false',
      'PINNED target false',
      'NO_IP target false',
      'LOCAL_PENDING target true',
      'LOCAL target true',
    ]);
  });
});
