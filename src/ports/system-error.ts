// A failed system call of a native port as an error that says what was tried, what the system answered, and what to do.

import { getSystemErrorName } from 'node:util';
import { NearhopError } from '../base/errors.ts';
import { ERRNO } from './native.ts';

interface Known {
  readonly code: string;
  readonly hint: string;
}

const KNOWN: Readonly<Record<number, Known>> = {
  [ERRNO.EPERM]: {
    code: 'permission-denied',
    hint: 'run as root, or give the process CAP_NET_RAW and CAP_NET_ADMIN',
  },
  [ERRNO.EACCES]: {
    code: 'permission-denied',
    hint: 'run as root, or give the process CAP_NET_RAW and CAP_NET_ADMIN',
  },
  [ERRNO.ENODEV]: { code: 'device-missing', hint: 'list the devices with: ip -br link' },
  [ERRNO.ENXIO]: { code: 'device-missing', hint: 'list the devices with: ip -br link' },
  [ERRNO.ENOENT]: { code: 'device-missing', hint: 'load the tun module, or give the container /dev/net/tun' },
  [ERRNO.EBUSY]: {
    code: 'device-busy',
    hint: 'another process has the device; end it or choose another name',
  },
  [ERRNO.EADDRINUSE]: {
    code: 'address-in-use',
    hint: 'another process or a kernel tunnel has this address and UDP port; see: ss -ulnp',
  },
  [ERRNO.EADDRNOTAVAIL]: {
    code: 'address-not-local',
    hint: 'use an address that the host has; see: ip -br addr',
  },
  [ERRNO.ENOMEM]: { code: 'memory-short', hint: "lower the port's rxSlots, or free memory" },
};

/** Returns `result`, or throws for a negative errno. `what` completes "could not …"; `hint` is for errnos not known here. */
export function check(
  result: number,
  what: string,
  hint = 'see the errno in the message, and: man 7 packet, man 7 ip',
): number {
  if (result >= 0) return result;
  const known = KNOWN[-result] ?? { code: 'system-call-failed', hint };
  throw new NearhopError(known.code, `could not ${what}: ${getSystemErrorName(result)}`, {
    hint: known.hint,
  });
}
