// The ARP cache of one interface of a simulated node (RFC 826): a packet asks for a MAC and waits if there is none, what
// neighbors say of themselves updates the cache, and what was not confirmed for a while is asked for again.
//
// An entry's life: asked for by broadcast → confirmed → after 30 s old: still used, and probed by unicast → confirmed again,
// or gone. Times are Linux's (base_reachable_time, delay_first_probe_time, retrans_time).

import { formatMac, type Mac } from '../addr/mac.ts';
import type { Timer, Timers } from '../base/timers.ts';
import {
  ARP_REPLY,
  ARP_REQUEST,
  arpCheck,
  arpOp,
  arpSenderIp,
  arpSenderMacHi,
  arpSenderMacLo,
  arpTargetIp,
} from '../wire/arp.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { arpFrame, BROADCAST, viewOf } from './frames.ts';

export const REACHABLE_MS = 30_000;
export const DELAY_PROBE_MS = 5_000;
export const RETRANS_MS = 1_000;
/** Requests before a neighbor counts as absent. */
export const MAX_REQUESTS = 3;
/** Packets that wait for one neighbor; the oldest goes first when there are more. */
const MAX_WAITING = 16;

interface Entry {
  /** undefined while nobody has answered. */
  mac: Mac | undefined;
  confirmedMs: number;
  /** Unanswered requests. */
  asked: number;
  timer: Timer | undefined;
  waiting: Uint8Array[];
}

export interface ArpCacheOptions {
  readonly timers: Timers;
  readonly ip: number;
  readonly mac: Mac;
  /** Puts an ARP frame on the wire. */
  readonly transmit: (frame: Uint8Array) => void;
  /** Sends a packet that waited, now that its neighbor is known. */
  readonly release: (packet: Uint8Array, mac: Mac) => void;
  /** A packet whose neighbor did not answer. */
  readonly failed: (packet: Uint8Array) => void;
}

export class ArpCache {
  readonly #options: ArpCacheOptions;
  readonly #entries = new Map<number, Entry>();

  constructor(options: ArpCacheOptions) {
    this.#options = options;
  }

  /** MAC in the cache as text, `none` when there is none. */
  lookup(ip: number): string {
    const mac = this.#entries.get(ip)?.mac;
    return mac === undefined ? 'none' : formatMac(mac.hi, mac.lo);
  }

  /** Sends `packet` to the neighbor at once, or as soon as it has answered. */
  send(ip: number, packet: Uint8Array): void {
    const entry = this.#entries.get(ip);
    if (entry?.mac !== undefined) {
      const ageMs = this.#options.timers.nowMs() - entry.confirmedMs;
      if (ageMs > REACHABLE_MS && entry.timer === undefined) {
        entry.timer = this.#options.timers.after(DELAY_PROBE_MS, () => this.#ask(ip, entry));
      }
      this.#options.release(packet, entry.mac);
      return;
    }
    if (entry !== undefined) {
      if (entry.waiting.push(packet) > MAX_WAITING) entry.waiting.shift();
      return;
    }
    const fresh: Entry = { mac: undefined, confirmedMs: 0, asked: 0, timer: undefined, waiting: [packet] };
    this.#entries.set(ip, fresh);
    this.#ask(ip, fresh);
  }

  /** Takes an ARP frame: RFC 826 "Packet Reception". */
  receive(frame: Uint8Array): void {
    const view = viewOf(frame);
    if (arpCheck(view, ETH_HLEN, frame.length - ETH_HLEN) < 0) return;
    const { ip, mac, transmit } = this.#options;
    const senderIp = arpSenderIp(view, ETH_HLEN);
    const sender = { hi: arpSenderMacHi(view, ETH_HLEN), lo: arpSenderMacLo(view, ETH_HLEN) };
    // Our own announcement come back, or somebody with our address: we keep it (RFC 5227 §2.4 c), and learn nothing.
    if (senderIp === ip) return;
    const asksMe = arpTargetIp(view, ETH_HLEN) === ip && arpOp(view, ETH_HLEN) === ARP_REQUEST;
    // A probe has no sender address, and nothing to learn from (RFC 5227 §2.1.1). An answer that nobody asked for makes no
    // entry, as with Linux; RFC 826 would make one.
    if (senderIp !== 0 && (asksMe || this.#entries.has(senderIp))) this.#confirm(senderIp, sender);
    if (!asksMe) return;
    transmit(
      arpFrame({ op: ARP_REPLY, sender: mac, senderIp: ip, target: sender, targetIp: senderIp, to: sender }),
    );
  }

  /** Says to everybody where this interface's address is (RFC 5227 §2.3). */
  announce(): void {
    const { ip, mac, transmit } = this.#options;
    transmit(arpFrame({ op: ARP_REQUEST, sender: mac, senderIp: ip, targetIp: ip, to: BROADCAST }));
  }

  /** Forgets everything, as a node does that boots. */
  clear(): void {
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    this.#entries.clear();
  }

  #confirm(ip: number, mac: Mac): void {
    const entry = this.#entries.get(ip) ?? { mac, confirmedMs: 0, asked: 0, timer: undefined, waiting: [] };
    this.#entries.set(ip, entry);
    entry.timer?.cancel();
    entry.timer = undefined;
    entry.mac = mac;
    entry.asked = 0;
    entry.confirmedMs = this.#options.timers.nowMs();
    for (const packet of entry.waiting.splice(0)) this.#options.release(packet, mac);
  }

  /** Asks once more, or gives up: by broadcast where nothing is known, by unicast where something is. */
  #ask(ip: number, entry: Entry): void {
    const { timers, mac, transmit, failed } = this.#options;
    if (entry.asked === MAX_REQUESTS) {
      this.#entries.delete(ip);
      for (const packet of entry.waiting) failed(packet);
      return;
    }
    entry.asked++;
    entry.timer = timers.after(RETRANS_MS, () => this.#ask(ip, entry));
    const to = entry.mac ?? BROADCAST;
    transmit(arpFrame({ op: ARP_REQUEST, sender: mac, senderIp: this.#options.ip, targetIp: ip, to }));
  }
}
