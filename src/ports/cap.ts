// A device of the host by libpcap (npm package `cap`): for systems where packet sockets cannot be opened otherwise, and slower
// than `af-packet`. The worker has the ring's end as its port; the pump in the main thread owns the capture.
//
// libpcap gives no virtio header, so partial checksums of senders on this host are found by their value. It cuts what is
// longer than its buffer, which is counted. Two faults of the addon (0.2.1) that nobody outside can mend: it aborts the process
// when the device goes down or away under it, and behind its filter the first frame is lost. `af-packet` has neither.

import { systemClock } from '../base/clock.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import { FRAME_MAX, type Slab } from '../base/slab.ts';
import { createHostRingPort, type HostRingPort, HostRingPump, type HostRingShared } from './host-ring.ts';
import { loadNative } from './native.ts';
import { awaitDevice, NetDevice, SOCK_CLOEXEC } from './net-device.ts';
import { loadOptionalPackage } from './optional-package.ts';
import { markPartialChecksum } from './partial-checksum.ts';
import { check } from './system-error.ts';

/** The part of the package that is used. */
interface CapModule {
  readonly Cap: new () => Capture;
}
interface Capture {
  /** Returns the link type. */
  open(device: string, filter: string, kernelBytes: number, buffer: Buffer): string;
  on(event: 'packet', listener: (bytes: number, truncated: boolean) => void): void;
  send(buffer: Buffer, bytes: number): void;
  close(): void;
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const KERNEL_BYTES = 16 << 20;
/** Captures are kept for ever, closed ones too: the addon frees a handle that is still in the event loop's list (0.2.1). */
const kept: Capture[] = [];
/** Without this filter a port's own frames come back to it. */
const FILTER = 'inbound';

export interface CapPortOptions {
  readonly id: PortId;
  readonly name: string;
  readonly device: string;
  readonly mac?: { readonly hi: number; readonly lo: number };
  readonly mtu?: number;
  /** Blocks the thread up to so long for a device that is not there yet. Default 0. */
  readonly waitMs?: number;
}

/** Makes the worker's end. Throws `device-missing` or `native-unavailable`. */
export function createCapPort(options: CapPortOptions, slab: Slab): HostRingPort {
  const device = new NetDevice(loadNative(), options.device);
  try {
    awaitDevice(device, options.name, options.waitMs ?? 0, systemClock);
    const mac = options.mac ?? device.mac();
    return createHostRingPort(
      {
        id: options.id,
        name: options.name,
        kind: 'cap',
        mtu: options.mtu ?? device.mtu(),
        l3Only: false,
        ...(mac === undefined ? {} : { mac }),
      },
      slab,
    );
  } finally {
    device.close();
  }
}

export interface CapPumpOptions {
  /** Name of the port, for messages. */
  readonly name: string;
  readonly device: string;
  /** Largest L3 packet of the segment: longer TCP packets with a partial checksum are GSO frames. */
  readonly mtu: number;
  /** Longest frame that is taken whole. Default the longest there is. */
  readonly snapBytes?: number;
}

/**
 * Starts the capture, in the main thread. Throws `optional-package-missing`, `permission-denied`, `device-missing`,
 * `device-down`, `device-unsuitable` or `cap-failed`.
 */
export function startCapPump(options: CapPumpOptions, shared: HostRingShared): { close(): void } {
  const { name, device } = options;
  const { Cap } = loadOptionalPackage<CapModule>('cap', `port '${name}' of kind cap`);
  checkDevice(name, device);
  const buffer = Buffer.alloc(options.snapBytes ?? FRAME_MAX);
  const outgoing = Buffer.alloc(FRAME_MAX);
  const capture = new Cap();
  kept.push(capture);
  let linkType: string;
  try {
    linkType = capture.open(device, FILTER, KERNEL_BYTES, buffer);
  } catch (cause) {
    throw new NearhopError(
      'cap-failed',
      `port '${name}': cannot capture on '${device}': ${messageOf(cause)}`,
      {
        hint: 'run as root, or give the process CAP_NET_RAW; the device must be there and up',
        cause,
      },
    );
  }
  if (linkType !== 'ETHERNET') {
    capture.close();
    throw new NearhopError('device-unsuitable', `port '${name}': '${device}' is no Ethernet (${linkType})`, {
      hint: 'choose an Ethernet device',
    });
  }
  const pump = new HostRingPump(shared, (off, len) => {
    outgoing.set(pump.u8.subarray(off, off + len));
    try {
      capture.send(outgoing, len);
    } catch {
      pump.count('txDropped'); // longer than the device's MTU, or the device is down
    }
  });
  capture.on('packet', (bytes, truncated) => {
    if (truncated) return pump.count('rxTruncated');
    const off = pump.place(bytes);
    if (off < 0) return;
    pump.u8.set(buffer.subarray(0, bytes), off);
    const offload = markPartialChecksum(pump.view, off, bytes, options.mtu);
    if (offload >= 0) return pump.push(offload);
    pump.drop();
    pump.count('rxInvalid');
  });
  return {
    close: () => {
      pump.close();
      capture.close();
    },
  };
}

/** Finds out beforehand what would make the capture fail: the addon crashes at the exit after a capture that never opened. */
function checkDevice(name: string, deviceName: string): void {
  const native = loadNative();
  const fd = check(native.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), `capture for port '${name}'`);
  native.close(fd);
  const device = new NetDevice(native, deviceName);
  try {
    awaitDevice(device, name, 0, systemClock);
    if (!device.isUp()) {
      throw new NearhopError('device-down', `port '${name}': device '${deviceName}' is down`, {
        hint: `bring it up: ip link set ${deviceName} up`,
      });
    }
  } finally {
    device.close();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
