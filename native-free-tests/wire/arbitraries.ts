// Field values for properties of the codecs.

import fc from 'fast-check';

export const u8 = fc.integer({ min: 0, max: 0xff });
export const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** Distance of a header from the start of its memory: odd ones too, as nothing promises alignment. */
export const offset = fc.integer({ min: 0, max: 9 });
export const payload = fc.uint8Array({ maxLength: 96 });
