// The exec lines of a topology's node, read as far as the simulator builds from them: addresses, the default route, MACs,
// bridges and their members, VXLAN tunnels, and whether the node forwards. A line that it does not understand is refused, so
// that the two engines cannot drift apart unseen.

import { parseIpv4 } from '../addr/ipv4.ts';
import { type Mac, parseMac } from '../addr/mac.ts';
import { type InterfaceAddress4, parseInterfaceAddress4 } from '../addr/prefix.ts';
import { NearhopError } from '../base/errors.ts';

export interface NodeSetup {
  readonly name: string;
  forwards: boolean;
  /** In the order of the lines; `lo` is a device too. */
  readonly addresses: (InterfaceAddress4 & { readonly device: string })[];
  /** Next hop of the default route; undefined: none. */
  defaultVia: number | undefined;
  readonly macs: Map<string, Mac>;
  readonly bridges: Set<string>;
  /** Device → bridge that it is a port of. */
  readonly masters: Map<string, string>;
  /** Devices that are down when the lab is up. */
  readonly down: Set<string>;
  /** VXLAN device → device that carries it. */
  readonly tunnels: Map<string, string>;
}

export function readExecLines(name: string, lines: readonly string[]): NodeSetup {
  const setup: NodeSetup = {
    name,
    forwards: false,
    addresses: [],
    defaultVia: undefined,
    macs: new Map(),
    bridges: new Set(),
    masters: new Map(),
    down: new Set(),
    tunnels: new Map(),
  };
  for (const line of lines) {
    if (!readLine(setup, line)) {
      throw new NearhopError('lab-exec-unknown', `node ${name}: the simulator does not know '${line}'`, {
        hint: 'it knows ip addr add, ip route replace default, ip link add|set and sysctl -qw',
      });
    }
  }
  return setup;
}

function readLine(setup: NodeSetup, line: string): boolean {
  const words = line.trim().split(/\s+/);
  const head = words.slice(0, 3).join(' ');
  if (head.startsWith('sysctl -qw ')) {
    // The other settings turn off what the simulated nodes do not do anyway: redirects, reverse path filters.
    if (words.includes('net.ipv4.ip_forward=1')) setup.forwards = true;
    return true;
  }
  if (head === 'ip addr add' && words[4] === 'dev' && words.length === 6) {
    setup.addresses.push({ ...parseInterfaceAddress4(words[3] ?? ''), device: words[5] ?? '' });
    return true;
  }
  if (head === 'ip route replace' && words[3] === 'default' && words[4] === 'via' && words.length === 6) {
    setup.defaultVia = parseIpv4(words[5] ?? '');
    return true;
  }
  if (head === 'ip link add') return readLinkAdd(setup, words);
  if (head === 'ip link set') return readLinkSet(setup, words[3] ?? '', words.slice(4));
  return false;
}

function readLinkAdd(setup: NodeSetup, words: readonly string[]): boolean {
  const device = words[3] ?? '';
  const carrier = words[words.indexOf('dev') + 1] ?? '';
  if (words[5] === 'bridge') setup.bridges.add(device);
  else if (words[5] === 'vxlan' && words.includes('dev')) setup.tunnels.set(device, carrier);
  else return false;
  return true;
}

function readLinkSet(setup: NodeSetup, device: string, words: readonly string[]): boolean {
  for (let i = 0; i < words.length; i++) {
    const value = words[i + 1] ?? '';
    switch (words[i]) {
      case 'up':
        setup.down.delete(device);
        break;
      case 'down':
        setup.down.add(device);
        break;
      case 'mtu':
        i++;
        break;
      case 'address':
        setup.macs.set(device, parseMac(value));
        i++;
        break;
      case 'master':
        setup.masters.set(device, value);
        i++;
        break;
      default:
        return false;
    }
  }
  return words.length > 0;
}
