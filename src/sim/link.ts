// A cable of the in-process lab: two ends, a delay, and faults on purpose. A frame's way: `send` at one end, watchers count
// it, it travels for the delay, and the other end's `receive` gets it; a cable that is down loses what is on it.

import type { Timers } from '../base/timers.ts';

/** Where a device is plugged in. The device sets the two functions, the link calls them. */
export interface LinkEnd {
  readonly link: Link;
  /** Gets each frame that arrives; it must not change the bytes, which watchers may keep. */
  receive: (frame: Uint8Array) => void;
  /** Told when the cable goes up or down. */
  carrier: (up: boolean) => void;
  /** Puts a frame on the cable; the bytes belong to the link from then on. */
  send(frame: Uint8Array): void;
}

/** Sees each frame as it is put on the cable, and from which end. */
export type LinkWatcher = (frame: Uint8Array, from: LinkEnd) => void;

export interface LinkOptions {
  readonly timers: Timers;
  /** One way, ms of virtual time. */
  readonly delayMs: number;
  /** Seeded numbers in [0, 1): jitter and loss come from here. */
  readonly random: () => number;
  /** Share of the frames that is lost, 0 to 1. */
  readonly loss?: number;
}

/** Most that jitter adds to a delay, as its share. */
const JITTER = 0.05;

export class Link {
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  readonly #options: LinkOptions;
  readonly #watchers = new Set<LinkWatcher>();
  #up = true;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.a = this.#end(() => this.b);
    this.b = this.#end(() => this.a);
  }

  get up(): boolean {
    return this.#up;
  }

  /** Plugs the cable in or pulls it out; both ends are told. */
  set(up: boolean): void {
    if (up === this.#up) return;
    this.#up = up;
    this.a.carrier(up);
    this.b.carrier(up);
  }

  /** Shows every frame to `watcher` until the function that comes back is called. */
  watch(watcher: LinkWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #end(other: () => LinkEnd): LinkEnd {
    const { timers, delayMs, random, loss = 0 } = this.#options;
    let lastMs = 0;
    /** What is on the cable. The oldest arrives first, whatever jitter and the rounding of times say. */
    const travelling: Uint8Array[] = [];
    const end: LinkEnd = {
      link: this,
      receive: () => {},
      carrier: () => {},
      send: (frame) => {
        if (!this.#up) return;
        for (const watcher of this.#watchers) watcher(frame, end);
        if (random() < loss) return;
        travelling.push(frame);
        lastMs = Math.max(lastMs, timers.nowMs() + delayMs * (1 + JITTER * random()));
        timers.after(lastMs - timers.nowMs(), () => {
          const oldest = travelling.shift();
          if (this.#up && oldest !== undefined) other().receive(oldest);
        });
      },
    };
    return end;
  }
}
