// What a data-plane worker sleeps in: one poll(2) over the file descriptors of all its ports and one eventfd, by which another
// thread wakes it (`wakeFd`, a plain number that crosses to a worker in its start data).
//
// A worker never sleeps longer than a second, since a thread inside poll() holds up `terminate()` and the process's exit: it
// is stopped by a flag in shared memory and a wake.

import { loadNative, type Native, type NativeMemory } from './native.ts';
import { check } from './system-error.ts';

const POLLIN = 1;
const POLLFD_BYTES = 8;
const MAX_SLEEP_MS = 1000;
/** A descriptor that reports an error and no data is left out for so many sleeps, so that it does not keep us awake. */
const MUTED_SLEEPS = 16;
const MUTED_SLEEP_MS = 10;

/** Makes an eventfd for `wake`; the caller closes it with `closeWakeFd` when nobody polls it any more. */
export function createWakeFd(): number {
  return check(loadNative().eventfd(), 'make an eventfd');
}

export function closeWakeFd(fd: number): void {
  loadNative().close(fd);
}

/** Makes a function that wakes the poller of `wakeFd`, from any thread; a wake while it is awake ends its next sleep. */
export function createWaker(wakeFd: number): () => void {
  const native = loadNative();
  const one = native.alloc(8);
  one.u32[0] = 1;
  return () => {
    native.write(wakeFd, one.address, 8); // fails only when the counter is full, and then a wake is pending
  };
}

export interface Poller {
  /**
   * Sleeps until a descriptor has data, somebody wakes it, or `timeoutMs` passes (cut to 0..1000, whole milliseconds).
   * Returns how many descriptors have something; a wake alone counts as 0.
   */
  wait(timeoutMs: number): number;
  close(): void;
}

/** Makes a poller over `fds`; negative ones are passed over. `wakeFd` stays the caller's. */
export function createPoller(fds: readonly number[], wakeFd: number): Poller {
  return new PortPoller(fds, wakeFd);
}

class PortPoller implements Poller {
  readonly #native: Native;
  readonly #fds: readonly number[];
  readonly #wakeFd: number;
  /** struct pollfd[]: fd i32, events i16, revents i16; the wake fd is the last. */
  readonly #poll: NativeMemory;
  readonly #count: NativeMemory;
  readonly #muted: Uint8Array;
  #anyMuted = false;
  #closed = false;

  constructor(fds: readonly number[], wakeFd: number) {
    const native = loadNative();
    this.#native = native;
    this.#fds = fds.filter((fd) => fd >= 0);
    this.#wakeFd = wakeFd;
    this.#poll = native.alloc((this.#fds.length + 1) * POLLFD_BYTES);
    this.#count = native.alloc(8);
    this.#muted = new Uint8Array(this.#fds.length);
    [...this.#fds, wakeFd].forEach((fd, i) => {
      this.#poll.u32[i * 2] = fd;
      this.#poll.u16[i * 4 + 2] = POLLIN;
    });
  }

  wait(timeoutMs: number): number {
    if (this.#closed) return 0;
    const { u16, u32, address } = this.#poll;
    const n = this.#fds.length;
    let sleepMs = Math.max(0, Math.min(MAX_SLEEP_MS, Math.ceil(timeoutMs)));
    if (this.#anyMuted) {
      sleepMs = Math.min(sleepMs, MUTED_SLEEP_MS);
      this.#unmute();
    }
    if (this.#native.poll(address, n + 1, sleepMs) <= 0) return 0;
    if (u16[n * 4 + 3] !== 0) this.#native.read(this.#wakeFd, this.#count.address, 8);
    let ready = 0;
    for (let i = 0; i < n; i++) {
      const revents = u16[i * 4 + 3];
      if ((revents & POLLIN) !== 0) ready++;
      else if (revents !== 0) {
        this.#muted[i] = MUTED_SLEEPS;
        this.#anyMuted = true;
        u32[i * 2] = 0xffff_ffff; // poll() passes over a negative descriptor
      }
    }
    return ready;
  }

  close(): void {
    this.#closed = true;
  }

  #unmute(): void {
    this.#anyMuted = false;
    for (let i = 0; i < this.#muted.length; i++) {
      if (this.#muted[i] === 0) continue;
      if (--this.#muted[i] === 0) this.#poll.u32[i * 2] = this.#fds[i];
      else this.#anyMuted = true;
    }
  }
}
