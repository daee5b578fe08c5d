// The generator of `bench wire`: sends frames that are written beforehand, at a rate or as fast as it goes, and spins for the
// whole trial. It runs in a process of its own on a CPU of its own.
//
// Frames are sent in batches by sendmmsg past the queueing discipline; each message is the frame's first 60 bytes, and zeros
// that all frames share. A part of the batches has the time of sending in its first frame.

import { NearhopError } from '../base/errors.ts';
import { openCapture } from '../pcap/open-capture.ts';
import { MessageVector } from '../ports/message-vector.ts';
import { loadNative, type Native, type NativeMemory } from '../ports/native.ts';
import { bindTo, openPacketSocket, setOption, setPacketOption } from './packet-socket.ts';
import { loadTraffic, type TrafficSummary } from './traffic.ts';
import { TrafficSender } from './traffic-sender.ts';
import {
  emitFrame,
  FRAME_MAX,
  FRAME_MIN,
  type FrameSize,
  frameBytes,
  STAMP_AT,
  type WireMode,
} from './wire-frame.ts';

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const PACKET_QDISC_BYPASS = 20;
const SEND_BUFFER_BYTES = 8 << 20;
const CLOCK_REALTIME = 0;
const BATCH = 32;
/** So many batches the generator sends at once after it was held up. */
const ARREARS = 2;
const STRIDE = 64;
/** So many templates at least, so that one flow is no single hot line either. */
const LEAST_FRAMES = 1024;
/** Frames with a time of sending in one trial, about: half of what the sink's ring holds. */
const STAMPS = 8000;
/** Most frames a second that any generator of this kind has reached; spaces the stamps of a flood. */
const FLOOD_PPS = 2_000_000;

/** What a trial shall send. */
export interface Load {
  readonly mode: WireMode;
  readonly size: FrameSize;
  readonly flows: number;
  readonly routes: number;
  /** Frames a second; 0 for as many as go. */
  readonly pps: number;
  readonly seconds: number;
  /** A capture that is sent instead; then `size`, `flows`, `routes` and `pps` do not count. */
  readonly traffic?: {
    readonly path: string;
    /** How much faster than captured; 0 for as fast as it goes. */
    readonly speed: number;
  };
}

/** What a trial has sent. */
export interface Sent {
  /** Frames that the system took. */
  readonly frames: number;
  /** Frames that it refused: offered, and lost at the entrance of the device under test. */
  readonly refused: number;
  readonly seconds: number;
  /** Mean bytes of a frame, without FCS. */
  readonly meanBytes: number;
  /** Of a capture: offered frames of each size (SIZE_CLASSES). */
  readonly bySize?: readonly number[];
  /** Of a capture: how far the generator fell behind its pace, ms. */
  readonly behindMs?: number;
}

interface Frames {
  readonly key: string;
  readonly count: number;
  readonly bytes: NativeMemory;
  readonly messages: MessageVector;
  readonly meanBytes: number;
}

export class Generator {
  readonly #native: Native;
  readonly #fd: number;
  readonly #zeros: NativeMemory;
  readonly #now: NativeMemory;
  #frames: Frames | undefined;
  #traffic:
    | { readonly path: string; readonly summary: TrafficSummary; readonly sender: TrafficSender }
    | undefined;

  /** Opens `device` in the namespace of this process. */
  constructor(device: string) {
    const native = loadNative();
    this.#native = native;
    this.#fd = openPacketSocket(native);
    setPacketOption(native, this.#fd, PACKET_QDISC_BYPASS, 1);
    setOption(native, this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
    bindTo(native, this.#fd, device, false);
    this.#zeros = native.alloc(FRAME_MAX);
    this.#now = native.alloc(16);
  }

  /**
   * Writes the frames of a load, if they are not there yet: before the trial, since a million takes a second. Says what a
   * capture has. Throws `capture-…` errors.
   */
  prepare(load: Load): TrafficSummary | undefined {
    if (load.traffic === undefined) return void this.#prepareFrames(load);
    const { path } = load.traffic;
    if (this.#traffic?.path !== path) {
      this.#frames = undefined;
      const reader = openCapture(path);
      try {
        const traffic = loadTraffic(reader, load.mode);
        if (traffic.summary.frames === 0) throw nothingToSend(path, traffic.summary);
        const probe = this.#native.alloc(STRIDE);
        const stamp = (): void => this.#stamp(probe, STAMP_AT);
        const sender = new TrafficSender(this.#native, this.#fd, traffic, load.mode, probe, stamp);
        this.#traffic = { path, summary: traffic.summary, sender };
      } finally {
        reader.close();
      }
    }
    return this.#traffic.summary;
  }

  #prepareFrames({ mode, size, flows, routes }: Load): void {
    const load = { mode, flows, routes };
    const key = `${mode} ${size} ${flows} ${routes}`;
    if (this.#frames?.key === key) return;
    this.#frames = undefined; // the old ones go before the new ones come
    const count = Math.ceil(Math.max(flows, LEAST_FRAMES) / BATCH) * BATCH;
    const bytes = this.#native.alloc(count * STRIDE);
    const messages = new MessageVector(this.#native, count, 2, false);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const len = frameBytes(size, i);
      emitFrame(bytes.view, i * STRIDE, len, i, load);
      messages.set(i, 0, bytes.address + i * STRIDE, FRAME_MIN);
      messages.set(i, 1, this.#zeros.address, len - FRAME_MIN);
      messages.shape(i, len > FRAME_MIN ? 2 : 1, 0);
      sum += len;
    }
    this.#frames = { key, count, bytes, messages, meanBytes: sum / count };
  }

  /** Sends for `load.seconds`; blocks the thread all the while. */
  send(load: Load): Sent {
    this.prepare(load);
    if (load.traffic !== undefined && this.#traffic !== undefined) {
      const { bytes, ...sent } = this.#traffic.sender.send(load.traffic.speed, load.seconds);
      return { ...sent, meanBytes: bytes / (sent.frames + sent.refused) };
    }
    const { count, bytes, messages, meanBytes } = this.#frames as Frames;
    const { pps, seconds } = load;
    const batch = pps === 0 || pps >= 200_000 ? BATCH : pps < 20_000 ? 1 : 8;
    const msPerFrame = pps === 0 ? 0 : 1000 / pps;
    const batches = ((pps === 0 ? FLOOD_PPS : pps) * seconds) / batch;
    const stampEvery = Math.max(1, Math.ceil(batches / STAMPS));
    const fd = this.#fd;
    let frames = 0;
    let refused = 0;
    let at = 0;
    let untilStamp = 1;
    const started = performance.now();
    const end = started + seconds * 1000;
    let now = started;
    let due = started;
    const arrearsMs = ARREARS * batch * msPerFrame;
    for (; now < end; now = performance.now()) {
      if (msPerFrame > 0) {
        const late = now - due;
        if (late < 0) continue;
        // Held up itself, it goes on at its rate: what it would make up for in a burst, no device would have to take.
        if (late > arrearsMs) due = now - arrearsMs;
        due += batch * msPerFrame;
      }
      const stamped = --untilStamp === 0;
      if (stamped) {
        untilStamp = stampEvery;
        this.#stamp(bytes, at * STRIDE + STAMP_AT);
      }
      const n = messages.send(fd, at, at + batch);
      if (stamped) this.#unstamp(bytes, at * STRIDE + STAMP_AT);
      if (n < 0) {
        refused++;
        at++;
      } else {
        frames += n;
        at += n;
      }
      if (at + batch > count) at = 0;
    }
    return { frames, refused, seconds: (now - started) / 1000, meanBytes };
  }

  /** Writes the time into a frame: seconds and nanoseconds, both u32. */
  #stamp(bytes: NativeMemory, off: number): void {
    this.#native.clockGettime(CLOCK_REALTIME, this.#now.address);
    bytes.view.setUint32(off, this.#now.u32[0], true);
    bytes.view.setUint32(off + 4, this.#now.u32[2], true);
  }

  #unstamp(bytes: NativeMemory, off: number): void {
    bytes.view.setUint32(off, 0);
    bytes.view.setUint32(off + 4, 0);
  }
}

function nothingToSend(path: string, { leftOut }: TrafficSummary): NearhopError {
  const why = Object.entries(leftOut).map(([reason, n]) => `${reason} (${n})`);
  return new NearhopError(
    'bench-traffic-empty',
    `${path}: no frame of it can go through the device under test${why.length > 0 ? `: ${why.join(', ')}` : ''}`,
    { hint: 'nearhop bench wire --help says which frames are left out' },
  );
}
