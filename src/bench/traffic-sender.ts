// The generator of `bench wire` with a capture as its load (traffic.ts): each frame when it is due, or as fast as it goes, and again
// from the start when the capture ends. It spins, and sends what is due with one sendmmsg.
//
//   capture's time ÷ speed → due → up to 32 frames a call;  every millisecond, besides, a probe of 64 bytes with its time of sending
//
// The frames of a capture have no room for a time, so latency and contents are checked by the probes.

import { MessageVector } from '../ports/message-vector.ts';
import type { Native, NativeMemory } from '../ports/native.ts';
import { sizeClass, type Traffic } from './traffic.ts';
import { TrafficPacer } from './traffic-pacer.ts';
import { emitFrame, FRAME_MIN, type WireMode } from './wire-frame.ts';

const BATCH = 32;
const PROBE_EVERY_MS = 1;
/** In a long trial there are so many: half of what the sink's ring holds. */
const PROBES = 8000;
/** What a trial has sent of a capture; probes do not count. */
export interface TrafficSent {
  /** Frames that the system took, and frames that it refused: offered, and lost at the entrance of the device under test. */
  readonly frames: number;
  readonly refused: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Offered frames of each of SIZE_CLASSES. */
  readonly bySize: readonly number[];
  /** How far it fell behind its pace, ms. */
  readonly behindMs: number;
}

export class TrafficSender {
  readonly #fd: number;
  readonly #traffic: Traffic;
  readonly #messages: MessageVector;
  readonly #probe: MessageVector;
  readonly #stamp: () => void;
  /** The frames, which messages point to by address alone: held here, or the collector takes them. */
  readonly frames: NativeMemory;

  /** @param stamp writes the time into the frame at the beginning of `probe` */
  constructor(
    native: Native,
    fd: number,
    traffic: Traffic,
    mode: WireMode,
    probe: NativeMemory,
    stamp: () => void,
  ) {
    const { bytes, offsets, lengths } = traffic;
    this.#fd = fd;
    this.#traffic = traffic;
    this.#stamp = stamp;
    this.frames = native.alloc(bytes.length);
    this.frames.u8.set(bytes);
    this.#messages = new MessageVector(native, offsets.length, 1, false);
    offsets.forEach((off, i) => {
      this.#messages.set(i, 0, this.frames.address + off, lengths[i]);
    });
    emitFrame(probe.view, 0, FRAME_MIN, 0, { mode, flows: 1, routes: 1 });
    this.#probe = new MessageVector(native, 1, 1, false);
    this.#probe.set(0, 0, probe.address, FRAME_MIN);
  }

  /**
   * Sends for `seconds`; blocks the thread all the while.
   * @param speed how much faster than captured; 0 for as fast as it goes
   */
  send(speed: number, seconds: number): TrafficSent {
    const { atMs, lengths, summary } = this.#traffic;
    const count = lengths.length;
    const messages = this.#messages;
    const fd = this.#fd;
    let frames = 0;
    let refused = 0;
    const started = performance.now();
    const end = started + seconds * 1000;
    const pacer = new TrafficPacer(atMs, speed, started);
    const probeEveryMs = Math.max(PROBE_EVERY_MS, (seconds * 1000) / PROBES);
    let nextProbe = started;
    let now = started;
    for (; now < end; now = performance.now()) {
      if (now >= nextProbe) {
        nextProbe = now + probeEveryMs;
        this.#stamp();
        this.#probe.send(fd, 0, 1);
      }
      const { at } = pacer;
      const to = pacer.due(now, BATCH);
      if (to === at) continue;
      const n = messages.send(fd, at, to);
      if (n > 0) frames += n;
      else refused++;
      pacer.advance(Math.max(1, n));
    }
    const bySize = summary.bySize.map((n) => n * pacer.passes);
    let bytes = summary.meanBytes * count * pacer.passes;
    for (let i = 0; i < pacer.at; i++) {
      bySize[sizeClass(lengths[i])]++;
      bytes += lengths[i];
    }
    return { frames, refused, seconds: (now - started) / 1000, bytes, bySize, behindMs: pacer.behindMs };
  }
}
