// Opens the ports of a config in the thread that will run them. Native parts are loaded only when a port asks for them, so
// replay and the in-process lab need none.

import type { Clock } from '../base/clock.ts';
import { type PortId, portId } from '../base/ids.ts';
import type { Slab } from '../base/slab.ts';
import type { PortConfig } from '../config/config.ts';
import type { Port } from '../ports/port.ts';
import { madeMac } from './made-mac.ts';

/** Opens all ports in the order of the config; when one fails, those that are open are closed again. */
export async function openPorts(configs: readonly PortConfig[], slab: Slab, clock: Clock): Promise<Port[]> {
  const ports: Port[] = [];
  try {
    for (const [i, config] of configs.entries()) {
      const port = await openPort(config, portId(i), slab, clock);
      ports.push(port);
      if (config.fault === undefined) continue;
      const { createFaultPort } = await import('../ports/fault.ts');
      ports[i] = createFaultPort(port, config.fault, clock, slab);
    }
  } catch (error) {
    for (const port of ports) port.close();
    throw error;
  }
  return ports;
}

async function openPort(config: PortConfig, id: PortId, slab: Slab, clock: Clock): Promise<Port> {
  const { name } = config;
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
      return createAfPacketPort({ ...common, device, rxSlots, waitMs: waitSeconds * 1000 }, slab);
    }
    case 'tap': {
      const { createTapPort } = await import('../ports/tap.ts');
      return createTapPort({ ...common, device: config.device, mac }, slab);
    }
    case 'vxlan': {
      const { createVxlanPort } = await import('../ports/vxlan.ts');
      const { vni, local, remotes, udpPort } = config;
      return createVxlanPort({ ...common, vni, local, remotes, udpPort, mac }, slab);
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
