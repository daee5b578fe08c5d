// What happened, for people: the last events, and whoever follows them.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import type { Clock } from '../base/clock.ts';
import type { DataplaneEvent, EventKind } from '../dataplane/events.ts';
import type { InterfaceTable } from '../tables/interface-table.ts';
import type { NetworkTable } from '../tables/network-table.ts';
import type { EventRow } from './api.ts';

const KEPT = 1000;

/** The sentence for each event of the data plane. */
const TEXT: Readonly<Record<EventKind, string>> = {
  'vm-unknown': 'a VM at the target that the inventory does not know; it stays on the source gateway',
  'vm-ip-seen': 'an IP of a VM was seen that was not reported for it',
  'gateway-claim': "a VM sent with the gateway's MAC or IP; its packet was dropped",
  'target-mac-leak': "the target gateway's MAC came out of the extension",
  'stale-gateway': "a local VM still sends to the source gateway's MAC",
  'asymmetric-inbound': 'the source gateway delivered to a local VM: its /32 is not learned there',
  'mac-moved': 'a MAC moved to another interface',
  'source-gateway-learned': "the source gateway's MAC was learned from the extension",
  'neighbor-changed': 'a neighbor answered with another MAC than before',
  'neighbor-failed': 'a neighbor does not answer',
};

export class EventLog {
  readonly #rows: EventRow[] = [];
  readonly #listeners = new Set<(row: EventRow) => void>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The last events, oldest first. */
  get rows(): readonly EventRow[] {
    return this.#rows;
  }

  /** Calls back for each new event until the returned function is called. */
  follow(listener: (row: EventRow) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds an event; what is not given is null. */
  add(event: Pick<EventRow, 'kind' | 'text' | 'source'> & Partial<EventRow>): void {
    const row: EventRow = {
      at: new Date(this.#clock.wallMs()).toISOString(),
      network: null,
      interface: null,
      vm: null,
      mac: null,
      address: null,
      ...event,
    };
    this.#rows.push(row);
    if (this.#rows.length > KEPT) this.#rows.shift();
    for (const listener of this.#listeners) listener(row);
  }

  /** Adds an event of the data plane; `vm` is the name of the VM that it is about. */
  addDataplane(
    event: DataplaneEvent,
    interfaces: InterfaceTable,
    networks: NetworkTable,
    vm: string | null,
  ): void {
    const hasMac = event.macHi !== 0 || event.macLo !== 0;
    this.add({
      kind: event.kind,
      text: TEXT[event.kind],
      source: 'dataplane',
      network: networks.names[event.network] ?? null,
      interface: interfaces.names[event.iface] ?? null,
      vm,
      mac: hasMac ? formatMac(event.macHi, event.macLo) : null,
      address: event.ip === 0 ? null : formatIpv4(event.ip),
    });
  }
}
