// Opens the ports of a config in the thread that will run them. Native parts are loaded only when a port asks for them, so
// replay and the in-process lab need none.

import { networkInterfaces } from 'node:os';
import { parseIpv4 } from '../addr/ipv4.ts';
import type { Clock } from '../base/clock.ts';
import { assert } from '../base/errors.ts';
import { type PortId, portId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import type { Config, PortConfig } from '../config/config.ts';
import type { XdpUmem } from '../ports/af-xdp-umem.ts';
import type { Port } from '../ports/port.ts';
import type { XdpHost } from '../ports/xdp-program.ts';
import type { PortFacts } from './commands.ts';
import { madeMac } from './made-mac.ts';

/** In the place of a share's number: the first worker's, which makes it. */
const NEW_SHARE = -1;

/**
 * Opens all ports in the order of the config; when one fails, those that are open are closed again. Where the config has several
 * workers, the others then open their share of those ports that can be split.
 */
export async function openPorts(config: Config, slab: Slab, clock: Clock): Promise<Port[]> {
  const ports: Port[] = [];
  const shared = { slab, clock, umem: await createUmem(config, slab), config };
  try {
    for (const [i, portConfig] of config.ports.entries()) {
      const share = config.gateway.workers > 1 && canBeSplit(portConfig) ? NEW_SHARE : undefined;
      const port = await openPort(portConfig, portId(i), shared, share);
      ports.push(port);
      if (portConfig.fault === undefined) continue;
      const { createFaultPort } = await import('../ports/fault.ts');
      ports[i] = createFaultPort(port, portConfig.fault, clock, slab);
    }
  } catch (error) {
    for (const port of ports) port.close();
    throw error;
  }
  return ports;
}

/** Opens another worker's share of the ports that the owner has opened as shared; undefined stands for the others. */
export async function openShares(
  config: Config,
  owner: readonly PortFacts[],
  slab: Slab,
  clock: Clock,
): Promise<(Port | undefined)[]> {
  const ports: (Port | undefined)[] = [];
  const shared = { slab, clock, umem: undefined, config };
  try {
    for (const [i, portConfig] of config.ports.entries()) {
      const { share } = owner[i];
      ports.push(share === undefined ? undefined : await openPort(portConfig, portId(i), shared, share));
    }
  } catch (error) {
    for (const port of ports) port?.close();
    throw error;
  }
  return ports;
}

/** Whether each worker can have a ring or queue of its own. Faults are made by one generator, and in one order. */
const canBeSplit = (config: PortConfig): boolean =>
  (config.kind === 'af-packet' || config.kind === 'tap') && config.fault === undefined;

/** What the ports of one data plane have in common. */
interface Shared {
  readonly slab: Slab;
  readonly clock: Clock;
  /** Memory of the af-xdp ports, when there are any. */
  readonly umem: XdpUmem | undefined;
  readonly config: Config;
}

async function createUmem(config: Config, slab: Slab): Promise<XdpUmem | undefined> {
  const slots = config.ports.flatMap((port) => (port.kind === 'af-xdp' ? [port.rxSlots] : []));
  if (slots.length === 0) return undefined;
  const { afXdpChunks } = await import('../ports/af-xdp.ts');
  const { XdpUmem } = await import('../ports/af-xdp-umem.ts');
  return new XdpUmem(
    slab,
    slots.reduce((sum, rxSlots) => sum + afXdpChunks(rxSlots), 0),
  );
}

/** What the kernel has to get of a port's frames: those of the interfaces whose address it has too. */
function xdpHost(config: Config, port: string): XdpHost | undefined {
  const hosted = config.interfaces.filter((itf) => itf.hostStack);
  const vlans = hosted.filter((itf) => itf.port === port).map((itf) => itf.vlan);
  if (vlans.length === 0) return undefined;
  const local = Object.values(networkInterfaces())
    .flatMap((list = []) => list)
    .filter((a) => a.family === 'IPv4');
  const addresses = [...hosted.map((itf) => itf.address.address), ...local.map((a) => parseIpv4(a.address))];
  return { vlans, addresses: [...new Set(addresses)] };
}

async function openPort(
  config: PortConfig,
  id: PortId,
  shared: Shared,
  share: number | undefined,
): Promise<Port> {
  const { name } = config;
  const { slab, clock, umem } = shared;
  const common = {
    id,
    name,
    clock,
    ...(config.mac === undefined ? {} : { mac: config.mac }),
    ...(config.mtu === undefined ? {} : { mtu: config.mtu }),
  };
  const mac = config.mac ?? madeMac(name);
  switch (config.kind) {
    case 'af-packet': {
      const { createAfPacketPort } = await import('../ports/af-packet.ts');
      const { device, waitSeconds, rxSlots } = config;
      const kernelDrop = config.kernelDrop && !(share !== undefined && share >= 0); // the first worker's is for all
      const options = { ...common, device, rxSlots, kernelDrop, waitMs: waitSeconds * 1000 };
      return createAfPacketPort(share === undefined ? options : { ...options, fanout: share }, slab);
    }
    case 'af-xdp': {
      const { createAfXdpPort } = await import('../ports/af-xdp.ts');
      assert(umem !== undefined, 'a config with an af-xdp port has packet memory for it');
      const { device, waitSeconds, rxSlots, queue, mode } = config;
      const host = xdpHost(shared.config, name);
      return createAfXdpPort(
        {
          ...common,
          device,
          rxSlots,
          queue,
          mode,
          waitMs: waitSeconds * 1000,
          ...(host === undefined ? {} : { host }),
        },
        slab,
        umem,
      );
    }
    case 'tap': {
      const { createTapPort } = await import('../ports/tap.ts');
      const queues = share !== undefined;
      return createTapPort({ ...common, device: config.device, mac, queues }, slab);
    }
    case 'vxlan': {
      const { createVxlanPort } = await import('../ports/vxlan.ts');
      const { vni, local, remotes, udpPort, gsoDevice } = config;
      const gso = gsoDevice === undefined ? {} : { gsoDevice };
      return createVxlanPort({ ...common, vni, local, remotes, udpPort, mac, ...gso }, slab);
    }
    case 'pcap-file': {
      const { createPcapFilePort } = await import('../ports/pcap-file.ts');
      return createPcapFilePort(
        { ...common, in: config.in, out: config.out, macHi: mac.hi, macLo: mac.lo },
        slab,
      );
    }
    case 'memory': {
      const { createMemoryPort } = await import('../ports/memory.ts');
      return createMemoryPort({ ...common, macHi: mac.hi, macLo: mac.lo }, slab);
    }
    case 'cap': {
      const { createCapPort } = await import('../ports/cap.ts');
      return createCapPort({ ...common, device: config.device, waitMs: config.waitSeconds * 1000 }, slab);
    }
    case 'raw-ip': {
      const { createRawIpPort } = await import('../ports/raw-ip.ts');
      return createRawIpPort({ ...common, mac }, slab);
    }
  }
}
