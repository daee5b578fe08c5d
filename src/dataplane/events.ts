// Events: what the data plane tells the control plane, a few a second at most. Each (kind, subject) is told at most once in
// REPEAT_MS; the counters count every packet all the same.

import { RateLimit } from './rate-limit.ts';

export const EVENT_KINDS = [
  'vm-unknown',
  'vm-ip-seen',
  'gateway-claim',
  'target-mac-leak',
  'stale-gateway',
  'asymmetric-inbound',
  'mac-moved',
  'source-gateway-learned',
  'neighbor-changed',
  'neighbor-failed',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface DataplaneEvent {
  readonly kind: EventKind;
  readonly atMs: number;
  readonly iface: number;
  /** NetworkId, -1 where there is none. */
  readonly network: number;
  readonly macHi: number;
  readonly macLo: number;
  /** IPv4 address as u32, 0 = none. */
  readonly ip: number;
}

const REPEAT_MS = 1000;
/** Subjects that are remembered; two that share a slot may be told more often than once in REPEAT_MS. A power of two. */
const SLOTS = 4096;
/** Most events a second, whatever VMs do: main is not to be kept busy by made-up MACs. */
const MAX_PER_SECOND = 1000;

/** Tells a few things often enough. A repetition costs a hash and some comparisons: nodes may call it for every packet. */
export class EventSink {
  readonly #emit: (event: DataplaneEvent) => void;
  readonly #limit = new RateLimit(1);
  readonly #kind = new Array<EventKind | ''>(SLOTS).fill('');
  readonly #network = new Int32Array(SLOTS);
  readonly #macHi = new Uint32Array(SLOTS);
  readonly #macLo = new Uint32Array(SLOTS);
  readonly #ip = new Uint32Array(SLOTS);
  readonly #lastMs = new Float64Array(SLOTS);
  /** Events that were not told because there were too many. */
  suppressed = 0;

  constructor(emit: (event: DataplaneEvent) => void) {
    this.#emit = emit;
  }

  /**
   * Tells about (kind, network, MAC, IP) unless it did so within the last second. Returns false when it would have told, and
   * there were too many events: the caller may try again with the next packet.
   */
  tell(
    kind: EventKind,
    atMs: number,
    iface: number,
    network: number,
    macHi: number,
    macLo: number,
    ip: number,
  ): boolean {
    const h = Math.imul(Math.imul(macLo ^ ip, 0x9e3779b1) ^ (macHi + network), 0x85ebca6b);
    const s = (h ^ (h >>> 15) ^ EVENT_KINDS.indexOf(kind)) & (SLOTS - 1);
    if (
      this.#kind[s] === kind &&
      this.#macLo[s] === macLo &&
      this.#macHi[s] === macHi &&
      this.#ip[s] === ip &&
      this.#network[s] === network &&
      atMs - this.#lastMs[s] < REPEAT_MS
    ) {
      return true;
    }
    if (!this.#limit.take(0, MAX_PER_SECOND, atMs)) {
      this.suppressed++;
      return false;
    }
    this.#kind[s] = kind;
    this.#network[s] = network;
    this.#macHi[s] = macHi;
    this.#macLo[s] = macLo;
    this.#ip[s] = ip;
    this.#lastMs[s] = atMs;
    this.#emit({ kind, atMs, iface, network, macHi, macLo, ip });
    return true;
  }
}
