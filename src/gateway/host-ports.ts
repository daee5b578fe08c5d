// Ports whose addons live on the main thread alone (cap, raw-ip): the worker makes the rings and says where they are, main
// starts the pump that owns the addon.

import type { Config } from '../config/config.ts';
import type { HostRingShared } from '../ports/host-ring.ts';
import type { PortFacts } from './commands.ts';

/** Starts the pumps of all ports that need one. Throws what the addon or its absence says; none is left running then. */
export async function startHostPumps(
  config: Config,
  facts: readonly PortFacts[],
): Promise<{ close(): void }> {
  const pumps: { close(): void }[] = [];
  const close = (): void => {
    for (const pump of pumps) pump.close();
  };
  try {
    for (const [p, { hostRing }] of facts.entries()) {
      if (hostRing !== undefined) pumps.push(await startPump(config.ports[p], facts[p], hostRing));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

async function startPump(
  port: Config['ports'][number],
  facts: PortFacts,
  ring: HostRingShared,
): Promise<{ close(): void }> {
  if (port.kind === 'cap') {
    const { startCapPump } = await import('../ports/cap.ts');
    return startCapPump({ name: port.name, device: port.device, mtu: facts.mtu }, ring);
  }
  const { startRawIpPump } = await import('../ports/raw-ip.ts');
  return startRawIpPump({ name: port.name }, ring);
}
