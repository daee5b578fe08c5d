// Numbers of the Ethernet II header (IEEE 802.3 §3.2), and nothing else: the loops in AssemblyScript read this file too.

/** Bytes of destination, source and type. */
export const ETH_HLEN = 14;
/** Smallest frame without FCS; shorter ones are padded by the sender (IEEE 802.3 §4.2.3.3). */
export const ETH_ZLEN = 60;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_RARP = 0x8035;
/** Tag protocol identifier of a C-tag (IEEE 802.1Q §9.5). */
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
/** Slow protocols: LACP, marker (IEEE 802.3 annex 57A). */
export const ETHERTYPE_SLOW = 0x8809;
export const ETHERTYPE_MPLS = 0x8847;
export const ETHERTYPE_PPPOE_DISCOVERY = 0x8863;
export const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** Tag protocol identifier of an S-tag (IEEE 802.1Q §9.5, formerly 802.1ad). */
export const ETHERTYPE_QINQ = 0x88a8;
export const ETHERTYPE_LLDP = 0x88cc;
/** From here on the field is a type; up to 1500 it is the length of an 802.3 frame with LLC (IEEE 802.3 §3.2.6). */
export const ETHERTYPE_MIN = 0x0600;
