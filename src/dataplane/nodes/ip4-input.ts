// ip4-input: IPv4 packets that are addressed to the gateway on layer 2. Checks the header (RFC 1812 §5.2.2), cuts off
// Ethernet padding, and drops what no router passes on: martians (§5.3.7), source routes (RFC 7126), group addresses.

import { REASON } from '../../stats/reasons.ts';
import {
  IPV4_BAD_CHECKSUM,
  IPV4_BAD_VERSION,
  IPV4_HLEN,
  ipv4Check,
  ipv4Dst,
  ipv4HasSourceRoute,
  ipv4Src,
  ipv4TotalLen,
} from '../../wire/ipv4.ts';
import { type Context, type GraphNode, NODE } from '../graph.ts';

const LINK_LOCAL = 0xa9fe; // 169.254.0.0/16, upper half (RFC 3927)
const BROADCAST = -1; // 255.255.255.255 as a signed word
const NO_NETWORK = 0xffff;

export function createIp4Input(): GraphNode {
  const lookup = NODE['ip4-lookup'];
  return {
    name: 'ip4-input',
    process(batch, idx, n, ctx) {
      const { view } = batch;
      for (let k = 0; k < n; k++) {
        const i = idx[k];
        const l3 = batch.l3[i];
        const at = batch.off[i] + l3;
        const payload = ipv4Check(view, at, batch.len[i] - l3);
        if (payload < 0) {
          ctx.drop(i, headerReason(payload));
          continue;
        }
        batch.len[i] = l3 + ipv4TotalLen(view, at);
        // signed words, for V8 puts a u32 of 2^31 and more on the heap where a call is not inlined
        const src = ipv4Src(view, at) | 0;
        const dst = ipv4Dst(view, at) | 0;
        if (martianSource(ctx, batch.iface[i], src)) ctx.drop(i, REASON['ip4-martian-source']);
        else if (groupDestination(ctx, batch.iface[i], dst)) ctx.drop(i, REASON['ip4-multicast']);
        else if (martianDestination(ctx, batch.iface[i], dst)) ctx.drop(i, REASON['ip4-martian-destination']);
        else if (payload - at > IPV4_HLEN && ipv4HasSourceRoute(view, at))
          ctx.drop(i, REASON['ip4-source-route']);
        else ctx.push(lookup, i);
      }
    },
  };
}

function headerReason(code: number): number {
  if (code === IPV4_BAD_VERSION) return REASON['ip4-bad-version'];
  return code === IPV4_BAD_CHECKSUM ? REASON['ip4-bad-checksum'] : REASON['ip4-truncated'];
}

/** Loopback, group, limited or ingress-subnet broadcast, zero network, or the ingress interface's own address. */
function martianSource(ctx: Context, iface: number, src: number): boolean {
  const top = src >>> 24;
  if (top === 0 || top === 127 || (top >= 224 && top < 240) || src === BROADCAST) return true;
  return (src ^ ctx.tables.interfaces.ip[iface]) === 0 || isSubnetBroadcast(ctx, iface, src);
}

/** Multicast, limited broadcast, or the ingress subnet's broadcast (RFC 2644: directed broadcasts are not passed on). */
function groupDestination(ctx: Context, iface: number, dst: number): boolean {
  return dst >>> 28 === 0xe || dst === BROADCAST || isSubnetBroadcast(ctx, iface, dst);
}

/** Loopback, zero network, or link-local beyond the ingress interface's own link (RFC 3927 §2.7). */
function martianDestination(ctx: Context, iface: number, dst: number): boolean {
  const top = dst >>> 24;
  if (top === 0 || top === 127) return true;
  if (dst >>> 16 !== LINK_LOCAL) return false;
  return ((dst ^ subnetAddress(ctx, iface)) & subnetMask(ctx, iface)) !== 0;
}

/** False in subnets without a broadcast address: /31, /32, and interfaces without an address. */
function isSubnetBroadcast(ctx: Context, iface: number, address: number): boolean {
  const mask = subnetMask(ctx, iface);
  return mask !== 0 && mask !== -1 && mask !== -2 && (subnetAddress(ctx, iface) | ~mask) === address;
}

// The subnet on the link that a packet came by: a network's for its VMs, a routed interface's own otherwise. Signed words.

function subnetMask(ctx: Context, iface: number): number {
  const { interfaces, networks } = ctx.tables;
  const network = interfaces.network[iface];
  return network === NO_NETWORK ? interfaces.mask[iface] | 0 : networks.mask[network] | 0;
}

function subnetAddress(ctx: Context, iface: number): number {
  const { interfaces, networks } = ctx.tables;
  const network = interfaces.network[iface];
  return network === NO_NETWORK ? interfaces.ip[iface] | 0 : networks.subnet[network] | 0;
}
