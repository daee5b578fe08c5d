// The site that most golden cases stand in: the extended network "green" with its gateway at both ends, VMs of every kind,
// and a routed way out.
//
//     vm1, vm2 (local)  vm3 (pinned)  ghost (unknown)        ext ── source site: S, vm9
//        └── port each at the target ──┴── T ─────────── wan ── router

import { host } from './frames.ts';
import { type NetworkOptions, type PortOptions, type World, world } from './harness.ts';

export const GREEN = '192.168.10.0/24';
/** The gateway at the source and at the target: one IP, two MACs. */
export const S = host('S', '02:00:00:00:10:01', '192.168.10.1');
export const T = host('T', '02:00:00:00:10:02', '192.168.10.1');
/** Local VMs: at the target, on the target gateway. */
export const vm1 = host('vm1', '02:00:00:00:0a:11', '192.168.10.11');
export const vm2 = host('vm2', '02:00:00:00:0a:12', '192.168.10.12');
/** A pinned VM: at the target, still on the source gateway. */
export const vm3 = host('vm3', '02:00:00:00:0a:13', '192.168.10.13');
/** A VM at the target that the inventory does not know. */
export const ghost = host('ghost', '02:00:00:00:0a:77', '192.168.10.77');
/** A VM at the source. */
export const vm9 = host('vm9', '02:00:00:00:0a:19', '192.168.10.19');
/** The gateway's own end of the WAN, and the router there. */
export const wan = host('wan', '02:00:00:00:ac:02', '172.16.0.2');
export const router = host('router', '02:00:00:00:ac:01', '172.16.0.1');
/** Somebody far away. */
export const server = host('server', '02:00:00:00:ee:01', '198.51.100.7');

/**
 * Ports vm1, vm2, vm3, ghost (members of green), ext and wan. All VMs have been heard where they are; vm1 and vm2 have host
 * routes; the default route goes to the router.
 */
export function site(
  options: Partial<NetworkOptions> = {},
  ports: Readonly<Record<string, PortOptions>> = {},
): World {
  const w = world({
    networks: [
      {
        name: 'green',
        subnet: GREEN,
        target: T,
        source: S,
        members: ['vm1', 'vm2', 'vm3', 'ghost'],
        extension: 'ext',
        ...options,
      },
    ],
    routed: [{ name: 'wan', self: wan, address: '172.16.0.2/30' }],
    ports,
  });
  w.vm('green', vm1, 'target', 'vm1').vm('green', vm2, 'target', 'vm2').vm('green', vm3, 'source');
  if (w.hasIface('vm3')) w.seen('green', vm3, 'vm3');
  w.vm('green', vm9, 'source');
  if (w.hasIface('ext')) w.seen('green', vm9, 'ext');
  w.seen('green', ghost, 'ghost');
  w.neighbor('wan', router).route('0.0.0.0/0', { via: '172.16.0.1', out: 'wan' });
  w.hostRoute('green', vm1).hostRoute('green', vm2);
  w.neighbor('bvi.green', vm1).neighbor('bvi.green', vm2);
  return w;
}
