// Whole pages of the slab, for memory that the kernel maps or pins: the slab itself need not start at a page (malloc puts it
// 16 bytes behind one).

import type { Slab } from '../base/slab.ts';
import type { Native } from './native.ts';

export const PAGE = 4096;

/** Pages reserved for the life of the slab. */
export interface SlabPages {
  /** Offset of the first byte in the slab. */
  readonly off: number;
  /** Address of the first byte, a multiple of the page. */
  readonly address: number;
  /** A multiple of the page. */
  readonly bytes: number;
}

/** Reserves at least `bytes` bytes. Throws `slab-full`. */
export function reservePages(native: Native, slab: Slab, bytes: number): SlabPages {
  const whole = Math.ceil(bytes / PAGE) * PAGE;
  const base = native.addressOf(slab.u8);
  const reserved = slab.reserve(whole + PAGE);
  const off = reserved + ((PAGE - ((base + reserved) % PAGE)) % PAGE);
  return { off, address: base + off, bytes: whole };
}
