// The sending end of a simulated TCP flow: handshake, data at a rate, retransmission and congestion control as in RFC 9293,
// RFC 6298 and RFC 5681 (without fast recovery), and a FIN. No options, one stream, nothing comes back but acknowledgements.
//
// Places in the stream are plain numbers here: 0 is the SYN, 1 the first byte of data, and the last one the FIN.

import type { Timer, Timers } from '../base/timers.ts';
import { IPPROTO_TCP } from '../wire/ipv4.ts';
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } from '../wire/tcp.ts';
import type { IpNode } from './ip-node.ts';
import { readSegment, segment } from './tcp-segment.ts';

const MSS = 1460;
const WINDOW = 65_535;
const INITIAL_CWND = 10 * MSS; // RFC 6928 §2
const INITIAL_RTO_MS = 1000;
/** Linux's TCP_RTO_MIN, where RFC 6298 says a second. */
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 60_000;
/** Time-outs in a row after which the flow has failed: 12 s and more. */
const MAX_TIMEOUTS = 6;
/** How often the program that sends writes. */
const WRITE_MS = 10;

export interface TcpSenderOptions {
  readonly timers: Timers;
  readonly node: IpNode;
  readonly src: number;
  readonly dst: number;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly iss: number;
  readonly bytesPerSecond: number;
  readonly durationMs: number;
}

export class TcpSender {
  state: 'open' | 'done' | 'failed' = 'open';
  /** Segments sent again. */
  retransmits = 0;
  readonly #options: TcpSenderOptions;
  readonly #release: () => void;
  readonly #total: number;
  #ackOfPeer = 0;
  #una = 0;
  #next = 0;
  /** Highest place that was ever sent: what is sent below it is sent again. */
  #sent = 0;
  #written = 1;
  #startMs = 0;
  #cwnd = INITIAL_CWND;
  #ssthresh = WINDOW;
  #duplicates = 0;
  #timeouts = 0;
  #timer: Timer | undefined;
  #rtoMs = INITIAL_RTO_MS;
  #srttMs = 0;
  #rttvarMs = 0;
  /** The one segment whose round trip is being timed: none that was sent twice (Karn, RFC 6298 §3). */
  #timed: { readonly end: number; readonly atMs: number } | undefined;

  constructor(options: TcpSenderOptions) {
    this.#options = options;
    this.#total = Math.round((options.bytesPerSecond * options.durationMs) / 1000);
    this.#release = options.node.bind(IPPROTO_TCP, options.srcPort, (packet) => this.#receive(packet));
    this.#transmit();
  }

  #receive(packet: Uint8Array): void {
    const got = readSegment(packet);
    if (got === undefined || this.state !== 'open') return;
    if ((got.flags & TCP_RST) !== 0) {
      this.#end('failed');
      return;
    }
    if ((got.flags & TCP_ACK) === 0) return;
    if ((got.flags & TCP_SYN) !== 0 && this.#una === 0) this.#established(got.seq);
    // Serial arithmetic brings the 32-bit number back to a place of the stream (RFC 9293 §3.4).
    const acked = this.#una + ((got.ack - this.#wire(this.#una)) | 0);
    if (acked > this.#una && acked <= this.#sent) this.#advance(acked);
    else if (acked === this.#una && this.#sent > this.#una) this.#duplicate();
    if (this.#una > this.#fin) {
      if ((got.flags & TCP_FIN) !== 0) this.#ackOfPeer = (got.seq + 1) >>> 0;
      this.#emit(this.#una, 0, TCP_ACK);
      this.#end('done');
    } else this.#transmit();
  }

  #established(peerSeq: number): void {
    this.#ackOfPeer = (peerSeq + 1) >>> 0;
    this.#startMs = this.#options.timers.nowMs();
    this.#write();
  }

  /** The program writes what its rate gives, and goes on until it has written everything. */
  #write(): void {
    const { timers, bytesPerSecond } = this.#options;
    if (this.state !== 'open') return;
    const due = Math.floor(((timers.nowMs() - this.#startMs + WRITE_MS) * bytesPerSecond) / 1000);
    this.#written = 1 + Math.min(this.#total, due);
    if (this.#una > 0) this.#transmit();
    if (this.#written < this.#fin) timers.after(WRITE_MS, () => this.#write());
  }

  #advance(acked: number): void {
    if (this.#timed !== undefined && acked >= this.#timed.end) {
      this.#measure(this.#options.timers.nowMs() - this.#timed.atMs);
      this.#timed = undefined;
    }
    this.#una = acked;
    this.#next = Math.max(this.#next, acked);
    this.#duplicates = 0;
    this.#timeouts = 0;
    this.#cwnd += this.#cwnd < this.#ssthresh ? MSS : Math.ceil((MSS * MSS) / this.#cwnd);
    this.#arm();
  }

  /** Three duplicates say that a segment is missing (RFC 5681 §3.2). */
  #duplicate(): void {
    if (++this.#duplicates !== 3) return;
    this.#ssthresh = Math.max((this.#sent - this.#una) >> 1, 2 * MSS);
    this.#cwnd = this.#ssthresh;
    this.#timed = undefined;
    const next = this.#next;
    this.#next = this.#una;
    this.#sendOne();
    this.#next = Math.max(next, this.#next);
  }

  /** Everything since the last acknowledgement counts as lost, and the path as congested (RFC 5681 §3.1). */
  #timeout(): void {
    this.#timer = undefined;
    if (++this.#timeouts > MAX_TIMEOUTS) {
      this.#end('failed');
      return;
    }
    this.#ssthresh = Math.max((this.#sent - this.#una) >> 1, 2 * MSS);
    this.#cwnd = MSS;
    this.#rtoMs = Math.min(MAX_RTO_MS, this.#rtoMs * 2);
    this.#next = this.#una;
    this.#timed = undefined;
    this.#duplicates = 0;
    this.#transmit();
  }

  /** RFC 6298 §2. */
  #measure(rttMs: number): void {
    if (this.#srttMs === 0) {
      this.#srttMs = rttMs;
      this.#rttvarMs = rttMs / 2;
    } else {
      this.#rttvarMs = 0.75 * this.#rttvarMs + 0.25 * Math.abs(this.#srttMs - rttMs);
      this.#srttMs = 0.875 * this.#srttMs + 0.125 * rttMs;
    }
    this.#rtoMs = Math.max(MIN_RTO_MS, this.#srttMs + 4 * this.#rttvarMs);
  }

  /** Sends what is written and what the windows let go. */
  #transmit(): void {
    const window = Math.min(WINDOW, this.#cwnd);
    while (this.#next <= this.#limit && this.#next - this.#una < window) this.#sendOne();
    if (this.#timer === undefined) this.#arm();
  }

  /** Last place that may be sent now: the SYN before the handshake, the FIN when all is written. */
  get #limit(): number {
    if (this.#una === 0) return 0;
    return this.#written === this.#fin ? this.#fin : this.#written - 1;
  }

  get #fin(): number {
    return this.#total + 1;
  }

  #sendOne(): void {
    const at = this.#next;
    const len = at === 0 ? 0 : Math.min(MSS, this.#written - at);
    const flags = at === 0 ? TCP_SYN : len === 0 ? TCP_FIN | TCP_ACK : TCP_PSH | TCP_ACK;
    this.#next = at + Math.max(1, len);
    if (at < this.#sent) this.retransmits++;
    else this.#timed ??= { end: this.#next, atMs: this.#options.timers.nowMs() };
    this.#sent = Math.max(this.#sent, this.#next);
    this.#emit(at, len, flags);
  }

  #emit(at: number, len: number, flags: number): void {
    const { node, src, dst, srcPort, dstPort } = this.#options;
    const tcp = { srcPort, dstPort, seq: this.#wire(at), ack: this.#ackOfPeer, flags, window: WINDOW };
    node.send(segment({ src, dst }, tcp, at - 1, len));
  }

  #wire(at: number): number {
    return (this.#options.iss + at) >>> 0;
  }

  /** Starts the retransmission timer anew, or stops it when nothing is on the way (RFC 6298 §5). */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer =
      this.#sent > this.#una ? this.#options.timers.after(this.#rtoMs, () => this.#timeout()) : undefined;
  }

  #end(state: 'done' | 'failed'): void {
    this.state = state;
    this.#timer?.cancel();
    this.#release();
  }
}
