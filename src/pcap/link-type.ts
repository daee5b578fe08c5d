// Link types of captures (https://www.tcpdump.org/linktypes.html): only Ethernet can be replayed, the others by name.

export const LINKTYPE_ETHERNET = 1;

const RAW_IP = 'capture on an Ethernet interface; this one had no Ethernet headers (a tunnel, most likely)';
const COOKED = 'capture on one interface (tcpdump -i eth0), not on `any`, which replaces the Ethernet header';
const OTHER = 'capture on an Ethernet interface';

const LINK_TYPES: Readonly<Record<number, readonly [name: string, hint: string]>> = {
  0: ['BSD loopback (NULL)', OTHER],
  9: ['PPP', OTHER],
  12: ['raw IP', RAW_IP],
  14: ['raw IP', RAW_IP],
  50: ['PPP in HDLC framing', OTHER],
  51: ['PPPoE', OTHER],
  101: ['raw IP (RAW)', RAW_IP],
  104: ['Cisco HDLC', OTHER],
  105: ['IEEE 802.11', OTHER],
  108: ['OpenBSD loopback (LOOP)', OTHER],
  113: ['Linux cooked (SLL)', COOKED],
  127: ['IEEE 802.11 with radiotap', OTHER],
  189: ['Linux USB', OTHER],
  220: ['Linux USB', OTHER],
  228: ['raw IPv4', RAW_IP],
  229: ['raw IPv6', RAW_IP],
  239: ['Linux netfilter log', OTHER],
  253: ['Linux netlink', OTHER],
  276: ['Linux cooked v2 (SLL2)', COOKED],
};

/** Name of a link type and what its owner can do, in words. */
export function describeLinkType(linkType: number): readonly [name: string, hint: string] {
  const [name, hint] = LINK_TYPES[linkType] ?? ['unknown', OTHER];
  return [`${name}, link type ${linkType}`, hint];
}
