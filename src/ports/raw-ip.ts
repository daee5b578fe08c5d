// A way out into the host's own IP stack, by a raw socket (npm package `raw-socket`, raw(7) with IP_HDRINCL): the host routes
// what the port sends, as if it had made it. It carries IPv4 without Ethernet, and nothing comes back by it: answers return
// by whatever device the host's routes choose.
//
// The worker has the ring's end as its port; the pump in the main thread owns the socket.

import { formatIpv4 } from '../addr/ipv4.ts';
import { NearhopError } from '../base/errors.ts';
import type { PortId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import { IPV4_HLEN, ipv4Dst } from '../wire/ipv4.ts';
import { createHostRingPort, type HostRingPort, HostRingPump, type HostRingShared } from './host-ring.ts';
import { loadOptionalPackage } from './optional-package.ts';

/** The part of the package that is used. */
interface RawSocketModule {
  createSocket(options: { protocol: number }): RawSocket;
  readonly SocketLevel: { readonly IPPROTO_IP: number };
  readonly SocketOption: { readonly IP_HDRINCL: number };
}
interface RawSocket {
  setOption(level: number, option: number, value: number): void;
  send(
    buffer: Buffer,
    offset: number,
    bytes: number,
    address: string,
    done: (error: Error | null) => void,
  ): void;
  on(event: 'error', listener: (error: Error) => void): void;
  pauseRecv(): void;
  close(): void;
}

/** For sending alone, with the header in the packet (raw(7)). */
const IPPROTO_RAW = 255;
const DEFAULT_MTU = 1500;
/** Packets that wait in the package's own queue, which has no bound. */
const IN_FLIGHT_MAX = 1024;

export interface RawIpPortOptions {
  readonly id: PortId;
  readonly name: string;
  readonly mac?: { readonly hi: number; readonly lo: number };
  /** Largest packet in bytes. Default 1500; the kernel refuses what is longer than the route's MTU. */
  readonly mtu?: number;
}

/** Makes the worker's end. Throws `native-unavailable`. */
export function createRawIpPort(options: RawIpPortOptions, slab: Slab): HostRingPort {
  return createHostRingPort(
    { ...options, kind: 'raw-ip', mtu: options.mtu ?? DEFAULT_MTU, l3Only: true },
    slab,
  );
}

/** Opens the socket, in the main thread. Throws `optional-package-missing` or `permission-denied`. */
export function startRawIpPump(
  options: { readonly name: string },
  shared: HostRingShared,
): { close(): void } {
  const what = `port '${options.name}' of kind raw-ip`;
  const raw = loadOptionalPackage<RawSocketModule>('raw-socket', what);
  let socket: RawSocket;
  try {
    socket = raw.createSocket({ protocol: IPPROTO_RAW });
    socket.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, 1);
  } catch (cause) {
    throw new NearhopError('permission-denied', `${what}: cannot open a raw socket`, {
      hint: 'run as root, or give the process CAP_NET_RAW',
      cause,
    });
  }
  socket.pauseRecv();
  let inFlight = 0;
  const done = (error: Error | null): void => {
    inFlight--;
    if (error !== null) pump.count('txDropped'); // no route, or longer than its MTU
  };
  socket.on('error', () => pump.count('txDropped'));
  const pump = new HostRingPump(shared, (off, len) => {
    if (len < IPV4_HLEN || pump.u8[off] >>> 4 !== 4 || inFlight >= IN_FLIGHT_MAX)
      return pump.count('txDropped');
    inFlight++;
    // a copy, as the package sends later than this call returns
    const packet = Buffer.from(pump.u8.subarray(off, off + len));
    socket.send(packet, 0, len, formatIpv4(ipv4Dst(pump.view, off)), done);
  });
  return {
    close: () => {
      pump.close();
      socket.close();
    },
  };
}
