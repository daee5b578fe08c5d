// The site of the routing cases: two extended networks, the source's router over the WAN, the Internet behind an edge, and a
// native network of the target.
//
//   green (vm1 local, vm3 pinned) ─┐          ┌─ wan ── sourceRouter: the /24s of green and blue, 10.1.0.0/16
//   blue  (vm5 local, vm6 pinned) ─┴──  T  ───┼─ edge ── internet: the default route
//        ext.10, ext.20 (vm9, vm8)            └─ lan ── native 10.20.0.0/24: server, neighbor known; laptop, not known

import { checksum } from '../../src/base/checksum.ts';
import { IPPROTO_ICMP } from '../../src/wire/ipv4.ts';
import { type Host, host, ip4 } from './frames.ts';
import { type World, type WorldOptions, world } from './harness.ts';

export const greenS = host('greenS', '02:00:00:00:10:01', '192.168.10.1');
export const greenT = host('greenT', '02:00:00:00:10:02', '192.168.10.1');
export const blueS = host('blueS', '02:00:00:00:20:01', '192.168.20.1');
export const blueT = host('blueT', '02:00:00:00:20:02', '192.168.20.1');
/** Local, pinned and source VMs of green, then of blue. */
export const vm1 = host('vm1', '02:00:00:00:0a:11', '192.168.10.11');
export const vm3 = host('vm3', '02:00:00:00:0a:13', '192.168.10.13');
export const vm9 = host('vm9', '02:00:00:00:0a:19', '192.168.10.19');
export const vm5 = host('vm5', '02:00:00:00:14:15', '192.168.20.15');
export const vm6 = host('vm6', '02:00:00:00:14:16', '192.168.20.16');
export const vm8 = host('vm8', '02:00:00:00:14:18', '192.168.20.18');
/** The gateway's interfaces, and the routers behind them. */
export const wan = host('wan', '02:00:00:00:ac:02', '172.16.0.2');
export const sourceRouter = host('sourceRouter', '02:00:00:00:ac:01', '172.16.0.1');
export const edge = host('edge', '02:00:00:00:cb:02', '203.0.113.2');
export const internet = host('internet', '02:00:00:00:cb:01', '203.0.113.1');
export const lan = host('lan', '02:00:00:00:1a:01', '10.20.0.1');
export const server = host('server', '02:00:00:00:1a:05', '10.20.0.5');
export const laptop = host('laptop', '02:00:00:00:1a:06', '10.20.0.6');
/** Far away: on the Internet, and in a network of the source. */
export const far = host('far', '02:00:00:00:ee:01', '198.51.100.7');
export const database = host('database', '02:00:00:00:ee:02', '10.1.2.3');

export function l3Site(options: Partial<WorldOptions> = {}): World {
  const w = world({
    networks: [
      {
        name: 'green',
        subnet: '192.168.10.0/24',
        target: greenT,
        source: greenS,
        members: ['vm1', 'vm3'],
        extension: 'ext.10',
      },
      {
        name: 'blue',
        subnet: '192.168.20.0/24',
        target: blueT,
        source: blueS,
        members: ['vm5', 'vm6'],
        extension: 'ext.20',
      },
    ],
    routed: [
      { name: 'wan', self: wan, address: '172.16.0.2/30' },
      { name: 'edge', self: edge, address: '203.0.113.2/30' },
      { name: 'lan', self: lan, address: '10.20.0.1/24' },
    ],
    ...options,
  });
  w.vm('green', vm1, 'target', 'vm1').vm('green', vm3, 'source', 'vm3').vm('green', vm9, 'source', 'ext.10');
  w.vm('blue', vm5, 'target', 'vm5').vm('blue', vm6, 'source', 'vm6').vm('blue', vm8, 'source', 'ext.20');
  w.hostRoute('green', vm1).hostRoute('blue', vm5);
  w.neighbor('bvi.green', vm1).neighbor('bvi.blue', vm5);
  w.neighbor('wan', sourceRouter).neighbor('edge', internet).neighbor('lan', server);
  for (const prefix of ['192.168.10.0/24', '192.168.20.0/24', '10.1.0.0/16']) {
    w.route(prefix, { via: '172.16.0.1', out: 'wan' });
  }
  w.route('0.0.0.0/0', { via: '203.0.113.1', out: 'edge' });
  return w;
}

/** `who` as it is seen behind a router: its own address, the MAC of the router's interface. */
export const by = (who: Host, itf: Host): Host => ({ ...who, mac: itf.mac });

/** An ICMP error of the gateway about `about` (the frame that it got): `from` has the source address and the egress MAC. */
export function icmpError(o: {
  from: Host;
  to: Host;
  via?: Host;
  type: number;
  code: number;
  mtu?: number;
  about: Uint8Array;
  id?: number;
}): Uint8Array {
  const total = new DataView(o.about.buffer, o.about.byteOffset).getUint16(16);
  const quote = o.about.slice(14, 14 + Math.min(total, 576 - 28));
  const payload = new Uint8Array(8 + quote.length);
  const view = new DataView(payload.buffer);
  view.setUint8(0, o.type);
  view.setUint8(1, o.code);
  view.setUint16(6, o.mtu ?? 0);
  payload.set(quote, 8);
  view.setUint16(2, checksum(view, 0, payload.length));
  const { from, to, via = to, id = 1 } = o;
  return ip4({ from, to, via, protocol: IPPROTO_ICMP, payload, id, tos: 0xc0 });
}
