// What goes into the loops over records and comes out of them: bytes in the slab, by both compilers. Plain numbers.

/** Bytes of a record's header: seconds, fraction, captured and original length. */
export const RECORD_LEN = 16;
/** Times of 64 bits: nanoseconds first, then seconds. */
export const STATE_LATEST = 0;
export const STATE_LIMIT = 8;
export const STATE_NOW = 16;
/** A place in the slab, and bytes of frames; 32 bits. */
export const STATE_PLACE = 24;
export const STATE_BYTES = 28;
export const STATE_LEN = 32;
