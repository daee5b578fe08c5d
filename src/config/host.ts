// What the checks want to know of the host: which devices it has. Replay and tests give another answer, or none.

import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { formatIpv4 } from '../addr/ipv4.ts';

export interface HostView {
  /** Names of all network devices. */
  devices(): readonly string[];
  /** MTU of a device in bytes, undefined when there is no such device. */
  mtu(device: string): number | undefined;
  /** Receive queues of a device, at least 1. */
  rxQueues(device: string): number;
  /** Device that has this IPv4 address (u32), undefined when none has. */
  deviceOf(address: number): string | undefined;
}

const CLASS_NET = '/sys/class/net';

/** The host (network namespace) that the process runs in. */
export const linuxHost: HostView = {
  devices(): readonly string[] {
    try {
      return readdirSync(CLASS_NET).sort();
    } catch {
      return Object.keys(networkInterfaces()).sort(); // no /sys: a container without it, or not Linux
    }
  },
  mtu(device: string): number | undefined {
    try {
      const mtu = Number(readFileSync(`${CLASS_NET}/${device}/mtu`, 'utf8'));
      return Number.isFinite(mtu) ? mtu : undefined;
    } catch {
      return undefined;
    }
  },
  rxQueues(device: string): number {
    try {
      return (
        readdirSync(`${CLASS_NET}/${device}/queues`).filter((name) => name.startsWith('rx-')).length || 1
      );
    } catch {
      return 1;
    }
  },
  deviceOf(address: number): string | undefined {
    const text = formatIpv4(address);
    for (const [name, list] of Object.entries(networkInterfaces())) {
      if (list?.some((a) => a.address === text)) return name;
    }
    return undefined;
  },
};
