// What the RIB has and others shall hear of: routes that are best and come from a source that the config redistributes.

import type { Rib } from '../control/rib.ts';

/** Where announced routes go: a BGP speaker, or the simulator's peering. */
export interface Announcer {
  announce(prefix: number, len: number): void;
  withdraw(prefix: number, len: number): void;
}

/** Announces what the config redistributes, as it becomes best, and takes it back when it no longer is. */
export function redistribute(rib: Rib, sources: readonly string[], announcer: Announcer): void {
  const wanted = new Set(sources);
  rib.onBestChange(({ prefix, len, best, previous }) => {
    const now = best !== undefined && wanted.has(best.source) && best.nextHops[0]?.kind !== 'local';
    const before =
      previous !== undefined && wanted.has(previous.source) && previous.nextHops[0]?.kind !== 'local';
    if (now && !before) announcer.announce(prefix, len);
    else if (before && !now) announcer.withdraw(prefix, len);
  });
}
