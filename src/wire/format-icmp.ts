// ICMP and ICMPv6 with neighbor discovery, in words.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatIpv6 } from '../addr/ipv6.ts';
import { formatMac } from '../addr/mac.ts';
import { cut, type Extent, held, isWhole } from './format-layer.ts';
import {
  ICMP4_ADMIN_PROHIBITED,
  ICMP4_DEST_UNREACHABLE,
  ICMP4_ECHO_REPLY,
  ICMP4_ECHO_REQUEST,
  ICMP4_FRAG_NEEDED,
  ICMP4_HLEN,
  ICMP4_HOST_UNREACHABLE,
  ICMP4_NET_UNREACHABLE,
  ICMP4_PARAMETER_PROBLEM,
  ICMP4_PORT_UNREACHABLE,
  ICMP4_PROTOCOL_UNREACHABLE,
  ICMP4_REDIRECT,
  ICMP4_ROUTER_ADVERTISEMENT,
  ICMP4_ROUTER_SOLICITATION,
  ICMP4_SOURCE_ROUTE_FAILED,
  ICMP4_TIME_EXCEEDED,
  ICMP4_TIMESTAMP_REPLY,
  ICMP4_TIMESTAMP_REQUEST,
  ICMP4_TTL_EXCEEDED,
  icmp4Check,
  icmp4Code,
  icmp4EchoId,
  icmp4EchoSeq,
  icmp4NextHopMtu,
  icmp4Rest,
  icmp4Type,
} from './icmpv4.ts';
import {
  ICMP6_DEST_UNREACHABLE,
  ICMP6_ECHO_REPLY,
  ICMP6_ECHO_REQUEST,
  ICMP6_MLD_DONE,
  ICMP6_MLD_QUERY,
  ICMP6_MLD_REPORT,
  ICMP6_MLD2_REPORT,
  ICMP6_NEIGHBOR_ADVERTISEMENT,
  ICMP6_NEIGHBOR_SOLICITATION,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_REDIRECT,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
  ICMP6_TIME_EXCEEDED,
  icmp6Check,
  icmp6Code,
  icmp6EchoId,
  icmp6EchoSeq,
  icmp6Type,
} from './icmpv6.ts';
import { IPPROTO_TCP, IPPROTO_UDP, IPV4_HLEN, ipv4Dst, ipv4HeaderLen, ipv4Protocol } from './ipv4.ts';
import {
  ND_NA_OVERRIDE,
  ND_NA_ROUTER,
  ND_NA_SOLICITED,
  ND_OPT_SOURCE_LINKADDR,
  ND_OPT_TARGET_LINKADDR,
  ndpAdvertisementFlags,
  ndpCheck,
  ndpOption,
  ndpOptionMacHi,
  ndpOptionMacLo,
  ndpRedirectDst,
  ndpRouterLifetime,
  ndpTarget,
} from './ndp.ts';

/** An ICMP message: its type, what an error is about, and a wrong checksum where all bytes are there. */
export function formatIcmp4(x: Extent): string {
  if (held(x) < ICMP4_HLEN) return cut('icmp');
  const bad = isWhole(x) && icmp4Check(x.view, x.off, x.len) < 0 ? ' (wrong icmp cksum)' : '';
  return `ICMP ${describe4(x)}, length ${x.len}${bad}`;
}

function describe4(x: Extent): string {
  const { view, off } = x;
  const type = icmp4Type(view, off);
  const code = icmp4Code(view, off);
  switch (type) {
    case ICMP4_ECHO_REQUEST:
    case ICMP4_ECHO_REPLY: {
      const kind = type === ICMP4_ECHO_REQUEST ? 'request' : 'reply';
      return `echo ${kind}, id ${icmp4EchoId(view, off)}, seq ${icmp4EchoSeq(view, off)}`;
    }
    case ICMP4_DEST_UNREACHABLE:
      return unreachable4(x, code);
    case ICMP4_TIME_EXCEEDED:
      return code === ICMP4_TTL_EXCEEDED ? 'time exceeded in-transit' : 'ip reassembly time exceeded';
    case ICMP4_REDIRECT:
      return `redirect ${quotedDst(x)} to ${formatIpv4(icmp4Rest(view, off))}`;
    case ICMP4_PARAMETER_PROBLEM:
      return `parameter problem - octet ${view.getUint8(off + 4)}`;
    case ICMP4_ROUTER_ADVERTISEMENT:
      return 'router advertisement';
    case ICMP4_ROUTER_SOLICITATION:
      return 'router solicitation';
    case ICMP4_TIMESTAMP_REQUEST:
      return `time stamp query, id ${icmp4EchoId(view, off)}, seq ${icmp4EchoSeq(view, off)}`;
    case ICMP4_TIMESTAMP_REPLY:
      return `time stamp reply, id ${icmp4EchoId(view, off)}, seq ${icmp4EchoSeq(view, off)}`;
    default:
      return `type ${type}, code ${code}`;
  }
}

function unreachable4(x: Extent, code: number): string {
  const dst = quotedDst(x);
  switch (code) {
    case ICMP4_NET_UNREACHABLE:
      return `net ${dst} unreachable`;
    case ICMP4_HOST_UNREACHABLE:
      return `host ${dst} unreachable`;
    case ICMP4_PROTOCOL_UNREACHABLE:
      return `${dst} protocol ${held(x) < ICMP4_HLEN + IPV4_HLEN ? '?' : ipv4Protocol(x.view, x.off + ICMP4_HLEN)} unreachable`;
    case ICMP4_PORT_UNREACHABLE:
      return `${dst} ${quotedPort(x)} unreachable`;
    case ICMP4_FRAG_NEEDED:
      return `${dst} unreachable - need to frag (mtu ${icmp4NextHopMtu(x.view, x.off)})`;
    case ICMP4_SOURCE_ROUTE_FAILED:
      return `${dst} unreachable - source route failed`;
    case ICMP4_ADMIN_PROHIBITED:
      return `host ${dst} unreachable - admin prohibited`;
    default:
      return `${dst} unreachable - code ${code}`;
  }
}

/** Destination of the packet that an error quotes. */
const quotedDst = (x: Extent): string =>
  held(x) < ICMP4_HLEN + IPV4_HLEN ? cut('ip') : formatIpv4(ipv4Dst(x.view, x.off + ICMP4_HLEN));

/** Protocol and destination port of the packet that an error quotes. */
function quotedPort(x: Extent): string {
  if (held(x) < ICMP4_HLEN + IPV4_HLEN) return 'port ?';
  const quote = x.off + ICMP4_HLEN;
  const protocol = ipv4Protocol(x.view, quote);
  const name = protocol === IPPROTO_UDP ? 'udp' : protocol === IPPROTO_TCP ? 'tcp' : `protocol ${protocol}`;
  const port = quote + ipv4HeaderLen(x.view, quote) + 2;
  return `${name} port ${port + 2 <= x.end ? x.view.getUint16(port) : '?'}`;
}

/** An ICMPv6 message in the packet whose IPv6 header is at `ip6`. */
export function formatIcmp6(x: Extent, ip6: number): string {
  if (held(x) < 8) return cut('icmp6');
  const bad = isWhole(x) && icmp6Check(x.view, ip6, x.off, x.len) < 0 ? ' (wrong icmp6 cksum)' : '';
  return `ICMP6, ${describe6(x, ip6)}, length ${x.len}${bad}`;
}

function describe6(x: Extent, ip6: number): string {
  const { view, off } = x;
  const type = icmp6Type(view, off);
  switch (type) {
    case ICMP6_ECHO_REQUEST:
    case ICMP6_ECHO_REPLY: {
      const kind = type === ICMP6_ECHO_REQUEST ? 'request' : 'reply';
      return `echo ${kind}, id ${icmp6EchoId(view, off)}, seq ${icmp6EchoSeq(view, off)}`;
    }
    case ICMP6_DEST_UNREACHABLE:
      return `destination unreachable, code ${icmp6Code(view, off)}`;
    case ICMP6_PACKET_TOO_BIG:
      return `packet too big, mtu ${view.getUint32(off + 4)}`;
    case ICMP6_TIME_EXCEEDED:
      return 'time exceeded in-transit';
    case ICMP6_PARAMETER_PROBLEM:
      return `parameter problem, code ${icmp6Code(view, off)}`;
    case ICMP6_MLD_QUERY:
      return 'multicast listener query';
    case ICMP6_MLD_REPORT:
    case ICMP6_MLD2_REPORT:
      return `multicast listener report${type === ICMP6_MLD2_REPORT ? ' v2' : ''}`;
    case ICMP6_MLD_DONE:
      return 'multicast listener done';
    default:
      return type >= ICMP6_ROUTER_SOLICITATION && type <= ICMP6_REDIRECT
        ? describeNd(x, ip6, type)
        : `type ${type}, code ${icmp6Code(view, off)}`;
  }
}

function describeNd(x: Extent, ip6: number, type: number): string {
  const { view, off, end } = x;
  const options = ndpCheck(view, ip6, off, held(x));
  if (options < 0) return `neighbor discovery type ${type} ${isWhole(x) ? '(invalid)' : cut('nd')}`;
  const target = (): string =>
    formatIpv6(
      ndpTarget(view, off, 0),
      ndpTarget(view, off, 1),
      ndpTarget(view, off, 2),
      ndpTarget(view, off, 3),
    );
  const mac = (option: number, label: string): string => {
    const at = ndpOption(view, options, end, option);
    return at === 0 ? '' : `, ${label} ${formatMac(ndpOptionMacHi(view, at), ndpOptionMacLo(view, at))}`;
  };
  switch (type) {
    case ICMP6_ROUTER_SOLICITATION:
      return `router solicitation${mac(ND_OPT_SOURCE_LINKADDR, 'from')}`;
    case ICMP6_ROUTER_ADVERTISEMENT:
      return `router advertisement, lifetime ${ndpRouterLifetime(view, off)}s${mac(ND_OPT_SOURCE_LINKADDR, 'from')}`;
    case ICMP6_NEIGHBOR_SOLICITATION:
      return `neighbor solicitation, who has ${target()}${mac(ND_OPT_SOURCE_LINKADDR, 'from')}`;
    case ICMP6_NEIGHBOR_ADVERTISEMENT:
      return `neighbor advertisement, tgt is ${target()}${naFlags(ndpAdvertisementFlags(view, off))}${mac(ND_OPT_TARGET_LINKADDR, 'is-at')}`;
    default: {
      const dst = formatIpv6(
        ndpRedirectDst(view, off, 0),
        ndpRedirectDst(view, off, 1),
        ndpRedirectDst(view, off, 2),
        ndpRedirectDst(view, off, 3),
      );
      return `redirect, ${dst} to ${target()}${mac(ND_OPT_TARGET_LINKADDR, 'is-at')}`;
    }
  }
}

function naFlags(flags: number): string {
  const names: string[] = [];
  if ((flags & ND_NA_ROUTER) !== 0) names.push('router');
  if ((flags & ND_NA_SOLICITED) !== 0) names.push('solicited');
  if ((flags & ND_NA_OVERRIDE) !== 0) names.push('override');
  return names.length === 0 ? '' : `, Flags [${names.join(', ')}]`;
}
