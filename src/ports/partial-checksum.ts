// Frames from the same host that come without a virtio header (VXLAN by UDP, libpcap) may have a partial checksum all the same:
// a kernel leaves it to a device that will never come. Such a TCP or UDP checksum field holds the sum of the pseudo-header, as
// the rest is to be added to it; and a TCP frame may be many segments long (a "datagram" of up to 64 KB over veth).
//
// `markPartialChecksum` finds them and writes the virtio header that they would have had. A complete checksum that looks like
// this by chance (one in 65536) is computed again, to the same value.

import { OFFLOAD_CSUM, OFFLOAD_GSO, OFFLOAD_VNET } from '../base/batch.ts';
import { fold16, pseudoSum4, pseudoSum6 } from '../base/checksum.ts';
import { dot1qIsTpid } from '../wire/dot1q.ts';
import { ETH_HLEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.ts';
import {
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_HLEN,
  ipv4Dst,
  ipv4HeaderLen,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4Src,
  ipv4TotalLen,
} from '../wire/ipv4.ts';
import { IPV6_HLEN, ipv6NextHeader, ipv6PayloadLen } from '../wire/ipv6.ts';
import { TCP_HLEN, tcpHeaderLen } from '../wire/tcp.ts';
import { UDP_HLEN } from '../wire/udp.ts';
import {
  VNET_GSO_NONE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_NEEDS_CSUM,
  vnetEmit,
} from '../wire/virtio-net.ts';

const TCP_CHECKSUM_AT = 16;
const UDP_CHECKSUM_AT = 6;

/** Several UDP datagrams in one frame: how long each was, nobody says any more. */
export const PARTIAL_UNKNOWN_SEGMENTS = -1;

/**
 * Returns OFFLOAD_* bits, with the virtio header written before the frame when they are not 0; or PARTIAL_UNKNOWN_SEGMENTS.
 * @param len bytes of the frame at `off`
 * @param mtu largest L3 packet of the segment: a longer TCP packet is marked to be cut to it
 */
export function markPartialChecksum(view: DataView, off: number, len: number, mtu: number): number {
  let l3 = ETH_HLEN;
  if (len < l3) return 0;
  let type = view.getUint16(off + 12);
  while (dot1qIsTpid(type) && l3 + 4 <= len) {
    l3 += 4;
    type = view.getUint16(off + l3 - 2);
  }
  const ip = off + l3;
  const room = len - l3;
  let l4 = 0; // bytes from the IP header to the transport header
  let l4Len = 0;
  let protocol = 0;
  if (type === ETHERTYPE_IPV4 && room >= IPV4_HLEN) {
    l4 = ipv4HeaderLen(view, ip);
    l4Len = ipv4TotalLen(view, ip) - l4;
    protocol = ipv4Protocol(view, ip);
    if (l4 < IPV4_HLEN || ipv4IsFragment(view, ip)) return 0;
  } else if (type === ETHERTYPE_IPV6 && room >= IPV6_HLEN) {
    l4 = IPV6_HLEN;
    l4Len = ipv6PayloadLen(view, ip);
    protocol = ipv6NextHeader(view, ip);
  }
  const tcp = protocol === IPPROTO_TCP;
  if (!tcp && protocol !== IPPROTO_UDP) return 0;
  if (l4Len < (tcp ? TCP_HLEN : UDP_HLEN) || l4 + l4Len > room) return 0;
  const at = tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
  const pseudo =
    type === ETHERTYPE_IPV4
      ? pseudoSum4(ipv4Src(view, ip), ipv4Dst(view, ip), protocol, l4Len)
      : fold16(pseudoSum6(view, ip, protocol, l4Len));
  if (view.getUint16(ip + l4 + at) !== pseudo) return 0;
  if (l4 + l4Len <= mtu) {
    vnetEmit(view, off, VNET_NEEDS_CSUM, VNET_GSO_NONE, 0, 0, l3 + l4, at);
    return OFFLOAD_VNET | OFFLOAD_CSUM;
  }
  const headers = l4 + tcpHeaderLen(view, ip + l4);
  if (!tcp || headers >= mtu || headers > l4 + l4Len) return PARTIAL_UNKNOWN_SEGMENTS;
  const gsoType = type === ETHERTYPE_IPV4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
  vnetEmit(view, off, VNET_NEEDS_CSUM, gsoType, l3 + headers, mtu - headers, l3 + l4, at);
  return OFFLOAD_VNET | OFFLOAD_CSUM | OFFLOAD_GSO;
}
