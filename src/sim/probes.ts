// What a person sends to look at a network: ping, and UDP probes with a small TTL as traceroute sends them. Each starts at
// once and is `done` after a while of virtual time; and `watchEchoes` counts a conversation's echoes on a cable.

import type { Timers } from '../base/timers.ts';
import { ETHERTYPE_IPV4, ethernetType } from '../wire/ethernet.ts';
import {
  ICMP4_ECHO_REPLY,
  ICMP4_ECHO_REQUEST,
  ICMP4_HLEN,
  icmp4EchoId,
  icmp4EchoSeq,
  icmp4IsError,
  icmp4Type,
} from '../wire/icmpv4.ts';
import {
  IPPROTO_ICMP,
  IPPROTO_UDP,
  IPV4_HLEN,
  ipv4Check,
  ipv4Dst,
  ipv4HeaderLen,
  ipv4Protocol,
  ipv4Src,
} from '../wire/ipv4.ts';
import { udpDstPort, udpSrcPort } from '../wire/udp.ts';
import { echoRequest, L3, udpPacket, viewOf } from './frames.ts';
import type { IpNode } from './ip-node.ts';
import type { Link } from './link.ts';

/** First destination port of traceroute's probes: nobody listens there. */
const TRACEROUTE_PORT = 33_434;

export interface Ping {
  /** Round-trip times in the order of arrival, ms. */
  readonly rttMs: readonly number[];
  readonly done: boolean;
}

export interface PingOptions {
  readonly timers: Timers;
  readonly node: IpNode;
  readonly src: number;
  readonly dst: number;
  readonly count: number;
  readonly intervalMs: number;
  /** How long to wait for the last reply. */
  readonly timeoutMs: number;
  /** Identifier of the echoes: another one for each ping of a node. */
  readonly id: number;
}

export function startPing(options: PingOptions): Ping {
  const { timers, node, src, dst, count, intervalMs, timeoutMs, id } = options;
  const sentMs = new Map<number, number>();
  const rttMs: number[] = [];
  const ping = { rttMs, done: false };
  const end = (): void => {
    ping.done = true;
    node.icmp.delete(receive);
  };
  const receive = (packet: Uint8Array): void => {
    const view = viewOf(packet);
    const at = L3 + ipv4HeaderLen(view, L3);
    if (icmp4Type(view, at) !== ICMP4_ECHO_REPLY || icmp4EchoId(view, at) !== id) return;
    const seq = icmp4EchoSeq(view, at);
    const since = sentMs.get(seq);
    if (since === undefined) return; // a second reply to one request is none
    sentMs.delete(seq);
    rttMs.push(timers.nowMs() - since);
    if (rttMs.length === count) end();
  };
  node.icmp.add(receive);
  for (let seq = 0; seq < count; seq++) {
    timers.after(seq * intervalMs, () => {
      sentMs.set(seq, timers.nowMs());
      node.send(echoRequest({ src, dst }, id, seq));
    });
  }
  timers.after((count - 1) * intervalMs + timeoutMs, end);
  return ping;
}

export interface Probe {
  /** Who answered, as u32; undefined when nobody did. */
  readonly answer: number | undefined;
  readonly done: boolean;
}

export interface ProbeOptions {
  readonly timers: Timers;
  readonly node: IpNode;
  readonly src: number;
  readonly dst: number;
  readonly ttl: number;
  readonly timeoutMs: number;
}

/** Sends one UDP datagram with a small TTL: a router on the way, or the destination, answers with an ICMP error. */
export function startProbe({ timers, node, src, dst, ttl, timeoutMs }: ProbeOptions): Probe {
  const port = TRACEROUTE_PORT + ttl;
  const probe: { answer: number | undefined; done: boolean } = { answer: undefined, done: false };
  const end = (): void => {
    probe.done = true;
    node.icmp.delete(receive);
  };
  const receive = (packet: Uint8Array): void => {
    const view = viewOf(packet);
    const at = L3 + ipv4HeaderLen(view, L3);
    const quoted = at + ICMP4_HLEN;
    const quotedUdp = quoted + IPV4_HLEN;
    if (!icmp4IsError(icmp4Type(view, at)) || packet.length < quotedUdp + 8) return;
    if (ipv4Protocol(view, quoted) !== IPPROTO_UDP || ipv4Dst(view, quoted) !== dst) return;
    if (udpSrcPort(view, quotedUdp) !== port || udpDstPort(view, quotedUdp) !== port) return;
    probe.answer = ipv4Src(view, L3);
    end();
  };
  node.icmp.add(receive);
  node.send(udpPacket({ src, dst, ttl }, port, port, new Uint8Array(32)));
  timers.after(timeoutMs, end);
  return probe;
}

export interface EchoCounts {
  requests: number;
  replies: number;
  /** Counts no further. */
  stop(): void;
}

/** Counts the echoes between two addresses that are put on a cable, in either direction. */
export function watchEchoes(link: Link, a: number, b: number): EchoCounts {
  const counts = { requests: 0, replies: 0, stop: () => {} };
  counts.stop = link.watch((frame) => {
    const view = viewOf(frame);
    if (ethernetType(view, 0) !== ETHERTYPE_IPV4 || ipv4Check(view, L3, frame.length - L3) < 0) return;
    const [src, dst] = [ipv4Src(view, L3), ipv4Dst(view, L3)];
    const between = (src === a && dst === b) || (src === b && dst === a);
    if (!between || ipv4Protocol(view, L3) !== IPPROTO_ICMP) return;
    const type = icmp4Type(view, L3 + ipv4HeaderLen(view, L3));
    if (type === ICMP4_ECHO_REQUEST) counts.requests++;
    else if (type === ICMP4_ECHO_REPLY) counts.replies++;
  });
  return counts;
}
