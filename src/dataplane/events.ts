// Events: what the data plane tells the control plane, a few a second at most. Each (kind, subject) is told at most once in
// REPEAT_MS; the counters count every packet all the same.

export type EventKind =
  | 'vm-unknown'
  | 'vm-ip-seen'
  | 'gateway-claim'
  | 'target-mac-leak'
  | 'stale-gateway'
  | 'asymmetric-inbound'
  | 'mac-moved'
  | 'source-gateway-learned'
  | 'neighbor-changed'
  | 'neighbor-failed';

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
const MAX_KEPT = 4096;

export class EventSink {
  readonly #emit: (event: DataplaneEvent) => void;
  readonly #last = new Map<string, number>();

  constructor(emit: (event: DataplaneEvent) => void) {
    this.#emit = emit;
  }

  /** Tells about (kind, mac, ip) unless it did so within the last second. */
  tell(
    kind: EventKind,
    atMs: number,
    iface: number,
    network: number,
    macHi: number,
    macLo: number,
    ip: number,
  ): void {
    const key = `${kind}/${network}/${macHi}/${macLo}/${ip}`;
    const last = this.#last.get(key);
    if (last !== undefined && atMs - last < REPEAT_MS) return;
    if (this.#last.size >= MAX_KEPT) this.#last.clear();
    this.#last.set(key, atMs);
    this.#emit({ kind, atMs, iface, network, macHi, macLo, ip });
  }
}
