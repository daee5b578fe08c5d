// The receiving end of a simulated TCP flow: accepts one connection, puts segments in order, acknowledges each, checks every
// byte, and closes when the sender does.

import type { Timers } from '../base/timers.ts';
import { IPPROTO_TCP, ipv4Src } from '../wire/ipv4.ts';
import { TCP_ACK, TCP_FIN, TCP_SYN, tcpSrcPort } from '../wire/tcp.ts';
import { L3, viewOf } from './frames.ts';
import type { IpNode } from './ip-node.ts';
import { isStream, type ReadSegment, readSegment, segment } from './tcp-segment.ts';

const INTERVAL_MS = 1000;
const WINDOW = 65_535;

export interface TcpReceiverOptions {
  readonly timers: Timers;
  readonly node: IpNode;
  readonly address: number;
  readonly port: number;
  readonly iss: number;
}

export class TcpReceiver {
  /** Bytes in order. */
  bytes = 0;
  /** Bytes that became readable in each second since the SYN. */
  readonly intervals: number[] = [];
  /** Segments whose contents were not the stream's, though their checksum was right. */
  wrong = 0;
  /** The sender's FIN has come in order. */
  closed = false;
  readonly #options: TcpReceiverOptions;
  readonly #release: () => void;
  /** Segments ahead of a gap: place → length. */
  readonly #ahead = new Map<number, number>();
  #startMs = 0;
  #irs = -1;
  /** Next place that is expected; 0 is the SYN. */
  #next = 0;
  #finAt = -1;

  constructor(options: TcpReceiverOptions) {
    this.#options = options;
    this.#release = options.node.bind(IPPROTO_TCP, options.port, (packet) => this.#receive(packet));
  }

  /** Listens no longer. */
  close(): void {
    this.#release();
  }

  #receive(packet: Uint8Array): void {
    const got = readSegment(packet);
    if (got === undefined) return;
    if ((got.flags & TCP_SYN) !== 0) {
      if (this.#irs < 0) {
        this.#irs = got.seq;
        this.#next = 1;
        this.#startMs = this.#options.timers.nowMs();
      }
      this.#answer(packet, TCP_SYN | TCP_ACK);
      return;
    }
    if (this.#irs < 0 || (got.payload.length === 0 && (got.flags & TCP_FIN) === 0)) return;
    this.#take(got);
    if (this.#next === this.#finAt) {
      this.closed = true;
      this.#next++;
    }
    this.#answer(packet, this.closed ? TCP_FIN | TCP_ACK : TCP_ACK);
  }

  #take(got: ReadSegment): void {
    const at = this.#next + ((got.seq - ((this.#irs + this.#next) >>> 0)) | 0);
    const len = got.payload.length;
    if ((got.flags & TCP_FIN) !== 0) this.#finAt = at + len;
    if (!isStream(got.payload, at - 1)) {
      this.wrong++;
      return;
    }
    if (at + len <= this.#next) return; // all of it is here already
    this.#ahead.set(at, Math.max(len, this.#ahead.get(at) ?? 0));
    const before = this.#next;
    for (let moved = true; moved; ) {
      moved = false;
      for (const [from, size] of this.#ahead) {
        if (from > this.#next) continue;
        this.#ahead.delete(from);
        this.#next = Math.max(this.#next, from + size);
        moved = true;
      }
    }
    this.#count(this.#next - before);
  }

  #count(bytes: number): void {
    this.bytes += bytes;
    const interval = Math.floor((this.#options.timers.nowMs() - this.#startMs) / INTERVAL_MS);
    while (this.intervals.length <= interval) this.intervals.push(0);
    this.intervals[interval] += bytes;
  }

  #answer(packet: Uint8Array, flags: number): void {
    const { node, address, port, iss } = this.#options;
    const view = viewOf(packet);
    const tcp = {
      srcPort: port,
      dstPort: tcpSrcPort(view, L3 + 20),
      seq: (flags & TCP_SYN) !== 0 ? iss : (iss + 1) >>> 0,
      ack: (this.#irs + this.#next) >>> 0,
      flags,
      window: WINDOW,
    };
    node.send(segment({ src: address, dst: ipv4Src(view, L3) }, tcp, 0, 0));
  }
}
