// TCP and UDP in words, and by their ports what they carry. VXLAN's inner frame is handed back to the caller.

import { formatMac } from '../addr/mac.ts';
import { cut, type Extent, held, isWhole, type Layer, within } from './format-layer.ts';
import {
  TCP_ACK,
  TCP_FIN,
  TCP_HLEN,
  TCP_PORT_BGP,
  TCP_RST,
  TCP_SYN,
  tcpAck,
  tcpDstPort,
  tcpFlags,
  tcpHeaderLen,
  tcpMssOffset,
  tcpSeq,
  tcpSrcPort,
  tcpWindow,
} from './tcp.ts';
import {
  UDP_HLEN,
  UDP_PORT_BFD,
  UDP_PORT_DHCP_CLIENT,
  UDP_PORT_DHCP_SERVER,
  UDP_PORT_DNS,
  UDP_PORT_HSRP,
  UDP_PORT_MDNS,
  UDP_PORT_VXLAN,
  udpDstPort,
  udpLen,
  udpSrcPort,
} from './udp.ts';
import { vxlanCheck, vxlanVni } from './vxlan.ts';

const UDP_NAMES: ReadonlyMap<number, string> = new Map([
  [UDP_PORT_DNS, 'DNS'],
  [UDP_PORT_MDNS, 'mDNS'],
  [UDP_PORT_HSRP, 'HSRP'],
  [UDP_PORT_BFD, 'BFD control'],
  [123, 'NTP'],
  [161, 'SNMP'],
  [520, 'RIP'],
  [546, 'DHCPv6'],
  [547, 'DHCPv6'],
]);
const TCP_NAMES: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [53, 'DNS'],
  [80, 'HTTP'],
  [TCP_PORT_BGP, 'BGP'],
  [443, 'HTTPS'],
]);

/** Flags in tcpdump's letters and order. */
const TCP_FLAG_LETTERS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'];

/** `src.sport > dst.dport: …` of a datagram. */
export function formatUdp(x: Extent, src: string, dst: string): Layer {
  if (held(x) < UDP_HLEN) return { text: `${src} > ${dst}: ${cut('udp')}` };
  const sport = udpSrcPort(x.view, x.off);
  const dport = udpDstPort(x.view, x.off);
  const ends = `${src}.${sport} > ${dst}.${dport}:`;
  const len = udpLen(x.view, x.off);
  if (len < UDP_HLEN || (len > x.len && !x.partial)) return { text: `${ends} UDP, bad length ${len}` };
  const payload = within(x, UDP_HLEN, len - UDP_HLEN);
  if (dport === UDP_PORT_VXLAN) return formatVxlan(payload, ends);
  if (isDhcp(sport, dport)) return { text: `${ends} ${formatDhcp(payload)}` };
  const name = UDP_NAMES.get(dport) ?? UDP_NAMES.get(sport);
  return { text: `${ends} UDP, length ${len - UDP_HLEN}${name === undefined ? '' : `: ${name}`}` };
}

/** `src.sport > dst.dport: Flags […] …` of a segment; `len` of the extent is the segment's. */
export function formatTcp(x: Extent, src: string, dst: string): string {
  if (held(x) < TCP_HLEN) return `${src} > ${dst}: ${cut('tcp')}`;
  const { view, off } = x;
  const sport = tcpSrcPort(view, off);
  const dport = tcpDstPort(view, off);
  const ends = `${src}.${sport} > ${dst}.${dport}:`;
  const hlen = tcpHeaderLen(view, off);
  if (hlen < TCP_HLEN || hlen > x.len) return `${ends} TCP, bad header length ${hlen}`;
  const flags = tcpFlags(view, off);
  const len = x.len - hlen;
  const parts = [`Flags [${TCP_FLAG_LETTERS.filter((_, bit) => flags & (1 << bit)).join('') || 'none'}]`];
  const seq = tcpSeq(view, off);
  if (len > 0) parts.push(`seq ${seq}:${(seq + len) >>> 0}`);
  else if ((flags & (TCP_SYN | TCP_FIN | TCP_RST)) !== 0) parts.push(`seq ${seq}`);
  if ((flags & TCP_ACK) !== 0) parts.push(`ack ${tcpAck(view, off)}`);
  parts.push(`win ${tcpWindow(view, off)}`);
  const mss = tcpMssOffset(view, off, held(x));
  if (mss !== 0) parts.push(`options [mss ${view.getUint16(mss)}]`);
  parts.push(`length ${len}`);
  const name = len === 0 ? undefined : (TCP_NAMES.get(dport) ?? TCP_NAMES.get(sport));
  return `${ends} ${parts.join(', ')}${name === undefined ? '' : `: ${name}`}`;
}

function formatVxlan(x: Extent, ends: string): Layer {
  const inner = vxlanCheck(x.view, x.off, held(x));
  if (inner < 0) return { text: `${ends} VXLAN ${isWhole(x) ? 'with bad flags or length' : cut('vxlan')}` };
  return {
    text: `${ends} VXLAN, vni ${vxlanVni(x.view, x.off)}`,
    innerFrame: within(x, inner - x.off),
  };
}

const isDhcp = (sport: number, dport: number): boolean =>
  dport === UDP_PORT_DHCP_SERVER || (dport === UDP_PORT_DHCP_CLIENT && sport === UDP_PORT_DHCP_SERVER);

/** BOOTP's fixed part: operation in byte 0, the client's MAC in bytes 28 to 33 (RFC 2131 §2). */
function formatDhcp(x: Extent): string {
  if (held(x) < 34) return `BOOTP/DHCP ${cut('dhcp')}`;
  const { view, off } = x;
  const op = view.getUint8(off);
  const kind = op === 1 ? 'Request from' : op === 2 ? 'Reply to' : `operation ${op},`;
  return `BOOTP/DHCP, ${kind} ${formatMac(view.getUint16(off + 28), view.getUint32(off + 30))}, length ${x.len}`;
}
