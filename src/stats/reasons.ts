// Every reason why a packet ends in this gateway, or is worth counting on its way. One closed list: a row gives the index
// that nodes use, the name that counters, traces and `--json` show, the sentence for the operator, and the rule behind it.
//
//   drop     the packet ends here and nobody gets it
//   consume  the packet ends here because it was for the gateway itself (or its host), and was dealt with
//   note     the packet goes on; something about it is counted

export type ReasonClass = 'drop' | 'consume' | 'note';

export interface ReasonRow {
  readonly cls: ReasonClass;
  /** Source of the rule: a claim of the paper (S1 to S30), "I" for our own ruling, or an RFC and section. */
  readonly rule: string;
  /** What an operator reads: what happened, not what to blame. */
  readonly text: string;
}

const drop = (rule: string, text: string): ReasonRow => ({ cls: 'drop', rule, text });
const consume = (rule: string, text: string): ReasonRow => ({ cls: 'consume', rule, text });
const note = (rule: string, text: string): ReasonRow => ({ cls: 'note', rule, text });

const ROWS = {
  none: note('I', 'no reason given'),
  // ethernet
  runt: drop('IEEE 802.3', 'frame shorter than an Ethernet header'),
  'vlan-unknown': drop('IEEE 802.1Q', 'no interface of the port has this VLAN'),
  'source-mac-invalid': drop('IEEE 802.3', 'source MAC is a group address or zero'),
  'not-for-us': drop('RFC 1812 §5.2.1', 'unicast frame to another MAC on a routed interface'),
  'ethertype-unsupported': drop('I', 'EtherType that a routed interface does not handle'),
  'multicast-routed': drop('I', 'multicast or broadcast that a routed interface does not handle'),
  'interface-down': drop('I', 'interface is administratively down or its port is gone'),
  'no-buffer': drop('I', 'packet memory of the round was used up'),
  'handover-full': drop('I', 'a worker had no room to hand the packet to the one that decides on it'),
  // bridging
  'link-local-group': drop('IEEE 802.1Q §8.6.3', 'BPDU, LLDP or another frame that no bridge forwards'),
  'fhrp-hello': drop('I', 'HSRP or VRRP hello, which never crosses the extension'),
  'gateway-claim': drop('I', "a VM sent with the gateway's MAC or IP"),
  'target-mac-from-extension': drop(
    'I',
    "a frame from or to the target gateway's MAC came out of the extension",
  ),
  'pinned-to-target-gateway': drop(
    'S19',
    "a VM that is still on the source gateway sent to the target gateway's MAC",
  ),
  'stale-gateway-intercepted': note('I', "a local VM sent to the source gateway's MAC; routed here instead"),
  'stale-gateway-bridged': note('I', "a local VM sent to the source gateway's MAC; bridged there by policy"),
  'stale-gateway-dropped': drop('I', "a local VM sent to the source gateway's MAC; dropped by policy"),
  'asymmetric-inbound': note(
    'S14',
    'the source gateway delivered to a local VM: its /32 is not learned there',
  ),
  'asymmetric-dropped': drop('S14', 'the source gateway delivered to a local VM; dropped by policy'),
  'split-horizon': drop('I', 'destination is behind the port that the frame came from'),
  'extension-oversize': drop('I', "frame larger than the extension's MTU"),
  'extension-down': drop('I', 'the network has no extension, and the frame may only go there'),
  'flood-limited': drop('I', 'rate limit for broadcast, unknown unicast and multicast'),
  'flood-no-member': drop('I', 'nobody else in the network to flood to'),
  'bvi-egress-extension': drop(
    'I',
    "a routed packet for a VM that lies behind the extension; the gateway's MAC never enters it",
  ),
  'mss-clamped': note('I', 'TCP MSS option lowered to fit the extension'),
  // ARP
  'arp-malformed': drop('RFC 826', 'ARP packet that is short or not for IPv4 over Ethernet'),
  'arp-sender-invalid': drop(
    'RFC 826',
    "ARP sender MAC is a group address or differs from the frame's source",
  ),
  'arp-gateway-request-from-extension': drop(
    'S15',
    'a source VM asked for the gateway; only the source gateway answers',
  ),
  'arp-gateway-wrong-side': drop('S15', 'an ARP message of the source gateway for a VM that is not pinned'),
  'arp-gateway-answered': consume('S15', 'a local VM asked for the gateway; the target gateway answered'),
  'arp-gateway-to-pinned': consume(
    'S19',
    'an ARP message of the source gateway, passed to the pinned VMs only',
  ),
  'arp-gateway-proxied': consume(
    'S14',
    'the source gateway asked for a local VM; answered for the VM, so that its cache stays clean',
  ),
  'arp-answered': consume('RFC 826', 'ARP request for an address of a routed interface; answered'),
  'arp-learned': consume('RFC 826', 'ARP message that updated or confirmed a neighbor'),
  'arp-not-for-us': drop('RFC 826', 'ARP message about somebody else on a routed interface'),
  'arp-address-conflict': drop(
    'RFC 5227 §2.4',
    "another host on a routed interface sent with the interface's address",
  ),
  'arp-left-to-host': consume('I', "ARP message for an address that the host's own stack answers for"),
  // IPv4
  'ip4-truncated': drop('RFC 1812 §5.2.2', 'shorter than its IPv4 header or total length says'),
  'ip4-bad-version': drop('RFC 1812 §5.2.2', 'IP version is not 4, or the header length is below 20'),
  'ip4-bad-checksum': drop('RFC 1812 §5.2.2', 'IPv4 header checksum is wrong'),
  'ip4-martian-source': drop('RFC 1812 §5.3.7', 'source is a loopback, group, broadcast or zero address'),
  'ip4-martian-destination': drop('RFC 1812 §5.3.7', 'destination is a loopback, zero or link-local address'),
  'ip4-source-route': drop('RFC 7126 §4.3', 'loose or strict source route option'),
  'ip4-multicast': drop('I', 'IPv4 multicast or broadcast to the gateway: not routed'),
  'ip4-no-route': drop('RFC 1812 §5.3.1', 'no route to the destination'),
  'ip4-blackhole': drop('I', 'the best route is a blackhole'),
  'ip4-ttl-expired': drop('RFC 1812 §5.3.1', 'TTL ran out here'),
  'ip4-frag-needed': drop('RFC 1191', 'larger than the egress MTU with DF set'),
  'ip4-unfragmentable': drop(
    'RFC 791 §3.2',
    'larger than the egress MTU, and options or offload header make no sense of it',
  ),
  'ip4-fragmented': consume('RFC 791 §3.2', 'packet cut into fragments, which went on'),
  'ip4-to-host': consume('I', "packet for an address that the host's own stack has"),
  'ip4-local-unsupported': drop(
    'RFC 1122 §3.2.2.1',
    'packet to the gateway itself for a protocol or port it does not serve',
  ),
  'ip4-local-fragment': drop('I', 'fragment to the gateway itself'),
  'icmp-echo-answered': consume('RFC 1812 §4.3.3.6', 'ping to the gateway; answered'),
  'icmp-malformed': drop('RFC 792', 'ICMP message to the gateway with a bad length or checksum'),
  'icmp-ignored': consume('RFC 1122 §3.2.2', 'ICMP message to the gateway that asks for nothing'),
  'icmp-error-limited': note('RFC 1812 §4.3.2.8', 'an ICMP error was not sent: rate limit'),
  'icmp-error-suppressed': note(
    'RFC 1812 §4.3.2.7',
    'an ICMP error was not sent: the packet must not cause one',
  ),
  // neighbors
  'neighbor-queued': note('RFC 4861 §7.2.2', 'packet waits for its neighbor to be resolved'),
  'neighbor-queue-full': drop(
    'RFC 4861 §7.2.2',
    'pushed out of the queue of a neighbor that is being resolved',
  ),
  'neighbor-queue-oversize': drop('I', 'packet too large to wait for its neighbor'),
  'neighbor-unresolved': drop('RFC 1812 §3.3.2', 'the neighbor did not answer'),
  'neighbor-table-full': drop('I', 'no room for another neighbor'),
  'neighbor-changed': note('RFC 4861', 'a neighbor answered with another MAC than before'),
  // IPv6
  'ip6-not-routed': drop('I', 'IPv6 to the gateway: bridged networks pass it, routing it is not supported'),
  // egress
  'tx-failed': drop('I', 'the port could not send: its queue was full or the system refused'),
  'tx-oversize': drop('I', "frame larger than the egress port's MTU"),
  'offload-invalid': drop(
    'virtio 1.2 §5.1.6',
    "frame whose virtio header asks for a checksum or a cut that does not fit the frame's own headers",
  ),
  'port-unsuitable': drop('I', 'the egress port carries no frames of this kind'),
} as const satisfies Record<string, ReasonRow>;

export type ReasonName = keyof typeof ROWS;

export interface Reason extends ReasonRow {
  readonly index: number;
  readonly name: ReasonName;
}

/** All reasons; a reason's place in the list is its index. */
export const REASONS: readonly Reason[] = (Object.keys(ROWS) as ReasonName[]).map((name, index) => ({
  index,
  name,
  ...ROWS[name],
}));

/** Index of each reason by name, for nodes: `REASON['ip4-no-route']`. */
export const REASON = Object.freeze(
  Object.fromEntries(REASONS.map((r) => [r.name, r.index])) as Record<ReasonName, number>,
);
