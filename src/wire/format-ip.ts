// IPv4 and IPv6 packets in words: the header, then whatever the payload's formatter makes of it. A header that a node would
// drop is still shown as far as it can be read, with what is wrong about it.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatIpv6 } from '../addr/ipv6.ts';
import { checksum } from '../base/checksum.ts';
import { formatIcmp4, formatIcmp6 } from './format-icmp.ts';
import { cut, type Extent, held, hex, isWhole, type Layer, within } from './format-layer.ts';
import { formatTcp, formatUdp } from './format-transport.ts';
import {
  IPPROTO_AH,
  IPPROTO_ESP,
  IPPROTO_GRE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IGMP,
  IPPROTO_OSPF,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_VRRP,
  IPV4_DF,
  IPV4_HLEN,
  IPV4_MF,
  ipv4Dst,
  ipv4FlagsFrag,
  ipv4FragmentOffset,
  ipv4HasSourceRoute,
  ipv4HeaderLen,
  ipv4Id,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Src,
  ipv4Tos,
  ipv4TotalLen,
  ipv4Ttl,
} from './ipv4.ts';
import {
  IPPROTO_FRAGMENT,
  IPPROTO_NONE,
  IPV6_HLEN,
  ipv6Dst,
  ipv6FlowLabel,
  ipv6HopLimit,
  ipv6IsDetoured,
  ipv6IsExtension,
  ipv6IsFragmented,
  ipv6NextHeader,
  ipv6PayloadLen,
  ipv6Src,
  ipv6TrafficClass,
  ipv6UpperOffset,
  ipv6UpperProtocol,
  ipv6Walk,
} from './ipv6.ts';
import { tcpChecksumOk4 } from './tcp.ts';
import { udpChecksumOk4, udpLen } from './udp.ts';

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [IPPROTO_ICMP, 'ICMP'],
  [IPPROTO_IGMP, 'IGMP'],
  [4, 'IP-in-IP'],
  [IPPROTO_TCP, 'TCP'],
  [IPPROTO_UDP, 'UDP'],
  [41, 'IPv6-in-IP'],
  [IPPROTO_GRE, 'GRE'],
  [IPPROTO_ESP, 'ESP'],
  [IPPROTO_AH, 'AH'],
  [IPPROTO_ICMPV6, 'ICMPv6'],
  [88, 'EIGRP'],
  [IPPROTO_OSPF, 'OSPF'],
  [103, 'PIM'],
  [IPPROTO_VRRP, 'VRRP'],
  [IPPROTO_SCTP, 'SCTP'],
]);
const OSPF_TYPES = ['', 'Hello', 'Database Description', 'LS-Request', 'LS-Update', 'LS-Ack'];

/** `IP src > dst: …`; verbose adds the header's other fields and the transport's checksum. */
export function formatIp4(x: Extent, verbose: boolean): Layer {
  if (held(x) < IPV4_HLEN) return { text: `IP ${cut('ip')}` };
  const { view, off } = x;
  const version = view.getUint8(off) >>> 4;
  if (version !== 4) return { text: `IP, bad version ${version}` };
  const hlen = ipv4HeaderLen(view, off);
  if (hlen < IPV4_HLEN) return { text: `IP, bad header length ${hlen}` };
  const src = formatIpv4(ipv4Src(view, off));
  const dst = formatIpv4(ipv4Dst(view, off));
  const total = ipv4TotalLen(view, off);
  const head = `IP${verbose ? ` ${fields4(view, off)}` : ''}${faults4(x, hlen, total)}`;
  if (total < hlen) return { text: `${head} ${src} > ${dst}` };
  if (held(x) < hlen) return { text: `${head} ${src} > ${dst}: ${cut('ip options')}` };
  const payload = within(x, hlen, total - hlen, ipv4IsFragment(view, off) || total > x.len);
  const protocol = ipv4Protocol(view, off);
  const fragOffset = ipv4FragmentOffset(view, off);
  const note = `${ipv4HasSourceRoute(view, off) ? ', source route' : ''}${fragment4(view, off)}`;
  if (fragOffset > 0) {
    return { text: `${head} ${src} > ${dst}: ${protocolName(protocol)}${note}, length ${payload.len}` };
  }
  const upper = formatUpper(payload, protocol, src, dst, off);
  const wrong = verbose ? checksumNote4(payload, protocol, off) : '';
  return { ...upper, text: `${head} ${upper.text}${wrong}${note}` };
}

/** `IP6 src > dst: …`, with the extension headers skipped. */
export function formatIp6(x: Extent, verbose: boolean): Layer {
  if (held(x) < IPV6_HLEN) return { text: `IP6 ${cut('ip6')}` };
  const { view, off } = x;
  const version = view.getUint8(off) >>> 4;
  if (version !== 6) return { text: `IP6, bad version ${version}` };
  const src = formatIpv6(
    ipv6Src(view, off, 0),
    ipv6Src(view, off, 1),
    ipv6Src(view, off, 2),
    ipv6Src(view, off, 3),
  );
  const dst = formatIpv6(
    ipv6Dst(view, off, 0),
    ipv6Dst(view, off, 1),
    ipv6Dst(view, off, 2),
    ipv6Dst(view, off, 3),
  );
  const total = IPV6_HLEN + ipv6PayloadLen(view, off);
  const missing = total > x.len ? ` truncated-ip6, ${total - x.len} bytes missing,` : '';
  const head = `IP6${verbose ? ` ${fields6(view, off)}` : ''}${missing}`;
  const packet = within(x, 0, total, total > x.len);
  const next = ipv6NextHeader(view, off);
  const walked = held(packet) >= total ? ipv6Walk(view, off) : walkCut(next);
  if (walked < 0) return { text: `${head} ${src} > ${dst}: next header ${next} ${cut('ip6 extension')}` };
  const protocol = ipv6UpperProtocol(walked);
  const skip = ipv6UpperOffset(0, walked);
  if (protocol === IPPROTO_NONE) return { text: `${head} ${src} > ${dst}: no next header` };
  if (protocol === IPPROTO_FRAGMENT) return { text: `${head} ${src} > ${dst}: frag, length ${total - skip}` };
  const unverifiable = packet.partial || ipv6IsFragmented(walked) || ipv6IsDetoured(walked);
  const upper = formatUpper(within(packet, skip, total - skip, unverifiable), protocol, src, dst, off);
  return { ...upper, text: `${head} ${upper.text}${ipv6IsFragmented(walked) ? ', frag' : ''}` };
}

/** As `ipv6Walk` for a packet that is cut short, where extension headers cannot be followed. */
const walkCut = (next: number): number => (ipv6IsExtension(next) ? -1 : (IPV6_HLEN << 8) | next);

/** What an IP packet carries, addresses first; `ip` is the offset of its header. */
function formatUpper(x: Extent, protocol: number, src: string, dst: string, ip: number): Layer {
  const ends = `${src} > ${dst}:`;
  switch (protocol) {
    case IPPROTO_UDP:
      return formatUdp(x, src, dst);
    case IPPROTO_TCP:
      return { text: formatTcp(x, src, dst) };
    case IPPROTO_ICMP:
      return { text: `${ends} ${formatIcmp4(x)}` };
    case IPPROTO_ICMPV6:
      return { text: `${ends} ${x.view.getUint8(ip) >>> 4 === 6 ? formatIcmp6(x, ip) : 'ICMPv6'}` };
    case IPPROTO_OSPF: {
      const type = held(x) < 2 ? 0 : x.view.getUint8(x.off + 1);
      const version = held(x) < 2 ? '' : `v${x.view.getUint8(x.off)}`;
      return { text: `${ends} OSPF${version}, ${OSPF_TYPES[type] || `type ${type}`}, length ${x.len}` };
    }
    case IPPROTO_VRRP: {
      // RFC 5798 §5.1: version and type, then virtual router and priority
      const router =
        held(x) < 3 ? cut('vrrp') : `vrid ${x.view.getUint8(x.off + 1)}, prio ${x.view.getUint8(x.off + 2)}`;
      return { text: `${ends} VRRP, ${router}, length ${x.len}` };
    }
    default:
      return { text: `${ends} ${protocolName(protocol)}, length ${x.len}` };
  }
}

const protocolName = (protocol: number): string => PROTOCOL_NAMES.get(protocol) ?? `ip-proto-${protocol}`;

function fields4(view: DataView, off: number): string {
  const flags = ipv4FlagsFrag(view, off);
  const names = [(flags & IPV4_DF) !== 0 ? 'DF' : '', (flags & IPV4_MF) !== 0 ? '+' : ''].join('');
  const protocol = ipv4Protocol(view, off);
  return (
    `(tos ${hex(ipv4Tos(view, off), 1)}, ttl ${ipv4Ttl(view, off)}, id ${ipv4Id(view, off)}, ` +
    `offset ${ipv4FragmentOffset(view, off)}, flags [${names || 'none'}], ` +
    `proto ${protocolName(protocol)} (${protocol}), length ${ipv4TotalLen(view, off)})`
  );
}

const fields6 = (view: DataView, off: number): string =>
  `(class ${hex(ipv6TrafficClass(view, off), 2)}, flowlabel ${hex(ipv6FlowLabel(view, off), 5)}, ` +
  `hlim ${ipv6HopLimit(view, off)}, next-header ${ipv6NextHeader(view, off)}, payload length ${ipv6PayloadLen(view, off)})`;

/** What is wrong with an IPv4 header, each with a leading space and a trailing comma. */
function faults4(x: Extent, hlen: number, total: number): string {
  let text = '';
  if (total < hlen) text += ` bad total length ${total},`;
  else if (total > x.len) text += ` truncated-ip, ${total - x.len} bytes missing,`;
  if (held(x) >= hlen && checksum(x.view, x.off, hlen) !== 0) text += ' bad ip cksum,';
  return text;
}

function fragment4(view: DataView, off: number): string {
  if (!ipv4IsFragment(view, off)) return '';
  const more = (ipv4FlagsFrag(view, off) & IPV4_MF) !== 0 ? '+' : '';
  return `, frag (id ${ipv4Id(view, off)}, offset ${ipv4FragmentOffset(view, off)}${more})`;
}

/** Says when the checksum of a segment or datagram that is all there is wrong: an offloaded one, or a damaged one. */
function checksumNote4(x: Extent, protocol: number, ip: number): string {
  if (!isWhole(x)) return '';
  const src = ipv4Src(x.view, ip);
  const dst = ipv4Dst(x.view, ip);
  const ok =
    protocol === IPPROTO_TCP
      ? x.len < 20 || tcpChecksumOk4(x.view, x.off, x.len, src, dst)
      : protocol !== IPPROTO_UDP ||
        x.len < 8 ||
        udpLen(x.view, x.off) > x.len ||
        udpChecksumOk4(x.view, x.off, src, dst);
  return ok ? '' : ` (wrong ${protocol === IPPROTO_TCP ? 'tcp' : 'udp'} cksum)`;
}
