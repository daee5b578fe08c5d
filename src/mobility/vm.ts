// One VM as mobility knows it, and the table of its states. A VM's way in the simplest true form:
//
//   AT_SOURCE ─ bulk, dr ─→ LOCAL_PENDING ─ the source learned the /32 ─→ LOCAL ─ reverse ─→ AT_SOURCE
//       │  └─ bulk, dr, IP unknown ─→ NO_IP ─ IP reported ─↗
//       └─ vmotion ─→ PINNED ─ power-cycle ─→ LOCAL_PENDING (or NO_IP)

import { NearhopError } from '../base/errors.ts';
import type { NetworkId } from '../base/ids.ts';

export type VmState = 'AT_SOURCE' | 'PINNED' | 'NO_IP' | 'LOCAL_PENDING' | 'LOCAL';

/** What an operator, or the migration software, says happened to a VM. */
export const MIGRATE_KINDS = ['bulk', 'dr', 'vmotion', 'power-cycle', 'reverse'] as const;
export type MigrateKind = (typeof MIGRATE_KINDS)[number];

/** Where a /32 stands: not in our RIB, in it and announced, or seen in the source's own table. */
export type VmRouteState = 'none' | 'injected' | 'learned';

export interface Vm {
  readonly name: string;
  readonly network: NetworkId;
  readonly macHi: number;
  readonly macLo: number;
  /** Reported IPv4 addresses as u32; each has its own host route while the VM is local. */
  addresses: number[];
  /** The report of the addresses was lost; the last ones go on (S23). */
  stale: boolean;
  state: VmState;
  route: VmRouteState;
  /** Mobility sequence: one more at every move (RFC 7432 §7.7 has the same). */
  seq: number;
  /** Why the operator should look: `not-learned`, with what was seen. Empty when all is well. */
  alarm: string;
}

/** The site where the VM runs. */
export const vmLocation = (vm: Vm): 'source' | 'target' => (vm.state === 'AT_SOURCE' ? 'source' : 'target');

/** Whether the VM's gateway is the target's: it is a local VM. */
export const vmIsLocal = (vm: Vm): boolean => vm.state === 'LOCAL_PENDING' || vm.state === 'LOCAL';

/**
 * The state after `kind`, for a VM whose IP is known or not, in a network with proximity routing or without: there a VM at
 * the target is always pinned (S3). Throws `transition-invalid` with what would be possible.
 */
export function nextState(vm: Vm, kind: MigrateKind, proximity: boolean): VmState {
  const arrived = !proximity ? 'PINNED' : vm.addresses.length > 0 ? 'LOCAL_PENDING' : 'NO_IP';
  const atTarget = vm.state !== 'AT_SOURCE';
  switch (kind) {
    case 'bulk':
    case 'dr':
      if (!atTarget) return arrived;
      break;
    case 'vmotion':
      if (!atTarget) return 'PINNED';
      break;
    case 'power-cycle':
      // A local VM that is power-cycled stays local: nothing about its gateway changes (S19 is about pinned ones).
      if (vm.state === 'PINNED') return arrived;
      if (atTarget) return vm.state;
      break;
    case 'reverse':
      if (atTarget) return 'AT_SOURCE';
      break;
  }
  const possible = atTarget ? 'power-cycle or reverse' : 'bulk, dr or vmotion';
  throw new NearhopError('transition-invalid', `${kind} is not possible for ${vm.name}: it is ${vm.state}`, {
    hint: `a VM at the ${atTarget ? 'target' : 'source'} can be told ${possible}`,
  });
}
