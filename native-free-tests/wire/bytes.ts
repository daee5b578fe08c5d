// Bytes for codec tests. Emitted headers go into memory full of 0xa5, so that a field that was not written shows; headers under
// test end where the memory ends, so that a read beyond them throws.

export interface Bytes {
  readonly u8: Uint8Array;
  readonly view: DataView;
}

export const DIRT = 0xa5;

export function dirty(len: number): Bytes {
  const u8 = new Uint8Array(len).fill(DIRT);
  return { u8, view: new DataView(u8.buffer) };
}

/** Bytes of a hex dump; blanks and line ends do not matter. */
export function fromHex(text: string): Bytes {
  const digits = text.replace(/\s+/g, '');
  const u8 = Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
  return { u8, view: new DataView(u8.buffer) };
}

export const toHex = (u8: Uint8Array): string => Buffer.from(u8).toString('hex');

export function fromBytes(bytes: Uint8Array): Bytes {
  const u8 = Uint8Array.from(bytes);
  return { u8, view: new DataView(u8.buffer) };
}
