// The wire of `bench wire`: three namespaces in a row.
//
//   gen: g0 10.1.0.2 ──── d0 10.1.0.1 :dut: d1 10.2.0.1 ──── s0 10.2.0.2 :sink
//
// MACs are 02:00:00:00:01:02 (g0), …:01:01 (d0), …:02:01 (d1), …:02:02 (s0). Generator and sink know their neighbors for good. For
// a bridge they also have 10.9.0.1 and 10.9.0.2. In the sink a tc filter drops, and so counts, the frames that arrive as
// they should: it is the cheapest counter there is, and the sink's IP stack never sees them. Everything else passes.

import { mkdirSync, readFileSync } from 'node:fs';
import { must } from '../lab/shell.ts';
import {
  forwardedFrameFilter,
  goodFrameFilter,
  MAC,
  macText,
  tcBytecode,
  type WireMode,
} from './wire-frame.ts';
import { removeWire, WIRE_PARTS, wireFolder, wireNamespace } from './wire-remove.ts';

/** Address that an echo through the device under test goes to. */
export const SINK_IP: Readonly<Record<WireMode, string>> = { l3: '10.2.0.2', l2: '10.9.0.2' };

/** Makes the wire; the device under test has its devices up and nothing else. */
export async function buildWire(prefix: string, mode: WireMode): Promise<void> {
  removeWire(prefix);
  mkdirSync(wireFolder(prefix), { recursive: true });
  const [gen, dut, sink] = WIRE_PARTS.map((part) => wireNamespace(prefix, part));
  const ip = (ns: string, line: string): Promise<string> => must(['ip', '-n', ns, ...line.split(' ')]);
  for (const ns of [gen, dut, sink]) {
    await must(['ip', 'netns', 'add', ns]);
    // No router solicitations or duplicate detection between the frames that are counted.
    const quiet = 'echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null 2>&1 || true';
    await must(['ip', 'netns', 'exec', ns, 'sh', '-c', quiet]);
    await ip(ns, 'link set lo up');
  }
  const veth = (dev: 'd0' | 'd1', peer: 'g0' | 's0', ns: string): Promise<string> =>
    ip(
      dut,
      `link add ${dev} address ${macText(MAC[dev])} type veth peer name ${peer} netns ${ns} address ${macText(MAC[peer])}`,
    );
  await veth('d0', 'g0', gen);
  await veth('d1', 's0', sink);
  for (const [ns, dev] of [
    [gen, 'g0'],
    [dut, 'd0'],
    [dut, 'd1'],
    [sink, 's0'],
  ] as const) {
    await ip(ns, `link set ${dev} up promisc on`);
  }
  await ip(gen, 'addr add 10.1.0.2/24 dev g0');
  await ip(sink, 'addr add 10.2.0.2/24 dev s0');
  await ip(gen, `neigh add 10.1.0.1 lladdr ${macText(MAC.d0)} dev g0 nud permanent`);
  await ip(sink, `neigh add 10.2.0.1 lladdr ${macText(MAC.d1)} dev s0 nud permanent`);
  await ip(gen, 'route add 10.2.0.0/24 via 10.1.0.1');
  await ip(sink, 'route add 10.1.0.0/24 via 10.2.0.1');
  await ip(gen, 'addr add 10.9.0.1/24 dev g0');
  await ip(sink, 'addr add 10.9.0.2/24 dev s0');
  await ip(gen, `neigh add 10.9.0.2 lladdr ${macText(MAC.s0)} dev g0 nud permanent`);
  await ip(sink, `neigh add 10.9.0.1 lladdr ${macText(MAC.g0)} dev s0 nud permanent`);
  await addTcFilter(sink, 's0', tcBytecode(goodFrameFilter(mode)));
}

/** Counts every frame that comes out of the device under test, instead of those with our mark: a capture has none. */
export async function countEveryFrame(prefix: string, mode: WireMode): Promise<void> {
  const ns = wireNamespace(prefix, 'sink');
  await removeTcFilter(ns, 's0');
  await addTcFilter(ns, 's0', tcBytecode(forwardedFrameFilter(mode)));
}

/** Puts a filter of classic BPF in front of a device's protocols; what it returns is what happens (direct action). */
export async function addTcFilter(ns: string, device: string, bytecode: string): Promise<void> {
  await must(['tc', '-n', ns, 'qdisc', 'add', 'dev', device, 'clsact']);
  await must(
    ['tc', '-n', ns, 'filter', 'add', 'dev', device].concat(['ingress', 'bpf', 'bytecode', bytecode, 'da']),
  );
}

export async function removeTcFilter(ns: string, device: string): Promise<void> {
  await must(['tc', '-n', ns, 'qdisc', 'del', 'dev', device, 'clsact']);
}

/** Frames that have arrived in the sink as they should. */
export async function countGoodFrames(prefix: string): Promise<number> {
  const ns = wireNamespace(prefix, 'sink');
  const text = await must(['tc', '-n', ns, '-s', '-j', 'qdisc', 'show', 'dev', 's0']);
  const rows = JSON.parse(text) as readonly { readonly kind: string; readonly drops?: number }[];
  return rows.find((row) => row.kind === 'clsact')?.drops ?? 0;
}

/** Frames that have arrived in the sink at all; `pid` is a process in its namespace. Takes microseconds. */
export function countFrames(pid: number): number {
  const line = /^ *s0:(.*)$/m.exec(readFileSync(`/proc/${pid}/net/dev`, 'latin1'))?.[1] ?? '';
  return Number(line.trim().split(/ +/)[1]);
}
