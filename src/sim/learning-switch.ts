// The switch of the source site: a learning bridge (IEEE 802.1D) whose ports are cables. One of them may be the near end of
// the L2 extension; the bridge makes no difference.

import type { Timers } from '../base/timers.ts';
import { ethernetIsGroup } from '../wire/ethernet.ts';
import { viewOf } from './frames.ts';
import type { LinkEnd } from './link.ts';

/** IEEE 802.1D's recommended ageing time. */
export const AGEING_MS = 300_000;

interface Learned {
  port: LinkEnd;
  seenMs: number;
}

export class LearningSwitch {
  readonly #timers: Timers;
  readonly #ports: LinkEnd[] = [];
  /** MAC as a 48-bit number → where it was last seen. */
  readonly #fdb = new Map<number, Learned>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  plug(end: LinkEnd): void {
    this.#ports.push(end);
    end.receive = (frame) => this.#receive(frame, end);
    end.carrier = (up) => {
      if (!up) this.#flush(end);
    };
  }

  #receive(frame: Uint8Array, from: LinkEnd): void {
    const view = viewOf(frame);
    if (!ethernetIsGroup(view, 6)) {
      this.#fdb.set(macAt(view, 6), { port: from, seenMs: this.#timers.nowMs() });
    }
    const to = ethernetIsGroup(view, 0) ? undefined : this.#portOf(macAt(view, 0));
    if (to === from) return;
    if (to !== undefined) to.send(frame);
    else for (const port of this.#ports) if (port !== from) port.send(frame);
  }

  /** Port at which a MAC was last seen; undefined when it is not known, or too old. */
  #portOf(mac: number): LinkEnd | undefined {
    const learned = this.#fdb.get(mac);
    if (learned === undefined || this.#timers.nowMs() - learned.seenMs > AGEING_MS) return undefined;
    return learned.port;
  }

  #flush(port: LinkEnd): void {
    for (const [mac, learned] of this.#fdb) if (learned.port === port) this.#fdb.delete(mac);
  }
}

const macAt = (view: DataView, off: number): number =>
  view.getUint16(off) * 2 ** 32 + view.getUint32(off + 2);
