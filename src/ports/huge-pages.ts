// Huge pages for memory that is read at random: with pages of 4 KiB most reads of a table of 32 MiB also miss the TLB.
//
// Measured on a virtual machine, DIR-24-8 of a full table: 1.1 to 1.2 times as many lookups a second in C; in our loops 0.9 to
// 1.4 times, within the noise of that machine, so measure before you ask. Linux gives them
// by itself only where its administrator says so ("always" in /sys/kernel/mm/transparent_hugepage/enabled); usually they must be
// asked for. What is asked for becomes resident by pieces of 2 MiB, so this is for memory that is used whole.

import { NearhopError } from '../base/errors.ts';
import { loadNative, type Native } from './native.ts';
import { PAGE } from './slab-pages.ts';

/**
 * Asks for huge pages for the buffer, which gets them where it is written for the first time after that. Returns whether the
 * kernel heard: false without FFI, without huge pages in the kernel, and of a buffer without a whole page. Nothing depends on it.
 */
export function adviseHugePages(buffer: SharedArrayBuffer): boolean {
  let native: Native;
  try {
    native = loadNative();
  } catch (error) {
    if (error instanceof NearhopError && error.code === 'native-unavailable') return false;
    throw error;
  }
  const start = native.addressOf(new Uint8Array(buffer));
  const from = Math.ceil(start / PAGE) * PAGE;
  const bytes = Math.floor((start + buffer.byteLength) / PAGE) * PAGE - from;
  return bytes > 0 && native.adviseHuge(from, bytes) === 0;
}
