// The two ways of `bench tcp`, in the namespaces that `bench wire` also uses (wire-remove.ts): a sender or receiver in `gen` and
// `sink`, the device under test between them. All devices keep the offloads that the kernel gives them.
//
//   routed   gen: g0 10.1.0.2 ──── d0 10.1.0.1 :dut: d1 10.2.0.1 ──── s0 10.2.0.2 :sink
//   vxlan    gen: g0 10.9.0.1 ──── d0          :dut: d1 10.2.0.1 ──── s0 10.2.0.2 :sink: vx0 10.9.0.2
//
// In vxlan the device under test bridges d0 and a tunnel to 10.2.0.2, whose other end is the sink's kernel. vxlan-gso is the same,
// and Nearhop has a `gsoDevice`.

import { mkdirSync } from 'node:fs';
import { must } from '../lab/shell.ts';
import { MAC, macText } from './wire-frame.ts';
import { removeWire, WIRE_PARTS, wireFolder, wireNamespace } from './wire-remove.ts';

export type TcpPath = 'routed' | 'vxlan' | 'vxlan-gso';

/** Addresses of the two ends of a connection. */
export const TCP_ENDS: Readonly<Record<TcpPath, { readonly gen: string; readonly sink: string }>> = {
  routed: { gen: '10.1.0.2', sink: '10.2.0.2' },
  vxlan: { gen: '10.9.0.1', sink: '10.9.0.2' },
  'vxlan-gso': { gen: '10.9.0.1', sink: '10.9.0.2' },
};

export const TUNNEL = { vni: 10, dut: '10.2.0.1', sink: '10.2.0.2', mtu: 1450 };

/** Makes a way; the device under test has its devices up and, for the tunnel, the address that it starts at. */
export async function buildTcpPath(prefix: string, path: TcpPath): Promise<void> {
  removeWire(prefix);
  mkdirSync(wireFolder(prefix), { recursive: true });
  const [gen, dut, sink] = WIRE_PARTS.map((part) => wireNamespace(prefix, part));
  const ip = (ns: string, line: string): Promise<string> => must(['ip', '-n', ns, ...line.split(' ')]);
  for (const ns of [gen, dut, sink]) {
    await must(['ip', 'netns', 'add', ns]);
    await ip(ns, 'link set lo up');
  }
  const pairs = [
    { dev: 'd0', peer: 'g0', ns: gen },
    { dev: 'd1', peer: 's0', ns: sink },
  ] as const;
  for (const { dev, peer, ns } of pairs) {
    const ends = `${dev} address ${macText(MAC[dev])} type veth peer name ${peer} netns ${ns} address`;
    await ip(dut, `link add ${ends} ${macText(MAC[peer])}`);
    await ip(dut, `link set ${dev} up`);
    await ip(ns, `link set ${peer} up`);
  }
  await ip(sink, `addr add ${TUNNEL.sink}/24 dev s0`);
  if (path === 'routed') {
    await ip(gen, `addr add ${TCP_ENDS.routed.gen}/24 dev g0`);
    await ip(gen, 'route add 10.2.0.0/24 via 10.1.0.1');
    await ip(sink, 'route add 10.1.0.0/24 via 10.2.0.1');
    return;
  }
  await ip(dut, `addr add ${TUNNEL.dut}/24 dev d1`);
  await ip(gen, `link set g0 mtu ${TUNNEL.mtu}`);
  await ip(gen, `addr add ${TCP_ENDS.vxlan.gen}/24 dev g0`);
  await ip(sink, kernelTunnel(TUNNEL.sink, TUNNEL.dut, 's0'));
  await ip(sink, `addr add ${TCP_ENDS.vxlan.sink}/24 dev vx0`);
  await ip(sink, 'link set vx0 up');
}

/** Makes the kernel of the device under test the router, or the bridge with a tunnel. */
export async function configureTcpKernel(prefix: string, path: TcpPath): Promise<void> {
  const dut = wireNamespace(prefix, 'dut');
  const lines =
    path === 'routed'
      ? ['addr add 10.1.0.1/24 dev d0', 'addr add 10.2.0.1/24 dev d1']
      : [
          kernelTunnel(TUNNEL.dut, TUNNEL.sink, 'd1'),
          'link add br0 type bridge stp_state 0',
          'link set d0 master br0',
          'link set vx0 master br0',
          'link set vx0 up',
          'link set br0 up',
        ];
  for (const line of lines) await must(['ip', '-n', dut, ...line.split(' ')]);
  if (path === 'routed') {
    await must(['ip', 'netns', 'exec', dut, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  }
}

const kernelTunnel = (local: string, remote: string, dev: string): string =>
  `link add vx0 type vxlan id ${TUNNEL.vni} local ${local} remote ${remote} dstport 4789 dev ${dev}`;

/** The config of Nearhop as the device under test. Its MACs are its own, so that the kernel soon drops its copy of a frame. */
export function tcpConfig(path: TcpPath): string {
  const head = `gateway: { name: bench-tcp }
ports:
  - { name: d0, kind: af-packet, device: d0 }
`;
  if (path === 'routed') {
    return `${head}  - { name: d1, kind: af-packet, device: d1 }
interfaces:
  - { name: left, port: d0, address: 10.1.0.1/24, mac: "02:00:00:00:11:01", hostStack: false }
  - { name: right, port: d1, address: 10.2.0.1/24, mac: "02:00:00:00:12:01", hostStack: false }
`;
  }
  const { vni, dut, sink, mtu } = TUNNEL;
  const gso = path === 'vxlan-gso' ? ', gsoDevice: gso0' : '';
  return `${head}  - { name: ext, kind: vxlan, vni: ${vni}, local: ${dut}, remotes: [${sink}]${gso} }
networks:
  - name: lan
    subnet: 10.9.0.0/24
    gateway: { address: 10.9.0.254, mac: "02:00:00:00:19:fe" }
    proximityRouting: false
    extension: { port: ext, mtu: ${mtu} }
    members: [d0]
`;
}
