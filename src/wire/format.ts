// A frame as one line of text, in the manner of tcpdump, for traces, logs and tests. Cold: it allocates as it likes. It never
// throws, whatever the bytes are, and shows what can be read of a frame that is cut short or wrong.
//
// A frame goes through link (tags, ARP, LLC) to format-ip.ts, from there to format-icmp.ts or format-transport.ts, and comes
// back here when it carries another frame (VXLAN).

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import {
  ARP_LEN,
  ARP_REPLY,
  ARP_REQUEST,
  arpCheck,
  arpOp,
  arpSenderIp,
  arpSenderMacHi,
  arpSenderMacLo,
  arpTargetIp,
  arpTargetMacHi,
  arpTargetMacLo,
  RARP_REPLY,
  RARP_REQUEST,
} from './arp.ts';
import { DOT1Q_LEN, dot1qInnerType, dot1qIsTpid, dot1qPcp, dot1qVid } from './dot1q.ts';
import {
  ETH_HLEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_LLDP,
  ETHERTYPE_MIN,
  ETHERTYPE_MPLS,
  ETHERTYPE_PPPOE_DISCOVERY,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_QINQ,
  ETHERTYPE_RARP,
  ETHERTYPE_SLOW,
  ETHERTYPE_VLAN,
  ethernetDstHi,
  ethernetDstLo,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from './ethernet.ts';
import { formatIp4, formatIp6 } from './format-ip.ts';
import { cut, type Extent, held, hex, type Layer, within } from './format-layer.ts';

/** Frames within frames that are shown. */
const NESTING_MAX = 4;
/** Tags that are shown; a frame of nothing but tags would make an endless line. */
const TAGS_MAX = 4;

const ETHERTYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [ETHERTYPE_IPV4, 'IPv4'],
  [ETHERTYPE_ARP, 'ARP'],
  [ETHERTYPE_RARP, 'Reverse ARP'],
  [ETHERTYPE_VLAN, '802.1Q'],
  [ETHERTYPE_QINQ, '802.1ad'],
  [ETHERTYPE_IPV6, 'IPv6'],
  [ETHERTYPE_SLOW, 'Slow Protocols'],
  [ETHERTYPE_MPLS, 'MPLS'],
  [ETHERTYPE_PPPOE_DISCOVERY, 'PPPoE Discovery'],
  [ETHERTYPE_PPPOE_SESSION, 'PPPoE Session'],
  [ETHERTYPE_LLDP, 'LLDP'],
]);

/**
 * One line about the frame of `len` bytes at `off`, without its MACs: `IP 10.0.0.1 > 10.0.0.2: ICMP echo request, …`.
 * `wireLen` is the frame's length on the wire where only its first `len` bytes were kept.
 */
export function formatFrame(u8: Uint8Array, off: number, len: number, wireLen = len): string {
  return frame(extent(u8, off, len, wireLen), false, NESTING_MAX);
}

/** As `formatFrame`, with MACs, type, length, the other fields of the IP header and wrong TCP and UDP checksums over IPv4. */
export function formatFrameVerbose(u8: Uint8Array, off: number, len: number, wireLen = len): string {
  return frame(extent(u8, off, len, wireLen), true, NESTING_MAX);
}

function extent(u8: Uint8Array, off: number, len: number, wireLen: number): Extent {
  const view = new DataView(u8.buffer, u8.byteOffset, u8.byteLength);
  const end = Math.min(off + len, u8.byteLength);
  return { view, off, end, len: Math.max(wireLen, end - off), partial: false };
}

function frame(x: Extent, verbose: boolean, nesting: number): string {
  if (held(x) < ETH_HLEN) return `${cut('ether')} length ${x.len}`;
  const { view, off } = x;
  const type = ethernetType(view, off);
  const layer = afterType(within(x, ETH_HLEN), type, verbose);
  const head = verbose ? `${macs(view, off)}, ${typeName(type)}, length ${x.len}: ` : '';
  if (layer.innerFrame === undefined) return head + layer.text;
  const inner = nesting === 0 ? '…' : frame(layer.innerFrame, verbose, nesting - 1);
  return `${head}${layer.text} | ${inner}`;
}

const macs = (view: DataView, off: number): string =>
  `${formatMac(ethernetSrcHi(view, off), ethernetSrcLo(view, off))} > ` +
  `${formatMac(ethernetDstHi(view, off), ethernetDstLo(view, off))}`;

function typeName(type: number): string {
  if (type < ETHERTYPE_MIN) return '802.3';
  return `ethertype ${ETHERTYPE_NAMES.get(type) ?? 'Unknown'} (${hex(type)})`;
}

/** What stands behind the Ethernet type: tags first, then the payload. */
function afterType(x: Extent, type: number, verbose: boolean): Layer {
  let tags = '';
  for (let n = 0; dot1qIsTpid(type); n++) {
    if (held(x) < DOT1Q_LEN) return { text: `${tags}vlan ${cut('vlan')}` };
    if (n === TAGS_MAX) return { text: `${tags}more tags, length ${x.len}` };
    // dot1q.ts reads a tag relative to the frame's start: its TCI is what `x` begins with, 14 bytes behind
    const tagged = x.off - ETH_HLEN;
    const pcp = dot1qPcp(x.view, tagged);
    tags += `vlan ${dot1qVid(x.view, tagged)}${pcp === 0 ? '' : `, p ${pcp}`}, `;
    type = dot1qInnerType(x.view, tagged);
    x = within(x, DOT1Q_LEN);
  }
  const layer = payload(x, type, verbose);
  return tags === '' ? layer : { ...layer, text: tags + layer.text };
}

function payload(x: Extent, type: number, verbose: boolean): Layer {
  switch (type) {
    case ETHERTYPE_IPV4:
      return formatIp4(x, verbose);
    case ETHERTYPE_IPV6:
      return formatIp6(x, verbose);
    case ETHERTYPE_ARP:
    case ETHERTYPE_RARP:
      return { text: arp(x) };
    case ETHERTYPE_SLOW:
      return { text: slow(x) };
    default:
      if (type < ETHERTYPE_MIN) return { text: llc(within(x, 0, type)) };
      return { text: `${ETHERTYPE_NAMES.get(type) ?? `ethertype ${hex(type)}`}, length ${x.len}` };
  }
}

/** ARP and RARP, told apart by the operation as RFC 903 does. */
function arp(x: Extent): string {
  const { view, off } = x;
  if (held(x) < ARP_LEN) return `ARP ${cut('arp')}`;
  if (arpCheck(view, off, held(x)) < 0) return `ARP, not for IPv4 over Ethernet, length ${x.len}`;
  const op = arpOp(view, off);
  const senderMac = formatMac(arpSenderMacHi(view, off), arpSenderMacLo(view, off));
  const targetMac = formatMac(arpTargetMacHi(view, off), arpTargetMacLo(view, off));
  const sender = formatIpv4(arpSenderIp(view, off));
  const target = formatIpv4(arpTargetIp(view, off));
  switch (op) {
    case ARP_REQUEST:
      if (arpSenderIp(view, off) === 0) return `ARP, Probe ${target} by ${senderMac}`;
      if (sender === target) return `ARP, Announcement ${sender} is-at ${senderMac}`;
      return `ARP, Request who-has ${target} tell ${sender} (${senderMac})`;
    case ARP_REPLY:
      return `ARP, Reply ${sender} is-at ${senderMac}`;
    case RARP_REQUEST:
      return `RARP, Request who-is ${targetMac} tell ${senderMac}`;
    case RARP_REPLY:
      return `RARP, Reply ${targetMac} at ${target}`;
    default:
      return `ARP, operation ${op}, ${sender} (${senderMac}) to ${target}`;
  }
}

/** Subtypes of the slow protocols (IEEE 802.3 annex 57A.3). */
function slow(x: Extent): string {
  const subtype = held(x) < 1 ? 0 : x.view.getUint8(x.off);
  const name =
    subtype === 1 ? 'LACP' : subtype === 2 ? 'Marker' : subtype === 3 ? 'OAM' : `subtype ${subtype}`;
  return `Slow Protocols, ${name}, length ${x.len}`;
}

/** Cisco's protocols under SNAP with OUI 00:00:0c. */
const CISCO_SNAP: ReadonlyMap<number, string> = new Map([
  [0x0104, 'PortChannel PAgP'],
  [0x010b, 'STP, PVST+'],
  [0x0111, 'UDLD'],
  [0x2000, 'CDP'],
  [0x2003, 'VTP'],
  [0x2004, 'DTP'],
]);

/** 802.3 with LLC (IEEE 802.2): DSAP, SSAP, control; SNAP puts an OUI and a type behind. */
function llc(x: Extent): string {
  const { view, off } = x;
  if (held(x) < 3) return `LLC ${cut('llc')}`;
  const saps = view.getUint16(off);
  if (saps === 0x4242) return stp(within(x, 3));
  if (saps === 0xaaaa && held(x) >= 8) {
    const oui = view.getUint32(off + 2) & 0xff_ffff;
    const type = view.getUint16(off + 6);
    const cisco = oui === 0x00000c ? CISCO_SNAP.get(type) : undefined;
    return `${cisco ?? `SNAP, oui ${hex(oui, 6)}, type ${hex(type)}`}, length ${x.len}`;
  }
  if (saps === 0xfefe) return `IS-IS, length ${x.len}`;
  return `LLC, dsap ${hex(saps >>> 8, 2)}, ssap ${hex(saps & 0xff, 2)}, length ${x.len}`;
}

/** BPDU: protocol identifier, version, type (IEEE 802.1D §9.3); in a configuration the root and the bridge follow. */
function stp(x: Extent): string {
  const { view, off } = x;
  if (held(x) < 4) return `STP ${cut('stp')}`;
  const version = view.getUint8(off + 2);
  const name =
    version === 0 ? '802.1d' : version === 2 ? '802.1w' : version === 3 ? '802.1s' : `version ${version}`;
  const type = view.getUint8(off + 3);
  if (type === 0x80) return `STP ${name}, Topology Change`;
  const kind = type === 0 ? 'Config' : type === 2 ? 'Rapid' : `type ${hex(type, 2)}`;
  if (held(x) < 13) return `STP ${name}, ${kind} ${cut('stp')}`;
  const root = `${hex(view.getUint16(off + 5))}.${formatMac(view.getUint16(off + 7), view.getUint32(off + 9))}`;
  return `STP ${name}, ${kind}, root ${root}, length ${x.len}`;
}
