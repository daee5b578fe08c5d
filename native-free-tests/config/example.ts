// A config that uses every section, and small changes of it, for the tests of src/config.

import { type ParseOptions, type ParseResult, parseConfig } from '../../src/config/parse.ts';
import { formatProblem } from '../../src/config/problem.ts';

export const EXAMPLE = `gateway: { name: esg, routerId: 10.255.0.2, siteAddress: 10.255.0.2 }
ports:
  - { name: wan0, kind: af-packet, device: eth1 }
  - { name: ext0, kind: vxlan, vni: 10, local: 10.0.1.2, remotes: [10.0.1.1] }
  - { name: vm1, kind: tap, device: nh0 }
  - { name: trunk0, kind: memory, mtu: 9000, fault: { loss: 0.01 } }
interfaces:
  - { name: wan, port: wan0, address: 172.16.0.2/30 }
  - { name: edge, port: trunk0, vlan: 30, address: 203.0.113.2/24, mac: 0200.0000.3001 }
networks:
  - name: green
    subnet: 192.168.10.0/24
    gateway: { address: 192.168.10.1, mac: 02:00:00:00:10:02, sourceMac: 02:00:00:00:10:01 }
    extension: { port: ext0, mtu: 1400 }
    members: [vm1, { port: trunk0, vlan: 10 }]
    vms:
      - { name: web, mac: 02:00:00:00:00:0b, addresses: [192.168.10.11] }
      - { name: db, mac: 02:00:00:00:00:0c, addresses: [192.168.10.12], location: target, gateway: target }
routes:
  - { prefix: 0.0.0.0/0, via: 203.0.113.1 }
  - { prefix: 10.99.0.0/16, via: [172.16.0.1, 203.0.113.1] }
  - { prefix: 10.66.0.0/16, blackhole: true }
bgp:
  as: 65002
  neighbors:
    - { name: source, address: 172.16.0.1, as: 65001 }
`;

/** The example with some texts replaced; every text must be there exactly once. */
export function changed(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`'${from}' is not in the example exactly once`);
    return text.replace(from, () => to);
  }, EXAMPLE);
}

/** Every problem as `line:column severity code`, in order. */
export function problemsOf(text: string | Uint8Array, options: ParseOptions = {}): string[] {
  const { errors, warnings } = parseConfig(text, options);
  return [...errors, ...warnings].map(
    (p) => `${p.place.line}:${p.place.column} ${p.severity === 'error' ? '' : 'warning '}${p.code}`,
  );
}

export const showProblems = ({ errors, warnings }: ParseResult): string =>
  [...errors, ...warnings].map(formatProblem).join('\n\n');
