// The slab: one piece of shared memory in which every frame of a data plane lives.
//
// A port reserves its receive buffers here once, at its start. A native port maps the kernel's ring over its reservation
// (MAP_FIXED), so a frame is read, rewritten and sent where the kernel wrote it, and all nodes use the same two views.

import { assert, NearhopError } from './errors.ts';

/** Free bytes in front of every frame: room for VXLAN over IPv4 with a VLAN tag (54) and the virtio-net header (10). */
export const HEADROOM = 128;
/** Largest frame the data plane carries: a 64 KiB GSO frame with its Ethernet and VLAN headers. */
export const FRAME_MAX = 65536 + 64;
/**
 * Bytes from the start of any frame, however short, that may be read: a flow's ports lie at most 78 behind it. The last ones of the
 * slab are never reserved.
 */
export const READ_AHEAD = 128;
const PAGE = 4096;
const WASM_PAGE = 65536;

export class Slab {
  /** For WebAssembly, whose loops run over frames too. */
  readonly memory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly u8: Uint8Array;
  /** Network byte order is DataView's default: `view.getUint16(off)` reads big-endian. */
  readonly view: DataView;
  /** The same bytes as 32-bit words in the machine's order, for sums. */
  readonly i32: Int32Array;
  #top = PAGE; // offset 0 stays unused, so that 0 can mean "none"

  /** @param bytes size of the address range, in steps of 64 KiB; pages are taken from the system only when touched. */
  constructor(bytes = 256 << 20) {
    this.memory = wasmMemory(bytes);
    this.buffer = this.memory.buffer;
    this.u8 = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.i32 = new Int32Array(this.buffer);
  }

  /** Reserves `bytes` for the life of the slab; returns their offset, a multiple of `align` (a power of two). */
  reserve(bytes: number, align = 64): number {
    assert((align & (align - 1)) === 0, 'alignment is a power of two');
    const off = (this.#top + align - 1) & -align;
    const left = this.u8.length - READ_AHEAD - off;
    if (bytes > left) {
      throw new NearhopError(
        'slab-full',
        `packet memory is used up: ${bytes} bytes wanted, ${left} of ${this.u8.length} left`,
        { hint: "raise gateway.packetMemoryMiB, or lower the ports' rxSlots" },
      );
    }
    this.#top = off + bytes;
    return off;
  }
}

function wasmMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new NearhopError('packet-memory-unavailable', `${bytes} bytes of packet memory cannot be had`, {
      hint: 'Node reserves 10 GiB of addresses for it, of which it uses what it touches: raise the limit of address space (ulimit -v)',
      cause,
    });
  }
}
